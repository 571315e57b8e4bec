"""What a door does: a decision for each pair of state and signal, and what people do at doors."""

import pytest

from gateway.portal import Portal, Told
from gateway.portal_table import MODES, TABLE, Mode, Signal, State, When
from messages.model import Kind, Reason

RELEASE_S, LIMIT_S = 5.0, 30.0
RELEASE_OVER_S = 7.0  # the pulse, and two seconds of grace
EXIT_OVER_S = 30.0


class Door:
    """A portal and a clock that only the test moves. What it tells is kept, and given back at once."""

    def __init__(self, *, exit_by_handle: bool = False, has_contact: bool = True) -> None:
        self.portal = Portal(
            release_s=RELEASE_S,
            open_limit_s=LIMIT_S,
            has_contact=has_contact,
            exit_by_handle=exit_by_handle,
        )
        self.now_s = 1_000.0
        self.told: list[Told] = []

    def is_in(self, state: State | str) -> bool:
        return self.portal.state == state

    def __call__(self, signal: Signal, decision: int | None = None) -> list[Told]:
        return self._keep(self.portal.signal(signal, self.now_s, decision))

    def wait(self, seconds: float) -> list[Told]:
        self.now_s += seconds
        return self._keep(self.portal.tick(self.now_s))

    def _keep(self, told: tuple[Told, ...]) -> list[Told]:
        self.told += told
        return list(told)


def kinds(told: list[Told]) -> list[Kind]:
    return [each.kind for each in told]


def shut_door(*, exit_by_handle: bool = False) -> Door:
    door = Door(exit_by_handle=exit_by_handle)
    door(Signal.CLOSED)
    return door


def door_in(state: State) -> Door:
    """A door that got there by what happened to it. 41 let somebody in where that was the way."""
    door = Door()
    ways = {
        State.SECURED: [Signal.CLOSED],
        State.RELEASED: [Signal.CLOSED, Signal.GRANTED],
        State.OPEN: [Signal.CLOSED, Signal.GRANTED, Signal.OPENED],
        State.HELD: [Signal.CLOSED, Signal.GRANTED, Signal.OPENED],
        State.FORCED: [Signal.CLOSED, Signal.OPENED],
        State.FREE: [Signal.CLOSED, Signal.FREE_BEGAN],
        State.FREE_OPEN: [Signal.CLOSED, Signal.FREE_BEGAN, Signal.OPENED],
        State.LOCKED_DOWN: [Signal.CLOSED, Signal.LOCKDOWN_BEGAN],
        State.UNSENSED: [],
    }
    for signal in ways[state]:
        door(signal, 41 if signal is Signal.GRANTED else None)
    if state is State.HELD:
        door.wait(LIMIT_S)
    assert door.is_in(state)
    return door


