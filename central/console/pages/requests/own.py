"""A resident's own requests, and what became of them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, ConfigDict

from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.forms import Done, RowId, led_to, status_of
from central.console.guard import page_for
from central.console.pages.requests.sentences import WORDS, kind_of, told_of
from central.console.views import Language
from central.errors import BadQuestion, CentralError, Clash
from central.requests import own
from central.requests.words import RequestKind

Resident = Annotated[Who, page_for(Role.RESIDENT)]


class Asked(BaseModel):
    """The form as it was typed."""

    model_config = ConfigDict(extra="ignore")

    kind: RequestKind | None = None
    text: str = ""


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/own/requests", response_class=HTMLResponse, summary="One's own requests, and their answers")
    async def requests_page(who: Resident, *, done: Done = None, lang: Language = None) -> HTMLResponse:
        return await shown(who, lang, Asked(), done=done)

    @pages.post("/own/requests", response_class=HTMLResponse, summary="Ask for a correction, a deletion …")
    async def asked(who: Resident, asked: Annotated[Asked, Form()], lang: Language = None) -> Response:
        try:
            await own.make(centre.office, who, kind_of(asked.kind), asked.text)
        except (BadQuestion, Clash) as error:
            return await shown(who, lang, asked, error)
        return led_to("/own/requests", "request-sent")  # where the newest stands first

    @pages.post("/own/requests/{number}/withdraw", response_class=HTMLResponse, summary="Withdraw a request")
    async def withdrawn(who: Resident, number: RowId, lang: Language = None) -> Response:
        try:
            await own.withdraw(centre.office, who, number)
        except Clash as error:
            return await shown(who, lang, Asked(), error, at=number)
        return led_to("/own/requests", "request-withdrawn")

    async def shown(
        who: Who,
        lang: str | None,
        asked: Asked,
        error: CentralError | None = None,
        *,
        at: int | None = None,
        done: str | None = None,
    ) -> HTMLResponse:
        """`at`: the request at which something was wrong; None: the new one."""
        made = await own.made(centre.office, who)
        values: dict[str, Any] = {"made": made, "asked": asked, "words": WORDS, "told": told_of(error)}
        values |= {"now_us": centre.now_us(), "at": at, "just_done": done}
        return centre.show(who, lang, "requests/own.html", "own-requests", status=status_of(error), **values)

    return pages
