"""What every lock driver must do, whatever the board: one suite, one row a driver in conformance_rows."""

import contextlib
import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from conformance_rows import LOCK_BOARDS, LockRow
from conformance_support import BACK_WITHIN_S, DEVICE, OwnProcess, Rig, rig, rows_that_can
from drivers_support import DEADLINE_S, running

from drivers import catalogue as drivers
from drivers.base import DeviceChanged, DeviceState, InputChanged, InputState
from drivers.errors import ConfigurationError, DeviceUnavailable
from drivers.inputs import MOST_CHANGES
from firmware_sim.events import Event

REPLUGS = int(os.environ.get("LIUHEN_REPLUGS", "2"))
PULSE_S = 1.0
MOST_TURNS = 150  # of a contact that chatters: 18 s
LATE_S = 2.0  # how much longer than asked for a relay may be on
BLIND = frozenset({"gpio"})  # a line says what it was set to, not whether a relay follows it
LockRig = Rig[LockRow]


@pytest.fixture
def board(
    request: pytest.FixtureRequest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> Iterator[LockRig]:
    with rig(request.param, tmp_path, caplog) as made:
        yield made


on = partial(pytest.mark.parametrize, "board", ids=str, indirect=True)
ALL = on(LOCK_BOARDS)
SENSING = on([row for row in LOCK_BOARDS if row.inputs])
ASKED = on([row for row in LOCK_BOARDS if row.is_asked])


def relay_event(board: LockRig, what: str, channel: int, after: int, limit_s: float = 5.0) -> Event:
    """The first such event of this relay: "relay_on" or "relay_off"."""
    end_s = time.monotonic() + limit_s
    seen = after
    while True:
        found = board.sim.wait_for_event(
            what, device=DEVICE, after=seen, timeout_s=max(0.0, end_s - time.monotonic())
        )
        assert found is not None, f"never came: {what} of relay {channel}"
        if found.channel == channel and found.edge is not False:  # a command that changed something
            return found
        seen = found.n


def relays(board: LockRig) -> list[bool]:
    positions: list[bool] = board.sim.status()["devices"][DEVICE]["relays"]
    return positions


def test_every_driver_of_the_catalogue_has_a_row() -> None:
    assert {row.kind for row in LOCK_BOARDS} == set(drivers.LOCK_BOARDS)


@ALL
def test_a_pulse_begins_at_once_and_ends_by_itself(board: LockRig) -> None:
    before = board.sim.last_event
    asked_ns = time.monotonic_ns()
    board.driver.release(1, PULSE_S)
    begun = relay_event(board, "relay_on", 1, before)
    ended = relay_event(board, "relay_off", 1, begun.n)
    assert (begun.t_ns - asked_ns) / 1e9 < LATE_S
    assert PULSE_S * 0.9 <= (ended.t_ns - begun.t_ns) / 1e9 <= PULSE_S + LATE_S
    assert relays(board)[:2] == [False, False]


@ALL
def test_a_second_release_prolongs_the_pulse(board: LockRig) -> None:
    before = board.sim.last_event
    board.driver.release(1, PULSE_S)
    begun = relay_event(board, "relay_on", 1, before)
    board.driver.release(1, 2 * PULSE_S)
    ended = relay_event(board, "relay_off", 1, begun.n)
    assert 2 * PULSE_S * 0.9 <= (ended.t_ns - begun.t_ns) / 1e9 <= 2 * PULSE_S + LATE_S


@pytest.mark.parametrize("late_s", [-0.01, 0.01])
@ALL
def test_a_release_just_when_the_pulse_before_ends_is_not_lost(board: LockRig, late_s: float) -> None:
    begun = board.sim.last_event
    for channel in (1, 2):
        board.driver.release(channel, PULSE_S)
    ends_s = {n: relay_event(board, "relay_on", n, begun).t_ns / 1e9 + PULSE_S + late_s for n in (1, 2)}
    asked_ns = {}
    for channel in (1, 2):
        board.stopped.wait(ends_s[channel] - time.monotonic())
        board.driver.release(channel, PULSE_S)
        asked_ns[channel] = time.monotonic_ns()
    for channel in (1, 2):
        ended = relay_event(board, "relay_off", channel, begun)
        while (ended.t_ns - asked_ns[channel]) / 1e9 < PULSE_S * 0.9:  # that was the end of the one before
            ended = relay_event(board, "relay_off", channel, ended.n)


@ALL
def test_each_relay_has_its_own_pulse(board: LockRig) -> None:
    before = board.sim.last_event
    board.driver.release(1, PULSE_S)
    board.driver.release(2, 2 * PULSE_S)
    first, second = (relay_event(board, "relay_on", channel, before) for channel in (1, 2))
    first_off = relay_event(board, "relay_off", 1, first.n)
    second_off = relay_event(board, "relay_off", 2, second.n)
    assert (first_off.t_ns - first.t_ns) / 1e9 <= PULSE_S + LATE_S
    assert (second_off.t_ns - second.t_ns) / 1e9 >= 2 * PULSE_S * 0.9


@ALL
def test_what_cannot_be_is_refused_and_moves_nothing(board: LockRig) -> None:
    before = board.sim.last_event
    for channel, pulse_s in ((3, PULSE_S), (0, PULSE_S), (1, 0.1), (1, 3000.0), (1, float("nan"))):
        with pytest.raises(ConfigurationError):
            board.driver.release(channel, pulse_s)
    board.driver.release(2, PULSE_S)
    assert relay_event(board, "relay_on", 2, before).channel == 2
    assert relays(board)[0] is False


@ALL
def test_unplugged_and_plugged_in_again_and_again(board: LockRig) -> None:
    for _ in range(REPLUGS):
        board.sim.unplug(DEVICE)
        board.wait_not_ok()
        with pytest.raises(DeviceUnavailable):
            board.driver.release(1, PULSE_S)
        board.sim.replug(DEVICE)
        started_s = time.monotonic()
        board.wait_ok()
        assert time.monotonic() - started_s < BACK_WITHIN_S
        before = board.sim.last_event
        board.driver.release(1, PULSE_S)
        relay_event(board, "relay_on", 1, before)
        relay_event(board, "relay_off", 1, before)


@ALL
def test_a_pulse_that_was_over_while_the_board_was_away_is_not_made_up_for(board: LockRig) -> None:
    released_s = time.monotonic()
    board.driver.release(1, PULSE_S)
    relay_event(board, "relay_on", 1, 0)
    board.sim.unplug(DEVICE)
    board.wait_not_ok()
    board.stopped.wait(released_s + PULSE_S + 0.1 - time.monotonic())
    before = board.sim.last_event
    board.sim.replug(DEVICE)
    board.wait_ok()
    board.driver.release(2, PULSE_S)
    relay_event(board, "relay_off", 2, before)
    came_on = [each for each in board.sim.events(after=before) if each.event == "relay_on"]
    assert [each.channel for each in came_on] == [2]


def troubles(board: LockRig) -> str:
    told = [each for each in board.ear.of(DeviceChanged) if each.state is DeviceState.DEGRADED]
    return "\n".join(each.cause for each in told)


@on(rows_that_can(LOCK_BOARDS, "does_not_follow"))
def test_a_relay_that_does_not_follow_takes_no_other_with_it(board: LockRig) -> None:
    board.sim.fault(DEVICE, "does_not_follow", channel=1)
    before = board.sim.last_event
    board.driver.release(1, 10 * PULSE_S)  # long enough to be found twice on a busy machine
    board.driver.release(2, PULSE_S)
    relay_event(board, "relay_off", 2, relay_event(board, "relay_on", 2, before).n)
    if board.row.is_asked and board.row.kind not in BLIND:
        board.ear.wait_until(lambda: "relay 1 does not follow" in troubles(board), "told of relay 1")
    before = board.sim.last_event
    board.sim.clear(DEVICE)
    board.driver.release(1, PULSE_S)
    relay_event(board, "relay_on", 1, before)
    board.wait_ok(30)


@ASKED
def test_a_wedged_board_is_noticed_and_taken_up_again(board: LockRig) -> None:
    board.wedge()
    board.wait_not_ok()
    board.sim.clear(DEVICE)
    started_s = time.monotonic()
    board.wait_ok()
    assert time.monotonic() - started_s < BACK_WITHIN_S
    before = board.sim.last_event
    board.driver.release(1, PULSE_S)
    relay_event(board, "relay_on", 1, before)


@ALL
def test_a_release_never_waits_for_a_board(board: LockRig) -> None:
    board.wedge()
    started_s = time.monotonic()
    for _ in range(5):
        try:
            board.driver.release(1, PULSE_S)
        except DeviceUnavailable:
            continue
    assert time.monotonic() - started_s < 5 * LATE_S
    board.sim.clear(DEVICE)
    board.wait_ok()


@on(rows_that_can(LOCK_BOARDS, "babble"))
def test_a_babbling_board_still_releases(board: LockRig) -> None:
    board.sim.fault(DEVICE, "babble", gap_s=0.01)
    before = board.sim.last_event
    end_s = time.monotonic() + DEADLINE_S
    while board.sim.wait_for_event("relay_on", device=DEVICE, after=before, timeout_s=0.2) is None:
        assert time.monotonic() < end_s, "never released"
        with contextlib.suppress(DeviceUnavailable):  # it may take it for lost, and must take it up again
            board.driver.release(1, PULSE_S)
    board.sim.clear(DEVICE)
    board.wait_ok(60)
    before = board.sim.last_event
    board.driver.release(2, PULSE_S)
    relay_event(board, "relay_on", 2, before)


@ALL
def test_a_driver_that_stops_leaves_every_relay_off(board: LockRig) -> None:
    before = board.sim.last_event
    board.driver.release(1, 20.0)
    board.driver.release(2, 20.0)
    for channel in (1, 2):
        relay_event(board, "relay_on", channel, before)
    board.stop()
    for channel in (1, 2):
        relay_event(board, "relay_off", channel, before)


@pytest.mark.parametrize("row", [row for row in LOCK_BOARDS if row.is_guarded], ids=str)
def test_a_gateway_that_is_killed_leaves_every_relay_off(
    row: LockRow, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with rig(row, tmp_path, caplog) as board:
        board.stop()
        other = OwnProcess(row, board.options)
        with running(other) as ear:
            ear.wait_until(lambda: ear.states()[-1:] == ["ok"], "ok")
            before = board.sim.last_event
            other.release(1, 3.0)
            begun = relay_event(board, "relay_on", 1, before)
            other.kill()
            relay_event(board, "relay_off", 1, begun.n)


@pytest.mark.parametrize("moment", ["idle", "during a pulse", "unplugged", "wedged"])
@ALL
def test_it_stops_at_once_whatever_happens(board: LockRig, moment: str) -> None:
    if moment == "during a pulse":
        board.driver.release(1, 20.0)
    elif moment == "unplugged":
        board.sim.unplug(DEVICE)
        board.wait_not_ok()
    elif moment == "wedged":
        board.wedge()
    board.stop()


# Inputs.


def states(board: LockRig, number: int) -> list[InputState]:
    return [event.state for event in board.ear.of(InputChanged) if event.input == number]


@SENSING
def test_each_input_is_told_once_at_the_start_and_at_each_change(board: LockRig) -> None:
    board.ear.wait_until(lambda: len(states(board, 1)) == 1 and len(states(board, 2)) == 1, "both inputs")
    for state, expected in (("closed", InputState.ACTIVE), ("open", InputState.NORMAL)) * 2:
        told = len(states(board, 1))
        board.sim.set_input(DEVICE, 1, state)
        board.ear.wait_until(lambda told=told: len(states(board, 1)) > told, f"input 1 {state}")  # type: ignore[misc]
        assert states(board, 1)[told:] == [expected]
    assert states(board, 2) == [InputState.NORMAL]


@SENSING
def test_a_contact_that_bounces_is_told_once(board: LockRig) -> None:
    board.ear.wait_until(lambda: len(states(board, 1)) == 1, "the input")
    for _ in range(5):
        board.sim.set_input(DEVICE, 1, "closed")
        board.sim.set_input(DEVICE, 1, "open")
    board.sim.set_input(DEVICE, 1, "closed")
    board.ear.wait_until(lambda: states(board, 1)[-1] is InputState.ACTIVE, "closed")
    assert states(board, 1) == [InputState.NORMAL, InputState.ACTIVE]


@SENSING
def test_a_contact_that_chatters_is_named_and_fills_no_journal(board: LockRig) -> None:
    board.ear.wait_until(lambda: len(states(board, 1)) == 1, "the input")
    for turn in range(MOST_TURNS):  # slow enough to pass for changes; a machine that is busy misses some
        board.sim.set_input(DEVICE, 1, ("closed", "open")[turn % 2])
        board.stopped.wait(0.12)
        if board.ear.states()[-1] == "degraded":
            break
    board.ear.wait_until(lambda: board.ear.states()[-1] == "degraded", "degraded")
    assert board.ear.of(DeviceChanged)[-1].cause == "input 1 never rests: its contact or wiring chatters"
    board.sim.set_input(DEVICE, 1, "closed")
    board.ear.wait_until(lambda: states(board, 1)[-1] is InputState.ACTIVE, "as it is in the end", 15.0)
    assert len(states(board, 1)) <= MOST_CHANGES + 5


@SENSING
def test_what_changed_while_it_was_away_is_told_when_it_is_back(board: LockRig) -> None:
    board.ear.wait_until(lambda: len(states(board, 1)) == 1, "the input")
    board.sim.unplug(DEVICE)
    board.wait_not_ok()
    board.sim.set_input(DEVICE, 1, "closed")
    board.sim.replug(DEVICE)
    board.wait_ok()
    board.ear.wait_until(lambda: states(board, 1)[-1] is InputState.ACTIVE, "closed")
