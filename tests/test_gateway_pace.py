"""How fast a gateway sends and how often it calls: by hand, without a clock."""

from random import Random
from statistics import mean

import pytest

from gateway.delivery import BLOCK_RECORDS, WINDOW_BLOCKS, WINDOW_FRESH
from gateway.pace import (
    BLOCK_PAUSE_S,
    FIRST_WINDOW,
    MOST_PATIENCE,
    SLOWEST_PER_S,
    UNHEARD_FRESH,
    Backoff,
    Pace,
)


def test_the_time_until_the_next_call_is_drawn_from_all_of_a_bound_that_doubles() -> None:
    drawn = [
        [backoff.next_s() for _ in range(8)]
        for backoff in (Backoff(2.0, 60.0, Random(seed)) for seed in range(400))
    ]
    for call, bound_s in enumerate((2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0)):
        waits = [waits_of_one[call] for waits_of_one in drawn]
        assert all(0.0 <= wait <= bound_s for wait in waits)
        assert 0.4 * bound_s < mean(waits) < 0.6 * bound_s
        assert min(waits) < 0.1 * bound_s < 0.9 * bound_s < max(waits)


def test_a_good_connection_makes_the_next_call_an_early_one() -> None:
    backoff = Backoff(2.0, 60.0, Random(1))
    for _ in range(9):
        backoff.next_s()
    assert backoff.bound_s == 60.0
    backoff.reset()
    assert backoff.bound_s == 2.0
    backoff.stay_away()
    assert backoff.bound_s == 60.0


def test_a_drain_begins_small_and_doubles_as_long_as_the_centre_keeps_up() -> None:
    pace = Pace(50_000)
    windows = [pace.window]
    while pace.window < WINDOW_BLOCKS:
        pace.arrived(pace.window)
        windows.append(pace.window)
    assert windows == [FIRST_WINDOW, 8, 16, 32]
    pace.lost()
    assert pace.window == 16
    pace.begin()
    assert pace.window == FIRST_WINDOW


def test_what_nobody_acknowledges_is_tried_less_and_less_often_in_smaller_pieces() -> None:
    pace = Pace(50_000)
    patience, records = [], []
    for _ in range(8):
        pace.unheard()
        patience.append(pace.patience)
        records.append(pace.block_records)
    assert patience == [2, 4, 8, 16, MOST_PATIENCE, MOST_PATIENCE, MOST_PATIENCE, MOST_PATIENCE]
    assert records == [50, 25, 12, 6, 3, 1, 1, 1]
    assert (pace.window, pace.window_fresh) == (1, UNHEARD_FRESH)


def test_a_word_of_the_centre_ends_that_and_pieces_grow_again_slowly() -> None:
    pace = Pace(50_000)
    for _ in range(3):
        pace.unheard()
    pace.arrived(1)
    assert (pace.patience, pace.window_fresh, pace.block_records) == (1, WINDOW_FRESH, 12)
    for _ in range(200):
        pace.arrived(1)
    assert pace.block_records == BLOCK_RECORDS


def test_what_the_broker_called_too_large_is_not_tried_again() -> None:
    pace = Pace(50_000)
    pace.too_large()
    pace.too_large()
    for _ in range(500):
        pace.arrived(1)
    assert pace.block_records == 25


def test_nothing_arrived_is_no_word_of_the_centre() -> None:
    pace = Pace(50_000)
    pace.unheard()
    pace.arrived(0)
    assert pace.patience == 2


@pytest.mark.parametrize(("per_s", "pause_s"), [(50_000, BLOCK_PAUSE_S), (1_000, 0.1), (50, 2.0)])
def test_older_records_keep_to_their_rate(per_s: float, pause_s: float) -> None:
    assert Pace(per_s).pause_s(BLOCK_RECORDS, 0.0) == pytest.approx(pause_s)


def test_single_records_do_not_own_the_interpreter_either() -> None:
    assert Pace(50_000).pause_s(1, 0.0) == BLOCK_PAUSE_S


def test_a_broker_that_asks_for_it_gets_less_and_after_a_while_more_again() -> None:
    pace = Pace(50_000)
    for _ in range(20):
        pace.slow_down(0.0)
    assert pace.per_s == SLOWEST_PER_S
    pace.pause_s(100, 29.0)
    assert pace.per_s == SLOWEST_PER_S
    pace.pause_s(100, 30.0)
    assert pace.per_s == 2 * SLOWEST_PER_S
    pace.pause_s(100, 31.0)
    assert pace.per_s == 2 * SLOWEST_PER_S


def test_ten_thousand_records_are_away_in_five_minutes_however_polite() -> None:
    """trust.md R-23."""
    pace = Pace(50.0)
    pace.slow_down(0.0)
    assert pace.pause_s(BLOCK_RECORDS, 1.0) * 10_000 / BLOCK_RECORDS <= 300.0
