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
from central.errors import CentralError
from central.lookup.rules import Asker

KNOWN: Final[dict[str, str]] = {
    "nobody waits for this": N_("nobody waits for this any more"),
    "nobody approves what they asked themselves": N_("nobody approves what they asked themselves"),
    "only somebody of another unit": N_("only somebody of another unit may approve this"),
    "nobody reviews their own look-ups": N_("nobody reviews their own look-ups"),
}
"""Beginnings of what the register of look-ups says, and the sentence for it."""

SAY_MORE: Final = N_("write why, in a few words and without any ID number")


async def asker_of(centre: Centre, who: Who, request: Request) -> Asker:
    mine = await centre.questions.ask(lambda db: one_account(db, who.account))
    return Asker(who.account, who.role, mine.unit, who.communities, address_of(request))


def told(error: CentralError) -> str:
    """A sentence in English, to be translated."""
    text = str(error)
    return next((meant for begins, meant in KNOWN.items() if text.startswith(begins)), SAY_MORE)


def where_of(labels: Labels, parameters: str) -> list[str]:
    """Of a look-up's parameters what names a place, never a person: as the place is called."""
    said: dict[str, Any] = json.loads(parameters or "{}")
    return labels.place(said.get("site"), said.get("gateway"), said.get("door"))
