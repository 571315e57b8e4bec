"""A driver that dies leaves each lock in its safe state: real processes, really killed."""

import contextlib
import fcntl
import logging
import os
import pty
import signal
import socket
import struct
import sys
import termios
import threading
import time
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import psutil
import pytest
import serial
import serial.rfc2217
from drivers_support import DEADLINE_S, Ear, Peer, running, vectors
from locks_support import gateway_with, is_gone, wait_until

from drivers.errors import DeviceUnavailable
from drivers.lc_board import LcBoard, LcRelaySettings
from drivers.lock_guard import LockGuard, Order, shared_guard
from drivers.transport import Transport, open_transport

LC = {each["name"]: bytes.fromhex(each["hex"]) for each in vectors("lock_board")["frame"]}
ON_1, OFF_1, ON_2, OFF_2 = (LC[f"channel_{name}"] for name in ("1_on", "1_off", "2_on", "2_off"))


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    with Peer(tmp_path / "locks", lambda _: b"") as peer:
        yield peer


@pytest.fixture
def guard() -> Iterator[LockGuard]:
    guard = LockGuard()
    yield guard
    guard.close()


@pytest.fixture
def line() -> Iterator[tuple[int, int]]:
    """Both ends of a pseudo-terminal; the first is the device's."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    yield master, slave
    os.close(master)
    os.close(slave)


def read(descriptor: int, size: int) -> bytes:
    data = b""

    def complete() -> bool:
        nonlocal data
        with contextlib.suppress(BlockingIOError):
            data += os.read(descriptor, 4096)
        return len(data) >= size

    wait_until(complete, f"{size} bytes")
    return data


def test_a_killed_gateway_leaves_the_relays_off(peer: Peer) -> None:
    with gateway_with("lc_relay", port=str(peer.path), channels=2, command_gap_s=0.1) as (process, guard_pid):
        wait_until(lambda: peer.heard.endswith(ON_1), "the release")
        process.send_signal(signal.SIGKILL)
        wait_until(lambda: peer.heard.endswith(ON_1 + OFF_1 + OFF_1 + OFF_2), "both relays off")
        wait_until(lambda: is_gone(guard_pid), "the end of the guard")
    times = [at for at, data in peer.heard_at_s for _ in range(len(data) // 4)]
    assert min(later - earlier for earlier, later in zip(times[-4:], times[-3:], strict=False)) > 0.09


def test_a_lock_declared_to_stay_open_is_left_open(peer: Peer) -> None:
    settings = {"port": str(peer.path), "channels": 2, "command_gap_s": 0.02, "safe_state": {"2": "unlocked"}}
    with gateway_with("lc_relay", **settings) as (process, _):
        wait_until(lambda: peer.heard.endswith(ON_1), "the release")
        process.send_signal(signal.SIGKILL)
        wait_until(lambda: peer.heard.endswith(ON_1 + OFF_1 + OFF_1 + ON_2), "1 off and 2 on")


def test_a_service_manager_that_ends_all_processes_does_not_end_the_guard(peer: Peer) -> None:
    with gateway_with("lc_relay", port=str(peer.path), command_gap_s=0.02) as (process, guard_pid):
        wait_until(lambda: peer.heard.endswith(ON_1), "the release")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(guard_pid, number)
        process.send_signal(signal.SIGKILL)
        wait_until(lambda: peer.heard.endswith(ON_1 + 2 * OFF_1), "relay off")
        wait_until(lambda: is_gone(guard_pid), "the end of the guard")


def test_a_gateway_that_runs_off_its_end_leaves_the_relays_off(peer: Peer) -> None:
    with gateway_with("lc_relay", port=str(peer.path), command_gap_s=0.02) as (process, guard_pid):
        assert process.stdin is not None
        wait_until(lambda: peer.heard.endswith(ON_1), "the release")
        process.stdin.close()
        wait_until(lambda: peer.heard.endswith(ON_1 + 2 * OFF_1), "relay off")
        wait_until(lambda: is_gone(guard_pid), "the end of the guard")


def test_a_killed_guard_is_replaced_and_the_next_one_knows_all(peer: Peer) -> None:
    with gateway_with("lc_relay", port=str(peer.path), command_gap_s=0.02) as (process, guard_pid):
        wait_until(lambda: peer.heard.endswith(ON_1), "the release")
        os.kill(guard_pid, signal.SIGKILL)

        def replaced() -> bool:
            children = [child.pid for child in psutil.Process(process.pid).children()]
            return guard_pid not in children and any(_ignores_signals(pid) for pid in children)

        wait_until(replaced, "another guard")
        process.send_signal(signal.SIGKILL)
        wait_until(lambda: peer.heard.endswith(ON_1 + 2 * OFF_1), "relay off")


def _ignores_signals(pid: int) -> bool:
    """Which is the first thing that a guard does."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    ignored = int(next(line for line in status.splitlines() if line.startswith("SigIgn")).split()[1], 16)
    return bool(ignored >> signal.SIGTERM - 1 & 1)


