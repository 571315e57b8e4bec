"""A Modbus RTU board of relays and inputs as bytes in, bytes out (readers.md 7.2). No port, thread, clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from firmware_sim.device import Frame, Notice, Outbox
from firmware_sim.faults import FaultSet
from firmware_sim.kinds import Kind, Role, Surroundings
from firmware_sim.modbus_frame import BROADCAST, MAX_UNIT, Request, RequestFramer, frame
from firmware_sim.scene_table import Table

FACTORY_RATE = 9600
RATES = (4800, 9600, 19200, 38400, 57600, 115200)
MAX_TERMINALS = 32
TICKS_PER_S = 10  # of a timed coil
GAP_S = 0.1  # an unfinished request is forgotten; a busy machine may read one in two portions
HASTY_S = 0.02  # slow boards need 20 to 50 ms between requests

_SILENT_BITS = 35  # 3.5 characters
_MIN_SILENCE_S = 0.00175
_USUAL_S = 0.005  # our guess
_MAX_BITS = 2000  # of one reading
_MAX_WRITE = 1968
_ON, _OFF = 0xFF00, 0x0000
_FLASH_BASE = 0x0200
_EXCEPTION_BIT = 0x80
_READ_SIZE = 4
_WRITE_HEAD = 5

READ_COILS = 0x01
READ_INPUTS = 0x02
WRITE_COIL = 0x05
WRITE_COILS = 0x0F

NO_FUNCTION = 0x01
NO_ADDRESS = 0x02
NO_VALUE = 0x03


class Flash(Enum):
    """How a board is told to switch a relay on for a while; makes differ."""

    NONE = "none"
    VALUE = "value"  # function 05 with tenths of a second in place of FF 00
    ADDRESS = "address"  # function 05 at 0200 plus the coil, with tenths of a second


class Refused(Exception):
    """The request is answered with this exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(slots=True)
class Relay:
    """One relay, and when it drops out by itself."""

    on: bool = False
    until_s: float | None = None


