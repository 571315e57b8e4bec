"""PN532 on a serial line as bytes in, bytes out (readers.md 5.3, 4.6). Knows no port, thread, clock or file.

It sleeps after power-up until it is woken, acknowledges each command, then works on it; a new command or an
ACK of the host breaks off the one at work.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from firmware_sim.cards import Card
from firmware_sim.device import Frame, Notice, Outbox
from firmware_sim.faults import FaultSet
from firmware_sim.kinds import Credential, Kind, Role, Surroundings
from firmware_sim.pn532_field import ATQB, CHIP_SERIAL_SIZE, IdCardChip, type_a_target, type_a_uids
from firmware_sim.pn532_frame import (
    ACK,
    APPLICATION_ERROR,
    CHECK_AT,
    LENGTH_AT,
    Command,
    CommandFinder,
    Signal,
    answer,
    crc_b,
)
from firmware_sim.profiles import Profile
from firmware_sim.scene_table import Table

RATES = (115200, 230400, 57600, 38400, 19200, 9600)
FACTORY_RATE = 115200
FIRMWARE = bytes.fromhex("32 01 06 07")

_WAKE_UP = bytes.fromhex("55 55 00 00 00")  # its first bytes; of the fourteen zeros not all are needed
_ACK_S = 0.002  # "within a few ms"
_WORK_S = 0.005
_LIST_S = 0.03  # our guess: to look for a card once, and to exchange a frame with it
_PARTIAL_S = 0.5  # our guess: an unfinished command is forgotten after this silence

_FIELD_ITEM = 0x01
_RETRIES_ITEM = 0x05
_FOR_EVER = 0xFF
_TYPE_A = 0x00
_TYPE_B = 0x03
_MAX_TARGETS = 2

_TX_MODE = 0x6302
_RX_MODE = 0x6303
_FRAMING = 0x03  # of a mode register: 3 is type B
_CRC_BY_CHIP = 0x80
_TYPE_A_MODE = 0x80
_TYPE_B_MODE = 0x83

GOOD = 0x00
TIME_OUT = 0x01
NEEDS_KEY = 0x14

DIAGNOSE = 0x00
GET_FIRMWARE = 0x02
GET_STATUS = 0x04
READ_REGISTER = 0x06
WRITE_REGISTER = 0x08
SAM_CONFIGURATION = 0x14
POWER_DOWN = 0x16
RF_CONFIGURATION = 0x32
DATA_EXCHANGE = 0x40
COMMUNICATE_THRU = 0x42
LIST_TARGET = 0x4A
RELEASE = 0x52


@dataclass(frozen=True, slots=True)
class Pn532Options:
    """Keys of a scene's [[reader]] of kind pn532."""

    rate: int = FACTORY_RATE
    source: str = "uid"  # which of a person's cards is laid on it: "uid", or the ID card by its "chip_serial"
    lists_id_cards: bool = False  # InListPassiveTarget finds ID cards; not to be relied on (4.6)


class _NotUnderstood(Exception):
    """The command's data does not fit."""