# Each pair: the next state ("=": the same), then what is told. 42 is let in; time is up for whoever waits.
EXPECTED = """
secured      granted         released
secured      commanded       released
secured      rex             released     rex
secured      opened          forced       door_opened door_forced
secured      closed          =
secured      release_ended   =
secured      open_too_long   =
secured      free_began      free         door_freed
secured      free_ended      =
secured      lockdown_began  locked_down  door_locked_down
secured      lockdown_ended  =
secured      fire            =
secured      fire_over       =
secured      line_lost       unsensed
secured      line_back       =
released     granted         =
released     commanded       =
released     rex             =            rex
released     opened          open         door_opened access_taken
released     closed          =
released     release_ended   secured      access_not_taken
released     open_too_long   =
released     free_began      free         door_freed
released     free_ended      =
released     lockdown_began  =            door_locked_down
released     lockdown_ended  =
released     fire            =
released     fire_over       =
released     line_lost       unsensed
released     line_back       =
open         granted         =            access_taken
open         commanded       =            access_taken
open         rex             =            rex
open         opened          =
open         closed          released     door_closed
open         release_ended   =
open         open_too_long   held         door_held
open         free_began      free_open    door_freed
open         free_ended      =
open         lockdown_began  =            door_locked_down
open         lockdown_ended  =
open         fire            =
open         fire_over       =
open         line_lost       unsensed
open         line_back       =
held         granted         =            access_taken
held         commanded       =            access_taken
held         rex             =            rex
held         opened          =
held         closed          secured      door_closed
held         release_ended   =
held         open_too_long   =
held         free_began      free_open    door_freed
held         free_ended      =
held         lockdown_began  =            door_locked_down
held         lockdown_ended  =
held         fire            =
held         fire_over       =
held         line_lost       unsensed
held         line_back       =
forced       granted         =            access_taken
forced       commanded       =            access_taken
forced       rex             =            rex
forced       opened          =
forced       closed          secured      door_closed
forced       release_ended   =
forced       open_too_long   =
forced       free_began      free_open    door_freed
forced       free_ended      =
forced       lockdown_began  =            door_locked_down
forced       lockdown_ended  =
forced       fire            =
forced       fire_over       =
forced       line_lost       unsensed
forced       line_back       =
free         granted         =
free         commanded       =
free         rex             =            rex
free         opened          free_open    door_opened
free         closed          =
free         release_ended   =
free         open_too_long   =
free         free_began      =
free         free_ended      released     door_secured
free         lockdown_began  released     door_locked_down
free         lockdown_ended  =
free         fire            =
free         fire_over       =
free         line_lost       unsensed
free         line_back       =
free_open    granted         =            access_taken
free_open    commanded       =            access_taken
free_open    rex             =            rex
free_open    opened          =
free_open    closed          free         door_closed
free_open    release_ended   =
free_open    open_too_long   =
free_open    free_began      =
free_open    free_ended      open         door_secured
free_open    lockdown_began  open         door_locked_down
free_open    lockdown_ended  =
free_open    fire            =
free_open    fire_over       =
free_open    line_lost       unsensed
free_open    line_back       =
locked_down  granted         released
locked_down  commanded       released
locked_down  rex             released     rex
locked_down  opened          forced       door_opened door_forced
locked_down  closed          =
locked_down  release_ended   =
locked_down  open_too_long   =
locked_down  free_began      free         door_freed
locked_down  free_ended      =
locked_down  lockdown_began  =
locked_down  lockdown_ended  secured      door_secured
locked_down  fire            =
locked_down  fire_over       =
locked_down  line_lost       unsensed
locked_down  line_back       =
unsensed     granted         =
unsensed     commanded       =
unsensed     rex             =            rex
unsensed     opened          open         door_opened
unsensed     closed          secured
unsensed     release_ended   =
unsensed     open_too_long   =
unsensed     free_began      =            door_freed
unsensed     free_ended      =
unsensed     lockdown_began  =            door_locked_down
unsensed     lockdown_ended  =
unsensed     fire            =
unsensed     fire_over       =
unsensed     line_lost       =
unsensed     line_back       =
"""
PAIRS = [line.split() for line in EXPECTED.strip().splitlines()]


@pytest.mark.parametrize(
    ("state", "signal", "after", "told"),
    [pytest.param(*pair[:3], pair[3:], id=f"{pair[0]} {pair[1]}") for pair in PAIRS],
)
def test_each_pair_of_state_and_signal_has_its_answer(
    state: str, signal: str, after: str, told: list[str]
) -> None:
    door = door_in(State(state))
    if signal == "release_ended":
        found = door.wait(RELEASE_OVER_S)
    else:
        found = door(Signal(signal), 42 if signal in ("granted", "commanded") else None)
    assert door.is_in(state if after == "=" else after)
    assert kinds(found) == told
    for each in found:
        if each.kind in (Kind.ACCESS_TAKEN, Kind.ACCESS_NOT_TAKEN):
            assert each.links == (41 if signal in ("opened", "release_ended") else 42)


def test_no_pair_is_left_out_anywhere() -> None:
    every = {(state, signal) for state in State for signal in Signal}
    assert {(state, signal) for state, row in TABLE.items() for signal in row} == every
    assert {(State(pair[0]), Signal(pair[1])) for pair in PAIRS} == every
    assert len(PAIRS) == len(every)


def test_each_pair_has_an_answer_whatever_else_is_so() -> None:
    for row in TABLE.values():
        for cases in row.values():
            assert [case.when is When.ALWAYS for case in cases] == [False] * (len(cases) - 1) + [True]


def test_each_mode_says_what_follows_from_what_can_change_it() -> None:
    turns = (Signal.FREE_BEGAN, Signal.FREE_ENDED, Signal.LOCKDOWN_BEGAN, Signal.LOCKDOWN_ENDED)
    assert set(MODES) == {(mode, signal) for mode in Mode for signal in turns}


def test_who_is_let_in_and_goes_in_leaves_a_linked_trace() -> None:
    door = shut_door()
    assert door(Signal.GRANTED, 7) == []
    door.wait(1.5)
    assert door(Signal.OPENED) == [Told(Kind.DOOR_OPENED, links=7), Told(Kind.ACCESS_TAKEN, links=7)]
    door.wait(2.0)
    assert door(Signal.CLOSED) == [Told(Kind.DOOR_CLOSED, links=7)]
    assert door.wait(3_600.0) == []
    assert door.is_in(State.SECURED)


