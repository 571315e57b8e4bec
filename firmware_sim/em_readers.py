"""125 kHz readers RDM6300 and ID-12, which read EM4100 tags (readers.md 5.1)."""

from dataclasses import dataclass
from functools import partial, reduce
from operator import xor
from typing import Any

from firmware_sim.announcer import FACTORY_RATE, RATES, Announcer, Manner
from firmware_sim.cards import Card
from firmware_sim.kinds import Credential, Kind, Role, Surroundings
from firmware_sim.scene_table import Table

TAG_SIZE = 5  # version byte, and 32 bits of number

_STX = b"\x02"
_ETX = b"\x03"
_REPEAT_S = 0.05  # an RDM6300 repeats for as long as the tag lies there: a frame takes 14.6 ms at 9600
_MIN_REPEAT_S = 0.001


@dataclass(frozen=True, slots=True)
class EmOptions:
    """Keys of a scene's [[reader]] of kind rdm6300 or id12. `repeat_s` 0: once per placement."""

    rate: int = FACTORY_RATE
    repeat_s: float = 0.0
    lower_case: bool = False


def tag_frame(
    tag: bytes, ending: bytes = b"", *, lower_case: bool = False, wrong_check: bool = False
) -> bytes:
    """STX, ten hex digits, two of the XOR, `ending` (CR LF at an ID-12), ETX."""
    check = reduce(xor, tag) ^ (1 if wrong_check else 0)
    digits = (tag + bytes((check,))).hex()
    return _STX + (digits if lower_case else digits.upper()).encode("ascii") + ending + _ETX


def _read(table: Table, repeat_s: float) -> EmOptions:
    return EmOptions(
        rate=table.rate("rate", FACTORY_RATE, RATES),
        repeat_s=table.number("repeat_s", repeat_s, low=0.0, high=10.0),
        lower_case=table.flag("lower_case", default=False),
    )


def _make(options: EmOptions, around: Surroundings, ending: bytes) -> Announcer:
    def encode(card: Card, wrong_check: bool) -> bytes | None:  # noqa: FBT001 - the shape all encoders have
        if len(card.em_tag) != TAG_SIZE:
            return None
        return tag_frame(card.em_tag, ending, lower_case=options.lower_case, wrong_check=wrong_check)

    repeat_s = max(options.repeat_s, _MIN_REPEAT_S) if options.repeat_s else None
    return Announcer(Manner(encode, options.rate, repeat_s), around.faults, around.profile)


def _settings(options: EmOptions) -> dict[str, Any]:
    return {"rate": None if options.rate == FACTORY_RATE else options.rate}


def _number_at(_options: EmOptions, card: Card) -> Credential | None:
    return ("em_tag", card.em_tag.hex().upper()) if len(card.em_tag) == TAG_SIZE else None


def _kind(ending: bytes, repeat_s: float) -> Kind[EmOptions]:
    return Kind(
        role=Role.READER,
        read=partial(_read, repeat_s=repeat_s),
        make=partial(_make, ending=ending),
        settings=_settings,
        number_at=_number_at,
    )


RDM6300 = _kind(b"", _REPEAT_S)
ID12 = _kind(b"\r\n", 0.0)
