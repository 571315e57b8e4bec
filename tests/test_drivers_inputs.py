"""Debounce and supervised lines, with time as an argument."""

import itertools
import random

import pytest
from pydantic import ValidationError

from drivers.base import InputChanged, InputState
from drivers.inputs import (
    CHATTER_TOLD_NS,
    FORGOTTEN_NS,
    MOST_CHANGES,
    RESTLESS_NS,
    Inputs,
    Supervision,
    contact_state,
)
from drivers.settings import InputSettings

MS = 1_000_000
NORMAL, ACTIVE, SHORTED, CUT = InputState.NORMAL, InputState.ACTIVE, InputState.SHORTED, InputState.CUT


def inputs(debounce_s: float = 0.05) -> Inputs:
    return Inputs("locks", [InputSettings(channel=1, debounce_s=debounce_s), InputSettings(channel=3)])


def change(state: InputState, at_ms: int) -> InputChanged:
    return InputChanged("locks", 1, state, at_ms * MS)


def seen(board: Inputs, *looks: tuple[int, InputState]) -> list[InputChanged]:
    return [each for at_ms, state in looks for each in board.see(1, state, at_ms * MS)]


def test_a_state_is_told_when_it_has_lasted_and_dated_when_it_began() -> None:
    assert seen(inputs(), (0, NORMAL), (30, NORMAL), (60, NORMAL)) == [change(NORMAL, 0)]


def test_the_first_state_is_told_too_and_then_only_changes() -> None:
    board = inputs(debounce_s=0)
    assert seen(board, (0, ACTIVE), (10, ACTIVE), (20, NORMAL)) == [change(ACTIVE, 0), change(NORMAL, 20)]


def test_bouncing_is_one_change_dated_when_it_settled() -> None:
    board = inputs()
    seen(board, (0, NORMAL), (60, NORMAL))
    looks = [(100, ACTIVE), (110, NORMAL), (120, ACTIVE), (140, NORMAL), (150, ACTIVE), (199, ACTIVE)]
    assert not seen(board, *looks)
    assert seen(board, (200, ACTIVE), (300, ACTIVE)) == [change(ACTIVE, 150)]


def test_a_glitch_is_nothing() -> None:
    board = inputs()
    seen(board, (0, NORMAL), (60, NORMAL))
    assert not seen(board, (100, ACTIVE), (140, NORMAL), (200, NORMAL), (300, NORMAL))
    assert board.next_ns() is None


def test_edges_alone_are_settled_by_the_clock() -> None:
    board = inputs()
    assert not seen(board, (0, ACTIVE))
    assert board.next_ns() == 50 * MS
    assert not board.tick(49 * MS)
    assert board.tick(50 * MS) == [change(ACTIVE, 0)]
    assert not board.tick(51 * MS)


def test_an_input_without_settings_is_not_told() -> None:
    assert not inputs(0).see(2, ACTIVE, 0)