def test_who_is_let_in_and_stays_outside_is_told_as_such_once() -> None:
    door = shut_door()
    door(Signal.GRANTED, 7)
    assert door.wait(RELEASE_OVER_S - 0.1) == []
    assert door.wait(0.2) == [Told(Kind.ACCESS_NOT_TAKEN, links=7)]
    assert door.wait(3_600.0) == []


def test_a_strike_that_lets_go_late_forces_no_door() -> None:
    door = shut_door()
    door(Signal.GRANTED, 7)
    door.wait(RELEASE_S + 1.0)
    assert kinds(door(Signal.OPENED)) == [Kind.DOOR_OPENED, Kind.ACCESS_TAKEN]


def test_two_who_are_let_in_before_the_door_opens_both_went_in() -> None:
    door = shut_door()
    door(Signal.GRANTED, 7)
    door.wait(2.0)
    door(Signal.GRANTED, 8)
    assert door(Signal.OPENED) == [
        Told(Kind.DOOR_OPENED, links=8),
        Told(Kind.ACCESS_TAKEN, links=7),
        Told(Kind.ACCESS_TAKEN, links=8),
    ]
    assert kinds(door.wait(3_600.0)) == [Kind.DOOR_HELD]


def test_who_is_let_in_while_the_door_stands_open_went_in_as_well() -> None:
    door = door_in(State.OPEN)
    door.wait(2.0)
    assert door(Signal.GRANTED, 42) == [Told(Kind.ACCESS_TAKEN, links=42)]
    assert door(Signal.CLOSED) == [Told(Kind.DOOR_CLOSED, links=42)]
    assert door.wait(3_600.0) == []


def test_a_second_one_slips_through_on_the_same_release_without_forcing_the_door() -> None:
    door = door_in(State.OPEN)
    door.wait(2.0)
    door(Signal.CLOSED)
    assert door.is_in(State.RELEASED)
    door.wait(1.0)
    assert door(Signal.OPENED) == [Told(Kind.DOOR_OPENED)]
    assert door.is_in(State.OPEN)


def test_each_decision_has_a_time_of_its_own() -> None:
    door = shut_door()
    door(Signal.GRANTED, 7)
    door.wait(4.0)
    door(Signal.GRANTED, 8)
    assert door.wait(4.0) == [Told(Kind.ACCESS_NOT_TAKEN, links=7)]
    assert door.is_in(State.RELEASED)
    assert door(Signal.OPENED) == [Told(Kind.DOOR_OPENED, links=8), Told(Kind.ACCESS_TAKEN, links=8)]


def test_a_remote_release_is_answered_like_a_decision_and_says_by_what() -> None:
    door = shut_door()
    door(Signal.COMMANDED, 9)
    assert door(Signal.OPENED) == [
        Told(Kind.DOOR_OPENED, Reason.COMMAND, 9),
        Told(Kind.ACCESS_TAKEN, Reason.COMMAND, 9),
    ]


def test_what_could_not_be_recorded_releases_and_has_no_outcome() -> None:
    door = shut_door()
    door(Signal.GRANTED, None)
    assert door(Signal.OPENED) == [Told(Kind.DOOR_OPENED)]
    assert door.is_in(State.OPEN)


def test_a_door_is_held_once_and_says_after_whom() -> None:
    door = door_in(State.OPEN)
    assert door.wait(LIMIT_S - 0.1) == []
    assert door.wait(0.2) == [Told(Kind.DOOR_HELD, Reason.OPEN_TOO_LONG, 41)]
    assert door.wait(3_600.0) == []
    assert door(Signal.CLOSED) == [Told(Kind.DOOR_CLOSED, links=41)]


def test_each_one_who_is_let_in_may_take_the_whole_time() -> None:
    door = door_in(State.OPEN)
    door.wait(LIMIT_S - 1.0)
    door(Signal.GRANTED, 42)
    assert door.wait(LIMIT_S - 1.0) == []
    assert door.wait(2.0) == [Told(Kind.DOOR_HELD, Reason.OPEN_TOO_LONG, 42)]


def test_a_door_opened_by_nobody_is_forced() -> None:
    door = shut_door()
    assert door(Signal.OPENED) == [Told(Kind.DOOR_OPENED), Told(Kind.DOOR_FORCED, Reason.NO_RELEASE)]
    assert door.wait(3_600.0) == []
    assert door(Signal.CLOSED) == [Told(Kind.DOOR_CLOSED)]


