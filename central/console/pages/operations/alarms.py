"""Alarms: those that nobody has seen to, and all that were, the newest first."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from central.accounts.book import sites_of
from central.accounts.who import Role, Who
from central.alarms import book, webhooks
from central.alarms.kinds import OF_TOURS
from central.console.centre import Centre
from central.console.forms import RowId, Text, led_to
from central.console.guard import page_for
from central.console.pages.tours.rounds import READERS
from central.console.views import Language
from central.errors import Clash
from central.fleet.completeness import Completeness, completeness

Looking = Annotated[Who, page_for(Role.OPERATOR, Role.INSTALLER, Role.SUPERVISOR)]
Operator = Annotated[Who, page_for(Role.OPERATOR)]
PAGE: Final = 50


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/operations/alarms", response_class=HTMLResponse, summary="Alarms")
    async def alarms_page(
        who: Looking,
        before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
        unseen: Annotated[bool, Query()] = False,  # noqa: FBT002  FastAPI passes it by name
        lang: Language = None,
    ) -> HTMLResponse:
        def asked(db: Connection) -> tuple[list[book.Alarm], list[Completeness]]:
            sites = sites_of(db, who.communities)
            found = book.alarms(db, sites, centre.now_us(), unseen=unseen, before=before, limit=PAGE + 1)
            return found, completeness(db, sites=sites)

        found, gateways = await centre.questions.ask(asked)
        values: dict[str, Any] = {"alarms": found[:PAGE], "unseen": unseen}
        values["further"] = found[PAGE - 1].id if len(found) > PAGE else None
        values["places"] = {(each.site, each.name): each for each in gateways}
        values["of_tours"] = OF_TOURS if who.role in READERS else ()
        values["sees_to"] = who.role is Role.OPERATOR
        return centre.show(who, lang, "operations/alarms.html", "alarms", **values)

    @pages.post("/operations/alarms/{number}/seen", summary="Somebody has seen to it")
    async def seen(who: Operator, number: RowId, note: Text = "") -> Response:
        def change(db: Connection) -> None:
            sites = sites_of(db, who.communities)
            try:
                book.see_to(
                    db,
                    number,
                    sites,
                    who=who.by,
                    note_=note.strip()[: book.MAX_NOTE],
                    now_us=centre.now_us(),
                )
            except Clash:
                return  # somebody else was quicker, which is as good
            webhooks.announce_seen(db, number, centre.now_us())

        await centre.changes.make(change)
        return led_to("/operations/alarms")

    return pages
