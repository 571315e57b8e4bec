"""A GPIO chip played behind a socket: one JSON object a line, as the GPIO driver's description says.

Bytes in, bytes out; knows no socket, thread, clock or file. Behind the chip there are relays, RELAY1 and on,
and contacts, INPUT1 and on, which close to the supply where the line is pulled down, else to ground.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from firmware_sim.device import Frame, Notice, Outbox
from firmware_sim.faults import FaultSet
from firmware_sim.kinds import UNIX, Kind, Role, Surroundings
from firmware_sim.scene_table import Table

RATE = 1_000_000  # a socket has none; paced lines need a figure
MAX_LINE = 65_536
MAX_TERMINALS = 64
MAX_DEBOUNCE_US = 5_000_000

NO_LINE = "ENOENT"
BUSY = "EBUSY"
INVALID = "EINVAL"

_USUAL_S = 0.0005  # our guess
_BIASES = ("pull_up", "pull_down", "disabled", "as_is")


class Refused(Exception):
    """What was asked cannot be done; nothing has changed."""

    def __init__(self, error: str, line: str | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.line = line


@dataclass(slots=True)
class _Output:
    """A line that drives a relay: what was asked of it, None while nobody has it."""

    level: int  # physical
    active_low: bool | None = None


@dataclass(slots=True)
class _Input:
    """A line at a contact, and what the program was told of it."""

    closed: bool = False
    active_low: bool | None = None  # None: nobody has it
    bias: str = "pull_up"
    debounce_s: float = 0.0
    told: int = 0
    settled_s: float | None = None  # when a change will have lasted long enough

    def value(self) -> int:
        """Logical: the contact pulls the line to where its bias does not."""
        level = self.closed if self.bias == "pull_down" else not self.closed
        return int(level is not bool(self.active_low))


class GpioChip:
    """One chip with one program at a time. A relay is on while its line is high, or low with `active_low`."""

    def __init__(
        self,
        faults: FaultSet,
        *,
        channels: int = 2,
        inputs: int = 2,
        active_low: bool = False,
        answer_s: float = 0.0,
    ) -> None:
        self._faults = faults
        self._relay_low = active_low
        self._answer_s = answer_s
        self._outputs = {f"RELAY{number}": _Output(self._off) for number in range(1, channels + 1)}
        self._inputs = {f"INPUT{number}": _Input() for number in range(1, inputs + 1)}
        self._relays = [False] * channels
        self._requested = False
        self._buffer = bytearray()
        self._deaf = False
        self._outbox = Outbox()

    @property
    def rate(self) -> int:
        return RATE

    @property
    def relays(self) -> tuple[bool, ...]:
        """Position of each relay, channel 1 first."""
        return tuple(self._relays)

    def describe(self, now: float) -> dict[str, Any]:  # noqa: ARG002 - the same at all times
        """What `status` says of it."""
        return {"requested": self._requested}

    def set_input(self, number: int, state: str, now: float) -> None:
        """As InputDevice; ValueError: no such input or state."""
        line = self._inputs.get(f"INPUT{number}")
        if line is None:
            raise ValueError(f"the chip has inputs 1 to {len(self._inputs)}, not {number}")
        if state not in ("open", "closed"):
            raise ValueError(f"an input of the chip is open or closed, not {state!r}")
        line.closed = state == "closed"
        changed = line.active_low is not None and line.value() != line.told
        line.settled_s = now + line.debounce_s if changed else None

    def feed(self, data: bytes, now: float) -> None:
        """Take bytes in any portions. After a line that is too long it is deaf until the program leaves."""
        if self._deaf:
            return
        self._settle(now)
        self._buffer += data
        *lines, rest = bytes(self._buffer).split(b"\n")
        self._buffer = bytearray(rest)
        for line in lines:
            if len(line) >= MAX_LINE:
                self._deaf = True
                break
            if line.strip():
                self._hear(line, now)
        self._deaf = self._deaf or len(self._buffer) >= MAX_LINE
        if self._deaf:
            self._buffer.clear()

    def take(self, now: float) -> list[Frame]:
        self._settle(now)
        return self._outbox.take(now)

    def next_due(self) -> float | None:
        moments = [line.settled_s for line in self._inputs.values() if line.settled_s is not None]
        if (due_s := self._outbox.next_due()) is not None:
            moments.append(due_s)
        return min(moments, default=None)

    def notices(self) -> list[Notice]:
        return self._outbox.notices()

    def hung_up(self, now: float) -> None:  # noqa: ARG002 - lines are free at once
        """The program left: its lines are free, each output keeps its level."""
        self._requested = False
        self._deaf = False
        self._buffer.clear()
        self._outbox.clear()
        for output in self._outputs.values():
            output.active_low = None
        for line in self._inputs.values():
            line.active_low = None
            line.settled_s = None

    def power_cycle(self, now: float) -> None:
        """The chip is pulled out: nobody has its lines, its relays drop out."""
        self.hung_up(now)
        for number, output in enumerate(self._outputs.values()):
            output.level = self._off
            self._move(number, on=False)

    @property
    def _off(self) -> int:
        return int(self._relay_low)

    def _hear(self, line: bytes, now: float) -> None:
        asked = _object(line)
        number = asked.get("id")
        known = number if isinstance(number, int) and not isinstance(number, bool) else None
        try:
            said = {"id": known, "ok": True} | self._do(asked if known is not None else {})
        except Refused as refused:
            said = {"id": known, "ok": False, "error": refused.error, "line": refused.line}
        self._say(said, now, asked_s=now)

    def _say(self, said: Mapping[str, Any], now: float, *, asked_s: float) -> None:
        data = json.dumps(said, separators=(",", ":")).encode() + b"\n"
        self._outbox.put(Frame(data, now + self._answer_s, asked_s, RATE, usual_s=_USUAL_S, check_at=None))

    def _do(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        match asked.get("op"):
            case "request":
                return self._request(asked)
            case "set" if self._requested:
                self._set(_values(asked.get("values")))
                return {}
            case "get" if self._requested:
                return {"values": self._read()}
            case _:
                raise Refused(INVALID)

    def _request(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        if self._requested or not isinstance(asked.get("consumer"), str):
            raise Refused(INVALID)
        outputs = [_output(each) for each in _objects(asked.get("outputs"))]
        inputs = [_input(each) for each in _objects(asked.get("inputs"))]
        drives = [name for name, _, _ in outputs]
        names = drives + [name for name, _ in inputs]
        for name in names:
            if name not in self._outputs and name not in self._inputs:
                raise Refused(NO_LINE, name)
            if names.count(name) > 1:
                raise Refused(INVALID, name)
            if (name in drives) is not (name in self._outputs):
                raise Refused(INVALID, name)
        if names and self._faults.use("line_taken") is not None:
            raise Refused(BUSY, names[0])
        self._take_lines(outputs, inputs)
        return {"label": "simulated", "values": self._read()}

    def _take_lines(self, outputs: list[tuple[str, bool, int]], inputs: list[tuple[str, _Input]]) -> None:
        self._requested = True
        for name, active_low, _ in outputs:
            self._outputs[name].active_low = active_low
        self._set({name: value for name, _, value in outputs})
        for name, wanted in inputs:
            wanted.closed = self._inputs[name].closed
            wanted.told = wanted.value()
            self._inputs[name] = wanted

    def _set(self, values: Mapping[str, int]) -> None:
        for name in values:
            if name not in self._outputs or self._outputs[name].active_low is None:
                raise Refused(INVALID if name in self._outputs or name in self._inputs else NO_LINE, name)
        for number, (name, output) in enumerate(self._outputs.items()):
            if name in values:
                output.level = values[name] ^ int(bool(output.active_low))
                self._follow(number, on=output.level != self._off)

    def _follow(self, number: int, *, on: bool) -> None:
        stuck = self._faults.peek("does_not_follow")
        if stuck is not None and stuck["channel"] in (None, number + 1):
            self._faults.use("does_not_follow")
            return
        self._move(number, on=on)

    def _move(self, number: int, *, on: bool) -> None:
        if self._relays[number] is not on:
            self._relays[number] = on
            self._outbox.tell(Notice("relay_on" if on else "relay_off", channel=number + 1, edge=True))

    def _read(self) -> dict[str, int]:
        return {name: line.told for name, line in self._inputs.items() if line.active_low is not None}

    def _settle(self, now: float) -> None:
        for name, line in self._inputs.items():
            if line.settled_s is not None and line.settled_s <= now:
                line.told = line.value()
                self._say({"event": "edge", "line": name, "value": line.told}, now, asked_s=line.settled_s)
                line.settled_s = None


def _object(line: bytes) -> dict[str, Any]:
    """What the line says; empty if it is no JSON object."""
    try:
        found = json.loads(line.decode())
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        return {}
    return found if isinstance(found, dict) else {}


def _objects(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise Refused(INVALID)
    return value


def _name(asked: Mapping[str, Any]) -> str:
    name = asked.get("line")
    if not isinstance(name, str):
        raise Refused(INVALID)
    return name


def _flag(asked: Mapping[str, Any], name: str) -> bool:
    value = asked.get("active_low")
    if not isinstance(value, bool):
        raise Refused(INVALID, name)
    return value


def _output(asked: Mapping[str, Any]) -> tuple[str, bool, int]:
    name = _name(asked)
    return name, _flag(asked, name), _values({name: asked.get("value")})[name]


def _input(asked: Mapping[str, Any]) -> tuple[str, _Input]:
    name = _name(asked)
    bias, debounce = asked.get("bias"), asked.get("debounce_us")
    if bias not in _BIASES or not isinstance(debounce, int) or isinstance(debounce, bool):
        raise Refused(INVALID, name)
    if not 0 <= debounce <= MAX_DEBOUNCE_US:
        raise Refused(INVALID, name)
    return name, _Input(active_low=_flag(asked, name), bias=bias, debounce_s=debounce / 1e6)


def _values(value: object) -> dict[str, int]:
    if not isinstance(value, dict):
        raise Refused(INVALID)
    for name, level in value.items():
        if not isinstance(level, int) or isinstance(level, bool) or level not in (0, 1):
            raise Refused(INVALID, name)
    return value


@dataclass(frozen=True, slots=True)
class GpioOptions:
    """Keys of a scene's [[lock_board]] of kind gpio."""

    channels: int
    inputs: int
    active_low: bool


