"""Driver of relay boards on a Modbus RTU line, several of them on one RS-485 pair. Knows no doors.

Boards of one port share one line: one thread asks them in turn, whoever has a door to release first. A board
that is silent costs the others one reply's time now and then.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from contextlib import closing

from drivers.base import Emit
from drivers.errors import ConfigurationError, DeviceUnavailable
from drivers.lock_guard import Guarded, Order, shared_guard
from drivers.modbus_codec import Bits, Registers, Reply, ReplyParser, Request
from drivers.modbus_settings import ModbusSettings
from drivers.modbus_unit import Ask, ModbusUnit
from drivers.transport import Transport, open_transport

log = logging.getLogger(__name__)

IDLE_S = 1.0  # nothing is due on the line: no board without relays and inputs is that quiet
REOPEN_S = 0.5
FAREWELL_S = 2.0  # a board that cannot be made safe within this is left; the log says so
_BABBLE_S = 0.01  # a line that talks without being asked is looked at this often
_SILENCE = 3.5  # characters of silence that end a frame
_SHORTEST_SILENCE_S = 0.00175  # above 19200


class ModbusBoard:
    """A `LockDriver`."""

    def __init__(self, name: str, settings: ModbusSettings) -> None:
        self.name = name
        self._settings = settings
        self._stopping = threading.Event()
        self._line: _Line | None = None
        self._unit: ModbusUnit | None = None

    def run(self, emit: Emit) -> None:
        unit = ModbusUnit(self.name, self._settings, emit, time.monotonic())
        line = _join(unit, self._stopping)
        self._unit, self._line = unit, line
        try:
            self._stopping.wait()
        finally:
            line.leave(unit)
            for number in unit.may_be_unsafe():
                log.warning(
                    "lock board %s: stopped while relay %d may not be in its safe state", self.name, number
                )
        line.raise_if_fallen()

    def release(self, channel: int, pulse_s: float) -> None:
        """Puts the command at the head of the line; it leaves when the exchange under way is over.

        A second call during a pulse prolongs it. Raises DeviceUnavailable, or ConfigurationError if channel
        or pulse cannot be.
        """
        if self._line is None or self._unit is None or self._stopping.is_set():
            raise DeviceUnavailable(self._settings.port, f"lock board {self.name} is not connected now")
        self._line.release(self._unit, channel, pulse_s)

    def stop(self) -> None:
        self._stopping.set()


class _Line:
    """What the boards of one port share: the port, its thread, and the lock around all they know."""

    def __init__(self, settings: ModbusSettings) -> None:
        self.settings = settings  # of the first board; the others agree in what concerns the line
        self._lock = threading.RLock()  # guards the units and all below; not held while we wait for bytes
        self._units: list[ModbusUnit] = []
        self._left = threading.Condition(self._lock)
        self._stops: dict[str, threading.Event] = {}
        self._transport: Transport | None = None
        self._guarded: Guarded | None = None
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()  # ends the wait between two attempts to open
        self._fallen: BaseException | None = None
        self._echoes = False

    def join(self, unit: ModbusUnit, stop: threading.Event) -> None:
        """Raises ConfigurationError if the board does not agree with the others about the line."""
        with self._lock:
            if not self._units:
                self.settings, self._fallen = unit.settings, None
            _agree(self.settings, unit.settings)
            self._units.append(unit)
            self._stops[unit.name] = stop
            self._update_guard()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=f"modbus {self.settings.port}")
                self._thread.start()
            self.wake()

    def leave(self, unit: ModbusUnit) -> None:
        """Returns when the unit was made safe, or cannot be."""
        with self._lock:
            unit.leave()
            self.wake()
            self._left.wait_for(lambda: unit.has_left or self._transport is None, FAREWELL_S)
            self._units.remove(unit)
            del self._stops[unit.name]
            self._update_guard()
            self.wake()
            self._left.wait_for(lambda: bool(self._units) or self._thread is None)  # the port is closed

    def release(self, unit: ModbusUnit, channel: int, pulse_s: float) -> None:
        with self._lock:
            unit.release(channel, pulse_s, time.monotonic())
            self.wake()

    def raise_if_fallen(self) -> None:
        if self._fallen is not None:
            raise self._fallen

    def wake(self) -> None:
        self._wake.set()
        if self._transport is not None:
            self._transport.wake()

    def _update_guard(self) -> None:
        if self._guarded is not None and self._transport is not None:
            self._guarded.update(self._last_orders(self._transport))

    def _last_orders(self, transport: Transport) -> list[Order]:
        """After a pause: the silence ends a request that we left unfinished."""
        longest = 8 + 8 + self.settings.channels  # a request and its answer, in characters
        pause_s = self._gap_s() + longest * self.settings.character_s
        orders = [order for unit in self._units for order in unit.last_orders(pause_s)]
        return [Order(each.pause_s, transport.as_sent(each.data)) for each in orders]

    def _gap_s(self) -> float:
        silence_s = max(_SILENCE * self.settings.character_s, _SHORTEST_SILENCE_S)
        return max(silence_s, *(unit.settings.request_gap_s for unit in self._units), 0.0)

    # --- the line's own thread -----------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            while self._has_units():
                self._wake.clear()
                try:
                    with closing(
                        open_transport(self.settings.port, self.settings.rate, parity=self.settings.parity)
                    ) as transport:
                        self._keep(transport)
                except DeviceUnavailable as error:
                    self._lose(error)
                    self._wake.wait(REOPEN_S)
        except BaseException as error:  # noqa: BLE001 - each board's own thread raises it
            self._fall(error)

    def _has_units(self) -> bool:
        """Whether anybody is left; the one who is told no ends the thread."""
        with self._lock:
            if not self._units:
                self._thread = None
                self._left.notify_all()
            return bool(self._units)

    def _keep(self, transport: Transport) -> None:
        """Serves the boards until the last has left. Raises DeviceUnavailable."""
        with self._lock:
            orders = self._last_orders(transport)
        with shared_guard().protecting(transport.descriptor(), orders) as guarded:
            try:
                self._begin(transport, guarded)
                while self._step(transport):
                    pass
            finally:
                with self._lock:
                    self._transport = self._guarded = None
                    self._left.notify_all()

    def _begin(self, transport: Transport, guarded: Guarded) -> None:
        with self._lock:
            self._transport, self._guarded = transport, guarded
            self._echoes = False
            self._update_guard()  # who came meanwhile
            for unit in self._units:
                unit.line_opened(time.monotonic())

    def _step(self, transport: Transport) -> bool:
        """One exchange, or the wait for the next; False: nobody is left."""
        with self._lock:
            if not self._units:
                return False
            now = time.monotonic()
            unit, ask = self._choose(now)
            pause_s = min((each.next_at_s(now) for each in self._units), default=math.inf) - now
        if unit is None or ask is None:
            self._idle(transport, min(max(0.0, pause_s), IDLE_S))
            return True
        reply, heard = self._exchange(transport, ask.request, unit.settings.reply_s)
        with self._lock:
            if reply is not None:
                unit.answered(ask, reply, time.monotonic())
            else:
                unit.silent(ask, _silence(unit, heard), time.monotonic())
            if unit.has_left:
                self._left.notify_all()
        self._rest(transport, unit.settings.request_gap_s)
        return True

    def _idle(self, transport: Transport, pause_s: float) -> None:
        """Until something is due or wanted. What comes meanwhile is nobody's answer, however much it is."""
        self._wake.clear()
        if transport.read(pause_s):
            self._wake.wait(min(pause_s, _BABBLE_S))

    def _choose(self, now: float) -> tuple[ModbusUnit | None, Ask | None]:
        """Who is served now: doors to be released, other commands, then whoever has waited longest."""
        due = [unit for unit in self._units if unit.next_at_s(now) <= now]
        for unit in sorted(due, key=lambda each: (each.rank(now), each.next_at_s(now))):
            if ask := unit.next(now):
                self._units.remove(unit)
                self._units.append(unit)  # among equals, the others are next
                return unit, ask
        return None, None

    def _exchange(self, transport: Transport, request: Request, reply_s: float) -> tuple[Reply | None, int]:
        """The reply, or None after its time; and how many bytes were heard."""
        transport.flush_input()
        parser = ReplyParser(request, echoes=self._echoes)
        transport.write(request.frame)
        on_line_s = (len(request.frame) + request.reply_size) * self.settings.character_s
        deadline_s = time.monotonic() + reply_s + on_line_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            reply = parser.feed(transport.read(left_s))
            if reply is not None:
                if isinstance(reply, Bits | Registers):
                    self._echoes = parser.echoed
                return reply, parser.heard
        return None, parser.heard

    def _rest(self, transport: Transport, gap_s: float) -> None:
        """The silence between two frames, and the board's own pause."""
        until_s = time.monotonic() + max(gap_s, _SILENCE * self.settings.character_s, _SHORTEST_SILENCE_S)
        while (left_s := until_s - time.monotonic()) > 0:
            transport.read(left_s)

    def _lose(self, error: DeviceUnavailable) -> None:
        with self._lock:
            for unit in self._units:
                unit.lost(error.cause, gone=error.gone, now=time.monotonic())
            self._left.notify_all()

    def _fall(self, error: BaseException) -> None:
        """A fault of ours: each board's own thread ends with it, and whoever supervises sees."""
        with self._lock:
            self._fallen = error
            self._thread = None
            for stop in self._stops.values():
                stop.set()
            self._left.notify_all()


def _silence(unit: ModbusUnit, heard: int) -> str:
    number = unit.settings.unit
    if heard:
        return f"what unit {number} answers cannot be understood; check rate, parity and wiring"
    return f"no answer from unit {number}"


def _agree(line: ModbusSettings, board: ModbusSettings) -> None:
    if (line.rate, line.parity) != (board.rate, board.parity):
        raise ConfigurationError(
            f"unit {board.unit} at {board.port}: all boards of one line need the same rate and parity;"
            f" another one there has {line.rate} and {line.parity}"
        )


_lines: dict[str, _Line] = {}
_joining = threading.Lock()


def _join(unit: ModbusUnit, stop: threading.Event) -> _Line:
    """The line of that port, kept for as long as the process: which boards are on it changes."""
    with _joining:
        line = _lines.setdefault(unit.settings.port, _Line(unit.settings))
    line.join(unit, stop)
    return line
