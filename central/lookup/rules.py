"""What a look-up must name, how far it may go alone, and when somebody else must agree. Pure.

Sources: trust.md R-64 (limits), R-87 (purposes), R-91 (what it must name), R-92 (a second person).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from central.errors import BadQuestion
from central.identity.periods import DAY_US
from central.identity.vault import normalised
from central.lookup.paging import Window
from central.lookup.words import Act, Asked, Basis, Purpose
from central.register.credential_forms import as_drivers_write, form_fault
from central.register.person_identity import JUDGED, number_fault
from central.register.words import DocumentType
from central.times import micros

ALONE_RECORDS: Final = 25
ALONE_DAYS: Final = 7
MOST_DAYS: Final = 30
HOUR_US: Final = 3_600_000_000
A_HOUR: Final = 20
A_DAY: Final = 60
REVIEW_WITHIN_US: Final = DAY_US
MOST_RAISED: Final = 500
MOST_HOLD_DAYS: Final = 180

OF_SOMEBODY: Final = frozenset({Asked.PERSON, Asked.CARD})
"""These name somebody by a number, which is never kept in the clear."""

OF_A_PLACE: Final = frozenset(set(Asked) - OF_SOMEBODY - {Asked.ROOM})

_CASE = re.compile(r"[\w()（）〔〕\[\]/.-]{4,40}")
_LIKE_AN_ID = re.compile(r"(?<![0-9A-Za-z])[0-9]{17}[0-9Xx](?![0-9A-Za-z])")
WHY_LEAST, WHY_MOST = 4, 300
"""Letters of a reason, blanks around it not counted."""

HOLDS_AN_ID: Final = "holds what looks like somebody's ID number; leave it out"


@dataclass(frozen=True, slots=True)
class Asker:
    """Who does something with look-ups; `unit`: their police room or office, None where none is known."""

    account: int
    role: str
    unit: str | None
    communities: frozenset[int]
    origin: str | None = None  # from which address


@dataclass(frozen=True, slots=True)
class Asking:
    """A question with what makes it lawful. `number` is an ID number or a card's; it is shown nowhere."""

    asked: Asked
    community: int
    purpose: Purpose
    basis: Basis
    case_number: str
    window: Window
    site: str | None = None
    gateway: str | None = None
    door: str | None = None
    room: int | None = None
    card_kind: str | None = None
    number: str | None = None
    document: DocumentType = DocumentType.RESIDENT_ID
    """Of which the number is, where a person is asked for."""
    emergency: str | None = None
    """Why it cannot wait for a second person."""

    def __repr__(self) -> str:
        return f"Asking({self.asked}, community {self.community})"


def window_between(from_us: int, until_us: int) -> Window:
    """For whoever makes a question: from, up to but without until, UTC microseconds."""
    return Window(from_us, until_us)


def moment_us(field: str, at: datetime) -> int:
    """UTC microseconds. Raises BadQuestion for a time without its offset from UTC."""
    try:
        return micros(at)
    except ValueError as error:
        raise BadQuestion(field, str(error)) from None


def checked(asking: Asking) -> None:
    """Raises BadQuestion for the first thing that is missing or out of bounds."""
    if not _CASE.fullmatch(asking.case_number) or _LIKE_AN_ID.search(asking.case_number):
        raise BadQuestion("case_number", "4 to 40 letters, digits and - . / ( ); and no ID number")
    if asking.window.until_us <= asking.window.from_us:
        raise BadQuestion("until", "lies not after `from`, or both lie in the future")
    if asking.window.until_us - asking.window.from_us > MOST_DAYS * DAY_US:
        raise BadQuestion("until", f"a window has at most {MOST_DAYS} days")
    for field in sorted(_needs(asking)):
        if getattr(asking, field) is None:
            raise BadQuestion(field, f"is needed to ask by {asking.asked}")
    for field in ("site", "gateway", "door", "room", "card_kind", "number"):
        if getattr(asking, field) is not None and field not in _may_have(asking):
            raise BadQuestion(field, f"says nothing where {asking.asked} is asked for")
    _check_number(asking)
    if asking.emergency is not None:
        checked_why(asking.emergency, "emergency")


def _check_number(asking: Asking) -> None:
    """A number that cannot be is a slip; an empty answer to it would look like one about somebody."""
    if asking.document is DocumentType.NONE:
        raise BadQuestion("document", "a number belongs to a document")
    if asking.number is None:
        return
    if asking.card_kind is not None:
        if card_fault := form_fault(asking.card_kind, as_drivers_write(asking.card_kind, asking.number)):
            raise BadQuestion("number", f"{card_fault}; write it as its reader does, or name its `card_kind`")
    elif asking.document in JUDGED and (
        fault := number_fault(asking.document, normalised("id_number", asking.number))
    ):
        raise BadQuestion("number", f"{fault}; write it as it stands there, or name its `document`")


def checked_why(text: str, field: str = "why") -> None:
    """Raises BadQuestion. Reasons are read by others: nobody's number stands in one."""
    if not WHY_LEAST <= len(text.strip()) <= WHY_MOST:
        raise BadQuestion(field, f"{WHY_LEAST} to {WHY_MOST} letters")
    if _LIKE_AN_ID.search(text):
        raise BadQuestion(field, HOLDS_AN_ID)


def why_wide(asking: Asking) -> list[str]:
    """Why the question needs a second person before anything is answered; none: it does not."""
    return list(_why_wide(asking))


def needs_approval(act: Act, *, emergency: bool) -> bool:
    """In an emergency the answer is given at once and reviewed; nothing leaves the house so."""
    return not (act is Act.WHOLE and emergency)


def _why_wide(asking: Asking) -> Iterator[str]:
    if asking.window.until_us - asking.window.from_us > ALONE_DAYS * DAY_US:
        yield f"more than {ALONE_DAYS} days"
    if asking.asked in OF_A_PLACE and asking.gateway is None:
        yield "several buildings"


def _needs(asking: Asking) -> set[str]:
    match asking.asked:
        case Asked.PERSON:
            return {"number"}
        case Asked.CARD:
            return {"number", "card_kind"}
        case Asked.ROOM:
            return {"room"}
        case Asked.DOOR:
            return {"site", "gateway", "door"}
        case Asked.BUILDING:
            return {"site", "gateway"}
    return {"site"}


def _may_have(asking: Asking) -> set[str]:
    if asking.asked in (Asked.SITE, Asked.BUILDING) or asking.asked not in OF_A_PLACE:
        return _needs(asking)
    doors = asking.gateway is not None and asking.asked is not Asked.OVERDUE
    return {"site", "gateway", *(["door"] if doors else [])}
