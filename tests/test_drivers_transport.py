"""Lines on real pseudo-terminals and loopback sockets, and what becomes of foreign exceptions."""

import contextlib
import importlib
import os
import pkgutil
import socket
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import serial
import serial.rfc2217
from drivers_support import Peer

from drivers.errors import ConfigurationError, DeviceUnavailable
from drivers.transport import Transport, check_address, explain, open_transport

WAIT_S = 10.0


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    with Peer(tmp_path / "port", lambda data: b"<" + data + b">") as peer:
        yield peer


@contextlib.contextmanager
def opened(url: str | Path, rate: int = 115200, **options: Any) -> Iterator[Transport]:
    with contextlib.closing(open_transport(str(url), rate, **options)) as transport:
        yield transport


def read_until(transport: Transport, wanted: bytes) -> bytes:
    data, end_s = b"", time.monotonic() + WAIT_S
    while wanted not in data and time.monotonic() < end_s:
        data += transport.read(end_s - time.monotonic())
    return data


def write_without_end(transport: Transport) -> None:
    for _ in range(10_000):
        transport.write(bytes(65536))


def loopback() -> tuple[socket.socket, str]:
    server = socket.create_server(("127.0.0.1", 0))
    return server, f"127.0.0.1:{server.getsockname()[1]}"


def test_what_is_written_arrives_and_what_is_there_is_read_in_one_piece(peer: Peer) -> None:
    with opened(peer.path) as transport:
        transport.write(b"hello")
        assert read_until(transport, b">") == b"<hello>"
        assert transport.read(0.0) == b""


def test_a_card_read_into_a_buffer_can_be_overwritten(peer: Peer) -> None:
    with opened(peer.path) as transport:
        buffer = bytearray(64)
        transport.write(b"abc")
        count = 0
        while count < 5:
            view = bytearray(64)
            got = transport.read_into(view, WAIT_S)
            buffer[count : count + got] = view[:got]
            count += got
        assert bytes(buffer[:count]) == b"<abc>"


def test_the_line_is_raw_8n1_without_flow_control(peer: Peer) -> None:
    with opened(peer.path, 9600):
        iflag, oflag, cflag, lflag, ispeed, ospeed, _ = termios.tcgetattr(peer._slave)
        assert cflag & termios.CSIZE == termios.CS8
        assert not cflag & (termios.PARENB | termios.CSTOPB | termios.CRTSCTS)
        assert not iflag & (termios.IXON | termios.IXOFF | termios.ICRNL)
        assert not lflag & (termios.ICANON | termios.ECHO | termios.ISIG)
        assert not oflag & termios.OPOST
        assert ispeed == ospeed == termios.B9600


def test_the_rate_is_changed_while_open(peer: Peer) -> None:
    with opened(peer.path) as transport:
        assert transport.sets_rate
        for rate in (9600, 57600, 115200):
            transport.set_rate(rate)
            assert peer.speed() == rate


def test_flushing_drops_what_came_and_says_how_much(peer: Peer) -> None:
    with opened(peer.path) as transport:
        peer.send(b"x" * 3000)
        dropped = transport.flush_input()
        while dropped < 3000:
            dropped += transport.flush_input()
        assert dropped == 3000
        transport.write(b"y")
        assert read_until(transport, b">") == b"<y>"


def test_a_read_waits_no_longer_than_it_is_told(peer: Peer) -> None:
    with opened(peer.path) as transport:
        start_s = time.monotonic()
        assert transport.read(0.05) == b""
        assert 0.04 < time.monotonic() - start_s < 2.0


@pytest.mark.parametrize("kind", ["device", "socket"])
def test_another_thread_ends_a_read_at_once_and_a_wake_is_not_lost(peer: Peer, kind: str) -> None:
    server, address = loopback()
    with server, opened(peer.path if kind == "device" else f"socket://{address}") as transport:
        transport.wake()
        start_s = time.monotonic()
        assert transport.read(WAIT_S) == b""
        waker = threading.Timer(0.05, transport.wake)
        waker.start()
        assert transport.read(WAIT_S) == b""
        assert time.monotonic() - start_s < WAIT_S / 2
        waker.join()
    transport.wake()  # after close: harmless


def test_a_second_program_is_told_that_the_port_is_in_use(peer: Peer) -> None:
    with opened(peer.path), pytest.raises(DeviceUnavailable, match="another program") as refusal:
        open_transport(str(peer.path), 9600)
    assert not refusal.value.gone


def test_unplugging_ends_reading_writing_and_the_rest(peer: Peer) -> None:
    acts: list[Callable[[Transport], object]] = [
        lambda transport: transport.read(WAIT_S),
        lambda transport: transport.write(b"x"),
        lambda transport: transport.set_rate(9600),
    ]
    with opened(peer.path) as transport:
        peer.unplug()
        for act in acts:
            with pytest.raises(DeviceUnavailable, match="unplugged") as loss:
                act(transport)
            assert loss.value.gone
            assert loss.value.port == str(peer.path)


def test_a_read_that_waits_ends_when_the_plug_is_pulled(peer: Peer) -> None:
    with opened(peer.path) as transport:
        puller = threading.Timer(0.05, peer.unplug)
        puller.start()
        with pytest.raises(DeviceUnavailable, match="unplugged"):
            transport.read(WAIT_S)
        puller.join()


def test_a_port_that_takes_nothing_ends_the_write_in_time(tmp_path: Path) -> None:
    server, address = loopback()
    with server, opened(f"socket://{address}", write_limit_s=0.05) as transport:
        start_s = time.monotonic()
        with pytest.raises(DeviceUnavailable, match="takes no bytes") as refusal:
            write_without_end(transport)
        assert time.monotonic() - start_s < WAIT_S
        assert not refusal.value.gone


