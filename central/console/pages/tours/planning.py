"""Plans, routes and points of guard tours: what there is, and one more of each. Routes and plans are never
changed: one ends, and another begins."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from central.accounts.book import sites_of
from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.chosen import CommunityAsked, chosen
from central.console.forms import RowId, Text, day_of, led_to, status_of
from central.console.guard import page_for
from central.console.pages.tours.words import DAYS, FIELDS, HOLIDAYS, TAGS
from central.console.views import Language
from central.errors import BadQuestion, CentralError, Clash
from central.fleet.completeness import completeness
from central.register.credentials import CredentialKind
from central.register.desk import Desk
from central.register.people_found import MaskedPerson, found_by_any, masked_by_id
from central.tours import book
from central.tours import plans as kept
from central.tours.book import Tag, WantedPlan, WantedRoute, WantedStop
from central.tours.words import OnHolidays

PLANNERS = (Role.WORKER, Role.OPERATOR)
Planner = Annotated[Who, page_for(*PLANNERS)]
Worker = Annotated[Who, page_for(Role.WORKER)]
Here = Annotated[int, Form(ge=1, le=2**53)]
Kind = Literal["points", "routes", "plans"]
Number = Annotated[int, Form(ge=1, le=2**53)]
_MINUTE_S: Final = 60
Minutes = Annotated[int, Form(ge=0, le=book.LONGEST_S // _MINUTE_S)]
_TURN: Final = "turn-"
_NUMBER: Final = re.compile(r"[0-9]{1,15}")
_ENDS: Final[Mapping[str, Callable[[Desk, int], None]]] = {
    "points": book.end_point,
    "routes": book.end_route,
    "plans": book.end_plan,
}


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/tours/plans", response_class=HTMLResponse, summary="Plans, routes and points")
    async def plans_page(
        who: Planner, community: CommunityAsked = None, lang: Language = None
    ) -> HTMLResponse:
        return await _shown(centre, who, community, lang)

    _makes(pages, centre)
    _holidays(pages, centre)
    _guards(pages, centre)

    @pages.post("/tours/plans/{kind}/{number}/end", summary="One of them ends")
    async def ended(
        who: Planner, kind: Kind, number: RowId, community: Here, lang: Language = None
    ) -> Response:
        return await _acted(centre, who, community, lang, lambda desk: _ENDS[kind](desk, number))

    return pages


def _makes(pages: APIRouter, centre: Centre) -> None:
    @pages.post("/tours/plans/points", summary="A point at a door")
    async def point(  # noqa: PLR0917  FastAPI passes them by name
        who: Planner,
        community: Here,
        name: Text = "",
        door: Text = "",
        tag_kind: Annotated[CredentialKind, Form()] = CredentialKind.CARD_UID,
        tag: Text = "",
        lang: Language = None,
    ) -> Response:
        """By POST: of a tag's number nothing is kept but its token."""
        site, gateway, door_name = (*door.split("/"), "", "", "")[:3]
        hangs = Tag(tag_kind, tag.strip()) if tag.strip() else None

        def made(desk: Desk) -> int:
            where = {"site": site, "gateway": gateway, "door": door_name}
            return book.make_point(desk, name, **where, reader=None, tag=hangs)

        return await _acted(centre, who, community, lang, made)

    @pages.post("/tours/plans/routes", summary="A route over points")
    async def route(  # noqa: PLR0917  FastAPI passes them by name
        who: Planner,
        request: Request,
        community: Here,
        name: Text = "",
        ordered: Text = "",
        within: Minutes = 30,
        grace: Minutes = 15,
        lang: Language = None,
    ) -> Response:
        stops = _stops(dict(await request.form()))
        wanted = WantedRoute(name, bool(ordered), within * _MINUTE_S, grace * _MINUTE_S, 0, stops)
        return await _acted(centre, who, community, lang, lambda desk: book.make_route(desk, wanted))

    @pages.post("/tours/plans/plans", summary="A plan for a route")
    async def plan(  # noqa: PLR0917  FastAPI passes them by name
        who: Planner,
        community: Here,
        route: Number,
        name: Text = "",
        days: Annotated[list[int] | None, Form()] = None,
        starts: Text = "",
        window: Minutes = 10,
        holidays: Annotated[OnHolidays, Form()] = OnHolidays.AS_USUAL,
        lang: Language = None,
    ) -> Response:
        times = tuple(starts.replace(",", " ").replace("，", " ").replace("、", " ").split())
        wanted = WantedPlan(name, route, frozenset(days or ()), times, window * _MINUTE_S, holidays)
        return await _acted(centre, who, community, lang, lambda desk: book.make_plan(desk, wanted))