def test_a_contact_that_never_settles_is_named() -> None:
    board = inputs()
    seen(board, (-100, NORMAL), (-20, NORMAL))
    for at_ms in range(0, RESTLESS_NS // MS + 40, 20):
        assert not seen(board, (at_ms, (NORMAL, ACTIVE)[at_ms // 20 % 2]))
    assert board.trouble(RESTLESS_NS + 20 * MS) == "input 1 does not settle; check its contact and wiring"
    board.see(1, ACTIVE, RESTLESS_NS + 100 * MS)
    board.see(1, ACTIVE, RESTLESS_NS + 200 * MS)
    assert board.trouble(RESTLESS_NS * 3) is None


def toggling(board: Inputs, begin_ms: int, end_ms: int, every_ms: int) -> list[InputChanged]:
    """Looked at every 20 ms, as a polled board does."""
    looks = [(at_ms, (NORMAL, ACTIVE)[at_ms // every_ms % 2]) for at_ms in range(begin_ms, end_ms, 20)]
    return seen(board, *looks)


def test_chatter_is_told_now_and_then_only_and_the_board_names_the_input() -> None:
    board = inputs()
    begun = toggling(board, 0, 10_000, 120)
    assert MOST_CHANGES <= len(begun) < MOST_CHANGES + 10
    assert board.trouble(10_000 * MS) == "input 1 never rests: its contact or wiring chatters"
    told = toggling(board, 10_000, 3_600_000, 120)
    assert 100 < len(told) <= 3600 * 10**9 / CHATTER_TOLD_NS
    assert all(a.state is not b.state for a, b in itertools.pairwise(begun + told))


def test_how_an_input_is_that_stopped_chattering_is_told_soon() -> None:
    board = inputs()
    last = toggling(board, 0, 60_000, 120)[-1].state
    rests = ACTIVE if last is NORMAL else NORMAL
    after = seen(board, *((at_ms, rests) for at_ms in range(60_000, 60_000 + CHATTER_TOLD_NS // MS + 40, 20)))
    assert [each.state for each in after] == [rests]


def test_an_input_that_came_to_rest_is_fine_again_and_told_at_once() -> None:
    board = inputs()
    toggling(board, 0, 60_000, 120)
    quiet_ms = 60_000 + MOST_CHANGES * FORGOTTEN_NS // MS
    toggling(board, 60_000, quiet_ms, 10**9)
    assert board.trouble(quiet_ms * MS) is None
    assert toggling(board, quiet_ms, quiet_ms + 60, 10**9) == []
    assert seen(board, (quiet_ms + 100, ACTIVE), (quiet_ms + 160, ACTIVE)) == [change(ACTIVE, quiet_ms + 100)]


def test_what_is_held_back_at_inputs_that_tell_edges_comes_by_the_clock() -> None:
    board, at_ms = inputs(), 0
    board.see(1, NORMAL, 0)
    while board.tick((at_ms + 60) * MS):
        at_ms += 120
        board.see(1, (NORMAL, ACTIVE)[at_ms // 120 % 2], at_ms * MS)
    due_ns = board.next_ns()
    assert due_ns is not None
    assert at_ms * MS < due_ns <= at_ms * MS + CHATTER_TOLD_NS
    assert not board.tick(due_ns - 1)
    assert [each.at_ns for each in board.tick(due_ns)] == [at_ms * MS]
    assert board.next_ns() is None


def test_one_input_that_chatters_holds_back_no_other() -> None:
    board = inputs()
    seen(board, (0, NORMAL))
    toggling(board, 0, 20_000, 120)
    for at_ms, state in ((20_000, NORMAL), (20_060, NORMAL), (20_100, ACTIVE)):
        board.see(3, state, at_ms * MS)
    assert board.see(3, ACTIVE, 20_160 * MS) == [InputChanged("locks", 3, ACTIVE, 20_100 * MS)]


@pytest.mark.parametrize("every_ms", [2_000, 3_000, 10_000])
def test_a_door_that_is_busy_all_day_is_never_held_back(every_ms: int) -> None:
    board, hours_ms = inputs(), 8 * 3_600_000
    looks = range(0, hours_ms, every_ms)
    for at_ms in looks:
        state = (NORMAL, ACTIVE)[at_ms // every_ms % 2]
        board.see(1, state, at_ms * MS)
        assert board.see(1, state, (at_ms + 60) * MS) == [change(state, at_ms)]
        assert board.trouble((at_ms + 60) * MS) is None


def test_a_few_quick_changes_are_all_told() -> None:
    assert len(toggling(inputs(), 0, 120 * (MOST_CHANGES - 1), 120)) == MOST_CHANGES - 1


@pytest.mark.parametrize("seed", range(20))
def test_however_often_one_looks_the_changes_are_those_that_lasted(seed: int) -> None:
    chance = random.Random(seed)
    board, told, since, last = inputs(), [], 0, None
    for at_ms in range(0, 5000, 5):
        state = chance.choice((NORMAL, ACTIVE)) if last is None or chance.random() < 0.05 else last
        if state is not last:
            since, last = at_ms, state
        for each in seen(board, (at_ms, state)):
            assert each == change(state, since)
            assert at_ms - since >= 50
            told.append(each.state)
    assert all(earlier is not later for earlier, later in itertools.pairwise(told))


@pytest.mark.parametrize(
    ("closed", "normal", "state"),
    [
        (True, "closed", NORMAL),
        (False, "closed", ACTIVE),
        (False, "open", NORMAL),
        (True, "open", ACTIVE),
    ],
)
def test_a_contact_is_active_when_it_is_not_as_it_normally_is(
    closed: bool, normal: str, state: InputState
) -> None:
    assert contact_state(closed=closed, normal="closed" if normal == "closed" else "open") is state


@pytest.mark.parametrize(
    ("ohms", "state"),
    [
        *((0, SHORTED), (499, SHORTED), (500, NORMAL), (1000, NORMAL), (1499, NORMAL)),
        *((1500, ACTIVE), (2000, ACTIVE), (2999, ACTIVE), (3000, CUT), (65535, CUT)),
    ],
)
def test_a_supervised_line_has_four_states(ohms: int, state: InputState) -> None:
    """1 kOhm closed, 2 kOhm open, as in readers.md 7.5; a door contact is normally closed."""
    assert Supervision(closed_from=500, open_from=1500, cut_from=3000).state(ohms, "closed") is state


def test_bands_that_do_not_rise_are_refused() -> None:
    with pytest.raises(ValidationError, match="must rise"):
        Supervision(closed_from=500, open_from=500, cut_from=3000)