class ModbusBoard:
    """One unit on a line. Relays drop out whenever it loses power."""

    def __init__(
        self,
        faults: FaultSet,
        *,
        unit: int = 1,
        channels: int = 8,
        inputs: int = 8,
        flash: Flash = Flash.NONE,
        rate: int = FACTORY_RATE,
        first_coil: int = 0,
        first_input: int = 0,
        answer_s: float = 0.0,
    ) -> None:
        if not 1 <= unit <= MAX_UNIT:
            raise ValueError(f"a Modbus unit is 1 to {MAX_UNIT}, not {unit}")
        self._faults = faults
        self._unit = unit
        self._flash = flash
        self._rate = rate
        self._first_coil = first_coil
        self._first_input = first_input
        self._answer_s = answer_s
        self._relays = [Relay() for _ in range(channels)]
        self._inputs = [False] * inputs
        self._framer = RequestFramer()
        self._outbox = Outbox()
        self._last_byte_s = 0.0
        self._last_request_s: float | None = None

    @property
    def rate(self) -> int:
        return self._rate

    def leave_at(self, rate: int) -> None:
        """Speak at another rate, as another program or a switch left it."""
        self._rate = rate

    @property
    def relays(self) -> tuple[bool, ...]:
        """Position of each relay, channel 1 first."""
        return tuple(relay.on for relay in self._relays)

    @property
    def ignored(self) -> int:
        """Bytes that belonged to no request."""
        return self._framer.dropped

    def describe(self, now: float) -> dict[str, Any]:  # noqa: ARG002 - the same at all times
        """What `status` says of it."""
        return {"ignored_bytes": self.ignored, "unit": self._unit}

    def set_input(self, number: int, state: str, now: float) -> None:  # noqa: ARG002 - read, not told
        """As InputDevice; ValueError: no such input or state."""
        if not 1 <= number <= len(self._inputs):
            raise ValueError(f"the board has inputs 1 to {len(self._inputs)}, not {number}")
        if state not in ("open", "closed"):
            raise ValueError(f"an input of the board is open or closed, not {state!r}")
        self._inputs[number - 1] = state == "closed"

    def feed(self, data: bytes, now: float) -> None:
        """Take bytes in any portions; after a silence an unfinished request is forgotten."""
        silent_s, self._last_byte_s = now - self._last_byte_s, now
        if self._framer.waiting and silent_s > GAP_S:
            self._framer.reset()
        self._tick(now)
        after_silence = silent_s > max(_SILENT_BITS / self._rate, _MIN_SILENCE_S)
        for request in self._framer.feed(data, after_silence=after_silence):
            if request.unit in (self._unit, BROADCAST):
                self._hear(request, now)

    def take(self, now: float) -> list[Frame]:
        self._tick(now)
        return self._outbox.take(now)

    def next_due(self) -> float | None:
        moments = [relay.until_s for relay in self._relays if relay.until_s is not None]
        if (due_s := self._outbox.next_due()) is not None:
            moments.append(due_s)
        return min(moments, default=None)

    def notices(self) -> list[Notice]:
        return self._outbox.notices()

    def power_cycle(self, now: float) -> None:  # noqa: ARG002 - a board needs no time to come back
        self._framer.reset()
        self._outbox.clear()
        self._last_request_s = None
        for number, relay in enumerate(self._relays):
            if relay.on:
                self._set(number, on=False)

    def _tick(self, now: float) -> None:
        for number, relay in enumerate(self._relays):
            if relay.until_s is not None and relay.until_s <= now:
                self._set(number, on=False)

    def _hear(self, request: Request, now: float) -> None:
        last_s, self._last_request_s = self._last_request_s, now
        hasty = last_s is not None and now - last_s < HASTY_S
        if hasty and self._faults.use("swallows_hasty") is not None:
            return
        try:
            function, data = request.function, self._do(request, now)
        except Refused as refused:
            function, data = request.function | _EXCEPTION_BIT, bytes((refused.code,))
        if request.unit == BROADCAST:
            return
        reply = frame(self._unit, function, data)
        self._outbox.put(Frame(reply, now + self._answer_s, now, self._rate, usual_s=_USUAL_S))

    def _do(self, request: Request, now: float) -> bytes:
        if (forced := self._faults.use("exception")) is not None:
            raise Refused(forced["code"])
        data = request.data
        match request.function:
            case 0x01:
                return self._read([relay.on for relay in self._relays], self._first_coil, data)
            case 0x02:
                return self._read(self._inputs, self._first_input, data)
            case 0x05:
                self._write_coil(_number(data, 0), _number(data, 2), now)
                return data
            case 0x0F:
                self._write_coils(data)
                return data[:_READ_SIZE]
            case _:
                raise Refused(NO_FUNCTION)

    def _read(self, states: list[bool], first: int, data: bytes) -> bytes:
        address, count = _number(data, 0), _number(data, 2)
        if not 1 <= count <= _MAX_BITS:
            raise Refused(NO_VALUE)
        wanted = states[_place(address, count, first, len(states))]
        packed = sum(on << at for at, on in enumerate(wanted))
        size = -(-count // 8)
        return bytes((size,)) + packed.to_bytes(size, "little")

    def _write_coil(self, address: int, value: int, now: float) -> None:
        flashed = self._flash is Flash.ADDRESS and address >= _FLASH_BASE
        if flashed:
            address -= _FLASH_BASE
        number = _place(address, 1, self._first_coil, len(self._relays)).start
        if flashed or (self._flash is Flash.VALUE and value not in (_ON, _OFF)):
            self._follow(number, on=True, until_s=now + value / TICKS_PER_S)
        elif value in (_ON, _OFF):
            self._follow(number, on=value == _ON)
        else:
            raise Refused(NO_VALUE)

    def _write_coils(self, data: bytes) -> None:
        address, count, size = _number(data, 0), _number(data, 2), data[4]
        if not 1 <= count <= _MAX_WRITE or size != -(-count // 8) or len(data) != _WRITE_HEAD + size:
            raise Refused(NO_VALUE)
        place = _place(address, count, self._first_coil, len(self._relays))
        bits = int.from_bytes(data[_WRITE_HEAD:], "little")
        for at, number in enumerate(range(place.start, place.stop)):
            self._follow(number, on=bool(bits >> at & 1))

    def _follow(self, number: int, *, on: bool, until_s: float | None = None) -> None:
        stuck = self._faults.peek("does_not_follow")
        if stuck is not None and stuck["channel"] in (None, number + 1):
            self._faults.use("does_not_follow")
            return
        self._set(number, on=on, until_s=until_s)

    def _set(self, number: int, *, on: bool, until_s: float | None = None) -> None:
        edge = self._relays[number].on is not on
        self._relays[number] = Relay(on, until_s)
        self._outbox.tell(Notice("relay_on" if on else "relay_off", channel=number + 1, edge=edge))


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")


def _place(address: int, count: int, first: int, size: int) -> slice:
    """Which of `size` things that begin at `first` are meant."""
    start = address - first
    if start < 0 or start + count > size:
        raise Refused(NO_ADDRESS)
    return slice(start, start + count)


@dataclass(frozen=True, slots=True)
class ModbusOptions:
    """Keys of a scene's [[lock_board]] of kind modbus."""

    unit: int
    channels: int
    inputs: int
    flash: Flash
    rate: int


def _read_options(table: Table) -> ModbusOptions:
    return ModbusOptions(
        unit=table.whole("unit", 1, low=1, high=MAX_UNIT),
        channels=table.whole("channels", 8, low=1, high=MAX_TERMINALS),
        inputs=table.whole("inputs", 8, low=0, high=MAX_TERMINALS),
        flash=Flash(table.choice("flash", Flash.NONE.value, tuple(each.value for each in Flash))),
        rate=table.rate("rate", FACTORY_RATE, RATES),
    )


def _make(options: ModbusOptions, around: Surroundings) -> ModbusBoard:
    return ModbusBoard(
        around.faults,
        unit=options.unit,
        channels=options.channels,
        inputs=options.inputs,
        flash=options.flash,
        rate=options.rate,
        answer_s=_USUAL_S if around.profile.paced else 0.0,
    )


def _settings(options: ModbusOptions) -> Mapping[str, Any]:
    return {
        "unit": options.unit,
        "channels": options.channels,
        "rate": options.rate,
        "timed_pulse": options.flash.value,
    }


def _channels(options: ModbusOptions) -> int:
    return options.channels


def _inputs(options: ModbusOptions) -> int:
    return options.inputs


def _place_on_bus(options: ModbusOptions) -> str:
    return f"unit {options.unit}"


KIND = Kind(
    role=Role.LOCK_BOARD,
    read=_read_options,
    make=_make,
    settings=_settings,
    channels=_channels,
    inputs=_inputs,
    place=_place_on_bus,
    on_bus=True,
)
