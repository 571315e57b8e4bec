"""Guards' rounds: what was planned, and how each night went. Some rounds are late, cut short or missed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Final

from bench.community.happening import Carried, Happening
from bench.community.places import GATES, Door, Estate
from bench.community.times import MINUTE_US, Days
from central.register.desk import Desk
from central.register.words import Category
from central.tours.book import (
    WantedPlan,
    WantedRoute,
    WantedStop,
    add_guard,
    make_plan,
    make_point,
    make_route,
)
from central.tours.words import OnHolidays

STARTS: Final = ("00:30", "03:00", "22:00")
_WINDOW_S, _WITHIN_S, _GRACE_S, _LEAST_S = 900, 2_400, 600, 60
_DONE, _CUT_SHORT, _MISSED = 0.88, 0.92, 0.95
"""Of all rounds; the rest begins too late."""

Stop = tuple[str, Door]
"""A gateway, and one of its doors."""


def route_of(estate: Estate) -> tuple[Stop, ...]:
    """From gate to gate past three buildings."""
    quiet = [house for house in estate.houses if not house.simulated]
    passed = [(house.gateway, house.door_of(1)) for house in quiet[1 : len(quiet) : len(quiet) // 3]][:3]
    return ((GATES, estate.gates[0]), *passed, (GATES, estate.gates[2]))


def plan_tours(desk: Desk, estates: Sequence[Estate], guards: dict[Estate, list[int]]) -> None:
    """`guards`: their rows in the register."""
    for estate in estates:
        names = {house.gateway: house.name for house in estate.houses}
        points = [
            make_point(
                desk,
                " ".join(filter(None, (estate.name, names.get(gateway), door.label))),
                site=estate.site,
                gateway=gateway,
                door=door.name,
                reader=None,
                tag=None,
            )
            for gateway, door in route_of(estate)
        ]
        stops = tuple(WantedStop(point) for point in points)
        wanted = WantedRoute(
            f"{estate.name}夜巡线路",
            ordered=True,
            within_s=_WITHIN_S,
            grace_s=_GRACE_S,
            least_s=_LEAST_S,
            stops=stops,
        )
        route = make_route(desk, wanted)
        every_day = frozenset(range(1, 8))
        plan = make_plan(
            desk,
            WantedPlan(f"{estate.name}夜巡", route, every_day, STARTS, _WINDOW_S, OnHolidays.AS_USUAL),
        )
        for guard in guards[estate]:
            add_guard(desk, plan, guard)


def unfinished(
    happened: Sequence[Happening], estates: Sequence[Estate], days: Days, day: int
) -> Iterator[int]:
    """When the watch first can see of a round of that day that not all of it was done in time."""
    guards = [each.at_us for each in happened if each.fields.get("category") == Category.WORKER]
    for start in STARTS:
        hour, minute = (int(part) for part in start.split(":"))
        begins_us = days.at(day, hour + minute / 60)
        closes_us = begins_us + (_WINDOW_S + _WITHIN_S + _GRACE_S) * 1_000_000
        seen = sum(begins_us <= at_us < closes_us for at_us in guards)
        if seen < sum(len(route_of(estate)) for estate in estates):
            yield closes_us + MINUTE_US


def rounds(
    estate: Estate, guards: Sequence[Carried], days: Days, day: int, drawn: Random
) -> Iterator[Happening]:
    """What the readers on the way saw of a day's rounds."""
    for number, start in enumerate(STARTS):
        hour, minute = (int(part) for part in start.split(":"))
        share = drawn.random()
        late = share >= _MISSED
        at_us = days.at(day, hour + minute / 60)
        at_us += int(drawn.uniform(50, 60) if late else drawn.uniform(0.5, 11)) * MINUTE_US
        if _CUT_SHORT <= share < _MISSED:
            continue
        stops = route_of(estate)
        reached = len(stops) if share < _DONE or late else drawn.randrange(2, len(stops))
        guard = guards[(day + number) % len(guards)]
        for gateway, door in stops[:reached]:
            if days.begins(day) <= at_us < days.ends(day):
                yield guard.at(at_us, gateway, door)
            at_us += int(drawn.uniform(2.5, 6.5) * MINUTE_US)
