"""Who somebody is, as the register keeps it sealed, and as much of it as is shown. Pure but for the vault.

What is shown without a reason on the record is masked: the first character of a name, the last four of a
number (trust.md R-96).
"""

from __future__ import annotations

import re
from datetime import date
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from central.errors import BadQuestion, IdentityDamaged
from central.identity.vault import Vault, normalised
from central.register.words import DocumentType

_SHOWN: Final = 4
_DOUBLE_NAMES: Final = frozenset(
    {"欧阳", "司马", "上官", "诸葛", "东方", "皇甫", "尉迟", "公孙", "慕容", "令狐", "长孙", "宇文", "司徒"}
)
_CHECKED: Final = {DocumentType.RESIDENT_ID, DocumentType.RESIDENCE_PERMIT}
JUDGED: Final = frozenset({*_CHECKED, DocumentType.PERMANENT_RESIDENCE})
"""Their numbers hold a check character and a birth date: one that cannot be is nobody's."""
_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS: Final = "10X98765432"
_MRZ_WEIGHTS: Final = (7, 3, 1)


class NumberFault(StrEnum):
    """What is wrong with a number of a document, in words that do not repeat it."""

    EIGHTEEN = "such a document's number has 17 digits and a check character"
    PERMANENT = "such a document's number has 18 digits, or 3 letters and 12 digits"
    CHECK = "the check character does not fit: a digit is mistyped"
    BIRTH = "the birth date in the number is no day of the calendar: a digit is mistyped"
    FORM = "such a document's number has 5 to 24 letters and digits"


class PersonIdentity(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Shows nothing of itself, in a traceback or a log either."""

    name: Annotated[str, Meta(min_length=1, max_length=120)]
    number: Annotated[str, Meta(min_length=1, max_length=32)] | None = None
    phone: Annotated[str, Meta(min_length=1, max_length=32)] | None = None

    def __repr__(self) -> str:
        return "PersonIdentity(...)"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return []


class Indexes(Struct, frozen=True):
    """Blind: equal values have equal ones, and nothing else is to be learned from them."""

    name: bytes
    number: bytes | None
    phone: bytes | None


def indexes(vault: Vault, community: int, identity: PersonIdentity) -> Indexes:
    number, phone = identity.number, identity.phone
    return Indexes(
        vault.register_index(community, "name", identity.name),
        None if number is None else vault.register_index(community, "id_number", number),
        None if phone is None else vault.register_index(community, "phone", phone),
    )


def seal(vault: Vault, community: int, row: str, identity: PersonIdentity) -> bytes:
    """`row` such as person:17."""
    return vault.seal_register(community, row, msgspec.json.encode(identity))


def unseal(vault: Vault, community: int, row: str, sealed: bytes) -> PersonIdentity:
    """Raises IdentityGone, IdentityDamaged."""
    try:
        return msgspec.json.decode(vault.open_register(community, row, sealed), type=PersonIdentity)
    except msgspec.MsgspecError:
        raise IdentityDamaged("a person of the register") from None


def checked(document: DocumentType, name: str, number: str | None, phone: str | None) -> PersonIdentity:
    """As it is to be kept. Raises BadQuestion, which names the field and never the value."""
    name = " ".join(name.split())
    if not name:
        raise BadQuestion("name", "a name has at least one character")
    number = normalised("id_number", number) if number else None
    if (number is None) != (document is DocumentType.NONE):
        raise BadQuestion("number", "a number belongs to a document, and a document has its number")
    if number is not None and (fault := number_fault(document, number)):
        raise BadQuestion("number", fault)
    phone = normalised("phone", phone) if phone else None
    if phone is not None and not re.fullmatch(r"\+?[0-9]{5,20}", phone):
        raise BadQuestion("phone", "a telephone number has 5 to 20 digits")
    return PersonIdentity(name, number, phone)


def number_fault(document: DocumentType, number: str) -> NumberFault | None:
    """What is wrong with a number of such a document, or None; it was `normalised`. A permanent residence
    card has the 15 characters of 2017 or the 18 of 2023 (readers.md section 3)."""
    if document not in JUDGED:
        return None if re.fullmatch(r"[0-9A-Z]{5,24}", number) else NumberFault.FORM
    if document is DocumentType.PERMANENT_RESIDENCE and re.fullmatch(r"[A-Z]{3}[0-9]{12}", number):
        fits, births = _mrz_check(number[:-1]) == number[-1], [f"19{number[7:13]}", f"20{number[7:13]}"]
    elif re.fullmatch(r"[0-9]{17}[0-9X]", number):
        fits, births = check_character(number[:-1]) == number[-1], [number[6:14]]
    else:
        return NumberFault.EIGHTEEN if document in _CHECKED else NumberFault.PERMANENT
    if not fits:
        return NumberFault.CHECK
    return None if any(map(_is_day, births)) else NumberFault.BIRTH


def _mrz_check(text: str) -> str:
    """As machine-readable travel documents have it."""
    return str(sum(int(char, 36) * _MRZ_WEIGHTS[at % 3] for at, char in enumerate(text)) % 10)


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def check_character(body: str) -> str:
    """Of the first 17 digits of a resident's number (GB 11643)."""
    return _CHECKS[sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, body, strict=True)) % 11]


def masked_name(name: str) -> str:
    """王小明 is 王**; how many characters follow is not told."""
    family = name[:2]
    return f"{family if family in _DOUBLE_NAMES and family != name else name[:1]}**"


def masked_number(number: str | None) -> str | None:
    """The last four characters, and of a short one less than half."""
    if number is None:
        return None
    shown = min(_SHOWN, len(number) // 3)
    return "*" * 4 + (number[-shown:] if shown else "")
