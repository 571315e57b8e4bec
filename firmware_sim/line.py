"""The thread that moves bytes between simulated devices and their ports; sleeps while there is nothing to do.

All devices of a simulator live on this one thread; others reach them through `LineHub.call`.
"""

import os
import selectors
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from random import Random
from typing import Any, Protocol, TypeVar

from firmware_sim.device import Connected, Device, Notice
from firmware_sim.errors import SimulatorGone
from firmware_sim.faults import FaultSet
from firmware_sim.ports import Port, PortLost
from firmware_sim.wire import Piece, Wire, garble

T = TypeVar("T")

_CALL_TIMEOUT_S = 30.0  # the thread does nothing that takes longer; beyond it has died
_GARBAGE_MAX = 8  # bytes that come back for a burst at the wrong rate


class Recorder(Protocol):
    """Where events go. `t_ns` is time.monotonic_ns() of the moment itself."""

    def notice(self, station: "Station", notice: Notice, t_ns: int) -> None:
        """Something happened inside a device."""

    def read_sent(self, station: "Station", card: str, t_before_ns: int, t_ns: int) -> None:
        """The last byte of a good read was written between the two stamps."""

    def fault_over(self, station: "Station", name: str) -> None:
        """A fault's count ran out."""

    def port_lost(self, line: "Line", why: str) -> None:
        """The operating system took the port away."""


@dataclass(eq=False, slots=True)
class Station:
    """One device with its own transmitter. Off a line it shares, it is on nobody's line: see `attached`."""

    name: str
    kind: str
    device: Device
    faults: FaultSet
    wire: Wire
    rng: Random
    babbles: bool  # answers garbage at the wrong rate
    attached: bool = True  # False: cut off from the line it shares with others

    @property
    def deaf(self) -> bool:
        return not self.attached or self.faults.peek("wedged") is not None


@dataclass(eq=False, slots=True)
class Line:
    """The devices on one cable, and the port it is plugged into (None: unplugged)."""

    name: str
    stations: tuple[Station, ...]
    port: Port | None = None
    watched: set[int] = field(default_factory=set)
    hang_ups: int = 0  # of programs at this port, already told to the devices
    lost_bytes: int = 0  # the program did not read them in time


