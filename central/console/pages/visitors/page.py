"""The desk's page: a pass in a few seconds, and the visits of a day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Query
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from central.accounts.book import sites_of
from central.accounts.who import Role, Who
from central.assessments.book import in_force
from central.console.centre import Centre
from central.console.forms import day_of, led_to, status_of, today
from central.console.guard import page_for
from central.console.pages.visitors import moving_in, one, own
from central.console.pages.visitors.giving import Asked, SeveralHomes, issued
from central.console.pages.visitors.one import Visit, told_of, where_of
from central.console.pages.visitors.sentences import LENGTHS, WORDS
from central.console.registry import Page, Section
from central.console.views import Language
from central.console.words import N_
from central.errors import BadQuestion, CentralError, Clash, NotThere
from central.register.place_names import sort_key
from central.register.place_tree import path_text, paths
from central.visitors.passes import MAX_PAGE, Pass, passes
from central.visitors.visits import states
from central.visitors.words import PassKind, VisitState

_WORKER = frozenset({Role.WORKER})
_BACK: Final = timedelta(days=7)
"""So far back visits are shown that are overdue still."""

_LOOKED_FOR: Final = (VisitState.REVOKED_INSIDE, VisitState.OVERDUE)
"""Somebody has to go and look."""

PAGES = [
    Page("visitors", "/visitors", N_("Visitors"), Section.VISITORS, _WORKER, pictures=("/visitors/new",)),
    Page("own-visitors", "/own/visitors", N_("My visitors"), Section.OWN, frozenset({Role.RESIDENT}), 15),
]
Worker = Annotated[Who, page_for(Role.WORKER)]


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/visitors", response_class=HTMLResponse, summary="The visits of a day")
    async def visits_page(
        who: Worker, on: Annotated[str, Query(max_length=10)] = "", lang: Language = None
    ) -> HTMLResponse:
        try:
            day = day_of(on, "on") or today(centre)
        except BadQuestion:
            day = today(centre)
        visits = await centre.questions.ask(lambda db: _visits(centre, db, who, day))
        to_do = await centre.questions.ask(lambda db: _without_assessment(db, who))
        values: dict[str, Any] = {"groups": _grouped(visits), "on": day, "is_today": day == today(centre)}
        values |= {"before": day - timedelta(days=1), "after": day + timedelta(days=1), "words": WORDS}
        values["to_do"] = to_do
        return centre.show(who, lang, "visitors/visits.html", "visitors", **values)

    @pages.get("/visitors/new", response_class=HTMLResponse, summary="A pass for a visitor")
    async def new_page(
        who: Worker,
        room: Annotated[int | None, Query(ge=1, le=2**53)] = None,
        lang: Language = None,
    ) -> HTMLResponse:
        where = "" if room is None else await centre.questions.ask(lambda db: where_of(db, [room])[room])
        return await shown_form(who, lang, Asked(where=where))

    @pages.post("/visitors/new", response_class=HTMLResponse, summary="A pass for a visitor")
    async def given(who: Worker, asked: Annotated[Asked, Form()], lang: Language = None) -> Response:
        try:
            made = await issued(centre, who, asked)
        except (BadQuestion, Clash, NotThere) as error:
            return await shown_form(who, lang, asked, error)
        if made.made.kind is PassKind.PIN:  # shown this once: it is kept nowhere
            return await one.shown(centre, who, made.made.id, lang, pin=made.shown)
        return led_to(f"/visitors/{made.made.id}")

    async def shown_form(
        who: Who, lang: str | None, asked: Asked, error: CentralError | None = None
    ) -> HTMLResponse:
        values: dict[str, Any] = {"asked": asked, "words": WORDS, "lengths": LENGTHS}
        values |= {"told": None if error is None else told_of(error)}
        values["field"] = error.field if isinstance(error, BadQuestion) else None
        if isinstance(error, SeveralHomes):
            homes = error.homes
            ways = await centre.questions.ask(lambda db: paths(db, homes))
            values["homes"] = [(name, name) for name in sorted(map(path_text, ways.values()), key=sort_key)]
        sites = await centre.questions.ask(lambda db: sites_of(db, who.communities))
        values["one_site"] = len(sites) == 1
        status = status_of(error)
        return centre.show(who, lang, "visitors/new.html", "visitors", status=status, **values)

    pages.include_router(one.router(centre))  # after the address that begins alike
    pages.include_router(moving_in.router(centre))
    pages.include_router(own.router(centre))
    return pages


def _without_assessment(db: Connection, who: Who) -> int | None:
    """One of the communities that have no impact assessment in force yet: somebody has to write it."""
    return next((each for each in sorted(who.communities) if in_force(db, each) is None), None)


def _visits(centre: Centre, db: Connection, who: Who, day: date) -> list[Visit]:
    """Those of that day; of today also whoever should have left before, or is inside without a pass."""
    sites = sites_of(db, who.communities)
    from_us, until_us = centre.office.begins(day), centre.office.begins(day + timedelta(days=1))
    found = _every_pass(db, sites, from_us, until_us)
    earlier = []
    if day == today(centre):
        since_us = centre.office.begins(day - _BACK)
        mine = {each.id for each in found}
        earlier = [each for each in _every_pass(db, sites, since_us, from_us) if each.id not in mine]
    by_number = states(db, [*found, *earlier], centre.now_us())
    kept = [*found, *(each for each in earlier if by_number[each.id] in _LOOKED_FOR)]
    where = where_of(db, [each.room for each in kept if each.room is not None])
    return [Visit(each, by_number[each.id], where.get(each.room or 0, "")) for each in kept]


def _every_pass(db: Connection, sites: Sequence[str], from_us: int, until_us: int) -> list[Pass]:
    """Good at any moment of that time, however many there are: a day's list leaves nobody out."""
    found: list[Pass] = []
    while page := passes(
        db, sites, from_us, until_us, before=found[-1].id if found else None, limit=MAX_PAGE
    ):
        found += page
    return found


def _grouped(visits: list[Visit]) -> list[tuple[VisitState, list[Visit]]]:
    """What has to be looked at stands first."""
    order = [*_LOOKED_FOR, VisitState.ARRIVED, VisitState.EXPECTED]
    order += [each for each in VisitState if each not in order]
    groups = [(state, [each for each in visits if each.state is state]) for state in order]
    return [(state, sorted(found, key=lambda each: each.made.from_us)) for state, found in groups if found]
