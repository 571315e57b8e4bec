"""Debounce and supervised lines, with time as an argument."""

import itertools
import random

import pytest
from pydantic import ValidationError

from drivers.base import InputChanged, InputState
from drivers.inputs import RESTLESS_NS, Inputs, Supervision, contact_state
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


def test_the_board_is_known_when_each_input_was_told() -> None:
    board = inputs(0)
    board.see(1, NORMAL, 0)
    assert (board.told(1), board.told(3), board.all_told()) == (NORMAL, None, False)
    board.see(3, NORMAL, 0)
    board.see(3, NORMAL, 50 * MS)
    assert board.all_told()


def test_a_contact_that_never_settles_is_named() -> None:
    board = inputs()
    seen(board, (-100, NORMAL), (-20, NORMAL))
    for at_ms in range(0, RESTLESS_NS // MS + 40, 20):
        assert not seen(board, (at_ms, (NORMAL, ACTIVE)[at_ms // 20 % 2]))
    assert board.restless(RESTLESS_NS + 20 * MS) == [1]
    board.see(1, ACTIVE, RESTLESS_NS + 100 * MS)
    board.see(1, ACTIVE, RESTLESS_NS + 200 * MS)
    assert not board.restless(RESTLESS_NS * 3)


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