class LineHub:
    """Owner of the lines. start, call from anywhere, stop."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._selector = selectors.DefaultSelector()
        self._calls: SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = SimpleQueue()
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._selector.register(self._wake_fd, selectors.EVENT_READ, None)
        self._waiting: set[Line] = set()
        self._stopping = False
        self._closed = threading.Lock()
        self.failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="simulated-lines", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread, if it was started, and waits for it. Ports stay as they are."""
        if self._thread.is_alive():
            self.call(self._stop)
            self._thread.join()
        elif self._thread.ident is None:
            self._shut()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def call(self, do: Callable[[], T]) -> T:
        """Run `do` on the thread of the lines and give its result or its exception."""
        if threading.current_thread() is self._thread:
            return do()
        future: Future[T] = Future()
        with self._closed:
            if self._stopping or not self._thread.is_alive():
                raise SimulatorGone("the simulator has stopped")
            self._calls.put((do, future))
            os.eventfd_write(self._wake_fd, 1)
        try:
            return future.result(_CALL_TIMEOUT_S)
        except TimeoutError as error:
            raise SimulatorGone("the simulator does not answer") from error

    def plug_in(self, line: Line, port: Port) -> None:
        """Connect a line to a port. On the thread of the lines, or before start."""
        line.port = port
        line.hang_ups = port.hang_ups()
        self._watch(line)

    def unplug(self, line: Line) -> None:
        """Take the port away and forget what was on the way. On the thread of the lines, or after stop."""
        port, line.port = line.port, None
        self._watch(line)
        for station in line.stations:
            station.wire.drop()
        self._waiting.discard(line)
        if port is not None:
            port.close()

    def refresh(self, line: Line) -> None:
        """Look again at what a line wants: after a fault or a card changed. On the thread of the lines."""
        if line.port is not None:
            blocked = any(each.faults.peek("write_blocks") is not None for each in line.stations)
            line.port.block_writes(on=blocked)
            self._watch(line)
        self._serve(line, time.monotonic(), time.monotonic_ns())

    def _run(self) -> None:
        try:
            while not self._stopping:
                for key, _ in self._selector.select(self._timeout_s()):
                    if key.data is None:
                        self._run_calls()
                    else:
                        self._readable(key.data, key.fd)
                self._serve_waiting()
        except Exception as error:  # noqa: BLE001 - outermost frame: the thread ends, and everyone is told
            self.failure = error
        finally:
            self._shut()

    def _shut(self) -> None:
        with self._closed:
            self._stopping = True
            self._selector.close()
            os.close(self._wake_fd)
        self._refuse_calls()

    def _stop(self) -> None:
        self._stopping = True

    def _run_calls(self) -> None:
        os.eventfd_read(self._wake_fd)
        while True:
            try:
                do, future = self._calls.get_nowait()
            except Empty:
                return
            try:
                future.set_result(do())
            except Exception as error:  # noqa: BLE001 - it is the caller's, and handed to the caller
                future.set_exception(error)

    def _refuse_calls(self) -> None:
        while not self._calls.empty():
            _, future = self._calls.get_nowait()
            future.set_exception(SimulatorGone("the simulator has stopped"))

    def _timeout_s(self) -> float | None:
        due = [moment for line in self._waiting if (moment := _next_due(line)) is not None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _serve_waiting(self) -> None:
        if not self._waiting:
            return
        now, t_ns = time.monotonic(), time.monotonic_ns()
        for line in tuple(self._waiting):
            self._serve(line, now, t_ns)

    def _readable(self, line: Line, fd: int) -> None:
        port = line.port
        if port is None or fd not in line.watched:
            return  # unplugged by a call in the same round
        try:
            data = port.read(fd)
            t_ns = time.monotonic_ns()
            self._tell_hang_ups(line, port)
            if not data:
                self._watch(line)
                return
            self._hear(line, port, data)
        except PortLost as error:
            self._lose(line, str(error))
            return
        self._serve(line, time.monotonic(), t_ns)

    def _tell_hang_ups(self, line: Line, port: Port) -> None:
        if port.hang_ups() == line.hang_ups:
            return
        line.hang_ups = port.hang_ups()
        for station in line.stations:
            if isinstance(station.device, Connected):
                station.device.hung_up(time.monotonic())

    def _hear(self, line: Line, port: Port, data: bytes) -> None:
        now = time.monotonic()
        program_rate = port.rate()
        for station in line.stations:
            if station.deaf:
                continue
            device_rate, heard = station.device.rate, data
            if program_rate is not None and program_rate != device_rate:
                heard = garble(data, program_rate, device_rate, station.rng)
                if station.babbles:
                    station.wire.offer_raw(heard[:_GARBAGE_MAX], now, device_rate)
            elif station.faults.use("echo") is not None:
                station.wire.offer_raw(data, now, device_rate)
            station.device.feed(heard, now)

    def _serve(self, line: Line, now: float, t_ns: int) -> None:
        """Report, send what is due, and remember whether more is to come. `t_ns`: when the cause came in."""
        if line.port is None:  # no power either: nothing is due until it is plugged in again
            self._report(line, t_ns)
            self._waiting.discard(line)
            return
        for station in line.stations:
            if not self._serve_station(line, station, now, t_ns):
                return
        if _next_due(line) is None:
            self._waiting.discard(line)
        else:
            self._waiting.add(line)
        for station in line.stations:
            for name in station.faults.spent():
                self._recorder.fault_over(station, name)

    def _serve_station(self, line: Line, station: Station, now: float, t_ns: int) -> bool:
        """One device's part; False: the port was lost."""
        if station.attached:
            station.wire.babble(now, station.device.rate)
        while True:
            frames = station.device.take(now)
            for notice in station.device.notices():
                self._recorder.notice(station, notice, t_ns)
            for frame in frames:
                station.wire.offer(frame)
            pieces = station.wire.due(now)
            if not pieces:
                return True
            try:
                for piece in pieces:
                    self._send(line, station, piece)
            except PortLost as error:
                self._lose(line, str(error))
                return False

    def _report(self, line: Line, t_ns: int) -> None:
        for station in line.stations:
            for notice in station.device.notices():
                self._recorder.notice(station, notice, t_ns)

    def _send(self, line: Line, station: Station, piece: Piece) -> None:
        port = line.port
        if port is None or not station.attached:
            return
        data = piece.data
        program_rate = port.rate()
        garbled = program_rate is not None and program_rate != piece.rate
        if program_rate is not None and garbled:
            data = garble(data, piece.rate, program_rate, station.rng)
        before_ns = time.monotonic_ns()
        lost = port.write(data)
        after_ns = time.monotonic_ns()
        self._overhear(line, station, piece)
        if lost:
            line.lost_bytes += lost
            self._watch(line)  # a program that left is watched no longer
        elif piece.read_of is not None and not garbled:
            self._recorder.read_sent(station, piece.read_of, before_ns, after_ns)

    def _overhear(self, line: Line, speaker: Station, piece: Piece) -> None:
        """On a shared pair of wires everybody hears what one says."""
        for other in line.stations:
            if other is not speaker and not other.deaf and other.device.rate == piece.rate:
                other.device.feed(piece.data, time.monotonic())

    def _lose(self, line: Line, why: str) -> None:
        self.unplug(line)
        self._recorder.port_lost(line, why)

    def _watch(self, line: Line) -> None:
        if self._stopping:  # the selector is closed
            line.watched = set()
            return
        wanted = set(line.port.fds()) if line.port is not None else set()
        for fd in line.watched - wanted:
            self._selector.unregister(fd)
        for fd in wanted - line.watched:
            self._selector.register(fd, selectors.EVENT_READ, line)
        line.watched = wanted


def _next_due(line: Line) -> float | None:
    sources = [source.next_due() for station in line.stations for source in (station.device, station.wire)]
    return min((moment for moment in sources if moment is not None), default=None)
