"""The lock board driver against a scripted board on a pseudo-terminal."""

import contextlib
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from drivers_support import DEADLINE_S, Ear, Peer, running, vectors

from drivers import lc_board
from drivers.errors import ConfigurationError, DeviceUnavailable
from drivers.lc_board import LcBoard, LcRelaySettings

GAP_S = 0.1


def command(channel: int, *, on: bool) -> bytes:
    """As documented; channels 5 to 7 follow the rule that the documented ones show."""
    for each in vectors("lock_board")["frame"]:
        if not each["must_fail"] and (each["channel"], each["on"]) == (channel, on):
            return bytes.fromhex(each["hex"])
    return bytes((0xA0, channel, on, (0xA0 + channel + on) & 0xFF))


class ScriptedBoard:
    """Follows commands; answers the query if it is one of those that do."""

    def __init__(self, channels: int, *, answers: bool = False) -> None:
        self.relays = dict.fromkeys(range(1, channels + 1), True)  # a state that nobody asked for
        self.answers = answers
        self.stuck: set[int] = set()
        self.commands: list[tuple[float, int, bool]] = []
        self.changed = threading.Condition()

    def __call__(self, data: bytes) -> bytes:
        answer = b""
        while data:
            if data[:1] == b"\xff":
                data = data[1:]
                answer += self._status() if self.answers else b""
                continue
            start, channel, operation, check = data[:4]
            assert start == 0xA0
            assert (start + channel + operation) & 0xFF == check
            data = data[4:]
            self._set(channel, on=bool(operation))
        return answer

    def _status(self) -> bytes:
        return b"".join(b"CH%d: %s\r\n" % (n, b"ON" if on else b"OFF") for n, on in self.relays.items())

    def _set(self, channel: int, *, on: bool) -> None:
        with self.changed:
            self.commands.append((time.monotonic(), channel, on))
            if channel not in self.stuck:
                self.relays[channel] = on
            self.changed.notify_all()

    def wait(self, channel: int, *, on: bool, after_s: float = 0.0) -> float:
        """When the first such command after `after_s` came."""

        def found() -> list[float]:
            return [
                at for at, number, state in self.commands if at > after_s and (number, state) == (channel, on)
            ]

        self.wait_until(lambda: bool(found()), f"relay {channel} {'on' if on else 'off'}")
        return found()[0]

    def wait_until(self, met: Callable[[], bool], what: str) -> None:
        end_s = time.monotonic() + DEADLINE_S
        with self.changed:
            while not met():
                assert time.monotonic() < end_s, f"never came: {what}; there were {self.commands}"
                self.changed.wait(0.05)


@pytest.fixture
def scripted() -> ScriptedBoard:
    return ScriptedBoard(4)


@pytest.fixture
def peer(tmp_path: Path, scripted: ScriptedBoard) -> Iterator[Peer]:
    with Peer(tmp_path / "locks", scripted) as peer:
        yield peer


@contextlib.contextmanager
def driving(peer: Peer, **settings: object) -> Iterator[tuple[LcBoard, Ear]]:
    chosen = {"port": str(peer.path), "channels": 4, "command_gap_s": GAP_S} | settings
    board = LcBoard("locks", LcRelaySettings.model_validate(chosen))
    with running(board) as ear:
        ear.wait_state("ok")
        yield board, ear


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def test_every_used_relay_is_switched_off_before_the_board_is_ready(
    peer: Peer, scripted: ScriptedBoard
) -> None:
    with driving(peer, channels=3):
        scripted.wait(3, on=False)
        assert [(number, on) for _, number, on in scripted.commands] == [(1, False), (2, False), (3, False)]
        assert bytes(peer.heard) == b"".join(command(channel, on=False) for channel in (1, 2, 3))


def test_a_pulse_begins_at_once_and_ends_in_time(peer: Peer, scripted: ScriptedBoard) -> None:
    with driving(peer) as (board, _):
        start_s = time.monotonic()
        board.release(2, 1.0)
        assert time.monotonic() - start_s < 0.9
        on_s = scripted.wait(2, on=True)
        off_s = scripted.wait(2, on=False, after_s=on_s)
        assert 0.95 < off_s - on_s < 3.0
        assert bytes(peer.heard).endswith(command(2, on=True) + command(2, on=False))


