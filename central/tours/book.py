"""Points, routes, plans and guards are made, and end. What does so is given a `Desk`; see `register.desk`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import Table, delete, insert, select, update

from central.errors import BadQuestion, Clash, NotThere
from central.identity.vault import Vault
from central.register.desk import Desk
from central.register.people import the_person
from central.register.place_names import tidy
from central.register.places import the_door
from central.register.words import RegisterAct
from central.store.register_tables import community
from central.store.tour_tables import (
    tour_guard,
    tour_holiday,
    tour_plan,
    tour_point,
    tour_route,
    tour_stop,
)
from central.tours.rounds import overlap
from central.tours.words import OnHolidays
from messages.model import NAME

MOST_STOPS: Final = 60
MOST_STARTS: Final = 48
MOST_GUARDS: Final = 50
LONGEST_S: Final = 12 * 3_600
_LONGEST_NAME: Final = 64
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


@dataclass(frozen=True, slots=True)
class Tag:
    """What is read at a checkpoint; `number` as the reader writes it, never kept."""

    kind: str
    number: str

    def __repr__(self) -> str:
        return f"Tag({self.kind})"


@dataclass(frozen=True, slots=True)
class WantedStop:
    point: int
    due_s: int | None = None
    least_s: int | None = None


@dataclass(frozen=True, slots=True)
class WantedRoute:
    name: str
    ordered: bool
    within_s: int
    grace_s: int
    least_s: int
    stops: tuple[WantedStop, ...]


@dataclass(frozen=True, slots=True)
class WantedPlan:
    name: str
    route: int
    days: frozenset[int]
    starts: tuple[str, ...]
    window_s: int
    holidays: OnHolidays


def make_point(
    desk: Desk, name: str, *, site: str, gateway: str, door: str, reader: str | None, tag: Tag | None
) -> int:
    """Raises BadQuestion, and Clash where the tag hangs elsewhere already, or is somebody's card."""
    name = _named(name)
    the_door(desk, site, gateway, door)
    if reader is not None and not re.fullmatch(NAME, reader):
        raise BadQuestion("reader", "lower-case letters, digits and hyphens, at most 32")
    token = None if tag is None else _token(desk.key_ring, site, tag)
    lasting = (tour_point.c.community_id == desk.community) & tour_point.c.until_at.is_(None)
    if desk.connection.execute(select(tour_point.c.id).where(lasting, tour_point.c.name == name)).first():
        raise Clash("there is a point of this name already")
    if token is not None:
        same = (tour_point.c.site == site) & (tour_point.c.token == token)
        if desk.connection.execute(select(tour_point.c.id).where(lasting, same)).first():
            raise Clash("this tag hangs at another point; end that one first")
    made = desk.add(
        tour_point,
        name=name,
        site=site,
        gateway=gateway,
        door=door,
        reader=reader,
        token=token,
        from_at=desk.now_us,
    )
    body = {"site": site, "gateway": gateway, "door": door, "tag": token is not None}
    desk.note(RegisterAct.TOUR_POINT_MADE, tour_point, made, body=body)
    return made


def end_point(desk: Desk, point: int) -> None:
    """Raises NotThere, and Clash while a route passes there."""
    _lasting(desk, tour_point, point, "point")
    passes = (
        select(tour_stop.c.id)
        .join(tour_route, tour_route.c.id == tour_stop.c.route_id)
        .where(tour_stop.c.point_id == point, tour_route.c.until_at.is_(None))
    )
    if desk.connection.execute(passes).first() is not None:
        raise Clash("a route passes there; end that one first")
    _end(desk, RegisterAct.TOUR_POINT_ENDED, tour_point, point)


def make_route(desk: Desk, wanted: WantedRoute) -> int:
    """Raises BadQuestion, NotThere."""
    name = _named(wanted.name)
    if not 1 <= len(wanted.stops) <= MOST_STOPS:
        raise BadQuestion("stops", f"1 to {MOST_STOPS}")
    if any(stop.due_s is not None and stop.due_s > wanted.within_s for stop in wanted.stops):
        raise BadQuestion("stops", "no stop is due later than the whole round")
    points = [stop.point for stop in wanted.stops]
    if not wanted.ordered and len(set(points)) < len(points):
        raise BadQuestion("stops", "without an order each point stands in it once")
    for point in points:
        _lasting(desk, tour_point, point, "point")
    made = desk.add(
        tour_route,
        name=name,
        ordered=int(wanted.ordered),
        within_s=wanted.within_s,
        grace_s=wanted.grace_s,
        least_s=wanted.least_s,
        from_at=desk.now_us,
    )
    rows = [
        {
            "community_id": desk.community,
            "route_id": made,
            "position": position,
            "point_id": stop.point,
            "due_s": stop.due_s,
            "least_s": stop.least_s,
        }
        for position, stop in enumerate(wanted.stops, 1)
    ]
    desk.connection.execute(insert(tour_stop), rows)
    desk.note(RegisterAct.TOUR_ROUTE_MADE, tour_route, made, body={"name": name, "points": points})
    return made


