"""The page Now 实时: entries as they arrive, and how complete each gateway is.

It stands at the beginning: whoever may not see it is led to the first page that they may.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from sqlalchemy import Connection

from central.accounts.book import sites_of
from central.accounts.who import Who
from central.console.centre import Centre
from central.console.frame import first_path
from central.console.guard import Anybody, page_for
from central.console.registry import Page, Section
from central.console.views import Language
from central.console.words import N_
from central.fleet.api import WATCHERS
from central.fleet.completeness import Completeness, completeness
from central.lookup.api import READERS
from central.lookup.entries import Entry, newest
from central.lookup.feed import as_events, follow

ROWS = 100
_SEE_OTHER = 303


PAGES = [Page("now", "/", N_("Now"), Section.NOW, frozenset({*READERS, *WATCHERS}))]

Watcher = Annotated[Who, page_for(*WATCHERS)]
Reader = Annotated[Who, page_for(*READERS)]


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()
    questions, views, stopping = centre.questions, centre.views, centre.stopping

    @pages.get("/", response_class=HTMLResponse)
    async def now_page(who: Anybody, lang: Language = None) -> Response:
        if who.role not in PAGES[0].roles:
            path = first_path(who.role)
            return RedirectResponse(path, _SEE_OTHER) if path else centre.show(who, lang, "nothing.html", "")
        entries, gateways = await questions.ask(lambda db: _seen(db, who))
        newest_id = entries[0].id if entries else 0
        by_time = sorted(entries, key=lambda entry: entry.at_us, reverse=True)
        values: dict[str, Any] = {
            "entries": by_time,
            "places": _places(gateways),
            "gateways": gateways,
            "newest_id": newest_id,
            "rows_kept": ROWS,
            "reads": who.role in READERS,
            "watches": who.role in WATCHERS,
        }
        return centre.show(who, lang, "now/now.html", "now", **values)

    @pages.get("/parts/gateways", response_class=HTMLResponse)
    async def gateways_part(who: Watcher, lang: Language = None) -> str:
        gateways = await questions.ask(lambda db: _gateways(db, who))
        return views.render(lang, "now/gateways.html", {"gateways": gateways})

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
            return [views.render(lang, "now/row.html", {"entry": each, "places": places}) for each in entries]

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
