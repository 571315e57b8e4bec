"""How many requests wait and which are overdue: neither whose they are nor what they say."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.guard import page_for
from central.console.pages.requests.listing import After, Waiting, listing
from central.console.views import Language
from central.requests.book import counts
from central.requests.words import COUNTED_US

Supervisor = Annotated[Who, page_for(Role.SUPERVISOR)]


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get(
        "/oversight/requests", response_class=HTMLResponse, summary="Requests that wait or are overdue"
    )
    async def overseen(
        who: Supervisor, *, waiting: Waiting = True, after: After = None, lang: Language = None
    ) -> HTMLResponse:
        now_us = centre.now_us()

        def ask(db: Connection) -> dict[str, Any]:
            counted = counts(db, who.communities, now_us - COUNTED_US, now_us)
            return {"counted": counted, **listing(centre, db, who, waiting=waiting, after=after)}

        values = await centre.questions.ask(ask)
        return centre.show(who, lang, "requests/overseen.html", "overseen-requests", **values)

    return pages
