"""One visitor's pass: what the visitor shows, what became of the visit, a later end, taking it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from central.accounts.book import sites_of
from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.forms import Done, RowId, Text, led_to, status_of
from central.console.guard import page_for
from central.console.labels import labels_of
from central.console.pages.notice.page import notice_in
from central.console.pages.visitors.giving import code_of, picture_of, until_of
from central.console.pages.visitors.sentences import KNOWN, KNOWN_BEGINNINGS, LENGTHS, WORDS
from central.console.views import Language
from central.errors import BadQuestion, CentralError, Clash, IdentityGone
from central.register.person_identity import masked_name
from central.register.place_tree import path_text, paths
from central.undo import is_recent
from central.visitors import own as own_passes
from central.visitors.passes import (
    Pass,
    can_restore,
    extend,
    forget_visitor,
    nothing_since,
    one_pass,
    restore,
    revoke,
    was_just_revoked,
)
from central.visitors.visits import states
from central.visitors.words import VisitState

Worker = Annotated[Who, page_for(Role.WORKER)]


@dataclass(frozen=True, slots=True)
class Visit:
    """`where`: the home that it is for, or nothing."""

    made: Pass
    state: VisitState
    where: str


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/visitors/{number}", response_class=HTMLResponse, summary="One pass")
    async def pass_page(
        who: Worker, number: RowId, *, done: Done = None, lang: Language = None
    ) -> HTMLResponse:
        return await shown(centre, who, number, lang, done=done)

    @pages.post("/visitors/{number}/extend", response_class=HTMLResponse, summary="A pass ends later")
    async def extended(who: Worker, number: RowId, length: Text = "", lang: Language = None) -> Response:
        def change(db: Connection) -> None:
            sites = sites_of(db, who.communities)
            until_us = until_of(centre, one_pass(db, number, sites).until_us, length)
            extend(db, number, until_us, sites, by=who.by, now_us=centre.now_us())

        try:
            await centre.changes.make(change)
        except (BadQuestion, Clash) as error:
            return await shown(centre, who, number, lang, error=error)
        return led_to(f"/visitors/{number}")

    @pages.post("/visitors/{number}/forget", response_class=HTMLResponse, summary="The visitor's name goes")
    async def forgotten(who: Worker, number: RowId, lang: Language = None) -> Response:
        def change(db: Connection) -> None:
            sites = sites_of(db, who.communities)
            forget_visitor(db, number, sites, by=who.by, now_us=centre.now_us())

        try:
            await centre.changes.make(change)
        except Clash as error:
            return await shown(centre, who, number, lang, error=error)
        return led_to(f"/visitors/{number}")

    _taking_back(pages, centre)
    return pages


def _taking_back(pages: APIRouter, centre: Centre) -> None:
    @pages.post("/visitors/{number}/revoke", response_class=HTMLResponse, summary="A pass is taken back")
    async def revoked(who: Worker, number: RowId, lang: Language = None) -> Response:
        def change(db: Connection) -> None:
            sites = sites_of(db, who.communities)
            revoke(db, number, sites, by=who.by, now_us=centre.now_us())

        try:
            await centre.changes.make(change)
        except Clash as error:
            return await shown(centre, who, number, lang, error=error)
        return led_to(f"/visitors/{number}")

    @pages.post(
        "/visitors/{number}/restore", response_class=HTMLResponse, summary="Taken back, it is good again"
    )
    async def restored(who: Worker, number: RowId, lang: Language = None) -> Response:
        def change(db: Connection) -> None:
            sites = sites_of(db, who.communities)
            restore(db, number, sites, by=who.by, now_us=centre.now_us())

        try:
            await centre.changes.make(change)
        except Clash as error:
            return await shown(centre, who, number, lang, error=error)
        return led_to(f"/visitors/{number}", "undone")


async def shown(
    centre: Centre,
    who: Who,
    number: int,
    lang: str | None,
    *,
    pin: str | None = None,
    done: str | None = None,
    error: CentralError | None = None,
) -> HTMLResponse:
    """`pin`: of a pass that was issued just now. Raises NotThere."""
    visit, name = await centre.questions.ask(lambda db: _one(centre, db, who, number))
    notice = await centre.questions.ask(lambda db: notice_in(db, visit.made.community))
    doors = await centre.questions.ask(lambda db: doors_of(db, who, visit.made))
    now_us = centre.now_us()
    good = visit.made.revoked_us is None and visit.made.until_us > now_us
    values: dict[str, Any] = {"visit": visit, "name": name, "good": good, "pin": pin, "words": WORDS}
    values |= {"doors": doors, "address": "/visitors", "just_done": done}
    values["undo"] = await centre.questions.ask(lambda db: undo_of(centre, db, who, visit.made))
    values |= {"picture": picture_of(centre, visit.made) if good else None, "lengths": LENGTHS}
    values["code"] = code_of(centre, visit.made) if good else None
    values["told_of_notice"] = notice
    told = None if error is None else told_of(error)
    status = status_of(error)
    return centre.show(who, lang, "visitors/pass.html", "visitors", status=status, told=told, **values)


def _one(centre: Centre, db: Connection, who: Who, number: int) -> tuple[Visit, str | None]:
    """The pass and its visitor's name, masked. Raises NotThere."""
    sites = sites_of(db, who.communities)
    made = one_pass(db, number, sites)
    state = states(db, [made], centre.now_us())[number]
    where = "" if made.room is None else where_of(db, [made.room])[made.room]
    name = name_of(centre, db, number, sites)
    return Visit(made, state, where), masked_name(name) if name else None


def undo_of(centre: Centre, db: Connection, who: Who, made: Pass) -> str | None:
    """What undoes the last that this account did with it a moment ago; "late": it cannot be undone any
    more."""
    now_us = centre.now_us()
    if who.role is Role.RESIDENT:
        restorable = own_passes.can_restore(db, who, made, now_us)
    else:
        restorable = can_restore(db, made, by=who.by, now_us=now_us)
    if restorable:
        return "restore"
    if was_just_revoked(db, made, by=who.by, now_us=now_us):
        return "late"
    good = made.revoked_us is None and made.until_us > now_us
    given = made.issued_by == who.by and is_recent(made.issued_us, now_us)
    return "revoke" if good and given and nothing_since(db, made) else None


def name_of(centre: Centre, db: Connection, number: int, sites: Sequence[str]) -> str:
    """Nothing where none is kept, or no more."""
    try:
        return centre.desk.visitor_of(db, number, sites).name if centre.desk else ""
    except IdentityGone:
        return ""


def doors_of(db: Connection, who: Who, made: Pass) -> list[str]:
    """What the doors that it opens are called."""
    return labels_of(db, who.communities).doors_of(made.site, made.doors)


def where_of(db: Connection, rooms: list[int]) -> dict[int, str]:
    found = paths(db, rooms)
    return {room: path_text(found.get(room, ())) for room in rooms}


def told_of(error: CentralError) -> str | None:
    """A sentence in English, to be translated; None: what is there does not allow it."""
    text = str(error)
    known = text if text in KNOWN else None
    return next((meant for begins, meant in KNOWN_BEGINNINGS.items() if text.startswith(begins)), known)
