"""Wiegand readers behind converters to a serial line (readers.md 5.2): four makes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import xor
from typing import Any

from firmware_sim.announcer import FACTORY_RATE, RATES, Announcer, Manner
from firmware_sim.cards import Card
from firmware_sim.kinds import Credential, Kind, Role, Surroundings
from firmware_sim.scene_table import Table
from firmware_sim.wiegand import SIZES, card_data, data_bits, key_burst, number, turned, word

HEX_LINE = "hex_line"  # WIE232: hex digits, CR
DECIMAL_LINE = "decimal_line"  # S4A: ten decimal digits, CR LF; a key is one raw byte
STX_LRC = "stx_lrc"  # SR30: STX, 8 or 10 hex digits, ETX, XOR of all of them
BITS_LINE = "bits_line"  # a microcontroller that prints the word as 0 and 1, CR LF

_STX = b"\x02"
_ETX = b"\x03"
_FACILITY_CARD = "facility_card"
_SHORT_LRC = 8  # digits of the shorter frame of an SR30


@dataclass(frozen=True, slots=True)
class WiegandOptions:
    """Keys of a scene's [[reader]] of kind wiegand."""

    rate: int = FACTORY_RATE
    framing: str = HEX_LINE
    bits: int = 26
    byte_order: str = "as_sent"  # "reversed": this reader sends the bytes of a card the other way round
    source: str = "em_tag"  # which of a person's cards it reads
    take: str = "first"  # which bytes of a UID
    notation: str = "plain"  # of decimal_line: the number, or "facility_card" as FFFCCCCC, FFFFFCCCCC
    key_bits: int = 0  # length of a key burst; 0: no keys


def passed_on(
    framing: str, size: int, data: int, *, notation: str = "plain", wrong_check: bool = False
) -> bytes:
    """What the converter sends for a word with these data bits; parity ends inside it, but for bits_line."""
    if framing == BITS_LINE:
        return word(size, data, wrong_parity=wrong_check).encode("ascii") + b"\r\n"
    if framing == DECIMAL_LINE:
        facility, card = divmod(data, 1 << 16)
        width = 3 if size == min(SIZES) else 5
        text = f"{facility:0{width}d}{card:05d}" if notation == _FACILITY_CARD else f"{data:010d}"
        return text.encode("ascii") + b"\r\n"
    digits = (data_bits(size) + 3) // 4
    if framing == HEX_LINE:
        return f"{data:0{digits}X}\r".encode("ascii")
    framed = _STX + f"{data:0{8 if digits <= _SHORT_LRC else 10}X}".encode("ascii") + _ETX
    return framed + bytes((reduce(xor, framed) ^ wrong_check,))


def _key_sender(options: WiegandOptions) -> Callable[[str], bytes] | None:
    """A key is one raw byte without suffix (S4A; for the others our guess)."""
    if not options.key_bits:
        return None
    return lambda key: bytes((key_burst(key, options.key_bits),))


def _read(table: Table) -> WiegandOptions:
    framing = table.choice("framing", HEX_LINE, (HEX_LINE, DECIMAL_LINE, STX_LRC, BITS_LINE))
    return WiegandOptions(
        rate=table.rate("rate", FACTORY_RATE, RATES),
        framing=framing,
        bits=table.rate("bits", 26, SIZES),
        byte_order=table.choice("byte_order", "as_sent", ("as_sent", "reversed")),
        source=table.choice("source", "em_tag", ("em_tag", "uid")),
        take=table.choice("take", "first", ("first", "last")),
        notation=table.choice("notation", "plain", ("plain", _FACILITY_CARD)),
        key_bits=table.rate("key_bits", 0, (0, 8) if framing == STX_LRC else (0, 4, 8)),
    )


def _make(options: WiegandOptions, around: Surroundings) -> Announcer:
    def encode(card: Card, wrong_check: bool) -> bytes | None:  # noqa: FBT001 - the shape all encoders have
        data = card_data(card, options.bits, options.source, options.take)
        if data is None:
            return None
        if options.byte_order == "reversed":
            data = turned(data, options.bits)
        return passed_on(
            options.framing, options.bits, data, notation=options.notation, wrong_check=wrong_check
        )

    manner = Manner(encode, options.rate, encode_key=_key_sender(options))
    return Announcer(manner, around.faults, around.profile)


def _settings(options: WiegandOptions) -> Mapping[str, Any]:
    return {
        "rate": None if options.rate == FACTORY_RATE else options.rate,
        "framing": options.framing,
        "bits": options.bits,
        "byte_order": None if options.byte_order == "as_sent" else options.byte_order,
        "notation": None if options.notation == "plain" else options.notation,
        "pin": "after_card" if options.key_bits else None,
    }


def _number_at(options: WiegandOptions, card: Card) -> Credential | None:
    data = card_data(card, options.bits, options.source, options.take)
    return None if data is None else ("card_number", number(options.bits, data))


KIND = Kind(role=Role.READER, read=_read, make=_make, settings=_settings, number_at=_number_at)
