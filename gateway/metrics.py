"""Figures of a running gateway, counted where things happen and read by whoever shows them; no identity.

Labels come from closed vocabularies and from the settings' names of parts alone, so that their number is
bounded and no person is among them (trust.md R-65).
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from messages.model import ClockQuality, Kind, Reason

COMMIT_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""From a good SSD to a card that ends soon."""

DECISIONS = frozenset({Kind.ACCESS_GRANTED, Kind.ACCESS_DENIED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What is so at this moment; None where it is not known, and then it is not shown."""

    inbox: int | None = None  # events that wait for the deciding thread
    unrecorded: int | None = None  # facts in memory that the journal could not take
    unacknowledged: int | None = None  # records that the centre has not committed yet
    list_version: int | None = None
    list_age_s: int | None = None
    connected: bool | None = None  # to the broker
    journal_bytes: int | None = None  # of all its files
    free_bytes: int | None = None  # of the disk that it lies on
    clock: ClockQuality | None = None
    devices: Mapping[str, str] = field(default_factory=dict)  # state by name


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts since the process began."""

    records: Mapping[tuple[Kind, Reason | None], int]
    restarts: Mapping[str, int]
    dropped: Mapping[str, int]  # messages of the centre, by the last word of their topic
    commits: tuple[int, ...]  # one for each bound, and one above them all
    commit_s: float  # of all of them
    lost: int  # facts that had no room in memory while the journal could not take them


class Metrics:
    """Counters for any thread. Cheap enough to be kept also where nobody looks at them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: Counter[tuple[Kind, Reason | None]] = Counter()
        self._restarts: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._commits = [0] * (len(COMMIT_BOUNDS_S) + 1)
        self._commit_s = 0.0
        self._lost = 0

    def recorded(self, records: Iterable[tuple[Kind, Reason | None]]) -> None:
        """These are durable; decisions are records like any other."""
        with self._lock:
            self._records.update(records)

    def committed(self, took_s: float) -> None:
        """One commit of the journal, however many records it holds."""
        with self._lock:
            self._commits[bisect_left(COMMIT_BOUNDS_S, took_s)] += 1
            self._commit_s += took_s

    def restarted(self, part: str) -> None:
        """A part of the program fell, or ended by itself, and is begun again."""
        with self._lock:
            self._restarts[part] += 1

    def dropped(self, leaf: str) -> None:
        """A list, settings or a command came, and was not looked at: there was no room, or no disk for it."""
        with self._lock:
            self._dropped[leaf] += 1

    def lost(self, count: int) -> None:
        """So many facts will never be recorded: memory had no room for them."""
        with self._lock:
            self._lost += count

    def totals(self) -> Totals:
        with self._lock:
            records, restarts, dropped = dict(self._records), dict(self._restarts), dict(self._dropped)
            return Totals(records, restarts, dropped, tuple(self._commits), self._commit_s, self._lost)
