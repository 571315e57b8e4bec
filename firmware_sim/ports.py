"""Where a device is plugged in: a pseudo-terminal under a stable name, or a TCP socket on loopback.

Moves bytes and tells the rate the program set; knows no protocol.
"""

import contextlib
import os
import socket
import stat
import termios
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from firmware_sim.errors import SceneError

READ_SIZE = 4096
LOOPBACK = "127.0.0.1"

# termios speed constants to bits per second; a program's speed outside this table counts as 0: never right.
_SPEEDS = {
    getattr(termios, f"B{rate}"): rate
    for rate in (300, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600)
}
_OWNER_ONLY = stat.S_IRUSR | stat.S_IWUSR
_INPUT_SPEED, _OUTPUT_SPEED = 4, 5  # indices in what termios.tcgetattr gives


@contextlib.contextmanager
def short_path(path: Path) -> Iterator[str]:
    """The path by way of its open directory: one of any length fits into a socket address."""
    fd = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{fd}/{path.name}"
    finally:
        os.close(fd)


class PortLost(Exception):
    """The operating system took the port away under us; plug in again."""


class Port(Protocol):
    """One plugged-in cable."""

    @property
    def address(self) -> str:
        """What a program opens."""

    def fds(self) -> tuple[int, ...]:
        """Descriptors to watch for reading now."""

    def read(self, fd: int) -> bytes:
        """Bytes from the program, empty if there were none. PortLost if the port is gone."""

    def write(self, data: bytes) -> int:
        """Hand bytes to the program; gives how many were lost because it does not read, as in a UART."""

    def rate(self) -> int | None:
        """Bits per second the program set, None where there is no such thing."""

    def block_writes(self, *, on: bool) -> None:
        """Stop or resume taking bytes from the program."""

    def hang_ups(self) -> int:
        """How many programs have left so far, where that can be seen."""

    def close(self) -> None:
        """Unplug: the program sees an error or the end."""


class PtyPort:
    """A pseudo-terminal with a symlink to its changing name."""

    def __init__(self, link: Path) -> None:
        if link.exists() and not link.is_symlink():
            raise SceneError(f"{link} is in the way: a device's name must be free in the directory")
        self._link = link
        # The slave end stays open: without it the master reads EIO whenever no program has the port open.
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._name = os.ttyname(self._slave)
        try:
            self._point_at(link)
        except OSError:
            os.close(self._master)
            os.close(self._slave)
            raise

    def _point_at(self, link: Path) -> None:
        fresh = link.with_name(f".{link.name}.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(self._name)
        fresh.replace(link)  # no moment without the name, if another run left it behind

    @property
    def address(self) -> str:
        return str(self._link)

    def fds(self) -> tuple[int, ...]:
        return (self._master,)

    def read(self, fd: int) -> bytes:
        try:
            return os.read(fd, READ_SIZE)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise PortLost(f"{self._link}: {error}") from error

    def write(self, data: bytes) -> int:
        left = data
        while left:
            try:
                left = left[os.write(self._master, left) :]
            except BlockingIOError:
                return len(left)
            except OSError as error:
                raise PortLost(f"{self._link}: {error}") from error
        return 0

    def rate(self) -> int | None:
        try:
            return _SPEEDS.get(termios.tcgetattr(self._master)[_OUTPUT_SPEED], 0)
        except termios.error as error:
            raise PortLost(f"{self._link}: {error}") from error

    def forget_rate(self) -> None:
        """`rate` is 0 until a program sets one: that tells that it opened the port."""
        settings = termios.tcgetattr(self._slave)
        settings[_INPUT_SPEED] = settings[_OUTPUT_SPEED] = termios.B50
        termios.tcsetattr(self._slave, termios.TCSANOW, settings)

    def hang_ups(self) -> int:
        return 0  # a pseudo-terminal does not tell its master

    def block_writes(self, *, on: bool) -> None:
        termios.tcflow(self._slave, termios.TCOOFF if on else termios.TCOON)

    def close(self) -> None:
        if self._link.is_symlink() and str(self._link.readlink()) == self._name:
            self._link.unlink()
        os.close(self._master)
        os.close(self._slave)


class _SocketPort:
    """A listening socket; the newest connection is the cable."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._listener.settimeout(0)
        self._program: socket.socket | None = None
        self._blocked = False
        self._hang_ups = 0

    def fds(self) -> tuple[int, ...]:
        if self._program is None or self._blocked:
            return (self._listener.fileno(),)
        return (self._listener.fileno(), self._program.fileno())

    def read(self, fd: int) -> bytes:
        if fd == self._listener.fileno():
            self._accept()
            return b""
        program = self._program
        if program is None or fd != program.fileno():
            return b""
        try:
            data = program.recv(READ_SIZE)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""  # reset by the program: the same as its end
        if not data:
            self._hang_up()
        return data

    def write(self, data: bytes) -> int:
        if self._program is None:
            return len(data)
        try:
            return len(data) - self._program.send(data)
        except BlockingIOError:
            return len(data)
        except OSError:
            self._hang_up()
            return len(data)

    def rate(self) -> int | None:
        return None

    def hang_ups(self) -> int:
        return self._hang_ups

    def block_writes(self, *, on: bool) -> None:
        self._blocked = on

    def close(self) -> None:
        self._hang_up()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):  # the program left before we looked
            program, _ = self._listener.accept()
            self._hang_up()
            program.settimeout(0)
            self._program = program
            self._welcome(program)

    def _welcome(self, program: socket.socket) -> None:
        """Set what this kind of socket needs."""

    def _hang_up(self) -> None:
        if self._program is not None:
            self._program.close()
            self._program = None
            self._hang_ups += 1


class TcpPort(_SocketPort):
    """A TCP socket on loopback."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(socket.create_server((LOOPBACK, port), backlog=4))

    @property
    def number(self) -> int:
        """The TCP port, to take again after a replug."""
        return int(self._listener.getsockname()[1])

    @property
    def address(self) -> str:
        return f"socket://{LOOPBACK}:{self.number}"

    def _welcome(self, program: socket.socket) -> None:
        program.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class UnixPort(_SocketPort):
    """A socket in the file system, for its owner alone."""

    def __init__(self, path: Path) -> None:
        if path.exists() and not path.is_socket():
            raise SceneError(f"{path} is in the way: a device's name must be free in the directory")
        self._path = path
        path.unlink(missing_ok=True)  # left by one that was killed
        listener = socket.socket(socket.AF_UNIX)
        try:
            os.fchmod(listener.fileno(), _OWNER_ONLY)
            with short_path(path) as short:
                listener.bind(short)
            listener.listen(4)
        except OSError:
            listener.close()
            raise
        super().__init__(listener)

    @property
    def address(self) -> str:
        return f"socket://{self._path}"

    def close(self) -> None:
        super().close()
        self._path.unlink(missing_ok=True)
