"""Pulses as pure bookkeeping: who is on until when, and who is to be told next."""

import pytest

from drivers.errors import ConfigurationError
from drivers.pulses import Pulses, check_safe_states


def settled(channels: int = 4) -> Pulses:
    pulses = Pulses("locks", channels)
    for relay in pulses.relays:
        relay.told(on=False, now=0.0)
    return pulses


def test_at_first_nothing_is_known_and_all_are_to_be_told_off() -> None:
    pulses = Pulses("locks", 2)
    assert [(relay.number, relay.wanted(0.0)) for relay in pulses.due(0.0)] == [(1, False), (2, False)]
    assert len(pulses) == 2


def test_a_pulse_counts_from_when_the_relay_was_told() -> None:
    pulses = settled()
    relay = pulses.ask(2, 5.0, 10.0)
    relay.told(on=True, now=10.4)
    assert pulses.next_end_s(10.4) == 15.4
    assert not pulses.due(15.39)
    assert [due.number for due in pulses.due(15.4)] == [2]
    relay.told(on=False, now=15.41)
    assert pulses.next_end_s(16.0) is None


def test_a_second_request_prolongs_and_never_shortens() -> None:
    pulses = settled()
    pulses.ask(1, 5.0, 10.0).told(on=True, now=10.0)
    pulses.ask(1, 1.0, 11.0).told(on=True, now=11.0)
    assert pulses.next_end_s(11.0) == 15.0
    pulses.ask(1, 5.0, 12.0).told(on=True, now=12.0)
    assert pulses.next_end_s(12.0) == 17.0


def test_people_who_wait_go_before_doors_that_close() -> None:
    pulses = settled()
    pulses.ask(1, 1.0, 0.0).told(on=True, now=0.0)
    pulses.ask(4, 5.0, 1.0)
    assert [relay.number for relay in pulses.due(1.5)] == [4, 1]


def test_what_failed_is_not_carried_out_later() -> None:
    pulses = settled()
    relay = pulses.ask(1, 5.0, 0.0)
    relay.give_up()
    assert [(due.number, due.wanted(0.1)) for due in pulses.due(0.1)] == [(1, False)]


def test_a_board_that_forgot_is_told_what_is_left_of_a_pulse() -> None:
    pulses = settled(2)
    pulses.ask(2, 5.0, 0.0).told(on=True, now=0.0)
    pulses.forget()
    assert [(relay.number, relay.wanted(2.0)) for relay in pulses.due(2.0)] == [(2, True), (1, False)]
    relay = pulses.due(2.0)[0]
    assert relay.left_s(2.0) == 3.0
    relay.told(on=True, now=2.0)
    assert pulses.next_end_s(2.0) == 5.0


@pytest.mark.parametrize("pulse_s", [0.0, 0.99, 30.01, -1.0, float("inf"), float("nan")])
def test_a_pulse_outside_its_bounds_changes_nothing(pulse_s: float) -> None:
    pulses = settled()
    with pytest.raises(ConfigurationError, match="1 to 30 s"):
        pulses.ask(1, pulse_s, 0.0)
    assert not pulses.due(0.0)


@pytest.mark.parametrize("channel", [0, 5, -1])
def test_a_channel_that_the_board_has_not_is_refused(channel: int) -> None:
    with pytest.raises(ConfigurationError, match=f"no channel {channel}"):
        settled().ask(channel, 5.0, 0.0)


def test_a_lock_that_is_to_stay_open_without_us_is_unsafe_while_it_is_locked() -> None:
    pulses = Pulses("locks", 2, {2: "unlocked"})
    for relay in pulses.relays:
        relay.told(on=False, now=0.0)
    assert [relay.number for relay in pulses.unsafe()] == [2]
    pulses.relays[1].told(on=True, now=1.0)
    assert not pulses.unsafe()


def test_a_safe_state_needs_its_channel() -> None:
    check_safe_states({2: "unlocked"}, 2)
    with pytest.raises(ValueError, match="channel 3; this board has channels 1 to 2"):
        check_safe_states({3: "locked"}, 2)
