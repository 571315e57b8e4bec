"""What the GPIO driver needs of a chip, its settings, and the chip behind a socket.

The protocol of that socket stands at the head of gpio_board.py. Knows no pulses and no doors.
"""

from __future__ import annotations

import itertools
import select
import socket
import time
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Protocol, Self

from pydantic import Field, model_validator

from drivers.errors import DeviceUnavailable, ProtocolViolation
from drivers.gpio_codec import ChipParser, Done, Edge, NotDone, encode
from drivers.lock_guard import Order
from drivers.pulses import SafeStates, check_safe_states
from drivers.settings import DeviceSettings, InputSettings, Part
from drivers.transport import WakePipe, explain

SOCKET = "socket://"
ANSWER_LIMIT_S = 1.0  # a chip that takes longer is stuck
REFRESH_S = 2.0  # a chip that says nothing is asked, so that a stuck one is noticed without a release
_READ_BLOCK = 4096

LineName = Annotated[str, Field(min_length=1, max_length=64, description="a line's name, see gpioinfo")]


class GpioRelay(Part):
    """An output that switches a lock's relay."""

    channel: Annotated[int, Field(strict=True, ge=1, le=64)]
    line: LineName
    active_low: bool = False  # True for relay boards that switch on at a low level


class GpioInput(InputSettings):
    """A contact between a line and ground, unless told otherwise: low is closed."""

    line: LineName
    active_low: bool = True
    bias: Literal["pull_up", "pull_down", "disabled", "as_is"] = "pull_up"


class GpioSettings(DeviceSettings):
    """Locks and contacts on the lines of one GPIO chip."""

    chip: Annotated[
        str,
        Field(min_length=1, description="a chip's label, its path, or 'socket:///PATH' for a simulated one"),
    ]
    relays: Annotated[tuple[GpioRelay, ...], Field(max_length=64)] = ()
    inputs: Annotated[tuple[GpioInput, ...], Field(max_length=64)] = ()
    safe_state: SafeStates = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if sorted(relay.channel for relay in self.relays) != list(range(1, len(self.relays) + 1)):
            raise ValueError("relays: number their channels 1, 2, 3 and so on, each once")
        check_safe_states(self.safe_state, len(self.relays))
        channels = [each.channel for each in self.inputs]
        lines = self.lines
        if len(set(channels)) < len(channels) or len(set(lines)) < len(lines):
            raise ValueError("each input channel and each line may stand there once")
        if not lines:
            raise ValueError("name at least one line, in 'relays' or 'inputs'")
        return self

    @property
    def lines(self) -> list[str]:
        return [relay.line for relay in self.relays] + [each.line for each in self.inputs]

    @property
    def channels(self) -> int:
        return len(self.relays)

    @property
    def place(self) -> str:
        return self.chip


class GpioChip(Protocol):
    """Lines of one chip, taken. One thread waits; others may set and wake. All raise DeviceUnavailable."""

    def wait(self, timeout_s: float) -> Mapping[str, bool]:
        """All inputs by line, logical, as they are after a change, a wake-up or `timeout_s`."""

    def set(self, line: str, *, on: bool) -> None: ...

    def leave(self, values: Mapping[str, bool]) -> None:
        """Sets these lines, and returns when that is done: the last thing before `close`."""

    def wake(self) -> None:
        """Ends the current or, if there is none, the next wait at once. From any thread, also after close."""

    def descriptor(self) -> int: ...

    def last_orders(self, values: Mapping[str, bool]) -> list[Order]:
        """What the guard does at `descriptor` to set these lines."""

    def close(self) -> None: ...


