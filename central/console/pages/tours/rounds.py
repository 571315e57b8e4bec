"""The rounds of a day, and one of them: what became of each stop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.chosen import CommunityAsked, chosen
from central.console.forms import day_of, today
from central.console.guard import page_for
from central.console.pages.tours.words import ROUNDS, STOPS, TONES
from central.console.views import Language
from central.errors import NotThere
from central.tours.plans import community_of
from central.tours.rounds import Judged
from central.tours.walked import Walked, walked
from central.tours.words import StopState

READERS = (Role.WORKER, Role.OPERATOR, Role.SUPERVISOR)
Reader = Annotated[Who, page_for(*READERS)]
_ONE_DAY = timedelta(days=1)
_STILL = "quiet"


@dataclass(frozen=True, slots=True)
class OfPlan:
    """Rounds of a day of one plan, in their order."""

    name: str
    route: str
    rounds: Sequence[Judged]


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/tours", response_class=HTMLResponse, summary="The rounds of a day")
    async def rounds_page(
        who: Reader,
        day: Annotated[str, Query(max_length=10)] = "",
        community: CommunityAsked = None,
        lang: Language = None,
    ) -> HTMLResponse:
        here, all_mine = await chosen(centre, who, community)
        at = day_of(day, "day") or today(centre)
        found = await centre.office.ask(who, here.id, lambda db: _of_day(centre, db, here.id, at))
        values: dict[str, Any] = {"here_id": here.id, "all_mine": all_mine, "plans": _by_plan(found)}
        values |= {"before": f"{at - _ONE_DAY}", "day_": f"{at}", "after": f"{at + _ONE_DAY}"}
        values |= {"states": ROUNDS, "toned": toned, "read": _read, "counts": _counts(found)}
        return centre.show(who, lang, "tours/rounds.html", "tours", **values)

    @pages.get("/tours/round", response_class=HTMLResponse, summary="One round, stop by stop")
    async def round_page(  # noqa: PLR0917  FastAPI passes them by name
        who: Reader,
        day: Annotated[str, Query(max_length=10)],
        plan: Annotated[int, Query(ge=1, le=2**53)],
        start: Annotated[str, Query(pattern=r"^\d\d:\d\d$")],
        community: CommunityAsked = None,
        lang: Language = None,
    ) -> HTMLResponse:
        if community is None:
            community = await centre.questions.ask(lambda db: community_of(db, plan))
        here, _ = await chosen(centre, who, community)
        at = day_of(day, "day") or today(centre)
        found = await centre.office.ask(who, here.id, lambda db: _of_day(centre, db, here.id, at, plan))
        one = next((each for each in found.rounds if each.round.start == start), None)
        if one is None:
            raise NotThere("no such round")
        values: dict[str, Any] = {"one": one, "points": found.points, "here_id": here.id, "day_": f"{at}"}
        values |= {"states": ROUNDS, "stops": STOPS, "toned": toned}
        return centre.show(who, lang, "tours/round.html", "tours", **values)

    return pages


def _of_day(centre: Centre, db: Connection, here: int, day: date, plan: int | None = None) -> Walked:
    return walked(db, here, day, day, zone=centre.zone, now_us=centre.now_us(), only=plan)


def _by_plan(found: Walked) -> list[OfPlan]:
    plans: dict[int, list[Judged]] = {}
    for each in found.rounds:
        plans.setdefault(each.round.plan.id, []).append(each)
    return [OfPlan(mine[0].round.plan.name, mine[0].round.plan.route.name, mine) for mine in plans.values()]


def toned(one: Judged) -> list[tuple[int, str]]:
    """How many of its stops have each tone, for a bar."""
    tones = [STOPS[state][1] or _STILL for state in one.stops]
    return [(tones.count(tone), tone) for tone in (*TONES, _STILL)]


def _read(one: Judged) -> int:
    """How many of its stops were read, in time and in their turn or not."""
    unread = (StopState.DUE, StopState.OVERDUE, StopState.MISSED, StopState.NOT_KNOWN)
    return len(one.stops) - one.count(*unread)


def _counts(found: Walked) -> dict[str, int]:
    """Of the day, by tone: to come or under way, in time, not as planned, missed or overdue."""
    tones = [ROUNDS[each.state][1] or _STILL for each in found.rounds]
    return {tone: tones.count(tone) for tone in (_STILL, *TONES)}
