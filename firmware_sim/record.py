"""Records a line as the man in the middle, or by listening alone; `recording` says what is kept."""

import fcntl
import os
import select
import socket
import termios
import threading
import time
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, cast

from firmware_sim.errors import RecordingError
from firmware_sim.ports import READ_SIZE, PortLost, PtyPort
from firmware_sim.recording import Recording, Tape

_WAIT_S = 0.05  # how often a silence, the rate and the end are looked for
_CONNECT_S = 5.0
_SPEED_IN, _SPEED_OUT = 4, 5  # indices in what termios.tcgetattr gives
_SOCKET = "socket://"


class Cable(Protocol):
    """The end of the cable at which the device is."""

    def fileno(self) -> int: ...

    def read(self) -> bytes:
        """RecordingError: the device is gone."""

    def write(self, data: bytes) -> None:
        """RecordingError: the device is gone."""

    def set_rate(self, rate: int) -> None:
        """Bits per second; nothing where there is no such thing."""

    def close(self) -> None: ...


class SerialCable:
    """A serial port of this machine, for itself alone."""

    def __init__(self, path: str, rate: int) -> None:
        self._path = path
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as error:
            raise RecordingError(f"{path} cannot be opened: {error.strerror}") from error
        try:
            fcntl.ioctl(self._fd, termios.TIOCEXCL)
            tty.setraw(self._fd)
            self.set_rate(rate)
        except (termios.error, OSError, RecordingError) as error:
            os.close(self._fd)
            raise RecordingError(f"{path} cannot be set up: {error}") from error

    def fileno(self) -> int:
        return self._fd

    def read(self) -> bytes:
        try:
            data = os.read(self._fd, READ_SIZE)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise RecordingError(f"{self._path} is gone: {error.strerror}") from error
        if not data:
            raise RecordingError(f"{self._path} is gone")
        return data

    def write(self, data: bytes) -> None:
        left = data
        while left:
            try:
                left = left[os.write(self._fd, left) :]
            except BlockingIOError:
                select.select([], [self._fd], [], _WAIT_S)
            except OSError as error:
                raise RecordingError(f"{self._path} is gone: {error.strerror}") from error

    def set_rate(self, rate: int) -> None:
        speed = getattr(termios, f"B{rate}", None)
        if speed is None:
            raise RecordingError(f"a serial port has no rate of {rate} bits per second")
        settings = termios.tcgetattr(self._fd)
        settings[_SPEED_IN] = settings[_SPEED_OUT] = speed
        termios.tcsetattr(self._fd, termios.TCSANOW, settings)

    def close(self) -> None:
        os.close(self._fd)


class SocketCable:
    """A device behind a TCP socket."""

    def __init__(self, address: str) -> None:
        host, _, port = address.removeprefix(_SOCKET).rpartition(":")
        try:
            self._socket = socket.create_connection((host, int(port)), _CONNECT_S)
        except (OSError, ValueError) as error:
            raise RecordingError(f"{address} cannot be reached: {error}") from error
        self._address = address

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self) -> bytes:
        try:
            data = self._socket.recv(READ_SIZE)
        except OSError as error:
            raise RecordingError(f"{self._address} is gone: {error}") from error
        if not data:
            raise RecordingError(f"{self._address} is gone")
        return data

    def write(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise RecordingError(f"{self._address} is gone: {error}") from error

    def set_rate(self, rate: int) -> None:
        """A socket has none."""

    def close(self) -> None:
        self._socket.close()


def open_cable(address: str, rate: int) -> Cable:
    """A path or socket://host:port. RecordingError: it cannot be opened."""
    return SocketCable(address) if address.startswith(_SOCKET) else SerialCable(address, rate)


def record(
    cable: Cable,
    tape: Tape,
    rate: int,
    *,
    link: Path | None,
    stop: threading.Event,
    ready: Callable[[], None],
) -> Recording:
    """Pass bytes on until `stop`, or until the device is gone, and give what was heard.

    With `link` a program opens that pseudo-terminal instead of the device, and its rate is taken over;
    without it nobody speaks to the device. `ready` is called once both ends are open.
    """
    program = None if link is None else PtyPort(link)
    try:
        if program is not None:
            program.forget_rate()
        ready()
        return _Middle(cable, program, tape, rate).run(stop)
    finally:
        if program is not None:
            program.close()


class _Middle:
    """Between the two ends."""

    def __init__(self, cable: Cable, program: PtyPort | None, tape: Tape, rate: int) -> None:
        self._cable = cable
        self._program = program
        self._tape = tape
        self._rate = rate
        self._began_s = time.monotonic()

    def run(self, stop: threading.Event) -> Recording:
        about = ""
        try:
            while not stop.is_set():
                self._round()
        except (RecordingError, PortLost) as error:
            about = f"ended by itself: {error}"
        return self._tape.recording(self._rate, about)

    def _round(self) -> None:
        watched = [self._cable.fileno(), *(self._program.fds() if self._program is not None else ())]
        readable, _, _ = select.select(watched, [], [], _WAIT_S)
        now_s = time.monotonic() - self._began_s
        self._follow_rate()
        if self._program is not None and any(fd != self._cable.fileno() for fd in readable):
            data = self._program.read(watched[1])
            if data:
                self._tape.heard(now_s, data, from_device=False)
                self._cable.write(data)
        if self._cable.fileno() in readable:
            data = self._cable.read()
            if data:
                self._tape.heard(now_s, data, from_device=True)
                if self._program is not None:
                    self._program.write(data)
        self._tape.settle(now_s)

    def _follow_rate(self) -> None:
        """The device's end gets the rate that the program set at its own."""
        if self._program is None:
            return
        rate = cast(int, self._program.rate())
        if rate in (self._rate, 0):
            return
        self._cable.set_rate(rate)
        self._rate = rate
