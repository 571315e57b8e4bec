"""Opens the line to a device by its address and moves bytes; the only module that imports pyserial.

Every exception of pyserial, the operating system and termios ends here as DeviceUnavailable with a cause a
person can act on. Knows no protocol. Devices and sockets are read straight from their file descriptor: one
wake-up for a block of bytes, no thread between, no copy that could not be overwritten afterwards.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import termios
import threading
import time
from collections.abc import Iterator
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

import serial

from drivers.errors import ConfigurationError, DeviceUnavailable

WRITE_LIMIT_S = 0.25  # a request has 10 bytes, 10 ms at the lowest rate: beyond this the port is stuck
CONNECT_LIMIT_S = 2.0  # a reachable adapter answers at once; longer would keep `stop` waiting
READ_BLOCK = 4096  # what a read may return at most; the kernel's own buffer of a terminal
_MOST_DRAINED = 64 * READ_BLOCK  # a device that sends faster than we drop is not waited for
_TELNET_COMMAND = b"\xff"  # a byte of data that looks like one is sent twice
_SLICE_S = 0.05  # pyserial's RFC 2217 reader cannot be woken: it looks this often whether it should be

Parity = Literal["none", "even", "odd"]
_PARITIES = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}

PROBED_FAMILIES = ("socket://", "rfc2217://")


class Transport(Protocol):
    """A line to one device. One thread reads; others may write and wake, but only the reader closes."""

    port: str
    sets_rate: bool  # False: the rate is the business of an adapter at the other end

    def read_into(self, buffer: bytearray, timeout_s: float) -> int:
        """Waits for bytes, puts what is there into `buffer`; 0 after `timeout_s` or when woken."""

    def read(self, timeout_s: float) -> bytes:
        """As `read_into`, for bytes that are nobody's secret."""

    def write(self, data: bytes) -> None:
        """Hands all of `data` to the line, within the write limit."""

    def flush_input(self) -> int:
        """Drops what has arrived and was not read; returns how many bytes."""

    def set_rate(self, baudrate: int) -> None: ...

    def wake(self) -> None:
        """Ends the current or, if there is none, the next read at once. From any thread, also after close."""

    def descriptor(self) -> int:
        """Where the bytes go, for whoever must be able to write when we no longer can."""

    def as_sent(self, data: bytes) -> bytes:
        """What must be written to `descriptor` so that `data` arrives."""

    def close(self) -> None: ...


def open_transport(
    url: str, baudrate: int, *, parity: Parity = "none", write_limit_s: float = WRITE_LIMIT_S
) -> Transport:
    """Opens a device path, `socket://host:port` or `rfc2217://host:port`: raw, 8 bits, exclusive.

    1 stop bit; without parity, unless told otherwise.

    Raises DeviceUnavailable, or ConfigurationError if no such address can exist.
    """
    check_address(url)
    with _translated(url):
        if url.startswith("socket://"):
            return _SocketLine(url, write_limit_s)
        if url.startswith("rfc2217://"):
            return _Rfc2217Line(url, baudrate, parity, write_limit_s)
        return _SerialLine(url, baudrate, parity, write_limit_s)


def check_address(url: str) -> str:
    """Returns `url` if it can name a port, so that settings can be checked without opening it."""
    if url.startswith("/"):
        return url
    wrong = f"{url!r} is no port; write a device such as '/dev/serial/by-id/...', or 'socket://host:port'"
    if not url.startswith(PROBED_FAMILIES):
        raise ConfigurationError(wrong)
    try:
        parts = urlsplit(url)
        complete = bool(parts.hostname) and parts.port is not None
    except ValueError:
        complete = False
    if not complete:
        raise ConfigurationError(wrong)
    return url


# --- what was seen, in words -------------------------------------------------------------------------------

_GONE = {
    errno.ENOENT: "no such device; is it plugged in?",
    errno.ENODEV: "no such device; is it plugged in?",
    errno.ENXIO: "no such device; is it plugged in?",
    errno.EIO: "unplugged",
    errno.EBADF: "unplugged",
    errno.ECONNREFUSED: "nobody listens at this address",
    errno.ECONNRESET: "the other side closed the connection",
    errno.EPIPE: "the other side closed the connection",
    errno.ENOTCONN: "the other side closed the connection",
    errno.ETIMEDOUT: "the other side cannot be reached",
    errno.EHOSTUNREACH: "the other side cannot be reached",
    errno.ENETUNREACH: "the other side cannot be reached",
}
_THERE = {
    errno.EACCES: "no permission; add the service's user to group dialout and start it again",
    errno.EPERM: "no permission; add the service's user to group dialout and start it again",
    errno.EBUSY: "another program uses this port; stop that program",
    errno.EAGAIN: "another program uses this port; stop that program",
    errno.ENOTTY: "this is no serial port; name another one",
    errno.EISDIR: "this is no serial port; name another one",
    errno.EINVAL: "the port refuses these settings; is it a serial port?",
}
UNPLUGGED = _GONE[errno.EIO]
FOREIGN_ERRORS = (OSError, termios.error, ValueError, OverflowError)
"""What pyserial, the system and termios raise; SerialException is an OSError."""


