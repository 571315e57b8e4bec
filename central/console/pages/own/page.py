"""The resident's own page: where they went in, and who looked at that."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from central.accounts.book import sites_of
from central.accounts.identify import address_of
from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.guard import page_for
from central.console.pages.own import cards
from central.console.registry import Page, Section
from central.console.views import Language
from central.console.words import N_
from central.errors import BadQuestion
from central.fleet.completeness import completeness
from central.identity.periods import DAY_US
from central.lookup.own import Own
from central.lookup.rules import window_between

PAGES = [
    Page("own-entries", "/own", N_("My entries"), Section.OWN, frozenset({Role.RESIDENT})),
    Page("own-cards", "/own/cards", N_("My cards"), Section.OWN, frozenset({Role.RESIDENT}), 17),
    Page("who-looked", "/own/who-looked", N_("Who looked"), Section.OWN, frozenset({Role.RESIDENT}), 20),
]
Resident = Annotated[Who, page_for(Role.RESIDENT)]
DAYS: Final = (7, 31)


def router(centre: Centre) -> APIRouter:
    pages, own = APIRouter(), Own(centre.look_ups)

    @pages.get("/own", response_class=HTMLResponse, summary="One's own entries")
    async def entries(
        request: Request,
        who: Resident,
        *,
        days: Annotated[int, Query(ge=1, le=DAYS[-1])] = DAYS[0],
        cursor: Annotated[str | None, Query(max_length=64)] = None,
        lang: Language = None,
    ) -> HTMLResponse:
        now_us = centre.now_us()
        window, origin = window_between(now_us - days * DAY_US, now_us), address_of(request)
        try:
            found = await own.entries(who, window, cursor, origin)
        except BadQuestion:  # a cursor that somebody typed: the newest page is what was meant
            found = await own.entries(who, window, None, origin)
        places = await centre.questions.ask(lambda db: _places(db, who))
        values: dict[str, Any] = {"found": found, "places": places, "days": days, "choices": DAYS}
        return centre.show(who, lang, "own/entries.html", "own-entries", cursor=cursor, **values)

    @pages.get("/own/who-looked", response_class=HTMLResponse, summary="Who looked at one's own entries")
    async def who_looked(request: Request, who: Resident, lang: Language = None) -> HTMLResponse:
        looked = await own.who_looked(who, address_of(request))
        return centre.show(who, lang, "own/who_looked.html", "who-looked", looked=looked)

    pages.include_router(cards.router(centre))
    return pages


def _places(connection: Connection, who: Who) -> dict[tuple[str, str, str | None], str]:
    """What buildings and doors are called, by site, gateway and door; a door of None: the building."""
    called: dict[tuple[str, str, str | None], str] = {}
    for each in completeness(connection, sites=sites_of(connection, who.communities)):
        called[each.site, each.name, None] = each.label
        called |= {(each.site, each.name, door.name): door.label for door in each.doors}
    return called