def test_a_second_release_prolongs_the_pulse(peer: Peer, scripted: ScriptedBoard) -> None:
    with driving(peer) as (board, _):
        start_s = time.monotonic()
        board.release(1, 1.0)
        board.release(1, 1.6)
        board.release(1, 1.0)  # does not shorten it
        on_s = scripted.wait(1, on=True)
        assert scripted.wait(1, on=False, after_s=on_s) - start_s > 1.55


def test_commands_keep_the_gap_and_people_who_wait_go_first(peer: Peer, scripted: ScriptedBoard) -> None:
    with driving(peer) as (board, _):
        start_s = time.monotonic()
        for channel in (1, 2, 3, 4):
            board.release(channel, 1.0)
        assert time.monotonic() - start_s < 0.25  # none of the callers was made to wait
        scripted.wait_until(lambda: all(scripted.relays[channel] for channel in range(1, 5)), "all on")
        scripted.wait_until(lambda: not any(scripted.relays.values()), "all off")
        times = [at for at, _, _ in scripted.commands]
        assert min(later - earlier for earlier, later in itertools.pairwise(times)) > GAP_S * 0.9


def test_a_release_during_the_first_switching_off_goes_before_the_rest(
    peer: Peer, scripted: ScriptedBoard
) -> None:
    board = LcBoard("locks", LcRelaySettings(port=str(peer.path), channels=4, command_gap_s=0.5))
    with running(board):
        scripted.wait_until(lambda: bool(scripted.commands), "the first")
        board.release(4, 1.0)
        scripted.wait(4, on=True)
        assert [(number, on) for _, number, on in scripted.commands] == [(1, False), (4, True)]


@pytest.mark.parametrize("pulse_s", [0.0, 0.99, 30.01, -1.0, float("inf"), float("nan")])
def test_a_pulse_outside_its_bounds_is_refused(peer: Peer, scripted: ScriptedBoard, pulse_s: float) -> None:
    with driving(peer) as (board, _):
        with pytest.raises(ConfigurationError, match="1 to 30 s"):
            board.release(1, pulse_s)
        assert not any(on for _, _, on in scripted.commands)


@pytest.mark.parametrize("channel", [0, 5, -1])
def test_a_channel_outside_the_settings_is_refused(peer: Peer, channel: int) -> None:
    with driving(peer) as (board, _), pytest.raises(ConfigurationError, match="no channel"):
        board.release(channel, 5.0)


def test_a_release_before_the_board_is_there_is_refused_at_once(tmp_path: Path) -> None:
    board = LcBoard("locks", LcRelaySettings(port=str(tmp_path / "none")))
    with pytest.raises(DeviceUnavailable, match="not connected"):
        board.release(1, 5.0)
    with running(board) as ear:
        ear.wait_state("lost")
        with pytest.raises(DeviceUnavailable, match="not connected"):
            board.release(1, 5.0)


def test_stopping_switches_everything_off_the_open_one_first(peer: Peer, scripted: ScriptedBoard) -> None:
    with driving(peer) as (board, _):
        board.release(3, 30.0)
        scripted.wait(3, on=True)
        before = len(scripted.commands)
    scripted.wait_until(lambda: len(scripted.commands) == before + 4, "all off")
    assert scripted.commands[before][1:] == (3, False)
    assert not any(scripted.relays.values())
    with pytest.raises(DeviceUnavailable):
        board.release(1, 5.0)


def test_a_pulse_whose_port_vanished_is_ended_on_return(
    peer: Peer, scripted: ScriptedBoard, caplog: pytest.LogCaptureFixture
) -> None:
    with driving(peer) as (board, ear):
        board.release(1, 1.0)
        scripted.wait(1, on=True)
        peer.unplug()
        ear.wait_state("ok", "lost")
        with pytest.raises(DeviceUnavailable):
            board.release(2, 5.0)
        scripted.relays[1] = True  # this make of board keeps its relays
        end_s = time.monotonic() + 1.1
        scripted.wait_until(lambda: time.monotonic() > end_s, "the end of the pulse")
        peer.plug()
        start_s = time.monotonic()
        ear.wait_state("ok", "lost", "recovering", "ok")
        assert time.monotonic() - start_s < 5
        assert not any(scripted.relays.values())
    told = [record.getMessage() for record in caplog.records if "locks" in record.getMessage()]
    assert [line.split(":")[1].split(" after")[0].strip() for line in told] == ["ok", "lost", "ok again"]


