"""What an officer writes into the form, and the question that it makes. Pure.

Purpose, case and one number make a question: the law follows the purpose unless another one is chosen, and
the window is the last seven days, which is as far as an officer may ask alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Final, TypeVar

from central.console.words import N_
from central.errors import BadQuestion
from central.lookup.rules import Asking, window_between
from central.lookup.service import Named
from central.lookup.words import Asked, Basis, Purpose
from central.register.credential_forms import CardFault
from central.register.person_identity import NumberFault
from central.register.words import DocumentType
from central.times import micros

_Word = TypeVar("_Word", bound=StrEnum)

HOUR_US: Final = 3_600_000_000
SPANS: Final[Mapping[str, int]] = {"hour": HOUR_US, "day": 24 * HOUR_US, "week": 7 * 24 * HOUR_US}
OWN: Final = "own"

USUAL_BASIS: Final[Mapping[Purpose, Basis]] = {
    Purpose.CRIMINAL_CASE: Basis.CRIMINAL_PROCEDURE,
    Purpose.PUBLIC_ORDER_CASE: Basis.PUBLIC_SECURITY_PENALTIES,
    Purpose.MISSING_PERSON: Basis.PEOPLES_POLICE,
    Purpose.RESCUE: Basis.EMERGENCY_RESPONSE,
    Purpose.LOST_CARD: Basis.PEOPLES_POLICE,
    Purpose.DOOR_FAULT: Basis.DATA_SECURITY,
}

OF_DOORS: Final = (
    Asked.DOOR,
    Asked.UNREGISTERED,
    Asked.DENIED,
    Asked.LOST_CARD,
    Asked.OVERDUE,
    Asked.REMOTE_RELEASE,
)
"""For each of these a door, a building or an estate is chosen."""

FAULTS: Final[Mapping[str, str]] = {
    "purpose": N_("Choose what it is for."),
    "basis": N_("Choose the law."),
    "case_number": N_("A case number has 4 to 40 letters, digits and - . / ( ), and is no ID number."),
    "from": N_("Say from when."),
    "until": N_("The end lies after the beginning, and at most 30 days after it."),
    "number": N_("Write the whole number, as it stands on the card."),
    "document": N_("Choose of which document the number is."),
    "card_kind": N_("Choose the kind of card."),
    "room": N_("Choose one of the rooms of that name."),
    "door": N_("Choose a door."),
    "gateway": N_("Choose a door or a building."),
    "site": N_("Choose a door or a building."),
    "emergency": N_("Say in 4 to 300 letters why it cannot wait, without an ID number."),
    "why": N_("Say in 4 to 300 letters why, without an ID number."),
    "days": N_("From 1 to 180 days."),
    "format": N_("Take another format, or a shorter time."),
    "cursor": N_("This page of the answer is not there; begin at the newest."),
}
"""What is wrong, by the field at fault."""

NUMBER_FAULTS: Final[Mapping[NumberFault | CardFault, str]] = {
    NumberFault.EIGHTEEN: N_(
        "An ID card's number has 17 digits and a check character. Write it all, or choose another document."
    ),
    NumberFault.PERMANENT: N_(
        "Such a number has 18 digits, or 3 letters and 12 digits. Write it all, or choose another document."
    ),
    NumberFault.CHECK: N_(
        "The number's check character does not fit: a digit is mistyped. Compare it with the card."
    ),
    NumberFault.BIRTH: N_(
        "The number's birth date is no day of any calendar: a digit is mistyped. Compare it with the card."
    ),
    CardFault.UID: N_(
        "An access card's number has 8, 14 or 20 digits and letters A to F. "
        "Write it all, or choose another kind."
    ),
    CardFault.CHIP: N_(
        "A chip's number has 16 digits and letters A to F. Write it all, or choose another kind."
    ),
    CardFault.EM_TAG: N_(
        "A key fob's number has 10 digits and letters A to F. Write it all, or choose another kind."
    ),
    CardFault.CARD_NUMBER: N_(
        "A printed number is written with its bits, such as 26:7BB26E. Write it so, or choose another kind."
    ),
}
"""Of a number that nobody can have: what is wrong with it, and what to do."""

DOCUMENTS: Final = tuple(each for each in DocumentType if each is not DocumentType.NONE)


def fault_told(error: BadQuestion) -> str:
    """In English, to be translated where it is shown."""
    if error.field == "number":
        for fault, sentence in NUMBER_FAULTS.items():
            if str(error).startswith(fault):
                return sentence
    return FAULTS.get(error.field, N_("This cannot be asked like that."))


@dataclass(frozen=True, slots=True)
class Form:
    """As it was typed. `place`: site, site/gateway or site/gateway/door. `room`: a number of the register;
    `room_name`: what it was found by, or is to be found by."""

    question: str = Asked.PERSON
    community: int = 0
    purpose: str = ""
    basis: str = ""
    case_number: str = ""
    span: str = "week"
    from_: str = ""
    until: str = ""
    number: str = ""
    document: str = DocumentType.RESIDENT_ID
    card_kind: str = "card_uid"
    room: str = ""
    room_name: str = ""
    place: str = ""
    emergency: str = ""

    def __repr__(self) -> str:
        return "Form(...)"  # it holds what somebody typed, a number perhaps

    @property
    def seeks_room(self) -> bool:
        """A room's name was written and none was chosen."""
        return self.asked is Asked.ROOM and not self.room.isdecimal() and self.room_name.strip() != ""

    @property
    def asked(self) -> Asked:
        """As far as it is a word of ours; a person else, for the register of look-ups."""
        return Asked(self.question) if self.question in list(Asked) else Asked.PERSON

    @property
    def named(self) -> Named:
        """Whom it names, should it be refused."""
        card_kind = self.card_kind if self.asked is Asked.CARD else None
        room = int(self.room) if self.room.isdecimal() else None
        return Named(self.number.strip() or None, card_kind, room)