def explain(port: str, error: BaseException) -> DeviceUnavailable:
    """Turns a foreign error into ours, by its number: texts differ between versions."""
    if isinstance(error, serial.SerialTimeoutException | TimeoutError):
        return DeviceUnavailable(port, "the port takes no bytes; unplug the adapter and plug it in again")
    if isinstance(error, socket.gaierror):
        return DeviceUnavailable(port, "no such host; is the name right?")
    number = _number(error)
    if number in _GONE:
        return DeviceUnavailable(port, _GONE[number], gone=True)
    if number in _THERE:
        return DeviceUnavailable(port, _THERE[number])
    if number is not None:
        return DeviceUnavailable(port, f"the port failed: {os.strerror(number)}")
    return DeviceUnavailable(port, f"the port failed ({type(error).__name__})")


def _number(error: BaseException | None) -> int | None:
    """The system's error number; pyserial sometimes keeps it only in what it caught itself."""
    while error is not None:
        first = error.args[0] if isinstance(error, OSError | termios.error) and error.args else None
        if isinstance(first, int):
            return first
        error = error.__cause__ or error.__context__
    return None


@contextlib.contextmanager
def _translated(port: str) -> Iterator[None]:
    try:
        yield
    except FOREIGN_ERRORS as error:
        raise explain(port, error) from error


# --- the lines ---------------------------------------------------------------------------------------------


class WakePipe:
    """Lets another thread end a poll. After close it does nothing: the number may be another's by then."""

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._lock = threading.Lock()
        self._open = True

    def wake(self) -> None:
        with self._lock, contextlib.suppress(BlockingIOError):  # full: it is awake already
            if self._open:
                os.write(self._writer, b"\0")

    def drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self.reader, READ_BLOCK)

    def close(self) -> None:
        with self._lock:
            if self._open:
                self._open = False
                os.close(self.reader)
                os.close(self._writer)


class _DescriptorLine:
    """Reading and writing by file descriptor; terminals and sockets differ only in the subclasses."""

    sets_rate = True

    def __init__(self, port: str, descriptor: int, write_limit_s: float) -> None:
        self.port = port
        self._fd = descriptor
        self._write_limit_s = write_limit_s
        self._woken = WakePipe()
        self._readable = select.poll()
        self._readable.register(descriptor, select.POLLIN)
        self._readable.register(self._woken.reader, select.POLLIN)
        self._writable = select.poll()
        self._writable.register(descriptor, select.POLLOUT)

    def read_into(self, buffer: bytearray, timeout_s: float) -> int:
        try:
            ready = dict(self._readable.poll(max(0.0, timeout_s) * 1000))
            if self._woken.reader in ready:
                self._woken.drain()
            events = ready.get(self._fd, 0)
            if not events:
                return 0
            count = os.readv(self._fd, (buffer,)) if events & select.POLLIN else 0
        except BlockingIOError:
            return 0
        except FOREIGN_ERRORS as error:
            raise explain(self.port, error) from error
        if count == 0:  # ready, and yet nothing: this is how a vanished device shows
            raise self._vanished()
        return count

    def read(self, timeout_s: float) -> bytes:
        buffer = bytearray(READ_BLOCK)
        return bytes(buffer[: self.read_into(buffer, timeout_s)])

    def write(self, data: bytes) -> None:
        try:
            sent = self._send(data)
            if sent < len(data):
                self._write_rest(data[sent:])
        except FOREIGN_ERRORS as error:
            raise explain(self.port, error) from error

    def wake(self) -> None:
        self._woken.wake()

    def descriptor(self) -> int:
        return self._fd

    def as_sent(self, data: bytes) -> bytes:
        return data

    def _send(self, data: bytes) -> int:
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0

    def _write_rest(self, data: bytes) -> None:
        deadline = time.monotonic() + self._write_limit_s
        while data:
            if not self._writable.poll(max(0.0, deadline - time.monotonic()) * 1000):
                self._forget_output()
                raise TimeoutError(errno.EAGAIN, "write")
            data = data[self._send(data) :]

    def _vanished(self) -> DeviceUnavailable:
        return DeviceUnavailable(self.port, UNPLUGGED, gone=True)

    def _forget_output(self) -> None:
        """A command that could not be written in time must not be carried out later."""