def end_route(desk: Desk, route: int) -> None:
    """Raises NotThere, and Clash while a plan asks for it."""
    _lasting(desk, tour_route, route, "route")
    asked = (tour_plan.c.route_id == route) & tour_plan.c.until_at.is_(None)
    if desk.connection.execute(select(tour_plan.c.id).where(asked)).first() is not None:
        raise Clash("a plan asks for this route; end that one first")
    _end(desk, RegisterAct.TOUR_ROUTE_ENDED, tour_route, route)


def make_plan(desk: Desk, wanted: WantedPlan) -> int:
    """Raises BadQuestion, NotThere."""
    name = _named(wanted.name)
    route = _lasting(desk, tour_route, wanted.route, "route")
    starts = sorted(set(wanted.starts))
    if not wanted.days or not wanted.days <= set(range(1, 8)):
        raise BadQuestion("days", "1 (Monday) to 7 (Sunday), one at least")
    if not 1 <= len(starts) <= MOST_STARTS or not all(_TIME.fullmatch(start) for start in starts):
        raise BadQuestion("starts", f"1 to {MOST_STARTS} times such as 22:00")
    if overlap(wanted.days, starts, wanted.window_s + route.within_s + route.grace_s):
        raise BadQuestion(
            "starts",
            "a round would begin while the one before still counts (window, time for the route and grace);"
            " make a second plan for the guards who walk it meanwhile",
        )
    made = desk.add(
        tour_plan,
        route_id=wanted.route,
        name=name,
        days="".join(str(day) for day in sorted(wanted.days)),
        starts=json.dumps(starts),
        window_s=wanted.window_s,
        holidays=wanted.holidays.value,
        from_at=desk.now_us,
    )
    desk.note(RegisterAct.TOUR_PLAN_MADE, tour_plan, made, body={"name": name, "route": wanted.route})
    return made


def end_plan(desk: Desk, plan: int) -> None:
    """No round of it opens any more. Raises NotThere, Clash."""
    _lasting(desk, tour_plan, plan, "plan")
    _end(desk, RegisterAct.TOUR_PLAN_ENDED, tour_plan, plan)


def add_guard(desk: Desk, plan: int, person: int) -> int:
    """From now on their credentials count for its rounds. Raises NotThere, Clash."""
    _lasting(desk, tour_plan, plan, "plan")
    the_person(desk, person)
    mine = (tour_guard.c.plan_id == plan) & tour_guard.c.until_at.is_(None)
    there = list(desk.connection.execute(select(tour_guard.c.person_id).where(mine)).scalars())
    if person in there:
        raise Clash("they are of this plan already")
    if len(there) >= MOST_GUARDS:
        raise Clash(f"a plan has at most {MOST_GUARDS} guards")
    made = desk.add(tour_guard, plan_id=plan, person_id=person, from_at=desk.now_us)
    desk.note(RegisterAct.TOUR_GUARD_ADDED, tour_guard, made, body={"plan": plan, "person": person})
    return made


def end_guard(desk: Desk, guard: int) -> None:
    """Raises NotThere, Clash."""
    _lasting(desk, tour_guard, guard, "guard")
    _end(desk, RegisterAct.TOUR_GUARD_ENDED, tour_guard, guard)


def set_holiday(desk: Desk, day: date, name: str) -> None:
    """Raises BadQuestion."""
    remove_holiday(desk, day, noted=False)
    row = {"community_id": desk.community, "day": day.isoformat(), "name": _named(name)}
    desk.connection.execute(insert(tour_holiday).values(row))
    _note_holiday(desk, day, holiday=True)


def remove_holiday(desk: Desk, day: date, *, noted: bool = True) -> None:
    """Raises NotThere where it is none, unless it is of no interest."""
    here = (tour_holiday.c.community_id == desk.community) & (tour_holiday.c.day == day.isoformat())
    gone = desk.connection.execute(delete(tour_holiday).where(here)).rowcount
    if noted:
        if gone == 0:
            raise NotThere("that day is no holiday here")
        _note_holiday(desk, day, holiday=False)


def _note_holiday(desk: Desk, day: date, *, holiday: bool) -> None:
    body = {"day": day.isoformat(), "holiday": holiday}
    desk.note(RegisterAct.TOUR_HOLIDAY_SET, community, desk.community, body=body)


def _named(name: str) -> str:
    name = tidy(name)
    if not 0 < len(name) <= _LONGEST_NAME:
        raise BadQuestion("name", f"a name has 1 to {_LONGEST_NAME} characters")
    return name


def _token(vault: Vault | None, site: str, tag: Tag) -> bytes:
    if vault is None or not vault.has_site(site):
        raise Clash(
            "the site's key is not in the key ring: no tag can be known; liuhen-central identity site"
        )
    return vault.token(site, tag.kind, tag.number.strip().upper())


def _lasting(desk: Desk, table: Table, row_id: int, called: str) -> Any:
    row = desk.row(table, row_id, called)
    if row.until_at is not None:
        raise Clash(f"this {called} has ended")
    return row


def _end(desk: Desk, act: RegisterAct, table: Table, row_id: int) -> None:
    desk.connection.execute(update(table).where(table.c.id == row_id).values(until_at=desk.now_us))
    desk.note(act, table, row_id)
