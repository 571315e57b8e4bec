"""Which rounds a plan asks for, and what became of one by the reads at its points. Pure.

A round may begin from `opens_us` until `closes_us`. Each stop is due so long after the beginning; whoever
begins late, or not at all, is taken to have begun when the window closed. After `ends_us` nothing counts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Final

from central.times import micros
from central.tours.words import OnHolidays, RoundState, StopState

US: Final = 1_000_000
HEARD_US: Final = 180 * US
"""A gateway that spoke so lately is no reason to call something unknown: it speaks once a minute."""

_WEEK_S: Final = 7 * 86_400


@dataclass(frozen=True, slots=True)
class Stop:
    """`due_s`: from the beginning of the round. `least_s`: from the stop before."""

    position: int
    point: int
    due_s: int
    least_s: int


@dataclass(frozen=True, slots=True)
class Route:
    id: int
    name: str
    ordered: bool
    within_s: int
    grace_s: int
    stops: tuple[Stop, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """`days`: ISO weekdays; `starts`: HH:MM. Rounds that open from `from_us` until `until_us` are of it."""

    id: int
    name: str
    route: Route
    days: frozenset[int]
    starts: tuple[str, ...]
    window_s: int
    holidays: OnHolidays
    from_us: int
    until_us: int | None

    @property
    def length_s(self) -> int:
        """From a start until nothing counts any more."""
        return self.window_s + self.route.within_s + self.route.grace_s


@dataclass(frozen=True, slots=True)
class Round:
    """One that a plan asks for, by day and start of the community's clock; times are UTC microseconds."""

    plan: Plan
    day: date
    start: str
    opens_us: int

    @property
    def key(self) -> str:
        return f"{self.plan.id}/{self.day.isoformat()}/{self.start}"

    @property
    def closes_us(self) -> int:
        return self.opens_us + self.plan.window_s * US

    @property
    def ends_us(self) -> int:
        return self.opens_us + self.plan.length_s * US


@dataclass(frozen=True, slots=True)
class Judged:
    """`stops`: in the order of the route. `overdue_us`: since when something was to be done that is not, None
    where all was done in time or still may be."""

    round: Round
    state: RoundState
    stops: tuple[StopState, ...]
    overdue_us: int | None

    def count(self, *states: StopState) -> int:
        return sum(state in states for state in self.stops)


def rounds_of(
    plan: Plan, first: date, last: date, holidays: Collection[date], zone: tzinfo
) -> Iterator[Round]:
    """Those of the days `first` to `last`, both included, in the order of their opening. A start that the
    clock skips when summer time begins is an hour later by the clock."""
    day = first
    while day <= last:
        if day.isoweekday() in plan.days and _wanted(plan.holidays, day in holidays):
            for start in sorted(plan.starts):
                hour, minute = (int(part) for part in start.split(":"))
                opens = micros(datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone))
                if plan.from_us <= opens and (plan.until_us is None or opens < plan.until_us):
                    yield Round(plan, day, start, opens)
        day += timedelta(days=1)


def overlap(days: Collection[int], starts: Sequence[str], length_s: int) -> bool:
    """Whether a round could begin while the one before still counts; holidays aside."""
    minutes = [int(start[:2]) * 60 + int(start[3:]) for start in starts]
    begins = sorted((day - 1) * 86_400 + minute * 60 for day in days for minute in minutes)
    following = [*begins[1:], begins[0] + _WEEK_S] if begins else []
    return any(after - before < length_s for before, after in zip(begins, following, strict=True))


