"""A door is turned by a command for so long and no longer, and locked down no shorter, whatever clocks do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import Moment
from gateway.commanded import CommandedModes, Turn, until
from messages.model import ClockQuality
from messages.site_settings import DoorMode

HOUR_US = 3_600_000_000
YEAR_US = 365 * 24 * HOUR_US
NOON_US = 1_780_000_000_000_000
BOOTED_US = 5 * HOUR_US
"""The uptime when the command came."""

FREE, LOCKED_DOWN = DoorMode.FREE, DoorMode.LOCKED_DOWN
TURNED = (FREE, LOCKED_DOWN)
JUMPS_BACK = (-50 * YEAR_US, -HOUR_US, -1)
AHEAD_US = 3 * 24 * HOUR_US


def after(hours: float, *, jumped_us: int = 0, clock: ClockQuality = ClockQuality.SYNCED) -> Moment:
    gone_us = int(hours * HOUR_US)
    return Moment(NOON_US + gone_us + jumped_us, clock, BOOTED_US + gone_us)


def turned(mode: DoorMode = FREE) -> CommandedModes:
    """The lobby, for an hour from noon."""
    modes = CommandedModes()
    modes.turn("lobby", mode, until(NOON_US + HOUR_US, NOON_US, after(0)))
    return modes


def taken_up(boot: str = "a", mode: DoorMode = FREE) -> CommandedModes:
    """The same command, after a restart in boot b."""
    modes = CommandedModes()
    modes.take_up(Turn("lobby", mode, NOON_US + HOUR_US, NOON_US, boot, BOOTED_US + HOUR_US), "b")
    return modes


@pytest.mark.parametrize("mode", TURNED)
def test_it_ends_when_its_time_is_over(mode: DoorMode) -> None:
    modes = turned(mode)
    assert modes.mode("lobby", after(0.99)) is mode
    assert modes.mode("lobby", after(1)) is None


@pytest.mark.parametrize("mode", TURNED)
@pytest.mark.parametrize("jumped_us", JUMPS_BACK)
def test_a_clock_that_jumps_back_prolongs_nothing(jumped_us: int, mode: DoorMode) -> None:
    modes = turned(mode)
    assert modes.mode("lobby", after(0.5, jumped_us=jumped_us)) is mode
    assert modes.mode("lobby", after(1, jumped_us=jumped_us)) is None


def test_a_clock_that_jumps_forward_ends_what_was_free_and_coming_back_does_not_begin_it_again() -> None:
    modes = turned(FREE)
    assert modes.mode("lobby", after(0.1, jumped_us=AHEAD_US)) is None
    assert modes.mode("lobby", after(0.2)) is None


@pytest.mark.parametrize("clock", ClockQuality)
def test_a_clock_that_jumps_forward_ends_no_lock_down(clock: ClockQuality) -> None:
    modes = turned(LOCKED_DOWN)
    assert modes.mode("lobby", after(0.1, jumped_us=AHEAD_US, clock=clock)) is LOCKED_DOWN
    assert modes.mode("lobby", after(0.99)) is LOCKED_DOWN
    assert modes.mode("lobby", after(1)) is None


def test_a_clock_that_was_behind_when_the_command_came_makes_it_no_longer_than_it_was_meant() -> None:
    end = until(NOON_US + HOUR_US, NOON_US, after(0, jumped_us=-YEAR_US))
    assert end.uptime_us == BOOTED_US + HOUR_US


def test_a_command_whose_end_is_past_turns_nothing() -> None:
    modes = CommandedModes()
    modes.turn("lobby", FREE, until(NOON_US - 1, NOON_US - HOUR_US, after(0)))
    assert modes.mode("lobby", after(0, jumped_us=-YEAR_US)) is None


@given(st.lists(st.tuples(st.integers(0, HOUR_US), st.integers(-60 * YEAR_US, 60 * YEAR_US)), max_size=20))
def test_no_jumps_make_it_longer_and_what_has_ended_stays_so(steps: list[tuple[int, int]]) -> None:
    modes, gone_us, ended = turned(FREE), 0, False
    for step_us, jumped_us in steps:
        gone_us += step_us
        mode = modes.mode("lobby", after(gone_us / HOUR_US, jumped_us=jumped_us))
        assert not (ended or gone_us > HOUR_US) or mode is None
        ended = mode is None


@given(st.lists(st.tuples(st.integers(0, HOUR_US), st.integers(-60 * YEAR_US, 60 * YEAR_US)), max_size=20))
def test_no_jumps_make_a_lock_down_longer_or_shorter(steps: list[tuple[int, int]]) -> None:
    modes, gone_us = turned(LOCKED_DOWN), 0
    for step_us, jumped_us in steps:
        gone_us += step_us
        now = Moment(NOON_US + gone_us + jumped_us, uptime_us=BOOTED_US + gone_us)
        assert modes.mode("lobby", now) is (LOCKED_DOWN if gone_us < HOUR_US else None)


# After a restart


@pytest.mark.parametrize("mode", TURNED)
@pytest.mark.parametrize("clock", ClockQuality)
def test_in_the_same_boot_the_uptime_goes_on_counting(clock: ClockQuality, mode: DoorMode) -> None:
    modes = taken_up("b", mode)
    assert modes.mode("lobby", after(0.9, jumped_us=-50 * YEAR_US, clock=clock)) is mode
    assert modes.mode("lobby", after(1, jumped_us=-50 * YEAR_US, clock=clock)) is None


def test_in_the_same_boot_a_clock_ahead_ends_no_lock_down_either() -> None:
    modes = taken_up("b", LOCKED_DOWN)
    assert modes.mode("lobby", after(0.9, jumped_us=AHEAD_US)) is LOCKED_DOWN


@pytest.mark.parametrize("mode", TURNED)
def test_after_a_new_start_of_the_machine_what_is_left_is_judged_by_the_time_of_day(mode: DoorMode) -> None:
    modes = taken_up("a", mode)
    assert modes.mode("lobby", Moment(NOON_US + HOUR_US // 2, uptime_us=7)) is mode
    assert modes.mode("lobby", Moment(NOON_US - YEAR_US, uptime_us=7 + HOUR_US // 2)) is None
    assert taken_up("a", mode).mode("lobby", Moment(NOON_US + HOUR_US, uptime_us=7)) is None


def test_by_a_time_before_its_issue_it_holds_for_no_longer_than_it_was_meant() -> None:
    modes = taken_up()
    assert modes.mode("lobby", Moment(NOON_US - YEAR_US, uptime_us=7)) is FREE
    assert modes.mode("lobby", Moment(NOON_US - YEAR_US + HOUR_US, uptime_us=7 + HOUR_US)) is None


def test_while_the_clock_is_not_known_a_freed_door_follows_its_schedule_and_is_judged_as_soon_as_it_is() -> (
    None
):
    modes = taken_up()
    assert modes.mode("lobby", Moment(7, ClockQuality.UNKNOWN, 7)) is None
    assert modes.mode("lobby", Moment(NOON_US + HOUR_US // 2, uptime_us=8)) is FREE


@pytest.mark.parametrize("now_us", [7, NOON_US, NOON_US + YEAR_US])
def test_while_the_clock_is_not_known_a_lock_down_holds_and_is_judged_as_soon_as_it_is(now_us: int) -> None:
    modes = taken_up("a", LOCKED_DOWN)
    assert modes.mode("lobby", Moment(now_us, ClockQuality.UNKNOWN, 7)) is LOCKED_DOWN
    assert modes.mode("lobby", Moment(NOON_US + HOUR_US, uptime_us=8)) is None


def test_by_no_clock_a_lock_down_ends_once_the_machine_runs_for_as_long_as_it_was_meant() -> None:
    modes = taken_up("a", LOCKED_DOWN)
    assert modes.mode("lobby", Moment(7, ClockQuality.UNKNOWN, HOUR_US - 1)) is LOCKED_DOWN
    assert modes.mode("lobby", Moment(7, ClockQuality.UNKNOWN, HOUR_US)) is None
    assert modes.mode("lobby", Moment(NOON_US, uptime_us=HOUR_US + 1)) is None


def test_a_new_command_goes_before_one_that_waits_to_be_judged() -> None:
    modes = taken_up()
    modes.turn("lobby", None, None)
    assert modes.mode("lobby", Moment(NOON_US, uptime_us=7)) is None


def test_one_kept_by_a_former_version_is_judged_by_the_time_of_day() -> None:
    modes = CommandedModes()
    modes.take_up(Turn("lobby", "locked_down", NOON_US + HOUR_US), "b")
    assert modes.mode("lobby", Moment(7, ClockQuality.UNKNOWN, YEAR_US)) is LOCKED_DOWN
    assert modes.mode("lobby", Moment(NOON_US, uptime_us=7)) is LOCKED_DOWN
    assert modes.mode("lobby", Moment(NOON_US, uptime_us=7 + HOUR_US)) is None


def test_back_to_the_schedule_is_nothing_to_take_up() -> None:
    modes = CommandedModes()
    modes.take_up(Turn("lobby", None), "")
    assert modes.mode("lobby", after(0)) is None
