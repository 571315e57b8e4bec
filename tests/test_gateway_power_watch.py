"""When a gateway on its last battery stops by itself."""

import pytest

from drivers.base import InputState
from gateway.power_watch import PowerWatch
from gateway.sensing import InputFunction

MAINS, BATTERY = ("board", 1), ("board", 2)
OTHER_MAINS, OTHER_BATTERY = ("annex", 1), ("annex", 2)


def mains(watch: PowerWatch, now_s: float, *, failed: bool, place: tuple[str, int] = MAINS) -> None:
    watch.take(place, InputFunction.MAINS, InputState.ACTIVE if failed else InputState.NORMAL, now_s)


def battery(watch: PowerWatch, now_s: float, *, low: bool, place: tuple[str, int] = BATTERY) -> None:
    watch.take(place, InputFunction.BATTERY, InputState.ACTIVE if low else InputState.NORMAL, now_s)


def test_it_stops_after_so_long_of_battery_low_without_mains() -> None:
    watch = PowerWatch(stop_after_s=120.0)
    mains(watch, 0.0, failed=True)
    battery(watch, 1_000.0, low=True)
    assert watch.due_s() == 1_120.0
    assert not watch.should_stop(1_119.9)
    assert watch.should_stop(1_120.0)


def test_the_order_of_the_two_does_not_matter() -> None:
    watch = PowerWatch(stop_after_s=60.0)
    mains(watch, 0.0, failed=False)
    battery(watch, 5.0, low=True)
    mains(watch, 10.0, failed=True)
    battery(watch, 30.0, low=True)  # told again by a board that returned: the time goes on
    assert watch.due_s() == 70.0


def test_a_low_battery_with_mains_stops_nothing() -> None:
    watch = PowerWatch(stop_after_s=60.0)
    mains(watch, 0.0, failed=False)
    battery(watch, 0.0, low=True)
    assert watch.due_s() is None
    assert not watch.should_stop(1e9)


def test_mains_without_a_low_battery_stop_nothing() -> None:
    watch = PowerWatch(stop_after_s=60.0)
    mains(watch, 0.0, failed=True)
    assert not watch.should_stop(1e9)


@pytest.mark.parametrize("what", ["mains", "battery"])
def test_what_returns_in_time_calls_the_stop_off_and_the_next_time_counts_from_new(what: str) -> None:
    watch = PowerWatch(stop_after_s=60.0)
    mains(watch, 0.0, failed=True)
    battery(watch, 0.0, low=True)
    if what == "mains":
        mains(watch, 59.0, failed=False)
        mains(watch, 100.0, failed=True)
    else:
        battery(watch, 59.0, low=False)
        battery(watch, 100.0, low=True)
    assert not watch.should_stop(159.0)
    assert watch.should_stop(160.0)


def test_where_no_mains_input_is_wired_the_battery_alone_is_heeded() -> None:
    watch = PowerWatch(stop_after_s=60.0)
    battery(watch, 0.0, low=True)
    assert watch.should_stop(60.0)


def test_one_supply_with_mains_is_enough_to_go_on() -> None:
    watch = PowerWatch(stop_after_s=60.0)
    mains(watch, 0.0, failed=True)
    mains(watch, 0.0, failed=False, place=OTHER_MAINS)
    battery(watch, 0.0, low=True)
    assert not watch.should_stop(1e9)


def test_a_second_battery_that_is_still_full_does_not_end_the_first_ones_time() -> None:
    watch = PowerWatch(stop_after_s=60.0)
    battery(watch, 0.0, low=True)
    battery(watch, 30.0, low=False, place=OTHER_BATTERY)
    assert watch.should_stop(60.0)


@pytest.mark.parametrize("fault", [InputState.CUT, InputState.SHORTED])
def test_a_line_fault_says_nothing_of_the_power(fault: InputState) -> None:
    watch = PowerWatch(stop_after_s=60.0)
    watch.take(BATTERY, InputFunction.BATTERY, fault, 0.0)
    assert watch.due_s() is None
    battery(watch, 10.0, low=True)
    watch.take(BATTERY, InputFunction.BATTERY, fault, 20.0)
    assert watch.due_s() == 70.0


def test_other_inputs_are_ignored() -> None:
    watch = PowerWatch(stop_after_s=60.0)
    for function in (InputFunction.CONTACT, InputFunction.TAMPER, InputFunction.FIRE, InputFunction.REX):
        watch.take(MAINS, function, InputState.ACTIVE, 0.0)
    assert watch.due_s() is None


def test_a_site_that_does_not_want_it_is_never_stopped() -> None:
    watch = PowerWatch(stop_after_s=None)
    battery(watch, 0.0, low=True)
    assert watch.due_s() is None
    assert not watch.should_stop(1e9)
