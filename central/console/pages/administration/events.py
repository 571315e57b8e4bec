"""What was done with accounts, newest first."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from central.accounts import book
from central.accounts.events import EVENTS_PAGE, events
from central.console.centre import Centre
from central.console.pages.administration.people import Keeper
from central.console.views import Language


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/administration/events", response_class=HTMLResponse, summary="What was done with accounts")
    async def events_page(
        who: Keeper, before: Annotated[int | None, Query(ge=1, le=2**53)] = None, lang: Language = None
    ) -> HTMLResponse:
        found = await centre.questions.ask(lambda db: events(db, before))
        logins = {each.id: each.login for each in await centre.questions.ask(book.accounts)}
        values: dict[str, Any] = {"events": found, "logins": logins}
        values["further"] = found[-1].id if len(found) == EVENTS_PAGE else None
        return centre.show(who, lang, "administration/events.html", "account-events", **values)

    return pages
