"""Commands and answers of PC/SC part 3 readers, and what an ATR tells (readers.md 4.1 to 4.5). Pure.

An ATR is a class of card, never an identity.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import reduce
from operator import xor

from drivers.base import Indication
from drivers.errors import ProtocolViolation

GET_UID = bytes.fromhex("FF CA 00 00 00")  # Le 00: the lengths of UIDs vary
GET_CHIP_SERIAL = bytes.fromhex("00 36 00 00 08")  # a resident ID card's own command (4.1)
CHIP_SERIAL_SIZE = 8

MAX_ANSWER = 258  # 256 bytes of data and two of status: a short APDU has no more
_STATUS_SIZE = 2
_LE_AT = 4
_GOOD = frozenset({0x9000, 0x6282})
_FAILED = 0x6300
_REFUSALS = frozenset({0x6A81, 0x6800})
_REFUSALS_BY_SW1 = frozenset({0x6D, 0x6E})
_WRONG_LENGTH_SW1 = 0x6C

HOLD_STILL = "the card left while it was read: present it again and hold it still"
NO_ANSWER = "the reader gave no whole answer: present the card again"
NOT_DONE = "the reader could not read the card: present it again"


@dataclass(frozen=True, slots=True)
class Answer:
    """Data and status word of one answer. The data may be a card's number: it is in no repr."""

    data: bytes = field(repr=False)
    status: int

    @property
    def is_good(self) -> bool:
        """Success, or `62 82`: all there was, shorter than asked for."""
        return self.status in _GOOD

    @property
    def is_refusal(self) -> bool:
        """The reader or the card knows no such command, or has no such thing (4.3)."""
        return self.status in _REFUSALS or self.status >> 8 in _REFUSALS_BY_SW1

    @property
    def right_length(self) -> int | None:
        """The Le to ask with instead (`6C XX`)."""
        return self.status & 0xFF if self.status >> 8 == _WRONG_LENGTH_SW1 else None

    @property
    def cause(self) -> str:
        """Why there is no number, for a person; of an answer that is not good."""
        return HOLD_STILL if self.status == _FAILED else NOT_DONE


def parse_answer(received: bytes) -> Answer:
    """Splits an answer. Raises ProtocolViolation for one without status or longer than an APDU's can be."""
    if not _STATUS_SIZE <= len(received) <= MAX_ANSWER:
        raise ProtocolViolation(NO_ANSWER)
    return Answer(received[:-_STATUS_SIZE], int.from_bytes(received[-_STATUS_SIZE:], "big"))


def with_length(command: bytes, length: int) -> bytes:
    """The same five-byte command with another Le."""
    return command[:_LE_AT] + bytes((length,))


class CardClass(Enum):
    """What an ATR tells about the card behind it."""

    TYPE_A = "ISO 14443 A, a storage card"
    TYPE_B = "ISO 14443 B"
    OTHER = "neither"  # ISO 15693 or FeliCa
    UNKNOWN = "not told"


_STORAGE_CARD = bytes.fromhex("3B 8F 80 01 80 4F 0C A0 00 00 03 06")
_SHORT_TYPE_B = bytes.fromhex("3B 86 80 01 80 4F 03 F0")
_PART_4_OF_EIGHT = bytes.fromhex("3B 88 80 01")
_STANDARD_AT = 12
_STORAGE_SIZE = 20
_PART_4_SIZE = 13
_LARGEST_FRAME = 8  # code of 256 bytes
_CLASS_OF_STANDARD = (
    dict.fromkeys((0x01, 0x02, 0x03), CardClass.TYPE_A)
    | dict.fromkeys((0x05, 0x06, 0x07), CardClass.TYPE_B)
    | dict.fromkeys((0x09, 0x0A, 0x0B, 0x0C, 0x11), CardClass.OTHER)
)


def card_class(atr: bytes) -> CardClass:
    """By PC/SC part 3 (readers.md 4.2); UNKNOWN for a damaged ATR, too."""
    if not atr or reduce(xor, atr[1:], 0) != 0:
        return CardClass.UNKNOWN
    if atr.startswith(_STORAGE_CARD) and len(atr) == _STORAGE_SIZE:
        return _CLASS_OF_STANDARD.get(atr[_STANDARD_AT], CardClass.UNKNOWN)
    if atr.startswith(_SHORT_TYPE_B) or _looks_like_an_atqb(atr):
        return CardClass.TYPE_B
    return CardClass.UNKNOWN


def _looks_like_an_atqb(atr: bytes) -> bool:
    """Eight historical bytes made of application data, protocol info and MBLI, as for a type B card.

    A type A card's own eight bytes look so once in some hundreds. It matters only for UIDs of four bytes.
    """
    if not atr.startswith(_PART_4_OF_EIGHT) or len(atr) != _PART_4_SIZE:
        return False
    rates, frame_and_protocol, buffer_nibble = atr[8], atr[9], atr[11]
    frame_size, protocol = frame_and_protocol >> 4, frame_and_protocol & 0x0F
    return rates & 0x08 == 0 and frame_size <= _LARGEST_FRAME and protocol <= 1 and buffer_nibble & 0x0F == 0


# FF 00 40 P2 04 T1 T2 R B (4.5). The reader hears nothing while it blinks: all of it is over in 0.6 s.
_LIGHT_AND_SOUND = {
    Indication.GRANTED: bytes.fromhex("FF 00 40 2E 04 01 00 01 01"),  # green, one short beep
    Indication.DENIED: bytes.fromhex("FF 00 40 5D 04 02 01 02 01"),  # red, two long beeps
    Indication.NOT_NOW: bytes.fromhex("FF 00 40 F0 04 05 00 01 01"),  # both, one long beep
    Indication.ASK_DESK: bytes.fromhex("FF 00 40 5D 04 05 00 01 01"),  # red, one long beep
    Indication.OUT_OF_ORDER: bytes.fromhex("FF 00 40 F0 04 01 01 03 01"),  # both blink, three short beeps
    Indication.TRY_AGAIN: bytes.fromhex("FF 00 40 5D 04 01 01 02 01"),  # red, two short beeps
    Indication.HOLD_CARD: bytes.fromhex("FF 00 40 F0 04 01 01 01 00"),  # both blink once, no sound
}


def light_and_sound(signal: Indication) -> bytes:
    """The command by which a reader of the ACR122 family shows `signal`."""
    return _LIGHT_AND_SOUND[signal]
