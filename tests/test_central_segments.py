"""How complete an epoch is, against a model that remembers every single record."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from central.ingest.segments import GENESIS_HASH, UNKNOWN_PREV, Break, Coverage, Segment, gaps

MOST = 40


def digest(seq: int) -> bytes:
    return sha256(str(seq).encode()).digest() if seq else GENESIS_HASH


def run(first: int, last: int) -> Segment:
    return Segment(first, last, digest(first - 1), digest(last))


RUNS = st.lists(
    st.tuples(st.integers(1, MOST), st.integers(0, 8)).map(lambda r: (r[0], min(MOST, r[0] + r[1]))),
    max_size=25,
)
LOST = st.lists(st.tuples(st.integers(1, MOST), st.integers(1, MOST)).map(sorted).map(tuple), max_size=3)


def filled(runs: list[tuple[int, int]], coverage: Coverage) -> set[int]:
    """Puts runs into `coverage` and says which numbers are in."""
    for first, last in runs:
        for part in coverage.uncovered(first, last):
            assert coverage.add(run(*part)) == []
    return {seq for first, last in runs for seq in range(first, last + 1)}


@given(RUNS)
def test_runs_in_any_order_merge_into_what_a_set_of_numbers_says(runs: list[tuple[int, int]]) -> None:
    coverage = Coverage()
    have = filled(runs, coverage)
    assert {n for s in coverage.segments for n in range(s.first, s.last + 1)} == have
    assert coverage.settled == len(have)
    assert all(b.first > a.last + 1 for a, b in zip(coverage.segments, coverage.segments[1:], strict=False))
    assert all(s == run(s.first, s.last) for s in coverage.segments)


@given(RUNS, LOST)
def test_missing_and_through_are_what_a_set_of_numbers_says(
    runs: list[tuple[int, int]], lost: list[tuple[int, int]]
) -> None:
    coverage = Coverage()
    have = filled(runs, coverage)
    gone = {n for first, last in lost for n in range(first, last + 1)} - have
    declared = coverage.lose(lost)
    assert {n for first, last in declared for n in range(first, last + 1)} == gone
    seen = max(have | gone, default=0)
    missing = [n for n in range(1, seen + 1) if n not in have | gone]
    assert [n for first, last in coverage.missing() for n in range(first, last + 1)] == missing
    through = missing[0] - 1 if missing else seen
    assert coverage.seen == seen
    assert coverage.through() == (through, digest(through) if through in have else None)


@given(RUNS, LOST)
def test_what_comes_after_all_is_no_longer_lost(
    runs: list[tuple[int, int]], lost: list[tuple[int, int]]
) -> None:
    coverage = Coverage()
    coverage.lose(lost)
    have = filled(runs, coverage)
    still = {n for first, last in coverage.still_lost() for n in range(first, last + 1)}
    assert still == {n for first, last in lost for n in range(first, last + 1)} - have


def test_a_range_is_declared_lost_only_once() -> None:
    coverage = Coverage()
    assert coverage.lose([(1, 5)]) == [(1, 5)]
    assert coverage.lose([(1, 7)]) == [(6, 7)]
    assert coverage.lose([(1, 7)]) == []


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_runs_that_touch_with_unlike_hashes_are_a_break_at_the_later_one(order: list[int]) -> None:
    runs = [run(1, 3), Segment(4, 6, b"x" * 32, digest(6))]
    coverage = Coverage()
    assert [b for at in order for b in coverage.add(runs[at])] == [Break(4, b"x" * 32)]
    assert coverage.segments == [run(1, 6)]


def test_the_first_record_must_name_the_beginning() -> None:
    assert Coverage().add(Segment(1, 1, b"x" * 32, digest(1))) == [Break(1, b"x" * 32)]


def test_something_unreadable_meets_every_neighbour() -> None:
    coverage = Coverage([run(1, 3), run(5, 6)])
    coverage.segments[1] = Segment(5, 6, b"hash of the unreadable one".ljust(32), digest(6))
    unreadable = Segment(4, 4, UNKNOWN_PREV, b"hash of the unreadable one".ljust(32))
    assert coverage.add(unreadable) == []
    assert coverage.through() == (6, digest(6))


@given(RUNS, st.integers(1, MOST), st.integers(1, MOST))
def test_gaps_are_what_known_ranges_leave(known: list[tuple[int, int]], first: int, last: int) -> None:
    left = {n for a, b in gaps((first, last), sorted(known)) for n in range(a, b + 1)}
    assert left == set(range(first, last + 1)) - {n for a, b in known for n in range(a, b + 1)}
