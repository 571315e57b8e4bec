"""How complete one epoch of one gateway is: pure.

What is settled lies in segments, runs without a hole; what the gateway no longer has lies in lost ranges.
From both follow how far all is there, what is missing, and where two runs touch but their hashes do not meet.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from messages.chain import GENESIS

Range = tuple[int, int]

GENESIS_HASH = bytes.fromhex(GENESIS)

UNKNOWN_PREV = b""
"""`prev` of something unreadable: it meets every neighbour, its finding is another one."""


class Segment(Struct, frozen=True):
    """Records `first`..`last`, all settled; hashes are of 32 bytes."""

    first: int
    last: int
    first_prev: bytes
    last_hash: bytes


class Break(Struct, frozen=True):
    """Record `seq` names `prev`, which is not the hash of the record before it."""

    seq: int
    prev: bytes


class Coverage:
    """The settled segments and lost ranges of one epoch."""

    def __init__(self, segments: Iterable[Segment] = (), lost: Iterable[Range] = ()) -> None:
        self.segments = sorted(segments, key=lambda s: s.first)
        self.lost = sorted(lost)

    def uncovered(self, first: int, last: int) -> list[Range]:
        """The parts of `first`..`last` that are not settled; lost ranges count as not settled."""
        return list(gaps((first, last), ((s.first, s.last) for s in self.segments)))

    def add(self, new: Segment) -> list[Break]:
        """Takes in a run of which nothing is settled yet; says where it does not meet its neighbours."""
        at = bisect_right(self.segments, new.first, key=lambda s: s.first)
        left = self.segments[at - 1] if at > 0 else None
        right = self.segments[at] if at < len(self.segments) else None
        breaks = []
        before = self._hash_before(new.first, left)
        if before is not None and not meets(before, new.first_prev):
            breaks.append(Break(new.first, new.first_prev))
        if right and right.first == new.last + 1:
            if not meets(new.last_hash, right.first_prev):
                breaks.append(Break(right.first, right.first_prev))
            new = replace(new, last=right.last, last_hash=right.last_hash)
            del self.segments[at]
        if left and before is not None and new.first > 1:
            self.segments[at - 1] = replace(left, last=new.last, last_hash=new.last_hash)
        else:
            self.segments.insert(at, new)
        return breaks

    @staticmethod
    def _hash_before(first: int, left: Segment | None) -> bytes | None:
        """What the `prev` of record `first` must be; None when the record before it is not there."""
        if first == 1:
            return GENESIS_HASH
        return left.last_hash if left and left.last == first - 1 else None

    def lose(self, ranges: Iterable[Range]) -> list[Range]:
        """Declares lost what of these ranges is neither settled nor declared yet; says what that was."""
        news: list[Range] = []
        for wanted in ranges:
            found = [hole for part in gaps(wanted, self.lost) for hole in self.uncovered(*part)]
            self.lost = sorted([*self.lost, *found])
            news += found
        return news

    @property
    def whole(self) -> Segment | None:
        """Everything from record 1 on, where nothing was lost and nothing is missing: nearly always."""
        whole = len(self.segments) == 1 and not self.lost and self.segments[0].first == 1
        return self.segments[0] if whole else None

    @property
    def seen(self) -> int:
        """The highest record that is settled or lost."""
        return max(self._last_settled, self.lost[-1][1] if self.lost else 0)

    @property
    def _last_settled(self) -> int:
        return self.segments[-1].last if self.segments else 0

    @property
    def settled(self) -> int:
        """How many records are settled."""
        return sum(s.last - s.first + 1 for s in self.segments)

    def missing(self, head: int | None = None) -> Iterator[Range]:
        """Ranges below `head` (default: what was seen) that are neither settled nor lost."""
        known = sorted([*((s.first, s.last) for s in self.segments), *self.lost])
        return gaps((1, self.seen if head is None else head), known)

    def still_lost(self) -> list[Range]:
        """Lost ranges without what came after all."""
        return [hole for lost in self.lost for hole in self.uncovered(*lost)]

    def through(self) -> tuple[int, bytes | None]:
        """(n, hash of record n) where all of 1..n is settled or lost; no hash when n is 0 or was lost."""
        hole = next(self.missing(), None)
        through = self.seen if hole is None else hole[0] - 1
        ends = (s.last_hash for s in self.segments if s.last == through)
        return through, next(ends, None)


def meets(before: bytes, prev: bytes) -> bool:
    return prev in (before, UNKNOWN_PREV)


def gaps(wanted: Range, known: Iterable[Range]) -> Iterator[Range]:
    """The parts of `wanted` outside `known`; `known` is sorted by its first numbers and may overlap."""
    at, last = wanted
    for known_first, known_last in known:
        if known_first > last:
            break
        if known_first > at:
            yield at, known_first - 1
        at = max(at, known_last + 1)
    if at <= last:
        yield at, last
