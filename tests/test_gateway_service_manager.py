"""What the service manager hears, over real sockets; and that a loop that stands still is started again."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_support import install, until
from service_supervisor import Supervisor

from gateway.service_manager import ServiceManager

PROGRAM = Path(sys.executable).with_name("liuhen-gateway")
LOOP = Path(__file__).with_name("gateway_deciding_loop.py")


class Listener:
    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        found = []
        while True:
            try:
                found.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listener]:
    abstract = f"@liuhen-test-{secrets.token_hex(8)}"
    listener = Listener(abstract if request.param == "abstract" else str(tmp_path / "notify"))
    yield listener
    listener.close()


class Turned:
    """A monotonic clock that stands where the test puts it."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def test_each_word_is_one_datagram_as_the_protocol_spells_it(listener: Listener) -> None:
    manager = ServiceManager(listener.address)
    manager.status("opening the journal")
    manager.ready("2 doors")
    manager.reloading()
    manager.ready()
    manager.stopping("stopped by signal")
    opening, ready, reloading, again, stopping = listener.heard()
    assert opening == "STATUS=opening the journal"
    assert ready == "READY=1\nSTATUS=2 doors"
    assert reloading.startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert reloading.removeprefix("RELOADING=1\nMONOTONIC_USEC=").isdecimal()
    assert again == "READY=1"
    assert stopping == "STOPPING=1\nSTATUS=stopped by signal"
    manager.close()


def test_a_status_stays_one_line_of_bounded_length(listener: Listener) -> None:
    manager = ServiceManager(listener.address)
    manager.status("one\nREADY=1\n" + "x" * 5_000)
    (heard,) = listener.heard()
    assert "\n" not in heard
    assert len(heard) <= 210
    manager.close()


def test_a_beat_is_sent_three_times_in_each_limit_however_often_the_loop_turns(listener: Listener) -> None:
    clock = Turned()
    manager = ServiceManager(listener.address, watchdog_s=30.0, monotonic_s=clock)
    for _ in range(3_000):  # 30 s in rounds of 10 ms
        manager.beat()
        clock.now_s += 0.01
    assert listener.heard() == ["WATCHDOG=1"] * 3
    assert manager.beat_every_s == 10.0
    manager.close()


def test_without_a_watchdog_no_beat_is_sent(listener: Listener) -> None:
    manager = ServiceManager(listener.address)
    manager.beat()
    assert listener.heard() == []
    assert manager.beat_every_s == float("inf")
    manager.close()


def test_outside_a_service_manager_nothing_happens() -> None:
    manager = ServiceManager.from_environment({})
    manager.ready("2 doors")
    manager.beat()
    manager.stopping()
    manager.close()


def test_the_environment_says_where_and_how_often(listener: Listener) -> None:
    environment = {"NOTIFY_SOCKET": listener.address, "WATCHDOG_USEC": "6000000"}
    manager = ServiceManager.from_environment({**environment, "WATCHDOG_PID": str(os.getpid())})
    assert manager.beat_every_s == 2.0
    manager.close()
    others = ServiceManager.from_environment({**environment, "WATCHDOG_PID": "1"})
    assert others.beat_every_s == float("inf")
    others.close()


@pytest.mark.parametrize("limit", ["", "0", "soon", "-5"])
def test_a_limit_that_is_none_asks_for_no_beats(listener: Listener, limit: str) -> None:
    manager = ServiceManager.from_environment({"NOTIFY_SOCKET": listener.address, "WATCHDOG_USEC": limit})
    assert manager.beat_every_s == float("inf")
    manager.close()