def test_who_presses_the_exit_button_forces_nothing() -> None:
    door = shut_door()
    assert door(Signal.REX) == [Told(Kind.REX)]
    door.wait(EXIT_OVER_S - 1.0)
    assert door(Signal.OPENED) == [Told(Kind.DOOR_OPENED, Reason.EXIT_BUTTON)]
    door.wait(0.5)
    door(Signal.CLOSED)
    door.wait(0.6)
    assert kinds(door(Signal.OPENED)) == [Kind.DOOR_OPENED, Kind.DOOR_FORCED]


def test_the_exit_button_is_no_answer_to_who_was_let_in_before_and_left() -> None:
    door = shut_door()
    door(Signal.REX)
    door.wait(1.0)
    door(Signal.GRANTED, 7)
    assert door.wait(RELEASE_OVER_S) == [Told(Kind.ACCESS_NOT_TAKEN, links=7)]
    assert door(Signal.OPENED) == [Told(Kind.DOOR_OPENED, Reason.EXIT_BUTTON)]


def test_with_a_handle_inside_an_opening_is_no_alarm() -> None:
    door = shut_door(exit_by_handle=True)
    assert door(Signal.OPENED) == [Told(Kind.DOOR_OPENED)]
    assert door.wait(LIMIT_S) == [Told(Kind.DOOR_HELD, Reason.OPEN_TOO_LONG)]


def test_a_free_door_is_kept_released_and_its_openings_are_told() -> None:
    door = shut_door()
    told = door.portal.signal(Signal.FREE_BEGAN, door.now_s, reason=Reason.SCHEDULE)
    assert told == (Told(Kind.DOOR_FREED, Reason.SCHEDULE),)
    assert door.portal.wants_release
    assert door(Signal.OPENED) == [Told(Kind.DOOR_OPENED)]
    assert door.wait(3_600.0) == []
    assert door(Signal.CLOSED) == [Told(Kind.DOOR_CLOSED)]
    assert kinds(door(Signal.FREE_ENDED)) == [Kind.DOOR_SECURED]
    assert not door.portal.wants_release


def test_a_swipe_at_a_free_door_is_followed_up_like_any_other() -> None:
    door = door_in(State.FREE)
    door(Signal.GRANTED, 7)
    assert door.wait(RELEASE_OVER_S) == [Told(Kind.ACCESS_NOT_TAKEN, links=7)]
    door(Signal.GRANTED, 8)
    assert door(Signal.OPENED) == [Told(Kind.DOOR_OPENED, links=8), Told(Kind.ACCESS_TAKEN, links=8)]


def test_a_free_door_stays_released_for_its_last_pulse() -> None:
    door = door_in(State.FREE)
    door(Signal.FREE_ENDED)
    door.wait(RELEASE_S)
    assert kinds(door(Signal.OPENED)) == [Kind.DOOR_OPENED]
    door(Signal.CLOSED)
    door.wait(RELEASE_OVER_S)
    assert door.is_in(State.SECURED)


def test_a_door_left_open_when_its_free_hours_end_is_told_as_held() -> None:
    door = door_in(State.HELD)
    door(Signal.FREE_BEGAN)
    door.wait(3_600.0)
    door(Signal.FREE_ENDED)
    assert kinds(door.wait(LIMIT_S)) == [Kind.DOOR_HELD]


def test_a_lockdown_is_not_forgotten_while_somebody_leaves() -> None:
    door = door_in(State.LOCKED_DOWN)
    door(Signal.REX)
    door(Signal.OPENED)
    assert door.is_in(State.OPEN)
    door(Signal.CLOSED)
    door.wait(EXIT_OVER_S)
    assert door.is_in(State.LOCKED_DOWN)


def test_a_lockdown_in_free_hours_wins_and_freeing_a_door_ends_it() -> None:
    door = door_in(State.FREE)
    assert kinds(door(Signal.LOCKDOWN_BEGAN)) == [Kind.DOOR_LOCKED_DOWN]
    assert not door.portal.wants_release
    door.wait(RELEASE_OVER_S)
    assert door.is_in(State.LOCKED_DOWN)
    assert kinds(door(Signal.FREE_BEGAN)) == [Kind.DOOR_FREED]
    assert door.portal.wants_release


