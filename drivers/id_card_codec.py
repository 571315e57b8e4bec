"""From the 256-byte text of an identity document to what an entrance needs of it (readers.md 2). Pure.

What we may not keep is never decoded: sex, ethnicity, birth date, address, issuer and photo stay bytes in a
buffer that its owner overwrites. The name is not decoded either unless somebody is there to seal it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

from drivers.errors import ProtocolViolation
from drivers.id_number import born_on, calendar_day, check_citizen_number, check_permanent_number

TEXT_SIZE = 256
PHOTO_SIZE = 1024
_LENGTHS_SIZE = 4  # of text and photo, two bytes each
READ_SIZE = _LENGTHS_SIZE + TEXT_SIZE + PHOTO_SIZE

_FLAG_AT = 248
_VALID_FROM = slice(188, 204)
_VALID_UNTIL = slice(204, 220)
_WITHOUT_END = "长期"
_HIGH_SURROGATES = range(0xD8, 0xDC)  # the upper byte of a code unit tells what it is
_LOW_SURROGATES = range(0xDC, 0xE0)
_PADDING = frozenset(b" \0")
_SURROGATES = re.compile(rb"[\xd8-\xdf]")


@dataclass(frozen=True, slots=True)
class _Layout:
    number: slice
    check: Callable[[str], str]
    born: tuple[slice, slice]
    """The birth date's digits, in their own field and within the number: compared as bytes, never decoded."""
    document: str
    """What kind it is: a word of `messages.envelope.DocumentKind`."""
    names: tuple[tuple[slice, ...], ...]
    """Where the holder's name stands: the first that is not blank counts; several parts are one text."""
    texts: tuple[slice, ...]
    """Fields of free text: never decoded, but damage in them means that the card was not read right."""


_CITIZEN_NUMBER = slice(122, 158)
_NAME, _ADDRESS, _ISSUER = slice(0, 30), slice(52, 122), slice(158, 188)
_LATIN_NAME_REST = slice(220, 242)
_BORN = (slice(36, 52), slice(134, 150))
_BORN_IN_TWO_DIGIT_YEAR = (slice(224, 236), slice(136, 148))
_RESIDENT = _Layout(
    _CITIZEN_NUMBER, check_citizen_number, _BORN, "resident", ((_NAME,),), (_NAME, _ADDRESS, _ISSUER)
)
_LAYOUTS = {
    " ": _RESIDENT,
    "J": replace(_RESIDENT, document="residence_permit"),
    "Y": _Layout(
        _CITIZEN_NUMBER,
        check_citizen_number,
        _BORN,
        "permanent_residence",
        ((_NAME,), (_ADDRESS, _LATIN_NAME_REST)),  # the Latin name stands where others have the address
        (_NAME, _ADDRESS, _LATIN_NAME_REST),
    ),
    "I": _Layout(
        slice(122, 152),
        check_permanent_number,
        _BORN_IN_TWO_DIGIT_YEAR,
        "permanent_residence",
        ((_ISSUER,), (slice(0, 120),)),  # the Chinese name stands where others have the issuer
        (slice(0, 120), _ISSUER),
    ),
}
_AS_RESIDENT = {"0": " ", "\0": " "}  # seen instead of the space


@dataclass(frozen=True, slots=True, repr=False)
class IdCard:
    """What leaves the codec. Shows nothing of itself, so that no log or traceback can."""

    number: str
    valid_from: date
    valid_until: date | None  # None: without end
    document: str = "resident"
    name: str | None = None  # None: not decoded

    def __repr__(self) -> str:
        return "IdCard(...)"


def parse_read_reply(data: bytearray, *, with_name: bool = False) -> IdCard:
    """Takes the data of a good `30 01` reply: two lengths, text, photo (readers.md 1.6).

    Raises ProtocolViolation. The caller overwrites `data`; nothing here keeps a reference to it.
    """
    if len(data) != READ_SIZE:
        raise ProtocolViolation("the card's data has the wrong size")
    sizes = int.from_bytes(data[0:2], "big"), int.from_bytes(data[2:4], "big")
    if sizes != (TEXT_SIZE, PHOTO_SIZE):
        raise ProtocolViolation("the card's data has the wrong lengths of text and photo")
    with memoryview(data) as view:
        return parse_text(view[_LENGTHS_SIZE : _LENGTHS_SIZE + TEXT_SIZE], with_name=with_name)


def parse_text(block: memoryview, *, with_name: bool = False) -> IdCard:
    """Takes the text block, by the layout that its flag names; the name only where it can be sealed.

    Raises ProtocolViolation, always without a word of the card in it.
    """
    if len(block) != TEXT_SIZE:
        raise ProtocolViolation("the card's text is not 256 bytes")
    flag = _decode(block[_FLAG_AT : _FLAG_AT + 2])
    layout = _LAYOUTS.get(_AS_RESIDENT.get(flag, flag))
    if layout is None:
        raise ProtocolViolation("the card is of a type that is not known here")
    _refuse_damaged_texts(block, layout.texts)
    number = layout.check(_decode(block[layout.number]).rstrip(" \0"))
    own, within_number = layout.born
    if block[own] != block[within_number]:
        raise ProtocolViolation("the card's birth date is not that of its number")
    valid_from = _date(_decode(block[_VALID_FROM]).rstrip(" \0"))
    valid_until = _end(_decode(block[_VALID_UNTIL]).rstrip(" \0"))
    _refuse_impossible_order(number, valid_from, valid_until)
    name = _name(block, layout) if with_name else None
    return IdCard(number, valid_from, valid_until, layout.document, name)


def _name(block: memoryview, layout: _Layout) -> str:
    """Empty where the document holds none."""
    for parts in layout.names:
        if name := "".join(_decode(block[part]) for part in parts).strip(" \0"):
            return name
    return ""


def _decode(field: memoryview) -> str:
    # straight from the buffer: a copy as bytes could not be overwritten; what is broken fails its check later
    return str(field, "utf-16-le", "replace")


def _date(text: str) -> date:
    day = calendar_day(text)
    if day is None:
        raise ProtocolViolation("the card's validity is not a day that a calendar has")
    return day


def _end(text: str) -> date | None:
    return None if text == _WITHOUT_END else _date(text)


def _refuse_impossible_order(number: str, valid_from: date, valid_until: date | None) -> None:
    # against the document's own dates, not against a clock: a gateway's clock may be wrong
    if valid_until is not None and valid_until < valid_from:
        raise ProtocolViolation("the card's validity ends before it begins")
    if number[0].isdigit() and born_on(number) > valid_from:
        raise ProtocolViolation("the card's holder is younger than the card")


def _refuse_damaged_texts(block: memoryview, texts: tuple[slice, ...]) -> None:
    low, high = bytearray(block[::2]), bytearray(block[1::2])
    suspicious = 0 in low or _SURROGATES.search(high)  # seldom; the walk below takes ten times as long
    low[:] = high[:] = bytes(len(low))
    if not suspicious:
        return
    for text in texts:
        if _is_damaged(block[text]):
            raise ProtocolViolation("the card's text is damaged")


def _is_damaged(field: memoryview) -> bool:
    """Half a surrogate pair anywhere but at the field's end (cut off there), or a NUL before other text."""
    pending = padding = False
    for low, high in zip(field[::2], field[1::2], strict=True):
        blank = high == 0 and low in _PADDING
        if (padding and not blank) or (high in _LOW_SURROGATES) is not pending:
            return True
        padding = padding or (blank and low == 0)
        pending = high in _HIGH_SURROGATES
    return False
