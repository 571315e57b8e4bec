"""Points, routes, plans, guards and holidays as they are kept. Reads only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, select

from central.errors import NotThere
from central.store.tour_tables import (
    tour_guard,
    tour_holiday,
    tour_plan,
    tour_point,
    tour_route,
    tour_stop,
)
from central.tours.reads import Point
from central.tours.rounds import Plan, Route, Stop
from central.tours.words import OnHolidays


@dataclass(frozen=True, slots=True)
class Guard:
    id: int
    person: int
    from_us: int


def points_of(connection: Connection, here: int, *, ended: bool = False) -> list[Point]:
    """Of a community, by their ids; `ended`: also those that have."""
    query = select(tour_point).where(tour_point.c.community_id == here).order_by(tour_point.c.id)
    if not ended:
        query = query.where(tour_point.c.until_at.is_(None))
    return [
        Point(row.id, row.name, row.site, row.gateway, row.door, row.reader, row.token)
        for row in connection.execute(query)
    ]


def routes_of(connection: Connection, here: int, *, ended: bool = False) -> list[Route]:
    """By their ids."""
    stops: dict[int, list[Any]] = {}
    mine = select(tour_stop).where(tour_stop.c.community_id == here)
    for row in connection.execute(mine.order_by(tour_stop.c.route_id, tour_stop.c.position)):
        stops.setdefault(row.route_id, []).append(row)
    query = select(tour_route).where(tour_route.c.community_id == here).order_by(tour_route.c.id)
    if not ended:
        query = query.where(tour_route.c.until_at.is_(None))
    return [_route(row, stops.get(row.id, [])) for row in connection.execute(query)]


def plans_of(
    connection: Connection, here: int | None = None, *, since_us: int | None = None
) -> list[tuple[int, Plan]]:
    """Each with its community, by their ids; `here` None: of all. Those that last, and those that ended after
    `since_us`."""
    query = select(tour_plan).order_by(tour_plan.c.id)
    if here is not None:
        query = query.where(tour_plan.c.community_id == here)
    lasts = tour_plan.c.until_at.is_(None)
    query = query.where(lasts if since_us is None else lasts | (tour_plan.c.until_at > since_us))
    rows = connection.execute(query).all()
    routes = {
        route.id: route
        for each in {row.community_id for row in rows}
        for route in routes_of(connection, each, ended=True)
    }
    return [(row.community_id, _plan(row, routes[row.route_id])) for row in rows]


def community_of(connection: Connection, plan: int) -> int:
    """Raises NotThere."""
    found = connection.execute(select(tour_plan.c.community_id).where(tour_plan.c.id == plan)).scalar()
    if found is None:
        raise NotThere("no such plan")
    return int(found)


def guards_of(connection: Connection, here: int, plan: int) -> list[Guard]:
    """Those of today. Raises NotThere."""
    known = (tour_plan.c.id == plan) & (tour_plan.c.community_id == here)
    if connection.execute(select(tour_plan.c.id).where(known)).first() is None:
        raise NotThere("no such plan in this community")
    mine = (tour_guard.c.plan_id == plan) & tour_guard.c.until_at.is_(None)
    rows = connection.execute(select(tour_guard).where(mine).order_by(tour_guard.c.id))
    return [Guard(row.id, row.person_id, row.from_at) for row in rows]


def holidays_of(connection: Connection, here: int) -> dict[date, str]:
    query = select(tour_holiday).where(tour_holiday.c.community_id == here).order_by(tour_holiday.c.day)
    return {date.fromisoformat(row.day): row.name for row in connection.execute(query)}


def _route(row: Any, stops: Sequence[Any]) -> Route:
    found = tuple(
        Stop(
            each.position,
            each.point_id,
            row.within_s if each.due_s is None else each.due_s,
            row.least_s if each.least_s is None else each.least_s,
        )
        for each in stops
    )
    return Route(row.id, row.name, bool(row.ordered), row.within_s, row.grace_s, found)


def _plan(row: Any, route: Route) -> Plan:
    return Plan(
        id=row.id,
        name=row.name,
        route=route,
        days=frozenset(int(day) for day in row.days),
        starts=tuple(json.loads(row.starts)),
        window_s=row.window_s,
        holidays=OnHolidays(row.holidays),
        from_us=row.from_at,
        until_us=row.until_at,
    )
