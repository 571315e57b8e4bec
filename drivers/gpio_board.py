"""Driver of locks and contacts on the lines of a GPIO chip: libgpiod v2, or a simulated chip at a socket.

A real chip is named by its label ("pinctrl-bcm2711") or its path ("/dev/gpiochip0"). "socket:///PATH" names a
chip that somebody plays behind a UNIX stream socket at PATH. The protocol of that socket, both ways one JSON
object a line, UTF-8, each line ended by LF and at most 65,536 bytes long:

The driver asks; "id" is a number of its choice, and the answer carries the same:

    {"op": "request", "id": 1, "consumer": "liuhen header",
     "outputs": [{"line": "GPIO17", "active_low": false, "value": 0}],
     "inputs": [{"line": "GPIO27", "active_low": false, "bias": "pull_up", "debounce_us": 50000}]}
    {"id": 1, "ok": true, "label": "simulated", "values": {"GPIO27": 1}}

takes the lines for this connection, all or none, and drives the outputs to "value" at once; "values" are
those of all inputs now. Asked once per connection. "bias": "pull_up", "pull_down", "disabled" or "as_is".

    {"op": "set", "id": 2, "values": {"GPIO17": 1}}          {"id": 2, "ok": true}
    {"op": "get", "id": 3}                                   {"id": 3, "ok": true, "values": {"GPIO27": 1}}

drive some outputs; read all inputs. Every value is logical, 0 or 1: the physical level is the other one where
"active_low" is true. What cannot be done changes nothing and is answered

    {"id": 2, "ok": false, "error": "EINVAL", "line": "GPIO99"}

"ENOENT": no such line; "EBUSY": another connection has it; "EINVAL": anything else, among it a second
request, an output not taken, and a line that is no such object ("id" and "line" are null where they are not
known). The connection goes on after an error; an empty line is ignored, one that is too long ends it.

The chip tells, at any time after the request, each change of an input that has lasted "debounce_us":

    {"event": "edge", "line": "GPIO27", "value": 0}

When the connection ends, its lines are free again, and each output keeps its physical level, as on most
real chips: nobody resets a lock because a program died. A chip that is pulled out closes what it has open.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import select
import struct
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from drivers.base import Emit
from drivers.errors import ConfigurationError, DeviceUnavailable
from drivers.gpio_chip import SOCKET, GpioChip, GpioSettings, SocketChip, no_such_line
from drivers.health import Health
from drivers.inputs import Inputs, contact_state
from drivers.lock_guard import Order, shared_guard
from drivers.pulses import Pulses, Relay
from drivers.transport import WakePipe, explain

log = logging.getLogger(__name__)

IDLE_S = 2.0  # nothing is due: inputs are read again all the same, an edge may have been lost
_SET_VALUES = 0xC010B40F  # GPIO_V2_LINE_SET_VALUES_IOCTL of linux/gpio.h: a word of values, a word of lines
_INPUTS = "inputs"


class GpioBoard:
    """A `LockDriver`."""

    def __init__(self, name: str, settings: GpioSettings) -> None:
        """Raises ConfigurationError if a real chip is named and libgpiod's package is not installed."""
        self.name = name
        self._settings = settings
        if not settings.chip.startswith(SOCKET):
            _libgpiod()
        self._lines = {relay.channel: relay.line for relay in settings.relays}
        self._lock = threading.Lock()  # guards all below; held for one write at most
        self._pulses = Pulses(name, len(settings.relays), settings.safe_state)
        self._chip: GpioChip | None = None
        self._broken: DeviceUnavailable | None = None  # seen by a caller of `release`, for the own thread
        self._stopping = threading.Event()
        # the chip itself waits until a contact has settled
        self._inputs = Inputs(name, [each.model_copy(update={"debounce_s": 0.0}) for each in settings.inputs])

    def run(self, emit: Emit) -> None:
        health = Health("lock board", self.name, emit)
        while not self._stopping.is_set():
            try:
                with (
                    closing(self._open()) as chip,
                    shared_guard().protecting(chip.descriptor(), chip.last_orders(self._safe_values())),
                ):
                    try:
                        self._keep(chip, emit, health)
                    finally:
                        self._let_go()  # before it is closed: no caller may set lines that are another's
            except DeviceUnavailable as error:
                health.lost(error.cause, gone=error.gone)
            if not self._stopping.is_set():
                self._stopping.wait(health.retry_in_s())

    def release(self, channel: int, pulse_s: float) -> None:
        """Switches the line, from the caller's own thread. A second call during a pulse prolongs it.

        Raises DeviceUnavailable, or ConfigurationError if channel or pulse cannot be.
        """
        self._pulses.check(channel, pulse_s)
        with self._lock:
            if self._chip is None or self._broken is not None or self._stopping.is_set():
                cause = f"lock board {self.name} is not connected now"
                raise DeviceUnavailable(self._settings.chip, cause)
            now = time.monotonic()
            relay = self._pulses.ask(channel, pulse_s, now)
            try:
                self._set(self._chip, relay, on=True)
            except DeviceUnavailable as error:
                relay.give_up()
                self._broken = error
                raise
            finally:
                self._chip.wake()  # the own thread has a new end of a pulse to wait for, or a loss to see

    def stop(self) -> None:
        self._stopping.set()
        with self._lock:
            if self._chip is not None:
                self._chip.wake()

    def _open(self) -> GpioChip:
        """With each relay as it should be: a pulse that is not over goes on."""
        with self._lock:
            now = time.monotonic()
            outputs = {self._lines[relay.number]: relay.wanted(now) for relay in self._pulses.relays}
        if self._settings.chip.startswith(SOCKET):
            return SocketChip(self._settings, outputs)
        return _KernelChip(self._settings, outputs)

    def _safe_values(self) -> dict[str, bool]:
        return {self._lines[relay.number]: relay.safe for relay in self._pulses.relays}

    def _keep(self, chip: GpioChip, emit: Emit, health: Health) -> None:
        """Serves the lines until stopped. Raises DeviceUnavailable."""
        with self._lock:
            self._pulses.forget()
            self._broken = None
            self._chip = chip
        ready = False
        while not self._stopping.is_set():
            with self._lock:
                pause_s = self._serve(chip)
            if not ready:
                ready = True
                health.recovering("takes commands")
                health.ready(
                    f"{len(self._lines)} relays and {len(self._settings.inputs)} inputs at"
                    f" {self._settings.chip}"
                )
                pause_s = 0.0  # the inputs as they are now
            self._look(chip.wait(pause_s), emit, health)
        with self._lock:
            self._chip = None
        chip.leave(self._safe_values())

    def _serve(self, chip: GpioChip) -> float:
        """Sets what is due; returns for how long nothing more is."""
        if self._broken is not None:
            raise DeviceUnavailable(self._settings.chip, self._broken.cause, gone=self._broken.gone)
        now = time.monotonic()
        for relay in self._pulses.due(now):
            self._set(chip, relay, on=relay.wanted(now))
        end_s = self._pulses.next_end_s(now)
        return IDLE_S if end_s is None else min(IDLE_S, max(0.0, end_s - now))

    def _set(self, chip: GpioChip, relay: Relay, *, on: bool) -> None:
        relay.written = None  # until it is set it is not known
        chip.set(self._lines[relay.number], on=on)
        relay.told(on=on, now=time.monotonic())

    def _look(self, values: Mapping[str, bool], emit: Emit, health: Health) -> None:
        at_ns = time.monotonic_ns()
        for each in self._settings.inputs:
            if each.line in values:
                state = contact_state(closed=values[each.line], normal=each.normal)
                for change in self._inputs.see(each.channel, state, at_ns):
                    emit(change)
        if trouble := self._inputs.trouble(at_ns):
            health.degraded(_INPUTS, trouble)
        else:
            health.fine(_INPUTS)

    def _let_go(self) -> None:
        with self._lock:
            self._chip = None


