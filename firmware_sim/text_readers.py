"""Readers that send lines of text: card readers with ASCII output, serial QR scanners (readers.md 5.4)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from firmware_sim.announcer import RATES, Announcer, Manner
from firmware_sim.cards import Card
from firmware_sim.faults import FaultSet
from firmware_sim.kinds import Credential, Kind, Role, Surroundings
from firmware_sim.profiles import Profile
from firmware_sim.scene_table import Table

SUFFIXES: Mapping[str, bytes] = {
    "cr": b"\r",
    "lf": b"\n",
    "crlf": b"\r\n",
    "tab": b"\t",
    "etx": b"\x03",
    "nul": b"\0",
    "silence": b"",
}
TRIGGER_ON = b"\x16T\r"  # Honeywell
TRIGGER_OFF = b"\x16U\r"

_STX = b"\x02"
_TAG_BYTES = 4
_UID_BYTES = 4  # these readers print the first four of a longer UID

# What a line says of a 32-bit number (readers.md 4.7, 5.1 and 5.4).
FORMATS: Mapping[str, Callable[[int], str]] = {
    "hex8": lambda value: f"{value:08X}",
    "hex10": lambda value: f"{value:010X}",
    "dec10": lambda value: f"{value:010d}",
    "dec8": lambda value: f"{value & 0xFFFFFF:08d}",
    "facility_card": lambda value: f"{value >> 16 & 0xFF:03d},{value & 0xFFFF:05d}",
}
_THREE_BYTES = ("dec8", "facility_card")


@dataclass(frozen=True, slots=True)
class TextOptions:
    """Keys of a scene's [[reader]] of kind text."""

    rate: int = 9600
    suffix: str = "crlf"
    stx: bool = False
    format: str = "hex8"
    source: str = "uid"  # which of a person's cards it reads
    repeat_s: float = 0.0  # 0: once per placement


@dataclass(frozen=True, slots=True)
class QrOptions:
    """Keys of a scene's [[reader]] of kind qr."""

    rate: int = 9600
    suffix: str = "crlf"
    stx: bool = False
    trigger: bool = False  # it reads only between the Honeywell commands for trigger on and off
    repeat_s: float = 0.0


class TriggeredScanner(Announcer):
    """A scanner that stays dark until it is told to look."""

    def __init__(self, manner: Manner, faults: FaultSet, profile: Profile) -> None:
        super().__init__(manner, faults, profile)
        self._heard = b""
        self._seen: Card | None = None
        self._looks = False

    @property
    def card(self) -> Card | None:
        return self._seen

    def present(self, card: Card, now: float) -> None:
        self._seen = card
        if self._looks:
            super().present(card, now)

    def remove(self, now: float) -> None:
        self._seen = None
        super().remove(now)

    def feed(self, data: bytes, now: float) -> None:
        self._heard = (self._heard + data)[-4 * len(TRIGGER_ON) :]
        on, off = self._heard.rfind(TRIGGER_ON), self._heard.rfind(TRIGGER_OFF)
        if max(on, off) < 0:
            return
        self._heard = b""
        if on > off and not self._looks:
            self._looks = True
            if self._seen is not None:
                super().present(self._seen, now)
        elif off > on:
            self._looks = False
            super().remove(now)

    def power_cycle(self, now: float) -> None:
        self._looks = False
        self._heard = b""
        super().remove(now)
        super().power_cycle(now)


def line(text: str, suffix: str, *, stx: bool = False) -> bytes:
    """A payload with what the reader puts around it."""
    return (_STX if stx else b"") + text.encode("utf-8") + SUFFIXES[suffix]


def card_value(card: Card, source: str) -> int | None:
    """The 32-bit number that a text reader makes of a card; None: it cannot read such a card."""
    raw = card.em_tag[-_TAG_BYTES:] if source == "em_tag" else card.uid[:_UID_BYTES]
    return int.from_bytes(raw, "big") if raw else None


def _read_text(table: Table) -> TextOptions:
    return TextOptions(
        rate=table.rate("rate", 9600, RATES),
        suffix=table.choice("suffix", "crlf", tuple(SUFFIXES)),
        stx=table.flag("stx", default=False),
        format=table.choice("format", "hex8", tuple(FORMATS)),
        source=table.choice("source", "uid", ("uid", "em_tag")),
        repeat_s=table.number("repeat_s", 0.0, low=0.0, high=10.0),
    )


def _make_text(options: TextOptions, around: Surroundings) -> Announcer:
    def encode(card: Card, _wrong_check: bool) -> bytes | None:  # noqa: FBT001 - the shape all encoders have
        value = card_value(card, options.source)
        return (
            None if value is None else line(FORMATS[options.format](value), options.suffix, stx=options.stx)
        )

    manner = Manner(encode, options.rate, options.repeat_s or None)
    return Announcer(manner, around.faults, around.profile)


def _text_number(options: TextOptions, card: Card) -> Credential | None:
    value = card_value(card, options.source)
    if value is None:
        return None
    if options.format in _THREE_BYTES:
        return "card_number", f"26:{value & 0xFFFFFF:06X}"
    return "card_number", f"32:{value:08X}"


_TEXT_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "hex8": {"bits": 32},
    "hex10": {"bits": 32, "digits": 10},
    "dec10": {"base": "decimal", "bits": 32},
    "dec8": {"base": "decimal", "digits": 8},
    "facility_card": {"base": "decimal", "pattern": "{facility},{card}"},
}


def _text_settings(options: TextOptions) -> Mapping[str, Any]:
    return {"rate": options.rate, "suffix": options.suffix, **_TEXT_SETTINGS[options.format]}


def _read_qr(table: Table) -> QrOptions:
    return QrOptions(
        rate=table.rate("rate", 9600, RATES),
        suffix=table.choice("suffix", "crlf", tuple(SUFFIXES)),
        stx=table.flag("stx", default=False),
        trigger=table.flag("trigger", default=False),
        repeat_s=table.number("repeat_s", 0.0, low=0.0, high=10.0),
    )


def _make_qr(options: QrOptions, around: Surroundings) -> Announcer:
    def encode(card: Card, _wrong_check: bool) -> bytes | None:  # noqa: FBT001 - the shape all encoders have
        return line(card.qr_text, options.suffix, stx=options.stx) if card.qr_text else None

    manner = Manner(encode, options.rate, options.repeat_s or None)
    make = TriggeredScanner if options.trigger else Announcer
    return make(manner, around.faults, around.profile)


def _qr_number(_options: QrOptions, card: Card) -> Credential | None:
    return ("qr_code", card.qr_text) if card.qr_text else None


def _qr_settings(options: QrOptions) -> Mapping[str, Any]:
    return {"rate": options.rate, "suffix": options.suffix}


TEXT = Kind(
    role=Role.READER, read=_read_text, make=_make_text, settings=_text_settings, number_at=_text_number
)
QR = Kind(role=Role.READER, read=_read_qr, make=_make_qr, settings=_qr_settings, number_at=_qr_number)
