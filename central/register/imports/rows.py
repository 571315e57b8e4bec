"""What a row says: its cells as values of the register, or what is wrong with each of them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final, TypeVar

from central.identity.vault import normalised
from central.register.credential_forms import CardFault, as_drivers_write, form_fault
from central.register.credentials import CredentialKind
from central.register.imports import columns
from central.register.imports.columns import LEVELS, SECRET, Field
from central.register.imports.faults import Fault
from central.register.imports.reading import RawRow
from central.register.person_identity import NumberFault, masked_name, masked_number, number_fault
from central.register.place_names import tidy
from central.register.words import Category, DocumentType, HomeUse, PlaceKind, Relation
from central.times import FIRST_DAY, LAST_DAY

_DAY: Final = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?: 00:00(?::00)?)?|(\d{4})(\d\d)(\d\d)")
_LONGEST_NAME: Final = 120
_LONGEST_PLACE: Final = 64
_NUMBER_CODES: Final = {
    NumberFault.EIGHTEEN: "number_form_18",
    NumberFault.PERMANENT: "number_form_permanent",
    NumberFault.CHECK: "number_check",
    NumberFault.BIRTH: "number_birth",
    NumberFault.FORM: "number_form",
}
_CARD_CODES: Final = {
    CardFault.UID: "card_form_uid",
    CardFault.CHIP: "card_form_chip",
    CardFault.EM_TAG: "card_form_em",
    CardFault.CARD_NUMBER: "card_form_printed",
    CardFault.TEXT: "card_form",
    NumberFault.PERMANENT: "number_form_permanent",
    NumberFault.CHECK: "number_check",
    NumberFault.BIRTH: "number_birth",
}
"""Of what `form_fault` says of the kinds that a file can have."""
_PERSON: Final = (
    Field.DOCUMENT,
    Field.NUMBER,
    Field.PHONE,
    Field.CATEGORY,
    Field.RELATION,
    Field.SINCE,
    Field.UNTIL,
    Field.LEASE_FROM,
    Field.LEASE_UNTIL,
    Field.CARD_KIND,
    Field.CARD,
    Field.CARD_FROM,
    Field.CARD_UNTIL,
)
_HOME: Final = (
    Field.USE,
    Field.RELATION,
    Field.SINCE,
    Field.UNTIL,
    Field.LEASE_FROM,
    Field.LEASE_UNTIL,
)

Begins = Callable[[date], int]
"""The first moment of a day by the community's clock, in microseconds UTC."""

_Word = TypeVar("_Word", bound=StrEnum)


@dataclass(frozen=True, slots=True, repr=False)
class Wanted:
    """What a good row asks for; None: the row does not say. Shows nothing of itself."""

    row: int
    path: tuple[tuple[PlaceKind, str], ...] = ()
    code: str | None = None
    use: HomeUse | None = None
    name: str | None = None
    document: DocumentType | None = None
    number: str | None = None
    phone: str | None = None
    category: Category | None = None
    relation: Relation | None = None
    since_us: int | None = None
    until_us: int | None = None
    lease_from_us: int | None = None
    lease_until_us: int | None = None
    card_kind: CredentialKind | None = None
    card: str | None = None
    card_from_us: int | None = None
    card_until_us: int | None = None

    @property
    def has_home(self) -> bool:
        return bool(self.path) or self.code is not None

    def __repr__(self) -> str:
        return f"Wanted(row={self.row})"


class _Parsing:
    """One row; faults are gathered, so that all of them are told at once."""

    def __init__(self, raw: RawRow, begins: Begins) -> None:
        self.cells = raw.cells
        self.odd = raw.odd
        self.begins = begins
        self.faults: list[Fault] = [Fault(field, code) for field, code in raw.odd.items()]

    def text(self, field: Field) -> str | None:
        return self.cells.get(field)

    def has(self, field: Field) -> bool:
        return field in self.cells or field in self.odd

    def fail(self, field: Field | None, code: str) -> None:
        if field not in self.odd:
            self.faults.append(Fault(field, code))

    def word(self, field: Field, choices: Mapping[str, _Word]) -> _Word | None:
        text = self.text(field)
        if text is None:
            return None
        found = columns.word(choices, text)
        if found is None:
            self.fail(field, "word")
        return found

    def day(self, field: Field) -> int | None:
        text = self.text(field)
        if text is None:
            return None
        found = day_of(text)
        if found is None:
            self.fail(field, "day")
            return None
        return self.begins(found)