def judged(found: Round, reads: Mapping[int, Sequence[int]], known: Mapping[int, int], now_us: int) -> Judged:
    """`reads`: when each point was read, by its id, sorted; those outside of the round are left out.
    `known`: up to when all records of a point's gateway are here."""
    route = found.plan.route
    times = [
        [at for at in reads.get(stop.point, ()) if found.opens_us <= at < found.ends_us]
        for stop in route.stops
    ]
    begun = min((at[0] for at in times if at), default=None)
    base = found.closes_us if begun is None else min(begun, found.closes_us)
    walked = _in_order(times) if route.ordered else [at[0] if at else None for at in times]
    quick = _quick(route, walked)
    stops = []
    waits_since: list[int] = []
    for at, stop in enumerate(route.stops):
        due = base + stop.due_s * US
        taken = walked[at]
        if taken is None and times[at]:
            stops.append(StopState.OUT_OF_ORDER)
        elif taken is None:
            state = _unread(due, found.ends_us, known.get(stop.point, 0), now_us)
            stops.append(state)
            if state in (StopState.OVERDUE, StopState.MISSED):
                waits_since.append(due)
        elif at in quick:
            stops.append(StopState.TOO_QUICK)
        else:
            late = taken > due or (taken == begun and taken > found.closes_us)
            stops.append(StopState.LATE if late else StopState.DONE)
    if begun is None and any(state in (StopState.DUE, StopState.OVERDUE) for state in stops):
        unknown = min((known.get(stop.point, 0) for stop in route.stops), default=0)
        if min(now_us, unknown) >= found.closes_us:
            waits_since.append(found.closes_us)
    overdue = min(waits_since, default=None)
    return Judged(found, _of_round(found, stops, overdue, now_us), tuple(stops), overdue)


def _wanted(on: OnHolidays, is_holiday: bool) -> bool:  # noqa: FBT001  one of two facts
    return on is OnHolidays.AS_USUAL or is_holiday is (on is OnHolidays.ONLY)


def _unread(due_us: int, ends_us: int, known_us: int, now_us: int) -> StopState:
    if now_us < due_us:
        return StopState.DUE
    seen_us = min(known_us, now_us)
    if seen_us >= ends_us:
        return StopState.MISSED
    if seen_us >= due_us and now_us < ends_us:
        return StopState.OVERDUE
    return StopState.DUE if now_us - known_us <= HEARD_US else StopState.NOT_KNOWN


def _in_order(times: Sequence[Sequence[int]]) -> list[int | None]:
    """One read for as many stops as can be in the route's order; None for the others.

    The longest run of reads that go on in time, each from a later stop: `ends[n]` is the earliest
    end that a run of n + 1 stops can have.
    """
    ends: list[int] = []
    last: list[tuple[int, int]] = []  # (stop, read) at the end of each of them
    before: dict[tuple[int, int], tuple[int, int] | None] = {}
    for stop, reads in enumerate(times):
        for at in sorted(set(reads), reverse=True):  # later ones first: a stop counts once
            place = bisect_left(ends, at)
            before[stop, at] = last[place - 1] if place else None
            if place == len(ends):
                ends.append(at)
                last.append((stop, at))
            elif at < ends[place]:
                ends[place], last[place] = at, (stop, at)
    chosen: list[int | None] = [None] * len(times)
    step = last[-1] if last else None
    while step is not None:
        chosen[step[0]] = step[1]
        step = before[step]
    return chosen


def _quick(route: Route, walked: Sequence[int | None]) -> set[int]:
    """Stops that came sooner after the one before than anybody walks."""
    by_time = [(at, number) for number, at in enumerate(walked) if at is not None]
    by_time.sort(key=lambda each: each[1] if route.ordered else each[0])
    pairs = pairwise(by_time)
    return {number for (before, _), (at, number) in pairs if at - before < route.stops[number].least_s * US}


def _of_round(found: Round, stops: Sequence[StopState], overdue: int | None, now_us: int) -> RoundState:
    there = set(stops)
    if now_us < found.opens_us:
        return RoundState.PLANNED
    if StopState.NOT_KNOWN in there:
        return RoundState.NOT_KNOWN
    if there & {StopState.DUE, StopState.OVERDUE}:
        return RoundState.RUNNING if overdue is None else RoundState.OVERDUE
    if there == {StopState.MISSED}:
        return RoundState.MISSED
    if StopState.MISSED in there:
        return RoundState.INCOMPLETE
    for worst in (StopState.OUT_OF_ORDER, StopState.TOO_QUICK, StopState.LATE):
        if worst in there:
            return RoundState(worst.value)
    return RoundState.DONE