class Pn532Module:
    """One chip with its antenna. `now` is the caller's monotonic clock in seconds."""

    def __init__(self, options: Pn532Options, faults: FaultSet, *, profile: Profile, rng: Random) -> None:
        self._options = options
        self._faults = faults
        self._rng = rng
        self._pace = 1.0 if profile.paced else 0.0
        self._rate = options.rate
        self._card: Card | None = None
        self._chip: IdCardChip | None = None
        self._finder = CommandFinder()
        self._outbox = Outbox()
        self._last_byte_s = 0.0
        self._last_answer: Frame | None = None
        self._waiting: tuple[Command, float] | None = None  # looks for a card until one comes, and since when
        self._asleep = True
        self._heard = b""  # while asleep
        self._reset_settings()
        self._commands: Mapping[int, Callable[[bytes], bytes | None]] = {
            DIAGNOSE: lambda data: data,
            GET_FIRMWARE: lambda _data: FIRMWARE,
            GET_STATUS: lambda _data: bytes((0, self._field, 0, 0)),
            READ_REGISTER: self._read_registers,
            WRITE_REGISTER: self._write_registers,
            SAM_CONFIGURATION: lambda _data: b"",
            POWER_DOWN: self._power_down,
            RF_CONFIGURATION: self._configure_field,
            DATA_EXCHANGE: self._exchange,
            COMMUNICATE_THRU: self._communicate,
            LIST_TARGET: self._list,
            RELEASE: lambda _data: bytes((GOOD,)),
        }

    @property
    def rate(self) -> int:
        return self._rate

    def leave_at(self, rate: int) -> None:
        """Another program set this rate."""
        self._rate = rate

    @property
    def card(self) -> Card | None:
        return self._card

    def present(self, card: Card, now: float) -> None:
        self._card = card
        self._chip = None
        if self._options.source == "chip_serial" and len(card.chip_serial) == CHIP_SERIAL_SIZE:
            self._chip = IdCardChip(card.chip_serial, self._faults, self._rng)
        self._outbox.tell(Notice("presented", card=card.ref))
        if self._waiting is not None:
            command, asked_s = self._waiting
            self._waiting = None
            self._work(command, now, asked_s)

    def remove(self, now: float) -> None:  # noqa: ARG002 - missed at the next command
        self._lose_card()

    def feed(self, data: bytes, now: float) -> None:
        """Take bytes in any portions. Asleep, it hears nothing but the wake-up."""
        if now - self._last_byte_s > _PARTIAL_S:
            self._finder.clear()
        self._last_byte_s = now
        if self._asleep:
            data = self._listen_asleep(data)
        for each in self._finder.feed(data):
            self._handle(each, now)

    def take(self, now: float) -> list[Frame]:
        return self._outbox.take(now)

    def next_due(self) -> float | None:
        return self._outbox.next_due()

    def notices(self) -> list[Notice]:
        return self._outbox.notices()

    def power_cycle(self, now: float) -> None:  # noqa: ARG002 - it sleeps at once
        self._outbox.clear()
        self._finder.clear()
        self._waiting = None
        self._last_answer = None
        self._asleep = True
        self._heard = b""
        self._reset_settings()

    def describe(self, now: float) -> dict[str, Any]:  # noqa: ARG002 - the same at all times
        state = "asleep" if self._asleep else "waiting" if self._waiting else "ready"
        return {"ignored_bytes": self._finder.skipped, "state": state, "field": bool(self._field)}

    def _reset_settings(self) -> None:
        self._field = False
        self._retries = _FOR_EVER
        self._registers = {_TX_MODE: _TYPE_A_MODE, _RX_MODE: _TYPE_A_MODE}
        self._lose_field()

    def _lose_field(self) -> None:
        self._field = False
        if self._chip is not None:
            self._chip.lose_power()

    def _lose_card(self) -> None:
        if self._card is not None:
            self._outbox.tell(Notice("removed", card=self._card.ref))
        self._card = None
        self._chip = None

    def _listen_asleep(self, data: bytes) -> bytes:
        """What is left for the woken chip."""
        heard = self._heard + data
        at = heard.find(_WAKE_UP)
        if at < 0:
            self._heard = heard[-len(_WAKE_UP) :]
            return b""
        self._asleep = False
        self._heard = b""
        return heard[at + len(_WAKE_UP) - 1 :]  # the last zero may be a preamble

    def _handle(self, heard: Command | Signal, now: float) -> None:
        self._waiting = None
        self._outbox.clear()
        if isinstance(heard, Command):
            self._outbox.put(
                Frame(ACK, now + _ACK_S * self._pace, now, self._rate, usual_s=_ACK_S, check_at=CHECK_AT)
            )
            self._work(heard, now, now)
        elif heard.repeat and self._last_answer is not None:
            self._outbox.put(self._last_answer)

    def _work(self, command: Command, now: float, asked_s: float) -> None:
        if self._faults.use("stuck_busy") is not None:
            return
        run = self._commands.get(command.code)
        card = self._card
        if command.code == LIST_TARGET and self._must_wait(command.data):
            self._waiting = (command, asked_s)
            return
        try:
            data = None if run is None else run(command.data)
        except _NotUnderstood:
            run = None
            data = None
        if run is None:
            self._answer(APPLICATION_ERROR, now, asked_s, _WORK_S)
        elif data is not None:
            read_of = card.ref if card is not None and self._is_read(command, data, card) else None
            usual_s = _LIST_S if command.code in (LIST_TARGET, COMMUNICATE_THRU, DATA_EXCHANGE) else _WORK_S
            self._answer(answer(bytes((command.code + 1,)) + data), now, asked_s, usual_s, read_of)

    def _answer(
        self, frame: bytes, now: float, asked_s: float, usual_s: float, read_of: str | None = None
    ) -> None:
        self._last_answer = Frame(
            data=frame,
            due_s=now + (_ACK_S + usual_s) * self._pace,
            asked_s=asked_s,
            rate=self._rate,
            usual_s=_ACK_S + usual_s,
            read_of=read_of,
            check_at=CHECK_AT,
            length_at=LENGTH_AT,
        )
        self._outbox.put(self._last_answer)
        if self._asleep:  # told to power down: it answers first
            self._finder.clear()

    def _is_read(self, command: Command, data: bytes, card: Card) -> bool:
        """Whether the answer carries what identifies the card."""
        if command.code == LIST_TARGET:
            return bool(card.uid) and card.uid in data
        return command.code == COMMUNICATE_THRU and card.chip_serial in data and bool(card.chip_serial)

    def _read_registers(self, data: bytes) -> bytes:
        return bytes(self._registers.get(address, 0) for (address,) in _chunks(data, 2))

    def _write_registers(self, data: bytes) -> bytes:
        for address, value in _chunks(data, 3):
            self._registers[address] = value
        return b""

    def _power_down(self, _data: bytes) -> bytes:
        self._asleep = True
        self._lose_field()
        return bytes((GOOD,))

    def _configure_field(self, data: bytes) -> bytes:
        item, values = _head(data), data[1:]
        if item == _FIELD_ITEM and values:
            if values[0] & 0x01:
                self._field = True
            else:
                self._lose_field()
        elif item == _RETRIES_ITEM and len(values) == len(("ATR", "PSL", "activation")):
            self._retries = values[-1]
        return b""

    def _must_wait(self, data: bytes) -> bool:
        """No card now, and told to look for ever."""
        if self._retries != _FOR_EVER or len(data) < len(("targets", "type")):
            return False
        if not 1 <= data[0] <= _MAX_TARGETS:
            return False
        return not (self._sees_chip() if data[1] == _TYPE_B else self._sees_type_a())

    def _sees_type_a(self) -> bool:
        return self._options.source == "uid" and self._card is not None and bool(self._card.uid)

    def _sees_chip(self) -> bool:
        return self._options.lists_id_cards and self._chip is not None and not self._chip.hung

    def _list(self, data: bytes) -> bytes:
        most, kind = _head(data), data[1] if len(data) > 1 else None
        if not 1 <= most <= _MAX_TARGETS or kind not in (_TYPE_A, _TYPE_B):
            raise _NotUnderstood
        self._field = True
        if kind == _TYPE_B:
            self._set_modes(_TYPE_B_MODE)
            chip = self._chip
            if chip is None or not self._sees_chip():
                return b"\x00"
            chip.attach()
            return b"\x01\x01" + ATQB + b"\x01\x08"
        self._set_modes(_TYPE_A_MODE)
        if self._card is None or not self._sees_type_a():
            return b"\x00"
        uids = type_a_uids(self._card, self._faults, self._rng)[:most]
        return bytes((len(uids),)) + b"".join(type_a_target(at, uid) for at, uid in enumerate(uids, start=1))

    def _set_modes(self, mode: int) -> None:
        self._registers[_TX_MODE] = self._registers[_RX_MODE] = mode

    def _exchange(self, data: bytes) -> bytes:
        """Cards with a key refuse to be read; a card that left is missed."""
        if not data:
            raise _NotUnderstood
        if self._faults.use("lifted") is not None:
            self._lose_card()
        return bytes((TIME_OUT if self._card is None else NEEDS_KEY,))

    def _communicate(self, data: bytes) -> bytes:
        if self._faults.use("lifted") is not None:
            self._lose_card()
        transmit, receive = self._registers[_TX_MODE], self._registers[_RX_MODE]
        type_b = transmit & _FRAMING == _FRAMING and receive & _FRAMING == _FRAMING
        if self._chip is None or not type_b or not self._field:
            return bytes((TIME_OUT,))
        said = self._chip.answer(data + crc_b(data) if transmit & _CRC_BY_CHIP else data)
        if said is None:
            return bytes((TIME_OUT,))
        return bytes((GOOD,)) + (said[:-2] if receive & _CRC_BY_CHIP else said)


