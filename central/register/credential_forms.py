"""What the number of each kind of credential looks like, as readers' drivers write it. Pure.

A number that no reader can ever give makes the token of a card that there is not: a card given by it opens
nothing, and a look-up of it finds nothing, which would look like an answer. The forms are those of
`drivers/credential_forms.py` (ISO 14443-3 UIDs, EM4100, Wiegand words); a test holds the two together.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from central.identity.vault import normalised
from central.register.person_identity import NumberFault, number_fault
from central.register.words import DocumentType


class CardFault(StrEnum):
    """What a number of such a card looks like, in words that do not repeat the one that was typed."""

    UID = "an access card's number has 8, 14 or 20 digits and letters A to F, without spaces"
    CHIP = "a chip's number has 16 digits and letters A to F, without spaces"
    EM_TAG = "a key fob's number has 10 digits and letters A to F, without spaces"
    CARD_NUMBER = "a printed number is written with its bits, such as 26:7BB26E"
    PIN = "a PIN has digits alone"
    TEXT = "a credential's number has 1 to 512 characters, as its reader writes it"


_LONGEST: Final = 512
_FORMS: Final = {
    "card_uid": (r"[0-9A-F]{8}|[0-9A-F]{14}|[0-9A-F]{20}", CardFault.UID),
    "id_card_chip": (r"[0-9A-F]{16}", CardFault.CHIP),
    "em_tag": (r"[0-9A-F]{10}", CardFault.EM_TAG),
    "card_number": (r"[1-9][0-9]{0,2}:[0-9A-F]{1,64}", CardFault.CARD_NUMBER),
    "pin": (r"[0-9]{1,16}", CardFault.PIN),
}
_ID_CARD: Final = "id_card"
_QR_CODE: Final = "qr_code"


def as_drivers_write(kind: str, number: str) -> str:
    """What somebody typed. Tokens are made of the exact text, and drivers write large letters; a QR code says
    what it says. An ID card's number is typed with blanks, hyphens, wide digits: no driver gives these."""
    number = number.strip()
    if kind == _QR_CODE:
        return number
    return normalised("id_number", number) if kind == _ID_CARD else number.upper()


def form_fault(kind: str, number: str) -> CardFault | NumberFault | None:
    """What is wrong with a number of that kind, written `as_drivers_write` it; None: a reader can give it.
    The text of a QR code, and of a kind that is not known here, may be any that can be printed."""
    if kind == _ID_CARD:  # residents' cards, and those of permanent residents
        return number_fault(DocumentType.PERMANENT_RESIDENCE, number)
    if kind in _FORMS:
        pattern, fault = _FORMS[kind]
        return None if re.fullmatch(pattern, number) else fault
    return None if 1 <= len(number) <= _LONGEST and number.isprintable() else CardFault.TEXT
