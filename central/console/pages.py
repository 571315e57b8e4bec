"""The live page: entries as they arrive, and how complete each gateway is, in two languages.

Whoever has not signed in is led to the page where one does; whoever may see no entries sees the gateways.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import HTMLResponse, StreamingResponse
from sqlalchemy import Connection
from starlette.exceptions import HTTPException

from central.accounts.book import sites_of
from central.accounts.guard import EVERY_ROLE, RoleGuard
from central.accounts.who import Role, Who
from central.console.views import Language, Views
from central.errors import NotSignedIn, ProveAgain
from central.fleet.api import WATCHERS
from central.fleet.completeness import Completeness, completeness
from central.lookup.api import READERS
from central.lookup.entries import Entry, newest
from central.lookup.feed import as_events, follow
from central.store.questions import Questions

ROWS = 100
_SEE_OTHER, _UNAUTHORISED = 303, 401


class PageGuard(RoleGuard):
    """As RoleGuard, for pages: leads to the sign-in page."""

    async def __call__(self, request: Request) -> Who:
        try:
            return await super().__call__(request)
        except NotSignedIn as error:
            if "hx-request" in request.headers:
                raise HTTPException(_UNAUTHORISED, str(error), {"HX-Redirect": "/sign-in"}) from None
            raise HTTPException(_SEE_OTHER, str(error), {"Location": "/sign-in"}) from None
        except ProveAgain as error:
            raise HTTPException(_SEE_OTHER, str(error), {"Location": "/sign-in/code"}) from None


def page_for(*roles: Role, fresh: bool = False) -> Any:
    return Depends(PageGuard(frozenset(roles), fresh=fresh))


Anybody = Annotated[Who, page_for(*EVERY_ROLE)]
Watcher = Annotated[Who, page_for(*WATCHERS)]
Reader = Annotated[Who, page_for(*READERS)]


def router(questions: Questions, views: Views, stopping: threading.Event) -> APIRouter:
    pages = APIRouter()

    @pages.get("/", response_class=HTMLResponse)
    async def live_page(who: Anybody, lang: Language = None) -> str:
        entries, gateways = await questions.ask(lambda db: _seen(db, who))
        newest_id = entries[0].id if entries else 0
        by_time = sorted(entries, key=lambda entry: entry.at_us, reverse=True)
        values = {
            "entries": by_time,
            "places": _places(gateways),
            "gateways": gateways,
            "newest_id": newest_id,
            "rows_kept": ROWS,
            "reads": who.role in READERS,
            "watches": who.role in WATCHERS,
            "role": who.role,
        }
        return views.render(lang, "live.html", values)

    @pages.get("/parts/gateways", response_class=HTMLResponse)
    async def gateways_part(who: Watcher, lang: Language = None) -> str:
        gateways = await questions.ask(lambda db: _gateways(db, who))
        return views.render(lang, "gateways.html", {"gateways": gateways})

    @pages.get("/parts/entries")
    async def entries_stream(
        request: Request,
        who: Reader,
        after: Annotated[int, Query(ge=0, le=2**62)],
        last_event_id: Annotated[str | None, Header(pattern=r"^\d{1,18}$")] = None,
        lang: Language = None,
    ) -> StreamingResponse:
        start = int(last_event_id) if last_event_id is not None else after
        found = follow(questions, start, stopping, request.is_disconnected, who.communities)

        async def as_rows(entries: Sequence[Entry]) -> list[str]:
            places = _places(await questions.ask(lambda db: _gateways(db, who)))
            return [views.render(lang, "row.html", {"entry": each, "places": places}) for each in entries]

        return StreamingResponse(as_events(found, as_rows), media_type="text/event-stream")

    return pages


def _seen(connection: Connection, who: Who) -> tuple[list[Entry], list[Completeness]]:
    sites = sites_of(connection, who.communities)
    entries = newest(connection, ROWS, sites) if who.role in READERS else []
    return entries, _gateways(connection, who) if who.role in WATCHERS else []


def _gateways(connection: Connection, who: Who) -> list[Completeness]:
    return completeness(connection, sites=sites_of(connection, who.communities))


def _places(gateways: Sequence[Completeness]) -> Mapping[tuple[str, str], Completeness]:
    return {(found.site, found.name): found for found in gateways}