def _libgpiod() -> Any:
    try:
        import gpiod
    except ImportError:
        raise ConfigurationError(
            "GPIO lines need the package gpiod, which is not installed: pip install 'gpiod>=2.5'"
        ) from None
    return gpiod


class _KernelChip:
    """Lines of a chip of this machine, by libgpiod v2. A `GpioChip`."""

    def __init__(self, settings: GpioSettings, outputs: Mapping[str, bool]) -> None:
        """Takes all lines, with the outputs at these values. Raises DeviceUnavailable."""
        self._place = settings.chip
        self._inputs = [each.line for each in settings.inputs]
        gpiod = _libgpiod()
        self._value = {False: gpiod.line.Value.INACTIVE, True: gpiod.line.Value.ACTIVE}
        try:
            with gpiod.Chip(str(_find_chip(settings.chip))) as chip:
                self._offsets = _offsets(chip, settings)
                self._request = chip.request_lines(
                    consumer="liuhen", config=_line_settings(gpiod, settings, self._offsets, outputs)
                )
        except OSError as error:
            raise _explain(self._place, error) from error
        self._woken = WakePipe()
        self._poll = select.poll()
        self._poll.register(self._request.fd, select.POLLIN)
        self._poll.register(self._woken.reader, select.POLLIN)

    def wait(self, timeout_s: float) -> Mapping[str, bool]:
        try:
            ready = dict(self._poll.poll(max(0.0, timeout_s) * 1000))
            if self._woken.reader in ready:
                self._woken.drain()
            events = ready.get(self._request.fd, 0)
            if events & select.POLLIN:
                self._request.read_edge_events()  # what counts is the level after them
            offsets = [self._offsets[line] for line in self._inputs]
            levels = self._request.get_values(offsets) if offsets else []
            gone = bool(events & ~select.POLLIN)
        except OSError as error:
            raise _explain(self._place, error) from error
        if gone:
            raise explain(self._place, OSError(errno.ENODEV, "hang-up"))
        return {line: level == self._value[True] for line, level in zip(self._inputs, levels, strict=True)}

    def set(self, line: str, *, on: bool) -> None:
        try:
            self._request.set_value(self._offsets[line], self._value[on])
        except OSError as error:
            raise _explain(self._place, error) from error

    def leave(self, values: Mapping[str, bool]) -> None:
        for line, on in values.items():
            self.set(line, on=on)

    def wake(self) -> None:
        self._woken.wake()

    def descriptor(self) -> int:
        return int(self._request.fd)

    def last_orders(self, values: Mapping[str, bool]) -> list[Order]:
        places = {offset: place for place, offset in enumerate(self._request.offsets)}
        mask = sum(1 << places[self._offsets[line]] for line in values)
        bits = sum(on << places[self._offsets[line]] for line, on in values.items())
        return [Order(0.0, struct.pack("=QQ", bits, mask), ioctl=_SET_VALUES)] if values else []

    def close(self) -> None:
        self._woken.close()
        with contextlib.suppress(OSError):  # the chip may be gone; there is nothing left to do
            self._request.release()


