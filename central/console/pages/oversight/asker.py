"""Who oversees, as the register of look-ups writes it down, and what may be wrong with a word of theirs."""

from __future__ import annotations

import json
from typing import Any, Final

from fastapi import Request

from central.accounts.book import one_account
from central.accounts.identify import address_of
from central.accounts.who import Who
from central.console.centre import Centre
from central.console.labels import Labels
from central.console.words import N_
from central.errors import BadQuestion, CentralError
from central.lookup.rules import HOLDS_AN_ID, Asker

KNOWN: Final[dict[str, str]] = {
    "nobody waits for this": N_("nobody waits for this any more"),
    "nobody approves what they asked themselves": N_("nobody approves what they asked themselves"),
    "only somebody of another unit": N_("only somebody of another unit may approve this"),
    "nobody reviews their own look-ups": N_("nobody reviews their own look-ups"),
}
"""Beginnings of what the register of look-ups says, and the sentence for it."""

SAY_MORE: Final = N_("Write why in 4 to 300 characters.")
NOT_SO: Final = N_("what is there does not allow it")
NO_NUMBER: Final = N_("Leave out what looks like somebody's ID number.")


async def asker_of(centre: Centre, who: Who, request: Request) -> Asker:
    mine = await centre.questions.ask(lambda db: one_account(db, who.account))
    return Asker(who.account, who.role, mine.unit, who.communities, address_of(request))


def told(error: CentralError) -> str:
    """A sentence in English, to be translated."""
    text = str(error)
    return next((meant for begins, meant in KNOWN.items() if text.startswith(begins)), NOT_SO)


def reason_fault(error: CentralError | None) -> str | None:
    """What is wrong with the reason that was typed, in English, to be translated; None: nothing is."""
    if not isinstance(error, BadQuestion):
        return None
    return NO_NUMBER if HOLDS_AN_ID in str(error) else SAY_MORE


def where_of(labels: Labels, parameters: str) -> list[str]:
    """Of a look-up's parameters what names a place, never a person: as the place is called."""
    said: dict[str, Any] = json.loads(parameters or "{}")
    return labels.place(said.get("site"), said.get("gateway"), said.get("door"))
