"""What an answer shows of a record: everything but who it was. Pure."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha256

from central.lookup.paging import Found
from central.lookup.words import Shown
from messages.site_settings import VISITOR

_ALIAS_BYTES = 4


@dataclass(frozen=True, slots=True)
class Masked:
    """`alias` is the same for the same holder or card within one look-up, and means nothing elsewhere; None
    where that is not known. `hidden`: what somebody may reveal of it."""

    id: int
    at_us: int
    site: str
    gateway: str
    door: str | None
    kind: str
    granted: bool | None
    direction: str | None
    reason: str | None
    category: str | None
    assurance: str | None
    clock: str
    credential: str | None
    alias: str | None
    hidden: tuple[Shown, ...]
    released_by: str | None = None


def masked(found: Found, look_up: bytes) -> Masked:
    """`look_up`: the hash of its row in the register."""
    return Masked(
        id=found.id,
        at_us=found.at_us,
        site=found.site,
        gateway=found.gateway,
        door=found.door,
        kind=found.kind,
        granted=found.granted,
        direction=found.direction,
        reason=found.reason,
        category=found.category,
        assurance=found.assurance,
        clock=found.clock,
        credential=found.credential,
        alias=_alias(found, look_up),
        hidden=hidden_of(found),
        released_by=found.released_by,
    )


def hidden_of(found: Found) -> tuple[Shown, ...]:
    """What of it is there to be revealed."""
    hidden = []
    if of_a_pass(found):
        hidden = [Shown.NAME, *([Shown.ID_NUMBER] if found.identity is not None else []), Shown.VISITED]
    elif found.holder is not None:
        hidden = [Shown.NAME, Shown.ID_NUMBER, Shown.HOME]
    elif found.identity is not None:
        hidden = [Shown.NAME, Shown.ID_NUMBER]
    return (*hidden, Shown.CARD) if found.token is not None else tuple(hidden)


def of_a_pass(found: Found) -> bool:
    """Whether its holder is a visitor's pass, and nobody of the register."""
    return found.holder is not None and found.category == VISITOR


def _alias(found: Found, look_up: bytes) -> str | None:
    whose = found.holder.encode() if found.holder is not None else found.token
    return None if whose is None else hmac.digest(look_up, whose, sha256)[:_ALIAS_BYTES].hex()
