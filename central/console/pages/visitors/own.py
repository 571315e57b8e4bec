"""A resident's own visitors: a pass for the own home in a few touches, and taking it back."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.forms import Done, RowId, led_to, status_of
from central.console.guard import page_for
from central.console.pages.notice.page import notice_in
from central.console.pages.visitors.giving import Said, begins_us, code_of, picture_of, until_of
from central.console.pages.visitors.one import Visit, doors_of, told_of, undo_of, where_of
from central.console.pages.visitors.sentences import LENGTHS, WORDS
from central.console.views import Language
from central.errors import BadQuestion, CentralError, Clash, NotThere
from central.visitors import own
from central.visitors.passes import Issued, Pass, the_desk
from central.visitors.visits import states
from central.visitors.words import PassKind, VisitReason

Resident = Annotated[Who, page_for(Role.RESIDENT)]
_SHOWN: Final = 30
"""So many of the newest."""

_REASONS: Final = [each for each in VisitReason if each is not VisitReason.OFFICIAL]


class Asked(BaseModel):
    """The form as it was typed. `room`: of several homes."""

    model_config = ConfigDict(extra="ignore")

    room: Annotated[int, Field(ge=1, le=2**53)] | None = None
    reason: VisitReason = VisitReason.FRIENDS
    kind: PassKind = PassKind.QR
    length: Said = "4h"


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/own/visitors", response_class=HTMLResponse, summary="One's own visitors")
    async def visitors_page(who: Resident, lang: Language = None) -> HTMLResponse:
        return await listed(who, lang, Asked())

    @pages.post("/own/visitors", response_class=HTMLResponse, summary="A pass for a visitor of one's own")
    async def given(who: Resident, asked: Annotated[Asked, Form()], lang: Language = None) -> Response:
        try:
            made = await _issued(centre, who, asked)
        except (BadQuestion, Clash, NotThere) as error:
            return await listed(who, lang, asked, error)
        if made.made.kind is PassKind.PIN:  # shown this once: it is kept nowhere
            return await _shown(centre, who, lang, made.made.id, pin=made.shown)
        return led_to(f"/own/visitors/{made.made.id}")

    @pages.get("/own/visitors/{number}", response_class=HTMLResponse, summary="A pass that one gave")
    async def pass_page(
        who: Resident, number: RowId, *, done: Done = None, lang: Language = None
    ) -> HTMLResponse:
        return await _shown(centre, who, lang, number, done=done)

    async def listed(
        who: Who, lang: str | None, asked: Asked, error: CentralError | None = None
    ) -> HTMLResponse:
        values = await centre.questions.ask(lambda db: _homes_and_visits(centre, db, who))
        values |= {"asked": asked, "words": WORDS, "lengths": LENGTHS, "kinds": own.OWN_KINDS}
        values |= {"reasons": _REASONS, "wrong": error is not None}
        values["told"] = None if error is None else told_of(error)
        status = status_of(error)
        return centre.show(who, lang, "visitors/own.html", "own-visitors", status=status, **values)

    _taking_back(pages, centre)
    return pages


def _taking_back(pages: APIRouter, centre: Centre) -> None:
    @pages.post("/own/visitors/{number}/revoke", response_class=HTMLResponse, summary="It is taken back")
    async def revoked(who: Resident, number: RowId, lang: Language = None) -> Response:
        try:
            await centre.changes.make(lambda db: own.revoke(db, who, number, centre.now_us()))
        except Clash as error:
            return await _shown(centre, who, lang, number, error=error)
        return led_to(f"/own/visitors/{number}")

    @pages.post("/own/visitors/{number}/restore", response_class=HTMLResponse, summary="It is good again")
    async def restored(who: Resident, number: RowId, lang: Language = None) -> Response:
        try:
            await centre.changes.make(lambda db: own.restore(db, who, number, centre.now_us()))
        except Clash as error:
            return await _shown(centre, who, lang, number, error=error)
        return led_to(f"/own/visitors/{number}", "undone")


async def _shown(
    centre: Centre,
    who: Who,
    lang: str | None,
    number: int,
    *,
    pin: str | None = None,
    done: str | None = None,
    error: CentralError | None = None,
) -> HTMLResponse:
    def ask(db: Connection) -> Visit:
        return _visits(centre, db, [own.own_pass(db, who, number)])[0]

    visit = await centre.questions.ask(ask)
    notice = await centre.questions.ask(lambda db: notice_in(db, visit.made.community))
    doors = await centre.questions.ask(lambda db: doors_of(db, who, visit.made))
    good = visit.made.revoked_us is None and visit.made.until_us > centre.now_us()
    values: dict[str, Any] = {"visit": visit, "good": good, "pin": pin, "words": WORDS}
    values |= {"doors": doors, "address": "/own/visitors", "just_done": done}
    values["undo"] = await centre.questions.ask(lambda db: undo_of(centre, db, who, visit.made))
    values["picture"] = picture_of(centre, visit.made) if good else None
    values["code"] = code_of(centre, visit.made) if good else None
    values["told_of_notice"] = notice
    values["told"] = None if error is None else told_of(error)
    status = status_of(error)
    return centre.show(who, lang, "visitors/own_pass.html", "own-visitors", status=status, **values)


async def _issued(centre: Centre, who: Who, asked: Asked) -> Issued:
    """Good from now on. Raises BadQuestion, Clash, NotThere."""
    desk, from_us = the_desk(centre.desk), begins_us(centre)
    until_us = until_of(centre, from_us, asked.length)
    wanted = own.OwnWanted(asked.kind, asked.reason, from_us, until_us, room=asked.room)
    return await centre.changes.make(lambda db: own.give(db, desk, who, wanted, centre.now_us()))


def _homes_and_visits(centre: Centre, db: Connection, who: Who) -> dict[str, Any]:
    rooms = [each.room for each in own.own_homes(db, who, centre.now_us())]
    where = where_of(db, rooms)
    visits = _visits(centre, db, own.own_passes(db, who)[:_SHOWN])
    return {"homes": [(room, where[room]) for room in rooms], "visits": visits}


def _visits(centre: Centre, db: Connection, found: list[Pass]) -> list[Visit]:
    by_number = states(db, found, centre.now_us())
    where = where_of(db, [each.room for each in found if each.room is not None])
    return [Visit(each, by_number[each.id], where.get(each.room or 0, "")) for each in found]
