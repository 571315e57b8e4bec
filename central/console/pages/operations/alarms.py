"""Alarms: those that nobody has seen to, and all that were, the newest first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Query
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from central.accounts.book import sites_of
from central.accounts.who import Role, Who
from central.alarms import book, integrity, webhooks
from central.alarms.integrity import Declared
from central.alarms.kinds import OF_TOURS
from central.console.centre import Centre
from central.console.forms import Done, RowId, Text, led_to, status_of
from central.console.guard import page_for
from central.console.pages.now.page import STAYS
from central.console.pages.tours.rounds import READERS
from central.console.views import Language
from central.console.words import N_
from central.errors import BadQuestion, CentralError, Clash
from central.fleet.completeness import Completeness, completeness

Looking = Annotated[Who, page_for(Role.OPERATOR, Role.INSTALLER, Role.SUPERVISOR)]
Operator = Annotated[Who, page_for(Role.OPERATOR)]
Declares = Annotated[Who, page_for(Role.OPERATOR, fresh=True)]
PAGE: Final = 50
_SAY: Final = N_("Say what was found and what was done, each in at most 500 characters.")
_NOT_SO: Final = N_("This alarm is over already, or more was found meanwhile: look at it again.")


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/operations/alarms", response_class=HTMLResponse, summary="Alarms")
    async def alarms_page(
        who: Looking,
        before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
        unseen: Annotated[bool, Query()] = False,  # noqa: FBT002  FastAPI passes it by name
        done: Done = None,
        lang: Language = None,
    ) -> HTMLResponse:
        return await shown(who, lang, before, unseen=unseen, done=done)

    @pages.post("/operations/alarms/{number}/declared", summary="What was found and done ends an alarm")
    async def declared(  # noqa: PLR0917  FastAPI passes them by name
        who: Declares,
        number: RowId,
        count: Annotated[int, Form(ge=1, le=2**53)],
        found: Text = "",
        done: Text = "",
        lang: Language = None,
    ) -> Response:
        def change(db: Connection) -> None:
            sites, now_us = sites_of(db, who.communities), centre.now_us()
            integrity.declare(
                db, number, sites, count=count, found=found, done=done, by=who.by, now_us=now_us
            )
            webhooks.announce_over(db, number, now_us)

        try:
            await centre.changes.make(change)
        except (BadQuestion, Clash) as error:
            return await shown(who, lang, error=error, said={"number": number, "found": found, "done": done})
        return led_to("/operations/alarms", "alarm-declared")

    async def shown(
        who: Who,
        lang: str | None,
        before: int | None = None,
        *,
        unseen: bool = False,
        error: CentralError | None = None,
        wrong: str | None = None,
        said: dict[str, Any] | None = None,
        done: str | None = None,
    ) -> HTMLResponse:
        """`said`: what was typed for one of them, and could not be done; `wrong`: what else is said of the
        error."""

        def asked(
            db: Connection,
        ) -> tuple[list[book.Alarm], list[Completeness], dict[int, Declared], set[int]]:
            sites = sites_of(db, who.communities)
            found = book.alarms(db, sites, centre.now_us(), unseen=unseen, before=before, limit=PAGE + 1)
            told = integrity.declared_of(db, [each.id for each in found])
            of_late = book.seen_of_late(db, sites, who=who.by, now_us=centre.now_us())
            return found, completeness(db, sites=sites), told, {each.id for each in of_late}

        found, gateways, told, undoable = await centre.questions.ask(asked)
        values: dict[str, Any] = {"alarms": found[:PAGE], "unseen": unseen, "declared": told, "said": said}
        values |= {"undoable": undoable, "just_done": done}
        values["further"] = found[PAGE - 1].id if len(found) > PAGE else None
        values["places"] = {(each.site, each.name): each for each in gateways}
        values["of_tours"] = OF_TOURS if who.role in READERS else ()
        values["sees_to"] = who.role is Role.OPERATOR
        usual = None if error is None else _SAY if isinstance(error, BadQuestion) else _NOT_SO
        values["wrong"] = wrong or usual
        status = status_of(error)
        return centre.show(who, lang, "operations/alarms.html", "alarms", status=status, **values)

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
        return led_to("/operations/alarms", "alarm-seen")

    _taking_back(pages, centre, shown)
    return pages


def _taking_back(pages: APIRouter, centre: Centre, shown: Callable[..., Awaitable[HTMLResponse]]) -> None:
    @pages.post("/operations/alarms/{number}/unseen", summary="Nobody has seen to it, after all")
    async def unseen_again(who: Operator, number: RowId, lang: Language = None) -> Response:
        def change(db: Connection) -> None:
            sites, now_us = sites_of(db, who.communities), centre.now_us()
            book.take_back_seen(db, number, sites, who=who.by, now_us=now_us)
            webhooks.announce_unseen(db, number, now_us)

        try:
            await centre.changes.make(change)
        except Clash as error:
            return await shown(who, lang, error=error, wrong=STAYS)
        return led_to("/operations/alarms", "alarm-unseen")