class _SerialLine(_DescriptorLine):
    def __init__(self, path: str, baudrate: int, parity: Parity, write_limit_s: float) -> None:
        self._serial = serial.Serial(
            path,
            baudrate,
            parity=_PARITIES[parity],
            timeout=0,
            write_timeout=write_limit_s,
            exclusive=True,
        )
        super().__init__(path, self._serial.fileno(), write_limit_s)

    def flush_input(self) -> int:
        scratch, dropped = bytearray(READ_BLOCK), 0
        with _translated(self.port):
            # read until empty first: what the driver still holds back is out of the reach of a flush
            while dropped < _MOST_DRAINED and (count := os.readv(self._fd, (scratch,))):
                scratch[:count] = bytes(count)
                dropped += count
            if dropped:
                termios.tcflush(self._fd, termios.TCIFLUSH)
        return dropped

    def set_rate(self, baudrate: int) -> None:
        with _translated(self.port):
            self._serial.baudrate = baudrate

    def close(self) -> None:
        self._woken.close()
        with contextlib.suppress(*FOREIGN_ERRORS):  # the device may be gone; there is nothing left to do
            self._serial.close()

    def _forget_output(self) -> None:
        termios.tcflush(self._fd, termios.TCOFLUSH)


class _SocketLine(_DescriptorLine):
    """A serial port behind a plain TCP connection. pyserial's own would leak a socket whose peer is gone."""

    sets_rate = False

    def __init__(self, url: str, write_limit_s: float) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 0), CONNECT_LIMIT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a command waits for no other
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._socket.setblocking(False)  # noqa: FBT003 - the standard library's signature
        super().__init__(url, self._socket.fileno(), write_limit_s)

    def flush_input(self) -> int:
        scratch, dropped = bytearray(READ_BLOCK), 0
        with contextlib.suppress(BlockingIOError), _translated_but_empty(self.port):
            while dropped < _MOST_DRAINED:
                count = self._socket.recv_into(scratch)
                if count == 0:
                    raise self._vanished()
                scratch[:count] = bytes(count)
                dropped += count
        return dropped

    def set_rate(self, baudrate: int) -> None:
        """The adapter at the other end has its own setting."""

    def close(self) -> None:
        self._woken.close()
        self._socket.close()

    def _vanished(self) -> DeviceUnavailable:
        return DeviceUnavailable(self.port, _GONE[errno.ECONNRESET], gone=True)


@contextlib.contextmanager
def _translated_but_empty(port: str) -> Iterator[None]:
    """As `_translated`, but lets "nothing there" through."""
    try:
        yield
    except BlockingIOError:
        raise
    except FOREIGN_ERRORS as error:
        raise explain(port, error) from error


class _Rfc2217Line:
    """A serial port behind an adapter that speaks RFC 2217; pyserial reads it with a thread of its own."""

    sets_rate = True

    def __init__(self, url: str, baudrate: int, parity: Parity, write_limit_s: float) -> None:
        self.port = url
        self._woken = threading.Event()
        port: Any = serial.serial_for_url(url, baudrate, parity=_PARITIES[parity], timeout=0)
        port._socket.settimeout(write_limit_s)  # pyserial offers no limit of its own for this kind
        self._serial = port

    def read_into(self, buffer: bytearray, timeout_s: float) -> int:
        data = self.read(timeout_s)
        buffer[: len(data)] = data
        return len(data)

    def read(self, timeout_s: float) -> bytes:
        deadline = time.monotonic() + timeout_s
        with _translated(self.port):
            while not self._woken.is_set():
                self._serial.timeout = min(_SLICE_S, max(0.0, deadline - time.monotonic()))
                if first := self._serial.read(1):
                    return bytes(first + self._serial.read(min(self._serial.in_waiting, READ_BLOCK - 1)))
                if time.monotonic() >= deadline:
                    return b""
        self._woken.clear()
        return b""

    def write(self, data: bytes) -> None:
        with _translated(self.port):
            self._serial.write(data)

    def flush_input(self) -> int:
        with _translated(self.port):
            # only what has come here: pyserial's own flush asks the adapter and waits 50 ms for its answer
            return len(self._serial.read(self._serial.in_waiting))

    def set_rate(self, baudrate: int) -> None:
        with _translated(self.port):
            self._serial.baudrate = baudrate

    def wake(self) -> None:
        self._woken.set()

    def descriptor(self) -> int:
        return int(self._serial._socket.fileno())

    def as_sent(self, data: bytes) -> bytes:
        return data.replace(_TELNET_COMMAND, 2 * _TELNET_COMMAND)

    def close(self) -> None:
        connection = self._serial._socket
        with contextlib.suppress(*FOREIGN_ERRORS):
            self._serial.close()
        if connection is not None:  # pyserial does not close it when the other side was first
            connection.close()
