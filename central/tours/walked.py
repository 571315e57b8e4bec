"""Rounds of some days, each with what became of it; and a month of them in numbers. Reads only.

Numbers are of plans and points. There are none of guards: nobody is scored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from typing import Final

from sqlalchemy import Connection

from central.retention.marks import ended_until
from central.times import local
from central.tours import plans as kept
from central.tours.reads import Point, known_until, reads_at
from central.tours.rounds import Judged, Plan, Round, judged, rounds_of
from central.tours.words import RoundState, StopState

MOST_DAYS: Final = 31
_DAY_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Walked:
    """`points`: those that the rounds pass, and others, by their ids."""

    rounds: Sequence[Judged]
    points: Mapping[int, Point]


@dataclass(frozen=True, slots=True)
class OfPlan:
    plan: Plan
    rounds: Counter[RoundState]


@dataclass(frozen=True, slots=True)
class OfPoint:
    point: Point
    stops: Counter[StopState]


@dataclass(frozen=True, slots=True)
class Month:
    plans: Sequence[OfPlan]
    points: Sequence[OfPoint]


def walked(
    connection: Connection,
    here: int,
    first: date,
    last: date,
    *,
    zone: tzinfo,
    now_us: int,
    only: int | None = None,
) -> Walked:
    """What opens on the days `first` to `last` of the community's clock, in that order; `only`: of this
    plan."""
    points = {each.id: each for each in kept.points_of(connection, here, ended=True)}
    holidays = kept.holidays_of(connection, here)
    known = known_until(connection, points.values())
    found: list[Judged] = []
    for _, plan in kept.plans_of(connection, here, since_us=0):
        if only is None or plan.id == only:
            rounds = list(rounds_of(plan, first, last, holidays, zone))
            found += judged_of(connection, rounds, points, known, now_us, some_ended=True)
    return Walked(sorted(found, key=lambda each: (each.round.opens_us, each.round.key)), points)


def judged_of(
    connection: Connection,
    rounds: Sequence[Round],
    points: Mapping[int, Point],
    known: Mapping[int, int],
    now_us: int,
    *,
    some_ended: bool = False,
) -> Iterator[Judged]:
    """Rounds of one plan, in the order of their opening. `some_ended`: what was read then may have been
    deleted, and nothing of that time may be called missed."""
    begun = [each for each in rounds if each.opens_us <= now_us]
    reads: Mapping[int, Sequence[int]] = {}
    if begun:
        plan = begun[0].plan
        mine = [points[stop] for stop in sorted({stop.point for stop in plan.route.stops})]
        reads = reads_at(connection, plan.id, mine, begun[0].opens_us, begun[-1].ends_us)
    # Asked once the reads are known: what is deleted in between is not taken for never read.
    ended_us = ended_until(connection) if some_ended else None
    for each in rounds:
        is_kept = ended_us is None or each.opens_us > ended_us
        yield judged(each, reads, known if is_kept else {}, now_us)


def month_of(found: Walked) -> Month:
    plans: dict[int, OfPlan] = {}
    points: dict[int, OfPoint] = {}
    for each in found.rounds:
        of_plan = plans.setdefault(each.round.plan.id, OfPlan(each.round.plan, Counter()))
        of_plan.rounds[each.state] += 1
        if each.state is RoundState.PLANNED:
            continue
        for stop, state in zip(each.round.plan.route.stops, each.stops, strict=True):
            points.setdefault(stop.point, OfPoint(found.points[stop.point], Counter())).stops[state] += 1
    return Month([plans[key] for key in sorted(plans)], [points[key] for key in sorted(points)])


def lately(
    connection: Connection, now_us: int, *, back_us: int, zone: tzinfo, but: Iterable[str] = ()
) -> Walked:
    """Rounds of every community that opened within `back_us`; but for those of these keys."""
    known_keys = frozenset(but)
    first, last = local(now_us - back_us, zone).date(), local(now_us, zone).date()
    by_community: dict[int, list[Plan]] = {}
    for here, plan in kept.plans_of(connection, since_us=now_us - back_us - _DAY_US):
        by_community.setdefault(here, []).append(plan)
    found: list[Judged] = []
    every: dict[int, Point] = {}
    for here, plans in by_community.items():
        points = {each.id: each for each in kept.points_of(connection, here, ended=True)}
        every |= points
        holidays = kept.holidays_of(connection, here)
        known: Mapping[int, int] | None = None
        for plan in plans:
            rounds = [
                each
                for each in rounds_of(plan, first - timedelta(days=1), last, holidays, zone)
                if now_us - back_us <= each.opens_us <= now_us and each.key not in known_keys
            ]
            if rounds:
                known = known_until(connection, points.values()) if known is None else known
                found += judged_of(connection, rounds, points, known, now_us)
    return Walked(found, every)
