"""API: guard tours. Points, routes and plans; whose credentials count; rounds and what became of them.

Rounds say words, not times and not names: who was where and when is an entry, and entries are looked up with
a reason.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from sqlalchemy import Connection

from central.accounts.guard import requires
from central.accounts.who import Role, Who
from central.errors import BadQuestion
from central.register.api_words import ANSWERS, MAX_ID, CommunityId, Day, Made, RowId, Worker
from central.register.office import Office
from central.tours import book
from central.tours import plans as kept
from central.tours.api_words import (
    GuardIn,
    GuardOut,
    HolidayIn,
    HolidayOut,
    MonthOut,
    PlanIn,
    PlanOut,
    PointIn,
    PointOut,
    RoundOut,
    RouteIn,
    RouteOut,
)
from central.tours.book import Tag, WantedPlan, WantedRoute, WantedStop
from central.tours.walked import MOST_DAYS, Walked, month_of, walked

Sees = Annotated[Who, requires(Role.WORKER, Role.OPERATOR, Role.SUPERVISOR)]
Plans = Annotated[Who, requires(Role.WORKER, Role.OPERATOR)]
_HERE: Final = "/communities/{community}"
_ONE_DAY, _FOUR_DAYS = timedelta(days=1), timedelta(days=4)


def router(office: Office) -> APIRouter:
    api = APIRouter(tags=["tours"], responses=ANSWERS)
    _points(api, office)
    _routes(api, office)
    _plans(api, office)
    _guards(api, office)
    _holidays(api, office)
    _rounds(api, office)
    return api


def _points(api: APIRouter, office: Office) -> None:
    @api.get(_HERE + "/tour-points", summary="Points that guards go to")
    async def points(who: Sees, community: CommunityId) -> list[PointOut]:
        found = await office.ask(who, community, lambda db: kept.points_of(db, community))
        return [PointOut.of(each) for each in found]

    @api.post(_HERE + "/tour-points", status_code=201, summary="A point: a door's reader, or a tag")
    async def new_point(who: Plans, community: CommunityId, wanted: PointIn) -> Made:
        tag = None if wanted.tag is None else Tag(wanted.tag.kind, wanted.tag.number.get_secret_value())
        made = await office.act(
            who,
            community,
            lambda desk: book.make_point(
                desk,
                wanted.name,
                site=wanted.site,
                gateway=wanted.gateway,
                door=wanted.door,
                reader=wanted.reader,
                tag=tag,
            ),
        )
        return Made(id=made)

    @api.post(_HERE + "/tour-points/{point}/end", status_code=204, summary="No route passes there any more")
    async def point_end(who: Plans, community: CommunityId, point: RowId) -> None:
        await office.act(who, community, lambda desk: book.end_point(desk, point))


def _routes(api: APIRouter, office: Office) -> None:
    @api.get(_HERE + "/tour-routes", summary="Routes")
    async def routes(who: Sees, community: CommunityId) -> list[RouteOut]:
        found = await office.ask(who, community, lambda db: kept.routes_of(db, community))
        return [RouteOut.of(each) for each in found]

    @api.post(_HERE + "/tour-routes", status_code=201, summary="A route over points")
    async def new_route(who: Plans, community: CommunityId, wanted: RouteIn) -> Made:
        stops = tuple(WantedStop(stop.point, stop.due_s, stop.least_s) for stop in wanted.stops)
        route = WantedRoute(
            wanted.name, wanted.ordered, wanted.within_s, wanted.grace_s, wanted.least_s, stops
        )
        return Made(id=await office.act(who, community, lambda desk: book.make_route(desk, route)))

    @api.post(_HERE + "/tour-routes/{route}/end", status_code=204, summary="No plan asks for it any more")
    async def route_end(who: Plans, community: CommunityId, route: RowId) -> None:
        await office.act(who, community, lambda desk: book.end_route(desk, route))


def _plans(api: APIRouter, office: Office) -> None:
    @api.get(_HERE + "/tour-plans", summary="Plans in force")
    async def plans(who: Sees, community: CommunityId) -> list[PlanOut]:
        found = await office.ask(who, community, lambda db: kept.plans_of(db, community))
        return [PlanOut.of(plan) for _, plan in found]

    @api.post(_HERE + "/tour-plans", status_code=201, summary="A plan: on which days, from when, which route")
    async def new_plan(who: Plans, community: CommunityId, wanted: PlanIn) -> Made:
        plan = WantedPlan(
            wanted.name,
            wanted.route,
            frozenset(wanted.days),
            tuple(wanted.starts),
            wanted.window_s,
            wanted.holidays,
        )
        return Made(id=await office.act(who, community, lambda desk: book.make_plan(desk, plan)))

    @api.post(_HERE + "/tour-plans/{plan}/end", status_code=204, summary="No round of it opens any more")
    async def plan_end(who: Plans, community: CommunityId, plan: RowId) -> None:
        await office.act(who, community, lambda desk: book.end_plan(desk, plan))


def _guards(api: APIRouter, office: Office) -> None:
    @api.get(_HERE + "/tour-plans/{plan}/guards", summary="Whose credentials count for a plan's rounds")
    async def guards(who: Worker, community: CommunityId, plan: RowId) -> list[GuardOut]:
        found = await office.ask(who, community, lambda db: kept.guards_of(db, community, plan))
        return [GuardOut.of(each) for each in found]

    @api.post(_HERE + "/tour-plans/{plan}/guards", status_code=201, summary="From now on theirs count, too")
    async def new_guard(who: Worker, community: CommunityId, plan: RowId, wanted: GuardIn) -> Made:
        made = await office.act(who, community, lambda desk: book.add_guard(desk, plan, wanted.person))
        return Made(id=made)

    @api.post(_HERE + "/tour-guards/{guard}/end", status_code=204, summary="From now on theirs do not count")
    async def guard_end(who: Worker, community: CommunityId, guard: RowId) -> None:
        await office.act(who, community, lambda desk: book.end_guard(desk, guard))


def _holidays(api: APIRouter, office: Office) -> None:
    @api.get(_HERE + "/tour-holidays", summary="Days on which plans may differ")
    async def holidays(who: Sees, community: CommunityId) -> list[HolidayOut]:
        found = await office.ask(who, community, lambda db: kept.holidays_of(db, community))
        return [HolidayOut(day=day, name=name) for day, name in found.items()]

    @api.put(_HERE + "/tour-holidays/{day}", status_code=204, summary="A holiday")
    async def holiday(who: Plans, community: CommunityId, day: Day, wanted: HolidayIn) -> None:
        await office.act(who, community, lambda desk: book.set_holiday(desk, day, wanted.name))

    @api.delete(_HERE + "/tour-holidays/{day}", status_code=204, summary="A day like any other")
    async def no_holiday(who: Plans, community: CommunityId, day: Day) -> None:
        await office.act(who, community, lambda desk: book.remove_holiday(desk, day))


def _rounds(api: APIRouter, office: Office) -> None:
    @api.get(_HERE + "/tour-rounds", summary="Rounds of some days, and what became of each")
    async def rounds(
        who: Sees,
        community: CommunityId,
        first: Annotated[Day, Query()],
        last: Annotated[Day, Query(description=f"included; {MOST_DAYS} days at most")],
        plan: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    ) -> list[RoundOut]:
        if not 0 <= (last - first).days < MOST_DAYS:
            raise BadQuestion("last", f"not before `first`, and {MOST_DAYS} days at most")
        found = await office.ask(
            who, community, lambda db: _walked(db, office, community, first, last, only=plan)
        )
        return [RoundOut.of(each, dict(found.points)) for each in found.rounds]

    @api.get(_HERE + "/tour-report", summary="A month of rounds in numbers, by plan and by point")
    async def report(
        who: Sees, community: CommunityId, month: Annotated[Day, Query(description="any day of it")]
    ) -> MonthOut:
        """Made of records, so that it is there for as long as they are."""
        first = month.replace(day=1)
        following = (first.replace(day=28) + _FOUR_DAYS).replace(day=1)
        found = await office.ask(
            who, community, lambda db: _walked(db, office, community, first, following - _ONE_DAY)
        )
        return MonthOut.of(f"{first:%Y-%m}", month_of(found))


def _walked(db: Connection, office: Office, community: int, first: date, last: date, **more: Any) -> Walked:
    return walked(db, community, first, last, zone=office.zone, now_us=office.now_us(), **more)