def _holidays(pages: APIRouter, centre: Centre) -> None:
    @pages.post("/tours/plans/holidays", summary="A holiday")
    async def holiday(
        who: Planner, community: Here, day: Text = "", name: Text = "", lang: Language = None
    ) -> Response:
        def change(desk: Desk) -> None:
            found = day_of(day, "day")
            if found is None:
                raise BadQuestion("day", "choose one")
            book.set_holiday(desk, found, name)

        return await _acted(centre, who, community, lang, change)

    @pages.post("/tours/plans/holidays/{day}/end", summary="A day like any other")
    async def no_holiday(who: Planner, day: date, community: Here, lang: Language = None) -> Response:
        return await _acted(centre, who, community, lang, lambda desk: book.remove_holiday(desk, day))


def _guards(pages: APIRouter, centre: Centre) -> None:
    @pages.post("/tours/plans/guards", summary="Whose credentials count, too")
    async def guard(
        who: Worker, community: Here, plan: Number, text: Text = "", lang: Language = None
    ) -> Response:
        """By POST: what is typed stands in no address and no log."""

        def change(desk: Desk) -> None:
            found = found_by_any(desk.connection, centre.office.vault, community, text.strip())
            if len(found) != 1:
                raise BadQuestion("text", "means nobody, or several people")
            book.add_guard(desk, plan, found[0].id)

        return await _acted(centre, who, community, lang, change)

    @pages.post("/tours/plans/guards/{number}/end", summary="Theirs do not count any more")
    async def guard_ended(who: Worker, number: RowId, community: Here, lang: Language = None) -> Response:
        return await _acted(centre, who, community, lang, lambda desk: book.end_guard(desk, number))


def _stops(typed: Mapping[str, Any]) -> tuple[WantedStop, ...]:
    """Points by the turn that was written beside each; without one they are not on the route."""
    turned: list[tuple[int, int]] = []
    for name, value in typed.items():
        point, turn = name.removeprefix(_TURN), str(value).strip()
        if name.startswith(_TURN) and _NUMBER.fullmatch(turn) and _NUMBER.fullmatch(point):
            turned.append((int(turn), int(point)))
    return tuple(WantedStop(point) for _, point in sorted(turned))


async def _acted(
    centre: Centre, who: Who, community: int, lang: str | None, change: Callable[[Desk], Any]
) -> Response:
    try:
        await centre.office.act(who, community, change)
    except (BadQuestion, Clash) as error:
        return await _shown(centre, who, community, lang, error)
    return led_to(f"/tours/plans?community={community}")


async def _shown(
    centre: Centre, who: Who, community: int | None, lang: str | None, error: CentralError | None = None
) -> HTMLResponse:
    here, all_mine = await chosen(centre, who, community)
    values = await centre.office.ask(who, here.id, lambda db: _what_is(centre, db, here.id, who))
    values |= {"here_id": here.id, "all_mine": all_mine, "days": DAYS, "holidays": HOLIDAYS, "tags": TAGS}
    field = error.field if isinstance(error, BadQuestion) else ""
    values |= {"wrong": error is not None, "why": FIELDS.get(field), "is_worker": who.role is Role.WORKER}
    return centre.show(who, lang, "tours/plans.html", "tour-plans", status=status_of(error), **values)


def _what_is(centre: Centre, db: Connection, here: int, who: Who) -> dict[str, Any]:
    plans = [plan for _, plan in kept.plans_of(db, here)]
    guards: dict[int, list[tuple[int, MaskedPerson]]] = {}
    if who.role is Role.WORKER and centre.vault is not None:
        for plan in plans:
            mine = kept.guards_of(db, here, plan.id)
            named = masked_by_id(db, centre.vault, here, [each.person for each in mine])
            guards[plan.id] = [(each.id, named[each.person]) for each in mine if each.person in named]
    gateways = completeness(db, sites=sites_of(db, [here]))
    doors = [
        (f"{each.site}/{each.name}/{door.name}", f"{each.label} · {door.label}")
        for each in gateways
        for door in each.doors
    ]
    points = kept.points_of(db, here)
    names = {each.id: each.name for each in kept.points_of(db, here, ended=True)}
    return {
        "points": points,
        "names": names,
        "routes": kept.routes_of(db, here),
        "plans": plans,
        "guards": guards,
        "doors": doors,
        "days_off": kept.holidays_of(db, here),
    }
