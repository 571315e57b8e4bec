"""Ranges behave like the sets of numbers that they stand for."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.ranges import Range, Ranges

number = st.integers(1, 60)
ranges = st.lists(st.tuples(number, number), max_size=8)


def numbers(parts: list[Range] | tuple[Range, ...]) -> set[int]:
    return {n for first, last in parts for n in range(first, last + 1)}


@given(ranges)
def test_ranges_are_sorted_and_do_not_touch(given_ranges: list[Range]) -> None:
    parts = Ranges.of(given_ranges).parts
    assert all(first <= last for first, last in parts)
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(parts))
    assert numbers(parts) == numbers(given_ranges)


@given(ranges, ranges)
def test_union_and_difference_are_those_of_sets(a: list[Range], b: list[Range]) -> None:
    one, other = Ranges.of(a), Ranges.of(b)
    assert numbers((one | other).parts) == numbers(a) | numbers(b)
    assert one - other == Ranges.of((n, n) for n in numbers(a) - numbers(b))


@given(ranges, number, number)
def test_overlap_cover_total_and_truth_are_those_of_sets(a: list[Range], first: int, last: int) -> None:
    one, asked = Ranges.of(a), set(range(first, last + 1))
    assert one.total() == len(numbers(a))
    assert bool(one) == bool(numbers(a))
    if asked:
        assert one.overlaps(first, last) == bool(numbers(a) & asked)
        assert one.covers(first, last) == (asked <= numbers(a))