def test_in_a_fire_no_opening_is_an_alarm_and_nothing_is_driven() -> None:
    door = shut_door()
    assert door(Signal.FIRE) == []
    assert not door.portal.wants_release
    assert door(Signal.OPENED) == [Told(Kind.DOOR_OPENED)]
    assert door.wait(3_600.0) == []
    door(Signal.FIRE_OVER)
    assert door.wait(LIMIT_S) == [Told(Kind.DOOR_HELD, Reason.OPEN_TOO_LONG)]


def test_after_a_fire_an_opening_is_an_alarm_again() -> None:
    door = shut_door()
    door(Signal.FIRE)
    door(Signal.FIRE_OVER)
    assert kinds(door(Signal.OPENED)) == [Kind.DOOR_OPENED, Kind.DOOR_FORCED]


def test_a_door_found_open_at_the_start_was_not_forced() -> None:
    door = Door()
    assert door(Signal.OPENED) == [Told(Kind.DOOR_OPENED)]
    assert kinds(door.wait(LIMIT_S)) == [Kind.DOOR_HELD]


def test_nobody_is_said_to_have_gone_in_while_the_contact_is_silent() -> None:
    door = door_in(State.RELEASED)
    door(Signal.LINE_LOST)
    door(Signal.GRANTED, 42)
    assert door.portal.is_open is None
    assert door.wait(3_600.0) == []
    assert door(Signal.CLOSED) == []
    assert door.is_in(State.SECURED)


def test_a_door_opened_while_its_contact_was_silent_is_told_but_not_as_forced() -> None:
    door = door_in(State.SECURED)
    door(Signal.LINE_LOST)
    door.wait(60.0)
    door(Signal.LINE_BACK)
    assert door(Signal.OPENED) == [Told(Kind.DOOR_OPENED)]


def test_a_contact_that_returns_with_nothing_new_is_as_it_was() -> None:
    door = door_in(State.SECURED)
    door(Signal.LINE_LOST)
    door(Signal.LINE_BACK)
    assert door.is_in(State.UNSENSED)
    door.wait(5.0)
    assert door.is_in(State.SECURED)
    assert kinds(door(Signal.OPENED)) == [Kind.DOOR_OPENED, Kind.DOOR_FORCED]


def test_a_door_that_was_open_all_the_time_is_not_told_as_opened_or_held_again() -> None:
    door = door_in(State.HELD)
    door(Signal.LINE_LOST)
    door(Signal.LINE_BACK)
    assert door.wait(5.0) == []
    assert door.is_in(State.HELD)
    assert door(Signal.CLOSED) == [Told(Kind.DOOR_CLOSED, links=41)]


def test_a_board_that_is_lost_again_is_waited_for_again() -> None:
    door = door_in(State.OPEN)
    door(Signal.LINE_LOST)
    door(Signal.LINE_BACK)
    door(Signal.LINE_LOST)
    assert door.wait(3_600.0) == []
    assert door.is_in(State.UNSENSED)


def test_a_board_whose_contact_never_said_a_word_leaves_it_unknown() -> None:
    door = Door()
    door(Signal.LINE_BACK)
    assert door.wait(60.0) == []
    assert door.is_in(State.UNSENSED)
    assert door.portal.due_s() is None


def test_a_door_without_a_contact_knows_no_outcome_and_no_alarm() -> None:
    door = Door(has_contact=False)
    assert door.is_in(State.SECURED)
    door(Signal.GRANTED, 7)
    assert door.is_in(State.RELEASED)
    assert door.wait(3_600.0) == []
    assert door(Signal.REX) == [Told(Kind.REX)]
    for signal in (Signal.OPENED, Signal.CLOSED, Signal.LINE_LOST, Signal.LINE_BACK):
        assert door(signal) == []
    assert door.portal.is_open is None
    assert door.wait(3_600.0) == []
    assert door.is_in(State.SECURED)


def test_numbers_of_another_epoch_are_linked_to_no_more() -> None:
    door = door_in(State.OPEN)
    door.portal.forget_decisions()
    assert door(Signal.CLOSED) == [Told(Kind.DOOR_CLOSED)]
    door.wait(60.0)
    door(Signal.GRANTED, 7)
    door.portal.forget_decisions()
    assert door.wait(60.0) == []


def test_an_event_dated_before_the_last_one_does_not_turn_time_back() -> None:
    door = shut_door()
    door(Signal.GRANTED, 7)
    assert kinds(list(door.portal.signal(Signal.OPENED, door.now_s - 10.0))) == [
        Kind.DOOR_OPENED,
        Kind.ACCESS_TAKEN,
    ]
    assert door.portal.due_s() == door.now_s + RELEASE_OVER_S
