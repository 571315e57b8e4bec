"""Forms that the endpoints of guard tours take and give."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import BaseModel, Field, SecretStr

from central.given import In
from central.register.api_words import Id, Name, Short, text_of
from central.register.credentials import CredentialKind
from central.tours.book import LONGEST_S, MOST_STARTS, MOST_STOPS
from central.tours.plans import Guard
from central.tours.reads import Point
from central.tours.rounds import Judged, Plan, Route
from central.tours.walked import Month
from central.tours.words import OnHolidays, RoundState, StopState

Seconds = Annotated[int, Field(ge=0, le=LONGEST_S)]
Start = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["22:00"])]
Weekday = Annotated[int, Field(ge=1, le=7, description="1 is Monday")]


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
    within_s: Annotated[int, Field(ge=60, le=LONGEST_S)] = Field(description="for all of it")
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
    window_s: Annotated[int, Field(ge=60, le=LONGEST_S)] = Field(
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
