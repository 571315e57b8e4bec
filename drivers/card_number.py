"""Card numbers in the one form in which all readers tell them, and the Wiegand words that carry them. Pure.

The form is "bits:hex" (CredentialKind.CARD_NUMBER). `bits` is the length of the word as the card's format
names it, parity included; `hex` are its data bits alone, first bit first, as one number in upper case with
leading zeros. So 123,45678 in 26 bits is "26:7BB26E", whether it came as a word, as digits or by OSDP.
Source: readers.md 5.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from drivers.errors import ProtocolViolation

ByteOrder = Literal["as_sent", "reversed"]
"""Some readers take a card's bytes backwards, by model and by setting (readers.md 4.7)."""

MAX_BITS = 256  # the longest word that a reader on OSDP or Wiegand is known to send is far shorter


@dataclass(frozen=True, slots=True)
class Parity:
    """`bit` makes the number of ones in `over`, itself included, even or odd; bit 0 comes first."""

    bit: int
    over: tuple[int, ...]
    odd: bool

    def holds(self, word: int, bits: int) -> bool:
        ones = sum(word >> (bits - 1 - at) & 1 for at in (self.bit, *self.over))
        return ones % 2 == int(self.odd)


@dataclass(frozen=True, slots=True)
class WordFormat:
    """Data bits from `first` on, and the parities around them."""

    first: int
    data_bits: int
    parities: tuple[Parity, ...]


def _even(bit: int, over: Iterable[int]) -> Parity:
    return Parity(bit, tuple(over), odd=False)


def _odd(bit: int, over: Iterable[int]) -> Parity:
    return Parity(bit, tuple(over), odd=True)


FORMATS: Mapping[int, WordFormat] = {
    26: WordFormat(1, 24, (_even(0, range(1, 13)), _odd(25, range(13, 25)))),
    34: WordFormat(1, 32, (_even(0, range(1, 17)), _odd(33, range(17, 33)))),
    35: WordFormat(
        2,
        32,
        (
            _even(1, (at for at in range(2, 34) if at % 3 != 1)),
            _odd(34, (at for at in range(1, 33) if at % 3 != 0)),
            _odd(0, range(1, 35)),
        ),
    ),
    37: WordFormat(1, 35, (_even(0, range(1, 19)), _odd(36, range(18, 36)))),
}
"""The formats whose parity is known, by length; a word of any other length is all data."""

FACILITY_AND_CARD: Mapping[int, tuple[int, int]] = {26: (8, 16), 34: (16, 16), 35: (12, 20), 37: (16, 19)}
"""How many data bits are facility and card, where a format names them apart (37 bits: as in H10304)."""


def data_bits(bits: int) -> int:
    """How many bits of a word so long are data."""
    known = FORMATS.get(bits)
    return known.data_bits if known else bits


def hex_digits(bits: int) -> int:
    """How many hex digits the data of a word so long has."""
    return -(-data_bits(bits) // 4)


def largest_digits(bits: int) -> int:
    """How many decimal digits the largest number of so many data bits has."""
    return len(str((1 << bits) - 1))


def may_be_reversed(bits: int) -> bool:
    """Whether the data is whole bytes, which alone have an order."""
    return data_bits(bits) % 8 == 0


def card_number(bits: int, value: int, order: ByteOrder = "as_sent") -> str:
    """The number `value` of a card whose format has `bits`, as told.

    Raises ProtocolViolation if it does not fit, or is zero: that is what broken readers send.
    """
    size = data_bits(bits)
    if not 0 <= value < 1 << size:
        raise ProtocolViolation(f"a number too large for {bits} bits: check the reader's setting 'bits'")
    if value == 0:
        raise ProtocolViolation("a number of zeros only, which is no credential")
    if order == "reversed":
        value = int.from_bytes(value.to_bytes(size // 8, "big"), "little")
    return f"{bits}:{value:0{hex_digits(bits)}X}"


def number_of_parts(bits: int, facility: int, card: int) -> str:
    """As `card_number` for a number that is printed or sent as facility and card, such as "123,45678"."""
    sizes = FACILITY_AND_CARD[bits]
    if facility >> sizes[0] or card >> sizes[1]:
        raise ProtocolViolation(f"a number too large for {bits} bits: check the reader's setting 'bits'")
    return card_number(bits, facility << sizes[1] | card)


def number_of_word(bits: int, word: int, order: ByteOrder = "as_sent") -> str:
    """The card number in a whole word of `bits`, first bit most significant.

    Raises ProtocolViolation if a parity is wrong, or as `card_number`.
    """
    if not 0 < bits <= MAX_BITS:
        raise ProtocolViolation(f"a word of {bits} bits: a card's has 1 to {MAX_BITS}")
    known = FORMATS.get(bits)
    if known is None:
        return card_number(bits, word, order)
    if not all(parity.holds(word, bits) for parity in known.parities):
        raise ProtocolViolation(f"a {bits}-bit word with wrong parity: present the card again")
    value = word >> (bits - known.first - known.data_bits) & ((1 << known.data_bits) - 1)
    return card_number(bits, value, order)


def number_of_bytes(bits: int, data: bytes, order: ByteOrder = "as_sent") -> str:
    """As `number_of_word` for left-justified bytes, as in a RAW reply of OSDP; spare bits are ignored."""
    if len(data) != -(-bits // 8):
        raise ProtocolViolation(f"a word of {bits} bits in {len(data)} bytes")
    return number_of_word(bits, int.from_bytes(data, "big") >> (len(data) * 8 - bits), order)