def _head(data: bytes) -> int:
    if not data:
        raise _NotUnderstood
    return data[0]


def _chunks(data: bytes, size: int) -> list[tuple[int, ...]]:
    """Addresses, u16be, with the bytes that follow each."""
    if not data or len(data) % size:
        raise _NotUnderstood
    pieces = (data[at : at + size] for at in range(0, len(data), size))
    return [(int.from_bytes(piece[:2], "big"), *piece[2:]) for piece in pieces]


def _read(table: Table) -> Pn532Options:
    return Pn532Options(
        rate=table.rate("rate", FACTORY_RATE, RATES),
        source=table.choice("source", "uid", ("uid", "chip_serial")),
        lists_id_cards=table.flag("lists_id_cards", default=False),
    )


def _make(options: Pn532Options, around: Surroundings) -> Pn532Module:
    return Pn532Module(options, around.faults, profile=around.profile, rng=around.rng)


def _settings(options: Pn532Options) -> Mapping[str, Any]:
    return {"rate": None if options.rate == FACTORY_RATE else options.rate}


def _number_at(options: Pn532Options, card: Card) -> Credential | None:
    if options.source == "uid":
        return ("card_uid", card.uid.hex().upper()) if card.uid else None
    return ("id_card_chip", card.chip_serial.hex().upper()) if card.chip_serial else None


KIND = Kind(role=Role.READER, read=_read, make=_make, settings=_settings, number_at=_number_at)
