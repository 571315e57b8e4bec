"""Wiegand readers behind converters to a serial line (readers.md 5.2): three makes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import xor
from typing import Any

from firmware_sim.announcer import FACTORY_RATE, RATES, Announcer, Manner
from firmware_sim.cards import Card
from firmware_sim.kinds import Credential, Kind, Role, Surroundings
from firmware_sim.scene_table import Table
from firmware_sim.wiegand import SIZES, card_data, data_bits, key_burst, number, turned

HEX_LINE = "hex_line"  # WIE232: hex digits, CR
DECIMAL_LINE = "decimal_line"  # S4A: ten decimal digits, CR LF; a key is one raw byte
STX_LRC = "stx_lrc"  # SR30: STX, hex digits, ETX, XOR of all of them

_STX = b"\x02"
_ETX = b"\x03"
_FACILITY_CARD = "facility_card"


@dataclass(frozen=True, slots=True)
class WiegandOptions:
    """Keys of a scene's [[reader]] of kind wiegand."""

    rate: int = FACTORY_RATE
    framing: str = HEX_LINE
    bits: int = 26
    byte_order: str = "forward"  # "reversed": this reader sends the bytes of a card the other way round
    source: str = "em_tag"  # which of a person's cards it reads
    take: str = "first"  # which bytes of a UID
    digits: str = "number"  # of decimal_line: the number, or "facility_card" as FFFCCCCC
    key_bits: int = 0  # length of a key burst; 0: no keys


def passed_on(
    framing: str, size: int, data: int, *, digits: str = "number", wrong_check: bool = False
) -> bytes:
    """What the converter sends for a word with these data bits; parity has ended inside it."""
    if framing == DECIMAL_LINE:
        text = f"{data >> 16:03d}{data & 0xFFFF:05d}" if digits == _FACILITY_CARD else f"{data:010d}"
        return text.encode("ascii") + b"\r\n"
    text = f"{data:0{(data_bits(size) + 3) // 4}X}"
    if framing == HEX_LINE:
        return text.encode("ascii") + b"\r"
    if len(text) % 2:
        text = f"0{text}"  # 8 or 10 digits
    framed = _STX + text.encode("ascii") + _ETX
    return framed + bytes((reduce(xor, framed) ^ wrong_check,))


def _key_sender(options: WiegandOptions) -> Callable[[str], bytes] | None:
    if not options.key_bits:
        return None
    if options.framing == DECIMAL_LINE:
        return lambda key: bytes((key_burst(key, options.key_bits),))
    # Our guess for WIE232: a burst is a short word like any other.
    return lambda key: f"{key_burst(key, options.key_bits):0{options.key_bits // 4}X}\r".encode("ascii")


def _read(table: Table) -> WiegandOptions:
    framing = table.choice("framing", HEX_LINE, (HEX_LINE, DECIMAL_LINE, STX_LRC))
    return WiegandOptions(
        rate=table.rate("rate", FACTORY_RATE, RATES),
        framing=framing,
        bits=table.rate("bits", 26, SIZES),
        byte_order=table.choice("byte_order", "forward", ("forward", "reversed")),
        source=table.choice("source", "em_tag", ("em_tag", "uid")),
        take=table.choice("take", "first", ("first", "last")),
        digits=table.choice("digits", "number", ("number", _FACILITY_CARD)),
        key_bits=table.rate("key_bits", 0, (0,) if framing == STX_LRC else (0, 4, 8)),
    )


def _make(options: WiegandOptions, around: Surroundings) -> Announcer:
    def encode(card: Card, wrong_check: bool) -> bytes | None:  # noqa: FBT001 - the shape all encoders have
        data = card_data(card, options.bits, options.source, options.take)
        if data is None:
            return None
        if options.byte_order == "reversed":
            data = turned(data, options.bits)
        return passed_on(options.framing, options.bits, data, digits=options.digits, wrong_check=wrong_check)

    manner = Manner(encode, options.rate, encode_key=_key_sender(options))
    return Announcer(manner, around.faults, around.profile)


def _settings(options: WiegandOptions) -> Mapping[str, Any]:
    return {
        "rate": None if options.rate == FACTORY_RATE else options.rate,
        "framing": options.framing,
        "bits": options.bits,
        "byte_order": None if options.byte_order == "forward" else options.byte_order,
    }


def _number_at(options: WiegandOptions, card: Card) -> Credential | None:
    data = card_data(card, options.bits, options.source, options.take)
    return None if data is None else ("card_number", number(options.bits, data))


KIND = Kind(role=Role.READER, read=_read, make=_make, settings=_settings, number_at=_number_at)