def _find_chip(name: str) -> Path:
    """A path as it is; a label where it is found. Raises DeviceUnavailable."""
    if name.startswith("/"):
        return Path(name)
    gpiod = _libgpiod()
    for path in sorted(Path("/dev").glob("gpiochip*")):
        if gpiod.is_gpiochip_device(str(path)):
            with gpiod.Chip(str(path)) as chip:
                if chip.get_info().label == name:
                    return path
    raise DeviceUnavailable(name, "there is no GPIO chip with this label; gpiodetect lists them", gone=True)


def _offsets(chip: Any, settings: GpioSettings) -> dict[str, int]:
    found = {}
    for line in settings.lines:
        try:
            found[line] = int(chip.line_offset_from_id(line))
        except (OSError, ValueError) as error:
            raise DeviceUnavailable(settings.chip, no_such_line(line)) from error
    return found


def _line_settings(
    gpiod: Any, settings: GpioSettings, offsets: Mapping[str, int], outputs: Mapping[str, bool]
) -> dict[int, Any]:
    line = gpiod.line
    config = {
        offsets[relay.line]: gpiod.LineSettings(
            direction=line.Direction.OUTPUT,
            active_low=relay.active_low,
            output_value=line.Value.ACTIVE if outputs[relay.line] else line.Value.INACTIVE,
        )
        for relay in settings.relays
    }
    for each in settings.inputs:
        config[offsets[each.line]] = gpiod.LineSettings(
            direction=line.Direction.INPUT,
            edge_detection=line.Edge.BOTH,
            active_low=each.active_low,
            bias=line.Bias[each.bias.upper()],
            debounce_period=timedelta(seconds=each.debounce_s),
        )
    return config


def _explain(place: str, error: OSError) -> DeviceUnavailable:
    if error.errno in (errno.EACCES, errno.EPERM):
        return DeviceUnavailable(
            place, "no permission; add the service's user to group gpio and start it again"
        )
    if error.errno == errno.EBUSY:
        return DeviceUnavailable(place, "another program uses one of these lines; gpioinfo says which")
    if error.errno in (errno.ENOTTY, errno.EINVAL):
        return DeviceUnavailable(place, "this is no GPIO chip, or it refuses these settings of its lines")
    return explain(place, error)