def asking_of(form: Form, now_us: int, zone: tzinfo) -> Asking:
    """Raises BadQuestion."""
    asked = _word(Asked, "question", form.question)
    purpose = _word(Purpose, "purpose", form.purpose)
    basis = _word(Basis, "basis", form.basis) if form.basis else USUAL_BASIS[purpose]
    site, gateway, door = _place(form.place)
    of_a_place = asked in OF_DOORS
    if asked is Asked.DOOR and door is None:
        asked = Asked.BUILDING if gateway is not None else Asked.SITE
    if asked is Asked.OVERDUE:
        door = None  # a visitor may have left by another door of the building
    number = form.number.strip() if asked in (Asked.PERSON, Asked.CARD) else ""
    return Asking(
        asked=asked,
        community=form.community,
        purpose=purpose,
        basis=basis,
        case_number=form.case_number.strip(),
        window=window_between(*span_of(form, now_us, zone)),
        site=site if of_a_place else None,
        gateway=gateway if of_a_place else None,
        door=door if of_a_place else None,
        room=int(form.room) if asked is Asked.ROOM and form.room.isdecimal() else None,
        card_kind=form.card_kind if asked is Asked.CARD else None,
        number=number or None,
        document=_word(DocumentType, "document", form.document),
        emergency=form.emergency.strip() or None,
    )


def span_of(form: Form, now_us: int, zone: tzinfo) -> tuple[int, int]:
    """From and until, UTC microseconds; a span of the choice ends now. Raises BadQuestion."""
    if form.span != OWN:
        return now_us - SPANS.get(form.span, SPANS["week"]), now_us
    return _moment("from", form.from_, zone), _moment("until", form.until, zone)


def _moment(field: str, text: str, zone: tzinfo) -> int:
    try:
        return micros(datetime.fromisoformat(text).replace(tzinfo=zone))
    except ValueError:
        raise BadQuestion(field, "a day and a time") from None


def _place(text: str) -> tuple[str | None, str | None, str | None]:
    site, _, rest = text.partition("/")
    gateway, _, door = rest.partition("/")
    return site or None, gateway or None, door or None


def _word(words: type[_Word], field: str, value: str) -> _Word:
    try:
        return words(value)
    except ValueError:
        raise BadQuestion(field, "is needed") from None