def _read_options(table: Table) -> GpioOptions:
    return GpioOptions(
        channels=table.whole("channels", 2, low=1, high=MAX_TERMINALS),
        inputs=table.whole("inputs", 2, low=0, high=MAX_TERMINALS),
        active_low=table.flag("active_low", default=False),
    )


def _make(options: GpioOptions, around: Surroundings) -> GpioChip:
    return GpioChip(
        around.faults,
        channels=options.channels,
        inputs=options.inputs,
        active_low=options.active_low,
        answer_s=_USUAL_S if around.profile.paced else 0.0,
    )


def _settings(options: GpioOptions) -> Mapping[str, Any]:
    relays = [
        {"channel": number, "line": f"RELAY{number}", "active_low": options.active_low}
        for number in range(1, options.channels + 1)
    ]
    inputs = [{"channel": number, "line": f"INPUT{number}"} for number in range(1, options.inputs + 1)]
    return {"relays": relays, "inputs": inputs}


def _channels(options: GpioOptions) -> int:
    return options.channels


def _inputs(options: GpioOptions) -> int:
    return options.inputs


KIND = Kind(
    role=Role.LOCK_BOARD,
    read=_read_options,
    make=_make,
    settings=_settings,
    channels=_channels,
    inputs=_inputs,
    transports=(UNIX,),
    address_key="chip",
)