def open_soon(path: str) -> Transport:
    """As a driver does: a port that is busy at this moment is tried again."""
    opened: list[Transport] = []

    def is_open() -> bool:
        with contextlib.suppress(DeviceUnavailable):
            opened.append(open_transport(path, 9600))
        return bool(opened)

    wait_until(is_open, "the port")
    return opened[0]


def test_a_gateway_that_is_there_again_is_not_written_over(peer: Peer) -> None:
    with gateway_with("lc_relay", port=str(peer.path), channels=8, command_gap_s=0.3) as (process, guard_pid):
        wait_until(lambda: peer.heard.endswith(ON_1), "the release")
        process.send_signal(signal.SIGKILL)
        wait_until(lambda: peer.heard.endswith(ON_1 + OFF_1), "the guard's first command")
        line = open_soon(str(peer.path))  # while the guard has eight more to write
        wait_until(lambda: is_gone(guard_pid), "the end of the guard")
        line.write(b"next")
        wait_until(lambda: peer.heard.endswith(b"next"), "ours")
        line.close()
    after = bytes(peer.heard).rpartition(ON_1)[2]
    assert len(after) <= len(OFF_1 + OFF_1 + b"next")


def serve_adapter(server: socket.socket, heard: bytearray, *, rfc2217: bool) -> None:
    """A network adapter with one client; with `rfc2217` it takes the client's commands out of the bytes."""
    connection, _ = server.accept()
    port: Any = serial.serial_for_url("loop://", timeout=0)
    # a client that ends with bytes unread resets the connection; what it sent came before that
    with connection, contextlib.closing(port), contextlib.suppress(ConnectionResetError):
        manager: Any = serial.rfc2217.PortManager(port, cast("Any", _Writer(connection))) if rfc2217 else None
        while data := connection.recv(4096):
            heard.extend(b"".join(manager.filter(data)) if manager else data)


class _Writer:
    def __init__(self, connection: socket.socket) -> None:
        self.write = connection.sendall


@pytest.mark.parametrize("scheme", ["socket", "rfc2217"])
def test_a_port_behind_a_network_adapter_is_guarded(scheme: str) -> None:
    heard = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(
            target=serve_adapter, args=(server, heard), kwargs={"rfc2217": scheme == "rfc2217"}
        )
        thread.start()
        port = f"{scheme}://127.0.0.1:{server.getsockname()[1]}"
        with gateway_with("lc_relay", port=port, command_gap_s=0.02) as (process, _):
            wait_until(lambda: heard.endswith(ON_1), "the release")
            process.send_signal(signal.SIGKILL)
            thread.join(DEADLINE_S)
    assert not thread.is_alive()
    assert heard.endswith(ON_1 + 2 * OFF_1)


