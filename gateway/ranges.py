"""Sets of sequence numbers kept as sorted, disjoint, closed ranges: pure, immutable values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Ranges:
    parts: tuple[Range, ...] = ()

    @classmethod
    def of(cls, ranges: Iterable[Range]) -> Ranges:
        """From ranges in any order, overlapping or touching; empty ones (last < first) are dropped."""
        merged: list[Range] = []
        for first, last in sorted(r for r in ranges if r[0] <= r[1]):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], last))
            else:
                merged.append((first, last))
        return cls(tuple(merged))

    def __bool__(self) -> bool:
        return bool(self.parts)

    def __or__(self, other: Ranges) -> Ranges:
        return Ranges.of((*self.parts, *other.parts))

    def __sub__(self, other: Ranges) -> Ranges:
        return Ranges(tuple(self._without(other.parts)))

    def _without(self, holes: tuple[Range, ...]) -> Iterator[Range]:
        for start, last in self.parts:
            first = start
            for hole_first, hole_last in holes:
                if hole_last < first or hole_first > last:
                    continue
                if hole_first > first:
                    yield first, hole_first - 1
                first = hole_last + 1
            if first <= last:
                yield first, last

    def overlaps(self, first: int, last: int) -> bool:
        return any(a <= last and first <= b for a, b in self.parts)

    def covers(self, first: int, last: int) -> bool:
        return any(a <= first and last <= b for a, b in self.parts)

    def total(self) -> int:
        return sum(last - first + 1 for first, last in self.parts)
