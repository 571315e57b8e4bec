"""Wiegand words and key bursts as a reader puts them on its two wires (readers.md 5.2). Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from firmware_sim.cards import Card

KEYS = "0123456789*#"  # a key's code is its place in here


@dataclass(frozen=True, slots=True)
class _Parity:
    """The bit at `at` makes the number of ones among `over` and itself even, or odd."""

    at: int
    over: Sequence[int]
    odd: bool


_W35_FIRST = [bit for bit in range(2, 34) if bit % 3 != 1]  # 2,3,5,6, ... 32,33
_W35_LAST = [bit for bit in range(1, 33) if bit % 3 != 0]  # 1,2,4,5, ... 31,32

# Bits of a word -> its parity bits, in the order in which they are set; all others carry the data.
_PARITIES: Mapping[int, tuple[_Parity, ...]] = {
    26: (_Parity(0, range(1, 13), odd=False), _Parity(25, range(13, 25), odd=True)),
    34: (_Parity(0, range(1, 17), odd=False), _Parity(33, range(17, 33), odd=True)),
    35: (
        _Parity(1, _W35_FIRST, odd=False),
        _Parity(34, _W35_LAST, odd=True),
        _Parity(0, range(1, 35), odd=True),
    ),
    37: (_Parity(0, range(1, 19), odd=False), _Parity(36, range(18, 36), odd=True)),
}
SIZES = tuple(_PARITIES)


def data_bits(size: int) -> int:
    """How many bits of a word of that size are data."""
    return size - len(_PARITIES[size])


def word(size: int, data: int, *, wrong_parity: bool = False) -> str:
    """The word as 0 and 1, first bit first."""
    parities = _PARITIES[size]
    places = [at for at in range(size) if at not in {parity.at for parity in parities}]
    bits = [0] * size
    for place, digit in zip(places, f"{data:0{len(places)}b}", strict=True):
        bits[place] = int(digit)
    for parity in parities:
        bits[parity.at] = (sum(bits[at] for at in parity.over) + parity.odd) % 2
    if wrong_parity:
        bits[parities[-1].at] ^= 1
    return "".join(map(str, bits))


def number(size: int, data: int) -> str:
    """What a driver calls it: size of the word, and its data bits in hex."""
    return f"{size}:{data:0{(data_bits(size) + 3) // 4}X}"


def key_burst(key: str, bits: int) -> int:
    """A key in 4 bits, or in 8: its inverted nibble, then the nibble. ValueError: no such key."""
    code = KEYS.index(key)
    return code if bits == 4 else (code ^ 0xF) << 4 | code  # noqa: PLR2004 - the two burst lengths


def card_data(card: Card, size: int, source: str, take: str) -> int | None:
    """The data bits that a reader of `source` ("em_tag" or "uid") makes of a card; None: it cannot.

    26 bits carry 3 bytes, longer words 4: the last of a tag's number, of a UID the `take` ("first", "last").
    """
    raw = card.em_tag[1:] if source == "em_tag" else card.uid
    count = 3 if size == 26 else 4  # noqa: PLR2004 - H10301
    if len(raw) < count:
        return None
    part = raw[:count] if source == "uid" and take == "first" else raw[-count:]
    return int.from_bytes(part, "big")


def turned(data: int, size: int) -> int:
    """The same bytes in the other order, as some readers send them."""
    count = 3 if size == 26 else 4  # noqa: PLR2004 - H10301
    return int.from_bytes(data.to_bytes(count, "big"), "little")