def test_nothing_is_written_for_a_port_that_was_let_go(guard: LockGuard, line: tuple[int, int]) -> None:
    device, port = line
    with guard.protecting(port, [Order(0.0, b"safe")]):
        pass
    guard.close()
    os.write(port, b"end")
    assert read(device, 3) == b"end"


def test_a_lost_device_is_let_go_of(guard: LockGuard, line: tuple[int, int]) -> None:
    device, port = line
    with pytest.raises(DeviceUnavailable), guard.protecting(port, [Order(0.0, b"safe")]):
        raise DeviceUnavailable("port", "unplugged", gone=True)
    os.write(port, b"end")
    assert read(device, 3) == b"end"


def test_a_driver_that_falls_by_a_fault_of_its_own_leaves_the_safe_state(
    guard: LockGuard, line: tuple[int, int]
) -> None:
    device, port = line
    with pytest.raises(ZeroDivisionError), guard.protecting(port, [Order(0.0, b"safe"), Order(0.05, b"ty")]):
        raise ZeroDivisionError
    os.write(port, b"end")  # the orders were carried out before the block was left
    assert read(device, 9) == b"safetyend"


def test_a_port_can_be_opened_again_at_once(peer: Peer, guard: LockGuard) -> None:
    for _ in range(20):
        line = open_transport(str(peer.path), 9600)  # exclusive: a duplicate left behind would refuse it
        with guard.protecting(line.descriptor(), [Order(0.0, OFF_1)]):
            line.write(ON_1)
        line.close()


def test_an_order_can_be_a_call_to_the_kernel(guard: LockGuard, line: tuple[int, int]) -> None:
    device, port = line
    size = struct.pack("HHHH", 7, 11, 0, 0)  # the size of a terminal, for want of a GPIO chip
    with guard.protecting(port, [Order(0.0, size, ioctl=termios.TIOCSWINSZ)]):
        guard.close()
        wait_until(lambda: fcntl.ioctl(device, termios.TIOCGWINSZ, bytes(8)) == size, "the call")


def test_a_port_that_takes_nothing_keeps_no_other_from_its_safe_state(guard: LockGuard) -> None:
    stuck_device, stuck_port = pty.openpty()
    device, port = pty.openpty()
    tty.setraw(port)
    os.set_blocking(device, False)
    termios.tcflow(stuck_port, termios.TCOOFF)
    try:
        with (
            guard.protecting(stuck_port, [Order(0.0, bytes(4096))] * 10),
            guard.protecting(port, [Order(0.0, b"safe")]),
        ):
            guard.close()
            assert read(device, 4) == b"safe"
    finally:
        for descriptor in (stuck_device, stuck_port, device, port):
            os.close(descriptor)


def test_a_guard_that_cannot_be_started_is_told_and_the_driver_goes_on(
    guard: LockGuard, line: tuple[int, int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    caplog.set_level(logging.ERROR)
    with guard.protecting(line[1], [Order(0.0, b"safe")]):
        assert guard.pid is None
    assert "locks are not guarded" in caplog.text


def test_a_stuck_guard_holds_up_nobody_for_long(guard: LockGuard, line: tuple[int, int]) -> None:
    with guard.protecting(line[1], [Order(0.0, b"safe")]):
        stuck = guard.pid
        assert stuck is not None
        os.kill(stuck, signal.SIGSTOP)
        start_s = time.monotonic()
    assert time.monotonic() - start_s < 5
    wait_until(lambda: guard.pid is not None and guard.pid != stuck, "another guard")


def test_one_guard_serves_all_boards_of_a_process(tmp_path: Path) -> None:
    with (
        Peer(tmp_path / "one", lambda _: b"") as one,
        Peer(tmp_path / "two", lambda _: b"") as two,
        running(LcBoard("one", LcRelaySettings(port=str(one.path))), Ear()) as first,
        running(LcBoard("two", LcRelaySettings(port=str(two.path))), Ear()) as second,
    ):
        first.wait_state("ok")
        second.wait_state("ok")
        assert shared_guard() is shared_guard()
        assert shared_guard().pid is not None
