"""A door is turned by a command for so long and no longer, whatever the clock does."""

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

FREE = DoorMode.FREE


def after(hours: float, *, jumped_us: int = 0, clock: ClockQuality = ClockQuality.SYNCED) -> Moment:
    gone_us = int(hours * HOUR_US)
    return Moment(NOON_US + gone_us + jumped_us, clock, BOOTED_US + gone_us)


def freed() -> CommandedModes:
    """The lobby is free for an hour from noon."""
    modes = CommandedModes()
    modes.turn("lobby", FREE, until(NOON_US + HOUR_US, NOON_US, after(0)))
    return modes


def taken_up(boot: str = "a") -> CommandedModes:
    """The same command, after a restart in boot b."""
    modes = CommandedModes()
    modes.take_up(Turn("lobby", "free", NOON_US + HOUR_US, NOON_US, boot, BOOTED_US + HOUR_US), "b")
    return modes


def test_it_ends_when_its_time_is_over() -> None:
    modes = freed()
    assert modes.mode("lobby", after(0.99)) is FREE
    assert modes.mode("lobby", after(1)) is None


@pytest.mark.parametrize("jumped_us", [-50 * YEAR_US, -HOUR_US, -1])
def test_a_clock_that_jumps_back_prolongs_nothing(jumped_us: int) -> None:
    modes = freed()
    assert modes.mode("lobby", after(0.5, jumped_us=jumped_us)) is FREE
    assert modes.mode("lobby", after(1, jumped_us=jumped_us)) is None


def test_a_clock_that_jumps_forward_ends_it_and_coming_back_does_not_begin_it_again() -> None:
    modes = freed()
    assert modes.mode("lobby", after(0.1, jumped_us=3 * 24 * HOUR_US)) is None
    assert modes.mode("lobby", after(0.2)) is None


def test_a_clock_that_was_behind_when_the_command_came_makes_it_no_longer_than_it_was_meant() -> None:
    end = until(NOON_US + HOUR_US, NOON_US, after(0, jumped_us=-YEAR_US))
    assert end.uptime_us == BOOTED_US + HOUR_US


def test_a_command_whose_end_is_past_turns_nothing() -> None:
    modes = CommandedModes()
    modes.turn("lobby", FREE, until(NOON_US - 1, NOON_US - HOUR_US, after(0)))
    assert modes.mode("lobby", after(0, jumped_us=-YEAR_US)) is None


@given(st.lists(st.tuples(st.integers(0, HOUR_US), st.integers(-60 * YEAR_US, 60 * YEAR_US)), max_size=20))
def test_no_jumps_make_it_longer_and_what_has_ended_stays_so(steps: list[tuple[int, int]]) -> None:
    modes, gone_us, ended = freed(), 0, False
    for step_us, jumped_us in steps:
        gone_us += step_us
        mode = modes.mode("lobby", after(gone_us / HOUR_US, jumped_us=jumped_us))
        assert not (ended or gone_us > HOUR_US) or mode is None
        ended = mode is None


# After a restart


@pytest.mark.parametrize("clock", ClockQuality)
def test_in_the_same_boot_the_uptime_goes_on_counting(clock: ClockQuality) -> None:
    modes = taken_up(boot="b")
    assert modes.mode("lobby", after(0.9, jumped_us=-50 * YEAR_US, clock=clock)) is FREE
    assert modes.mode("lobby", after(1, jumped_us=-50 * YEAR_US, clock=clock)) is None


def test_after_a_new_start_of_the_machine_what_is_left_is_judged_by_the_time_of_day() -> None:
    modes = taken_up()
    assert modes.mode("lobby", Moment(NOON_US + HOUR_US // 2, uptime_us=7)) is FREE
    assert modes.mode("lobby", Moment(NOON_US - YEAR_US, uptime_us=7 + HOUR_US // 2)) is None
    assert taken_up().mode("lobby", Moment(NOON_US + HOUR_US, uptime_us=7)) is None


def test_by_a_time_before_its_issue_it_holds_for_no_longer_than_it_was_meant() -> None:
    modes = taken_up()
    assert modes.mode("lobby", Moment(NOON_US - YEAR_US, uptime_us=7)) is FREE
    assert modes.mode("lobby", Moment(NOON_US - YEAR_US + HOUR_US, uptime_us=7 + HOUR_US)) is None


def test_while_the_clock_is_not_known_the_door_follows_its_schedule_and_is_judged_as_soon_as_it_is() -> None:
    modes = taken_up()
    assert modes.mode("lobby", Moment(7, ClockQuality.UNKNOWN, 7)) is None
    assert modes.mode("lobby", Moment(NOON_US + HOUR_US // 2, uptime_us=8)) is FREE


def test_a_new_command_goes_before_one_that_waits_to_be_judged() -> None:
    modes = taken_up()
    modes.turn("lobby", None, None)
    assert modes.mode("lobby", Moment(NOON_US, uptime_us=7)) is None


def test_one_kept_by_a_former_version_is_judged_by_the_time_of_day() -> None:
    modes = CommandedModes()
    modes.take_up(Turn("lobby", "locked_down", NOON_US + HOUR_US), "b")
    assert modes.mode("lobby", Moment(NOON_US, uptime_us=7)) is DoorMode.LOCKED_DOWN
    assert modes.mode("lobby", Moment(NOON_US, uptime_us=7 + HOUR_US)) is None


def test_back_to_the_schedule_is_nothing_to_take_up() -> None:
    modes = CommandedModes()
    modes.take_up(Turn("lobby", None), "")
    assert modes.mode("lobby", after(0)) is None