@pytest.mark.parametrize(
    ("path", "cause", "gone"),
    [
        ("/dev/no-such-port", "no such device", True),
        ("/dev/null", "no serial port", False),
        ("/tmp", "no serial port", False),
        ("/etc/passwd", "no serial port", False),
    ],
)
def test_a_port_that_cannot_be_opened_says_why(path: str, cause: str, gone: bool) -> None:
    with pytest.raises(DeviceUnavailable, match=cause) as refusal:
        open_transport(path, 9600)
    assert refusal.value.gone is gone


def test_missing_permission_says_what_to_do() -> None:
    refusal = explain("/dev/ttyUSB0", PermissionError(13, "Permission denied"))
    assert "add the service's user to group dialout" in refusal.cause
    assert not refusal.gone


@pytest.mark.parametrize(
    "url", ["", "COM3", "ttyUSB0", "http://x:1", "socket://x", "socket://:1", "rfc2217://x:y"]
)
def test_an_address_that_cannot_exist_is_a_matter_of_settings(url: str) -> None:
    with pytest.raises(ConfigurationError):
        check_address(url)
    with pytest.raises(ConfigurationError):
        open_transport(url, 9600)


def test_a_socket_carries_bytes_and_its_end_is_noticed() -> None:
    server, address = loopback()
    with server, opened(f"socket://{address}") as transport:
        assert not transport.sets_rate
        transport.set_rate(9600)
        connection, _ = server.accept()
        transport.write(b"ask")
        assert connection.recv(10) == b"ask"
        connection.sendall(b"answer")
        assert read_until(transport, b"answer") == b"answer"
        connection.sendall(b"noise")
        dropped = 0
        while dropped < 5:
            dropped += transport.flush_input()
        connection.close()
        with pytest.raises(DeviceUnavailable, match="other side closed") as loss:
            transport.read(WAIT_S)
        assert loss.value.gone
        with pytest.raises(DeviceUnavailable):
            transport.flush_input()


def test_nobody_listening_is_nothing_at_the_port() -> None:
    server, address = loopback()
    server.close()
    for scheme in ("socket", "rfc2217"):
        with pytest.raises(DeviceUnavailable, match="nobody listens") as refusal:
            open_transport(f"{scheme}://{address}", 9600)
        assert refusal.value.gone


class Connection:
    """What pyserial's server side of RFC 2217 writes to."""

    def __init__(self, client: socket.socket) -> None:
        self.write = client.sendall


def serve_rfc2217(server: socket.socket, rates: list[int]) -> None:
    """An adapter whose serial side gives back what it gets; ends when the client goes."""
    client, _ = server.accept()
    port: Any = serial.serial_for_url("loop://", timeout=0)
    manager: Any = serial.rfc2217.PortManager(port, cast("Any", Connection(client)))
    with client, contextlib.closing(port):
        while data := client.recv(1024):
            port.write(b"".join(manager.filter(data)))
            rates.append(port.baudrate)
            if waiting := port.in_waiting:
                client.sendall(b"".join(manager.escape(port.read(waiting))))


@pytest.mark.filterwarnings(
    "ignore:set(Daemon|Name)\\(\\) is deprecated:DeprecationWarning"
)  # pyserial's thread
def test_an_rfc2217_adapter_carries_bytes_and_takes_the_rate() -> None:
    server, address = loopback()
    rates: list[int] = []
    adapter = threading.Thread(target=serve_rfc2217, args=(server, rates))
    adapter.start()
    with server:
        with opened(f"rfc2217://{address}", 9600) as transport:
            assert transport.sets_rate
            transport.write(b"to and\xff fro")
            assert read_until(transport, b"fro") == b"to and\xff fro"
            transport.set_rate(57600)
            transport.wake()
            assert transport.read(WAIT_S) == b""
            assert transport.read(0.01) == b""
            buffer = bytearray(64)
            transport.write(b"x")
            assert transport.read_into(buffer, WAIT_S) == 1
            assert transport.flush_input() == 0
        adapter.join(WAIT_S)
    assert (rates[-1], rates.count(57600) > 0) == (57600, True)


def test_explaining_covers_every_exception_class_of_pyserial() -> None:
    modules = [serial, *_modules_of_pyserial()]
    found = {
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Exception) and value.__module__.startswith("serial")
    }
    assert {error.__name__ for error in found} >= {
        "SerialException",
        "SerialTimeoutException",
        "PortNotOpenError",
    }
    for error in found:
        raised = error() if error.__name__ == "PortNotOpenError" else error("text")
        assert explain("/dev/port", raised).port == "/dev/port"
        assert issubclass(error, OSError)  # and so it is caught where foreign errors are


def _modules_of_pyserial() -> Iterator[Any]:
    for info in pkgutil.walk_packages(serial.__path__, "serial."):
        if info.name.endswith("__main__"):
            continue
        with contextlib.suppress(ImportError, AttributeError, NameError, OSError):  # those of other systems
            yield importlib.import_module(info.name)


def test_the_number_of_an_error_is_found_where_pyserial_hides_it() -> None:
    hidden = serial.SerialException("Could not configure port")
    hidden.__context__ = termios.error(25, "Inappropriate ioctl for device")
    assert "no serial port" in explain("/dev/port", hidden).cause


def test_an_unexpected_error_is_still_ours() -> None:
    assert explain("/dev/port", ValueError("x")).cause == "the port failed (ValueError)"
    assert os.strerror(28) in explain("/dev/port", OSError(28, "x")).cause