def test_a_pulse_that_is_not_over_on_return_is_taken_up_again(peer: Peer, scripted: ScriptedBoard) -> None:
    with driving(peer) as (board, ear):
        board.release(1, 5.0)
        first_s = scripted.wait(1, on=True)
        peer.unplug()
        ear.wait_state("ok", "lost")
        scripted.relays[1] = False  # relays drop out at power-up
        peer.plug()
        again_s = scripted.wait(1, on=True, after_s=first_s)
        off_s = scripted.wait(1, on=False, after_s=again_s)
        assert 4.5 < off_s - first_s < 6.0


def test_unplugging_is_noticed_without_a_release(peer: Peer) -> None:
    with driving(peer) as (_, ear):
        peer.unplug()
        ear.wait_state("ok", "lost", deadline_s=5)


def test_a_board_that_answers_and_follows_stays_well(tmp_path: Path) -> None:
    scripted = ScriptedBoard(4, answers=True)
    with (
        Peer(tmp_path / "locks", scripted) as peer,
        driving(peer, status_query=True, command_gap_s=0.02) as (board, ear),
    ):
        for _ in range(2):
            board.release(1, 1.0)
            on_s = scripted.wait(1, on=True, after_s=scripted.commands[-1][0] - 0.001)
            scripted.wait(1, on=False, after_s=on_s)
        assert b"\xff" in peer.heard
        assert ear.states() == ["ok"]


def test_a_relay_that_does_not_follow_is_told_again_and_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lc_board, "REPEAT_S", 0.1)
    scripted = ScriptedBoard(4, answers=True)
    with (
        Peer(tmp_path / "locks", scripted) as peer,
        driving(peer, status_query=True, command_gap_s=0.02) as (board, ear),
    ):
        scripted.wait_until(lambda: b"\xff" in peer.heard, "the first query")
        scripted.stuck = {2}
        board.release(2, 5.0)
        ear.wait_state("ok", "degraded")
        assert len([1 for _, number, on in scripted.commands if (number, on) == (2, True)]) >= 2
        scripted.stuck = set()
        ear.wait_state("ok", "degraded", "ok")
        assert scripted.relays[2]
    told = [record.getMessage() for record in caplog.records if "relay 2" in record.getMessage()]
    assert told[0] == "lock board locks: degraded: relay 2 does not follow"
    assert told[1].startswith("lock board locks: ok again after")


def test_an_answer_from_before_a_release_is_not_held_against_its_relay(
    peer: Peer, scripted: ScriptedBoard, caplog: pytest.LogCaptureFixture
) -> None:
    with driving(peer, status_query=True, command_gap_s=0.4) as (board, _):
        scripted.wait_until(lambda: b"\xff" in peer.heard, "the query")
        board.release(2, 5.0)  # waits for the gap after the query
        peer.send(scripted._status())
        scripted.answers = True
        on_s = scripted.wait(2, on=True)
        scripted.wait_until(lambda: peer.heard.count(b"\xff") == 2, "the query after it")
        assert scripted.commands[-1][0] == on_s
    assert "does not follow" not in caplog.text


def test_a_board_that_cannot_be_asked_says_so_when_it_was_told_to_ask(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lc_board, "ANSWER_LIMIT_S", 0.05)
    monkeypatch.setattr(lc_board, "REPEAT_S", 0.1)
    with driving(peer, status_query=True, command_gap_s=0.02) as (_, ear):
        ear.wait_until(lambda: "degraded" in ear.states(), "degraded")


def test_many_callers_at_once_lose_no_pulse(peer: Peer, scripted: ScriptedBoard) -> None:
    with driving(peer, command_gap_s=0.01) as (board, ear):
        threads = [
            threading.Thread(target=board.release, args=(number % 4 + 1, 1.0 + number / 50))
            for number in range(40)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE_S)
        scripted.wait_until(lambda: all(scripted.relays.values()), "all on")
        scripted.wait_until(lambda: not any(scripted.relays.values()), "all off")
        assert ear.states() == ["ok"]
