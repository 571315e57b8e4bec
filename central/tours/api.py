"""API: guard tours. Points, routes and plans; whose credentials count; rounds and what became of them.

Rounds say words, not times and not names: who was where and when is an entry, and entries are looked up with a
reason.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, SecretStr
from sqlalchemy import Connection

from central.accounts.guard import requires
from central.accounts.who import Role, Who
from central.errors import BadQuestion
from central.register.api_words import (
    ANSWERS,
    MAX_ID,
    CommunityId,
    Day,
    Id,
    In,
    Made,
    Name,
    RowId,
    Short,
    Worker,
    text_of,
)
from central.register.credentials import CredentialKind
from central.register.office import Office
from central.tours import book
from central.tours.book import MOST_STARTS, MOST_STOPS, Guard, Tag, WantedPlan, WantedRoute, WantedStop
from central.tours.reads import Point
from central.tours.rounds import Judged, Plan, Route
from central.tours.walked import MOST_DAYS, Month, Walked, month_of, walked
from central.tours.words import OnHolidays, RoundState, StopState

Sees = Annotated[Who, requires(Role.WORKER, Role.OPERATOR, Role.SUPERVISOR)]
Plans = Annotated[Who, requires(Role.WORKER, Role.OPERATOR)]
Seconds = Annotated[int, Field(ge=0, le=book.LONGEST_S)]
Start = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["22:00"])]
Weekday = Annotated[int, Field(ge=1, le=7, description="1 is Monday")]

_HERE: Final = "/communities/{community}"
_ONE_DAY, _FOUR_DAYS = timedelta(days=1), timedelta(days=4)


class TagIn(In):
    kind: CredentialKind
    number: Annotated[SecretStr, Field(max_length=512)] = Field(
        description="as the reader writes it; never kept"
    )


class PointIn(In):
    name: Short = Field(examples=["三号楼地下室"])
    site: Name
    gateway: Name
    door: Name
    reader: Name | None = Field(None, description="without one: any reader of the door")
    tag: TagIn | None = Field(
        None, description="a tag that hangs at the checkpoint; without one the guard's own credential is read"
    )


class PointOut(BaseModel):
    id: int
    name: str
    site: str
    gateway: str
    door: str
    reader: str | None
    by_tag: bool

    @classmethod
    def of(cls, found: Point) -> PointOut:
        return cls(
            id=found.id,
            name=found.name,
            site=found.site,
            gateway=found.gateway,
            door=found.door,
            reader=found.reader,
            by_tag=found.token is not None,
        )


class StopIn(In):
    point: Id
    due_s: Seconds | None = Field(None, description="from the round's beginning; without it: as the route")
    least_s: Seconds | None = Field(None, description="from the stop before; without it: as the route")


class RouteIn(In):
    name: Short = Field(examples=["外圈"])
    ordered: bool = Field(examples=[True])
    within_s: Annotated[int, Field(ge=60, le=book.LONGEST_S)] = Field(description="for all of it")
    grace_s: Seconds = Field(900, description="what comes so much later is late, after that missed")
    least_s: Seconds = Field(0, description="nobody walks from one stop to the next in less")
    stops: Annotated[list[StopIn], Field(min_length=1, max_length=MOST_STOPS)]


class StopOut(BaseModel):
    position: int
    point: int
    due_s: int
    least_s: int


class RouteOut(BaseModel):
    id: int
    name: str
    ordered: bool
    within_s: int
    grace_s: int
    stops: list[StopOut]

    @classmethod
    def of(cls, found: Route) -> RouteOut:
        stops = [
            StopOut(position=each.position, point=each.point, due_s=each.due_s, least_s=each.least_s)
            for each in found.stops
        ]
        return cls(
            id=found.id,
            name=found.name,
            ordered=found.ordered,
            within_s=found.within_s,
            grace_s=found.grace_s,
            stops=stops,
        )


class PlanIn(In):
    name: Short = Field(examples=["夜巡"])
    route: Id
    days: Annotated[list[Weekday], Field(min_length=1, max_length=7)]
    starts: Annotated[list[Start], Field(min_length=1, max_length=MOST_STARTS)] = Field(
        description="by the community's clock"
    )
    window_s: Annotated[int, Field(ge=60, le=book.LONGEST_S)] = Field(
        600, description="a round begins within so long"
    )
    holidays: OnHolidays = OnHolidays.AS_USUAL


class PlanOut(BaseModel):
    id: int
    name: str
    route: int
    days: list[int]
    starts: list[str]
    window_s: int
    holidays: OnHolidays

    @classmethod
    def of(cls, found: Plan) -> PlanOut:
        return cls(
            id=found.id,
            name=found.name,
            route=found.route.id,
            days=sorted(found.days),
            starts=list(found.starts),
            window_s=found.window_s,
            holidays=found.holidays,
        )


class GuardIn(In):
    person: Id = Field(description="of the register")


class GuardOut(BaseModel):
    id: int
    person: int
    since: str | None

    @classmethod
    def of(cls, found: Guard) -> GuardOut:
        return cls(id=found.id, person=found.person, since=text_of(found.from_us))


class HolidayIn(In):
    name: Short = Field(examples=["元旦"])


class HolidayOut(BaseModel):
    day: date
    name: str


class RoundStopOut(BaseModel):
    point: int
    name: str
    state: StopState


class RoundOut(BaseModel):
    """Times are those of the plan. When somebody was where is not in it."""

    plan: int
    name: str
    route: int
    day: date
    start: str
    opens_at: str | None
    ends_at: str | None = Field(description="after that nothing counts")
    state: RoundState
    stops: list[RoundStopOut]

    @classmethod
    def of(cls, found: Judged, points: dict[int, Point]) -> RoundOut:
        plan = found.round.plan
        stops = [
            RoundStopOut(point=stop.point, name=points[stop.point].name, state=state)
            for stop, state in zip(plan.route.stops, found.stops, strict=True)
        ]
        return cls(
            plan=plan.id,
            name=plan.name,
            route=plan.route.id,
            day=found.round.day,
            start=found.round.start,
            opens_at=text_of(found.round.opens_us),
            ends_at=text_of(found.round.ends_us),
            state=found.state,
            stops=stops,
        )


class PlanMonthOut(BaseModel):
    plan: int
    name: str
    rounds: dict[RoundState, int]


class PointMonthOut(BaseModel):
    point: int
    name: str
    stops: dict[StopState, int]


class MonthOut(BaseModel):
    """Of plans and points; there are no numbers of guards."""

    month: str
    plans: list[PlanMonthOut]
    points: list[PointMonthOut]

    @classmethod
    def of(cls, month: str, found: Month) -> MonthOut:
        plans = [
            PlanMonthOut(plan=each.plan.id, name=each.plan.name, rounds=dict(each.rounds))
            for each in found.plans
        ]
        points = [
            PointMonthOut(point=each.point.id, name=each.point.name, stops=dict(each.stops))
            for each in found.points
        ]
        return cls(month=month, plans=plans, points=points)


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
        found = await office.ask(who, community, lambda db: book.points_of(db, community))
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
        found = await office.ask(who, community, lambda db: book.routes_of(db, community))
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
        found = await office.ask(who, community, lambda db: book.plans_of(db, community))
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
        found = await office.ask(who, community, lambda db: book.guards_of(db, community, plan))
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
        found = await office.ask(who, community, lambda db: book.holidays_of(db, community))
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