class SocketChip:
    """A chip that somebody plays behind a UNIX stream socket."""

    def __init__(self, settings: GpioSettings, outputs: Mapping[str, bool]) -> None:
        """Takes all lines, with the outputs at these values. Raises DeviceUnavailable."""
        self._place = settings.chip
        self._parser = ChipParser()
        self._values: dict[str, bool] = {}
        self._asked: dict[int, float] = {}  # requests without an answer, and when they were sent
        self._ids = itertools.count(1)  # two threads take from it
        self._sent_s = time.monotonic()
        self._woken = WakePipe()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._connect(settings, outputs)
        except BaseException:
            self.close()
            raise

    def wait(self, timeout_s: float) -> Mapping[str, bool]:
        now = time.monotonic()
        if not self._asked and now - self._sent_s >= REFRESH_S:
            self._ask({"op": "get"})
        self._read(min(timeout_s, ANSWER_LIMIT_S if self._asked else REFRESH_S))
        if self._asked and time.monotonic() - min(list(self._asked.values())) >= ANSWER_LIMIT_S:
            raise DeviceUnavailable(self._place, "the chip does not answer")
        return self._values

    def set(self, line: str, *, on: bool) -> None:
        self._ask({"op": "set", "values": {line: int(on)}})

    def leave(self, values: Mapping[str, bool]) -> None:
        if values:
            self._ask({"op": "set", "values": {line: int(on) for line, on in values.items()}})
        self._read_answers()

    def wake(self) -> None:
        self._woken.wake()

    def descriptor(self) -> int:
        return self._socket.fileno()

    def last_orders(self, values: Mapping[str, bool]) -> list[Order]:
        order = {"op": "set", "id": 0, "values": {line: int(on) for line, on in values.items()}}
        return [Order(0.0, b"\n" + encode(order))] if values else []  # the first ends a line left unfinished

    def close(self) -> None:
        self._woken.close()
        self._socket.close()

    def _connect(self, settings: GpioSettings, outputs: Mapping[str, bool]) -> None:
        try:
            self._socket.settimeout(ANSWER_LIMIT_S)
            self._socket.connect(settings.chip.removeprefix(SOCKET))
            self._socket.setblocking(False)  # noqa: FBT003 - the standard library's signature
        except OSError as error:
            raise explain(self._place, error) from error
        relays = [
            {"line": each.line, "active_low": each.active_low, "value": int(outputs[each.line])}
            for each in settings.relays
        ]
        inputs = [
            {
                "line": each.line,
                "active_low": each.active_low,
                "bias": each.bias,
                "debounce_us": round(each.debounce_s * 1e6),
            }
            for each in settings.inputs
        ]
        self._ask({"op": "request", "consumer": "liuhen", "outputs": relays, "inputs": inputs})
        self._read_answers()

    def _read_answers(self) -> None:
        until_s = time.monotonic() + ANSWER_LIMIT_S
        while self._asked:
            if (left_s := until_s - time.monotonic()) <= 0:
                raise DeviceUnavailable(self._place, "the chip does not answer")
            self._read(left_s)

    def _ask(self, question: dict[str, Any]) -> None:
        number = next(self._ids)
        self._asked[number] = self._sent_s = time.monotonic()
        data = encode(question | {"id": number})
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise explain(self._place, error) from error
        if sent < len(data):  # its buffer holds thousands of these: it has read none for long
            raise DeviceUnavailable(self._place, "the chip takes no commands")

    def _read(self, timeout_s: float) -> None:
        ready = select.select([self._socket.fileno(), self._woken.reader], [], [], max(0.0, timeout_s))[0]
        if self._woken.reader in ready:
            self._woken.drain()
        if self._socket.fileno() not in ready:
            return
        try:
            data = self._socket.recv(_READ_BLOCK)
        except OSError as error:
            raise explain(self._place, error) from error
        if not data:
            raise DeviceUnavailable(self._place, "the chip is gone; is it plugged in?", gone=True)
        try:
            messages = self._parser.feed(data)
        except ProtocolViolation as error:
            raise DeviceUnavailable(
                self._place, f"the chip does not keep to its protocol: {error}"
            ) from error
        for message in messages:
            self._hear(message)

    def _hear(self, message: Done | NotDone | Edge) -> None:
        match message:
            case Edge(line, value):
                self._values[line] = value
            case Done(number, values):
                self._asked.pop(number, None)
                self._values.update(values)
            case NotDone():
                raise DeviceUnavailable(self._place, _in_words(message))


def _in_words(refusal: NotDone) -> str:
    if refusal.error == "ENOENT" and refusal.line:
        return no_such_line(refusal.line)
    if refusal.error == "EBUSY" and refusal.line:
        return f"line {refusal.line[:64]} is used by another program; stop that program"
    return f"the chip refused a command ({refusal.error[:20]})"


def no_such_line(line: str) -> str:
    return f"there is no line {line[:64]} on this chip; gpioinfo lists their names"