def test_a_listener_that_does_not_read_keeps_nobody_waiting_and_is_heard_again_later(
    listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Turned()
    manager = ServiceManager(listener.address, watchdog_s=3.0, monotonic_s=clock)
    for _ in range(2_000):  # far more than any queue of datagrams holds
        manager.beat()
        clock.now_s += 1.0
    assert caplog.text.count("does not take our messages") == 1
    assert 0 < len(listener.heard()) < 2_000
    manager.beat()  # the one that was not taken was not counted as sent
    assert listener.heard() == ["WATCHDOG=1"]
    manager.close()


@pytest.mark.parametrize(
    ("address", "said"),
    [("/nowhere/notify", "cannot be reached"), ("vsock:2:1234", "of a kind that is not known here")],
)
def test_an_address_without_a_listener_is_said_and_hurts_nobody(
    caplog: pytest.LogCaptureFixture, address: str, said: str
) -> None:
    manager = ServiceManager(address, watchdog_s=1.0)
    manager.ready()
    manager.beat()
    assert said in caplog.text
    assert manager.beat_every_s == float("inf")


def test_a_listener_that_went_away_hurts_nobody(listener: Listener, caplog: pytest.LogCaptureFixture) -> None:
    manager = ServiceManager(listener.address, watchdog_s=30.0)
    listener.close()
    manager.beat()
    manager.status("still here")
    assert caplog.text.count("does not take our messages") == 1
    manager.close()


def test_a_loop_that_stands_still_is_ended_and_started_again_within_thirty_seconds(tmp_path: Path) -> None:
    """trust.md R-20, with the limit of a tenth of what the unit says."""
    with Supervisor([sys.executable, LOOP, "300"], tmp_path, watchdog_s=2.0) as supervisor:
        until(lambda: len(supervisor.lives) >= 2 and supervisor.lives[1].ready_s, "the second start", 60.0)
        first, second = supervisor.lives[:2]
    assert first.for_silence
    assert first.code == -6  # SIGABRT
    assert first.messages[0] == "READY=1\nSTATUS=decides"
    assert second.ready_s is not None
    assert second.ready_s - first.heard_s <= 30.0
    written = supervisor.output.read_text(encoding="utf-8")
    assert "in main" in written  # where it stood, for whoever mends it


def test_a_gateway_that_stands_still_decides_again_within_thirty_seconds(tmp_path: Path) -> None:
    """The program itself, with half of the unit's limit."""
    command: list[str | Path] = [PROGRAM, "run", "--settings", install(tmp_path)]
    with Supervisor(command, tmp_path, watchdog_s=10.0) as supervisor:
        until(lambda: supervisor.lives and "WATCHDOG=1" in supervisor.lives[0].messages, "a beat", 60.0)
        stopped_s = time.monotonic()
        os.kill(supervisor.lives[0].pid, signal.SIGSTOP)
        until(lambda: len(supervisor.lives) >= 2 and supervisor.lives[1].ready_s, "the second start", 60.0)
        first, second = supervisor.lives[:2]
    assert first.for_silence
    assert second.ready_s is not None
    assert second.ready_s - stopped_s <= 30.0
    assert "Fatal Python error: Aborted" in supervisor.output.read_text(encoding="utf-8")


def test_a_gateway_says_ready_when_it_decides_and_stopping_when_it_ends(tmp_path: Path) -> None:
    command: list[str | Path] = [PROGRAM, "run", "--settings", install(tmp_path)]
    with Supervisor(command, tmp_path, watchdog_s=60.0) as supervisor:
        until(lambda: supervisor.lives and supervisor.lives[0].ready_s, "the start", 60.0)
        os.kill(supervisor.lives[0].pid, signal.SIGTERM)
        until(lambda: supervisor.lives[0].ended_s, "the end", 60.0)
        first = supervisor.lives[0]
    assert first.code == 0
    said = [m.splitlines()[0] for m in first.messages if m != "WATCHDOG=1"]
    assert "STATUS=access list 1" in said
    assert [m for m in said if not m.startswith("STATUS=")] == ["READY=1", "STOPPING=1"]


def test_a_loop_that_goes_on_is_left_alone(tmp_path: Path) -> None:
    with Supervisor([sys.executable, LOOP, "-1"], tmp_path, watchdog_s=6.0) as supervisor:
        until(
            lambda: supervisor.lives and supervisor.lives[0].messages.count("WATCHDOG=1") >= 5,
            "beats over more than one limit",
            60.0,
        )
        assert [life.for_silence for life in supervisor.lives] == [False]


def test_a_process_that_falls_fifty_times_is_begun_a_fifty_first_time(tmp_path: Path) -> None:
    fall = [sys.executable, "-S", "-E", "-c", "raise SystemExit(1)"]
    with Supervisor(fall, tmp_path, watchdog_s=30.0) as supervisor:
        until(lambda: len(supervisor.lives) > 50, "fifty-one starts", 60.0)
    assert {life.code for life in supervisor.lives[:50]} == {1}


def test_the_example_unit_says_what_the_program_needs() -> None:
    unit = (Path(__file__).parent.parent / "config" / "liuhen-gateway.example.service").read_text()
    settings = [line for line in unit.splitlines() if line and not line.startswith(("#", "["))]
    for line in (
        "Type=notify",
        "WatchdogSec=20",
        "Restart=always",
        "StartLimitIntervalSec=0",
        "LimitCORE=0",
        "NoNewPrivileges=yes",
    ):
        assert line in settings, line
    assert not [line for line in settings if line.startswith(("Requires=", "BindsTo=", "Requisite="))]


def test_the_example_unit_is_locked_down_as_systemd_itself_measures(tmp_path: Path) -> None:
    """trust.md R-69: an exposure of 3 at most, of 10."""
    unit = Path(__file__).parent.parent / "config" / "liuhen-gateway.example.service"
    copy = tmp_path / "liuhen-gateway.service"
    copy.write_text(unit.read_text(encoding="utf-8"), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=30", copy],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
