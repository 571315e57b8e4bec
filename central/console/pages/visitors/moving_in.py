"""A visitor stays: from the pass to a home, on one page. What was typed stays there until it is done."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from central.accounts.book import sites_of
from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.forms import RowId, day_of, led_to, reason_of, status_of
from central.console.guard import page_for
from central.console.pages.homes.common import refuse_other_name, registered_as_whom
from central.console.pages.homes.common import told as told_of_register
from central.console.pages.homes.sentences import WORDS as REGISTER_WORDS
from central.console.pages.visitors.giving import room_called
from central.console.pages.visitors.one import name_of, told_of, where_of
from central.console.views import Language
from central.errors import BadQuestion, CentralError, Clash, NotThere
from central.register.desk import Desk
from central.register.person_identity import masked_name
from central.register.words import DocumentType, Relation
from central.visitors.moving_in import Moved, Stay, stay
from central.visitors.passes import Pass, one_pass

Worker = Annotated[Who, page_for(Role.WORKER)]
Said = Annotated[str, Field(max_length=200)]


class Asked(BaseModel):
    """The form as it was typed. `name` empty: that of the pass. `registered`: whom somebody agreed to take as
    registered, though under another name."""

    model_config = ConfigDict(extra="ignore")

    where: Said = ""
    relation: Relation = Relation.TENANT
    since: Said = ""
    until: Said = ""
    document: DocumentType = DocumentType.RESIDENT_ID
    number: Said = ""
    name: Said = ""
    phone: Said = ""
    reason: Said = ""
    registered: Said = ""


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/visitors/{number}/move-in", response_class=HTMLResponse, summary="A visitor stays")
    async def stay_page(who: Worker, number: RowId, lang: Language = None) -> HTMLResponse:
        given, _ = await centre.questions.ask(lambda db: _given(centre, db, who, number))
        where = await centre.questions.ask(lambda db: _home_of(db, given))
        return await shown(who, number, lang, Asked(where=where))

    @pages.post("/visitors/{number}/move-in", response_class=HTMLResponse, summary="A visitor stays")
    async def stays(
        who: Worker, number: RowId, asked: Annotated[Asked, Form()], lang: Language = None
    ) -> Response:
        given, _ = await centre.questions.ask(lambda db: _given(centre, db, who, number))
        try:
            moved = await centre.office.act(
                who, given.community, lambda desk: _stay(centre, desk, who, given, asked)
            )
        except (BadQuestion, Clash, NotThere) as error:
            return await shown(who, number, lang, asked, error)
        home = f"/homes/{given.community}/places/{moved.room}"
        if not moved.known:
            return led_to(home)
        person = f"/homes/{given.community}/people/{moved.person}"
        return centre.show(who, lang, "visitors/moved_in.html", "visitors", home=home, person=person)

    async def shown(
        who: Who, number: int, lang: str | None, asked: Asked, error: CentralError | None = None
    ) -> HTMLResponse:
        given, name = await centre.questions.ask(lambda db: _given(centre, db, who, number))
        field = error.field if isinstance(error, BadQuestion) else None
        other = await registered_as_whom(centre, who, given.community, error)
        told = None if error is None else told_of(error) or told_of_register(error)["sentence"]
        values: dict[str, Any] = {"given": given, "name": name, "asked": asked, "words": REGISTER_WORDS}
        values |= {"wrong": error is not None, "told": told, "field": field, "other": other}
        status = status_of(error)
        return centre.show(who, lang, "visitors/move_in.html", "visitors", status=status, **values)

    return pages


def _stay(centre: Centre, desk: Desk, who: Who, given: Pass, asked: Asked) -> Moved:
    """Raises BadQuestion, NotThere, Clash."""
    name = asked.name.strip() or name_of(centre, desk.connection, given.id, [given.site])
    refuse_other_name(desk, asked.document, asked.number.strip() or None, name, asked.registered)
    wanted = Stay(
        relation=asked.relation,
        document=asked.document,
        from_us=centre.office.moment(day_of(asked.since, "since")),
        until_us=centre.office.end(day_of(asked.until, "until")),
        reason=reason_of(asked.reason),
        room=room_called(desk.connection, who, asked.where) if asked.where.strip() else None,
        name=asked.name.strip() or None,
        number=asked.number.strip() or None,
        phone=asked.phone.strip() or None,
    )
    return stay(desk, given.id, wanted, by=who.by)


def _given(centre: Centre, db: Connection, who: Who, number: int) -> tuple[Pass, str | None]:
    """The pass and its visitor's name, masked. Raises NotThere."""
    sites = sites_of(db, who.communities)
    given = one_pass(db, number, sites)
    name = name_of(centre, db, number, sites)
    return given, masked_name(name) if name else None


def _home_of(db: Connection, given: Pass) -> str:
    return "" if given.room is None else where_of(db, [given.room])[given.room]
