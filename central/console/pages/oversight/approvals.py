"""What waits for a second person's word: a wide answer, an export, a hold."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from central.accounts.book import staff_names
from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.forms import Done, RowId, Text, led_to, status_of
from central.console.guard import page_for
from central.console.labels import labels_of
from central.console.pages.oversight.asker import asker_of, reason_fault, told, where_of
from central.console.views import Language
from central.console.words import WAITS
from central.errors import BadQuestion, CentralError, Clash, NotAllowed
from central.lookup import acts
from central.lookup.words import Act

Approver = Annotated[Who, page_for(Role.APPROVER)]
Deciding = Annotated[Who, page_for(Role.APPROVER, fresh=True)]


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/oversight/approvals", response_class=HTMLResponse, summary="What waits for one's own word")
    async def approvals_page(
        request: Request, who: Approver, done: Done = None, lang: Language = None
    ) -> HTMLResponse:
        return await shown(request, who, lang, done=done)

    @pages.post("/oversight/approvals/{number}/{act}", summary="Agree or refuse")
    async def decided(  # noqa: PLR0917  FastAPI passes them by name
        request: Request,
        who: Deciding,
        number: RowId,
        act: Act,
        agreed: Annotated[bool, Form()],
        why: Text = "",
        lang: Language = None,
    ) -> Response:
        approver, now_us = await asker_of(centre, who, request), centre.now_us()
        try:
            await centre.look_ups.record(
                lambda db: acts.decide(
                    db, approver, number, act=act, agreed=agreed, why=why.strip(), now_us=now_us
                )
            )
        except (BadQuestion, Clash, NotAllowed) as error:
            return await shown(request, who, lang, error, at=(number, act), typed=why)
        return led_to("/oversight/approvals", "agreed" if agreed else "refused")

    async def shown(
        request: Request,
        who: Who,
        lang: str | None,
        error: CentralError | None = None,
        *,
        at: tuple[int, Act] | None = None,
        typed: str = "",
        done: str | None = None,
    ) -> HTMLResponse:
        approver = await asker_of(centre, who, request)
        waiting = await centre.questions.ask(lambda db: acts.waiting(db, approver))
        names = await centre.questions.ask(lambda db: staff_names(db, who.communities))
        labels = await centre.questions.ask(lambda db: labels_of(db, who.communities))
        values: dict[str, Any] = {
            "waiting": waiting,
            "names": names,
            "where_of": partial(where_of, labels),
            "at": at,
            "at_waits": at in {(each.row.id, each.act) for each in waiting},
            "typed": typed,
            "just_done": done,
        }
        values["wide"] = WAITS
        fault = reason_fault(error)
        values |= {"fault": fault, "told": None if error is None or fault else told(error)}
        status = status_of(error)
        return centre.show(who, lang, "oversight/approvals.html", "approvals", status=status, **values)

    return pages