def parsed(raw: RawRow, begins: Begins) -> Wanted | list[Fault]:
    row = _Parsing(raw, begins)
    path = _path(row)
    name, document, number, phone = _identity(row)
    kind, card = _card(row)
    wanted = Wanted(
        row=raw.number,
        path=path,
        code=_code(row),
        use=row.word(Field.USE, columns.USES),
        name=name,
        document=document,
        number=number,
        phone=phone,
        category=row.word(Field.CATEGORY, columns.CATEGORIES),
        relation=row.word(Field.RELATION, columns.RELATIONS),
        since_us=row.day(Field.SINCE),
        until_us=row.day(Field.UNTIL),
        lease_from_us=row.day(Field.LEASE_FROM),
        lease_until_us=row.day(Field.LEASE_UNTIL),
        card_kind=kind,
        card=card,
        card_from_us=row.day(Field.CARD_FROM),
        card_until_us=row.day(Field.CARD_UNTIL),
    )
    _together(row)
    _in_order(row, wanted)
    return row.faults or wanted


def day_of(text: str) -> date | None:
    found = _DAY.fullmatch(text.strip())
    if found is None:
        return None
    year, month, day = (int(part) for part in found.groups() if part is not None)
    try:
        made = date(year, month, day)
    except ValueError:
        return None
    return made if FIRST_DAY <= made <= LAST_DAY else None


def shown(field: Field, text: str) -> str:
    """A cell as a preview shows it: identity masked."""
    if field not in SECRET:
        return text
    return masked_name(text) if field is Field.NAME else masked_number(text) or ""


def _path(row: _Parsing) -> tuple[tuple[PlaceKind, str], ...]:
    path: list[tuple[PlaceKind, str]] = []
    for field, kind in LEVELS.items():
        text = row.text(field)
        if text is None:
            continue
        name = tidy(text)
        if not 0 < len(name) <= _LONGEST_PLACE:
            row.fail(field, "place_name")
        path.append((kind, name))
    if path and path[-1][0] is not PlaceKind.ROOM:
        row.fail(Field.ROOM, "room_missing")
    return tuple(path)


def _code(row: _Parsing) -> str | None:
    text = row.text(Field.CODE)
    if text is None:
        return None
    code = tidy(text).upper()
    if not re.fullmatch(r"[0-9A-Z.-]{1,40}", code):
        row.fail(Field.CODE, "code_form")
    return code


def _identity(row: _Parsing) -> tuple[str | None, DocumentType | None, str | None, str | None]:
    name = row.text(Field.NAME)
    if name is not None:
        name = " ".join(name.split())
        if not 0 < len(name) <= _LONGEST_NAME:
            row.fail(Field.NAME, "name_form")
    elif not row.has(Field.NAME) and any(row.has(field) for field in _PERSON):
        row.fail(Field.NAME, "name_missing")
    document = row.word(Field.DOCUMENT, columns.DOCUMENTS)
    text = row.text(Field.NUMBER)
    number = normalised("id_number", text) if text else None
    if number is None:
        if document not in {None, DocumentType.NONE} and not row.has(Field.NUMBER):
            row.fail(Field.NUMBER, "number_missing")
    elif document is DocumentType.NONE:
        row.fail(Field.DOCUMENT, "number_without_document")
    elif fault := number_fault(document or DocumentType.RESIDENT_ID, number):
        row.fail(Field.NUMBER, _NUMBER_CODES[fault])
    text = row.text(Field.PHONE)
    phone = normalised("phone", text) if text else None
    if phone is not None and not re.fullmatch(r"\+?[0-9]{5,20}", phone):
        row.fail(Field.PHONE, "phone_form")
    return name, document, number, phone


def _card(row: _Parsing) -> tuple[CredentialKind | None, str | None]:
    kind = row.word(Field.CARD_KIND, columns.CARD_KINDS)
    text = row.text(Field.CARD)
    if text is None:
        others = (Field.CARD_KIND, Field.CARD_FROM, Field.CARD_UNTIL)
        if not row.has(Field.CARD) and any(row.has(field) for field in others):
            row.fail(Field.CARD, "card_missing")
        return kind, None
    if kind is None:
        if not row.has(Field.CARD_KIND):
            row.fail(Field.CARD_KIND, "card_kind_missing")
        return None, text
    number = as_drivers_write(kind, text)
    if fault := form_fault(kind, number):
        row.fail(Field.CARD, _CARD_CODES[fault])
        return kind, None
    return kind, number


def _together(row: _Parsing) -> None:
    """Columns that mean nothing without others."""
    if not any(row.has(field) for field in (*LEVELS, Field.CODE)):
        for field in _HOME:
            if row.has(field):
                row.fail(field, "needs_home")
    if row.has(Field.LEASE_UNTIL) and not row.has(Field.LEASE_FROM):
        row.fail(Field.LEASE_FROM, "lease_from_missing")


def _in_order(row: _Parsing, wanted: Wanted) -> None:
    pairs = (
        (wanted.since_us, wanted.until_us, Field.UNTIL),
        (wanted.lease_from_us, wanted.lease_until_us, Field.LEASE_UNTIL),
        (wanted.card_from_us, wanted.card_until_us, Field.CARD_UNTIL),
    )
    for begins, ends, field in pairs:
        if begins is not None and ends is not None and ends <= begins:
            row.fail(field, "ends_before")
