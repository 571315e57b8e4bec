"""Requests at the desk: those that wait, one taken down for somebody without an account, and its answer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.forms import RowId, Text, led_to, status_of
from central.console.guard import page_for
from central.console.pages.requests.listing import After, Waiting, listing
from central.console.pages.requests.sentences import WORDS, kind_of, told_of
from central.console.views import Language
from central.errors import BadQuestion, CentralError, Clash, NotThere
from central.register.people_found import get_person
from central.requests import book
from central.requests.words import Decision, RequestKind

Worker = Annotated[Who, page_for(Role.WORKER)]
Number = Annotated[int | None, Query(ge=1, le=2**53)]


class TakenDown(BaseModel):
    """The form as it was typed. `person` or `given`, a visitor's pass: whose data it is about."""

    model_config = ConfigDict(extra="ignore")

    kind: RequestKind | None = None
    text: str = ""
    person: Annotated[int, Field(ge=1, le=2**53)] | None = None
    given: Annotated[int, Field(ge=1, le=2**53)] | None = None


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()
    _list(pages, centre)
    _new(pages, centre)
    _one(pages, centre)
    return pages


def _list(pages: APIRouter, centre: Centre) -> None:
    @pages.get("/requests", response_class=HTMLResponse, summary="Requests that wait, or answered ones")
    async def requests_page(
        who: Worker, *, waiting: Waiting = True, after: After = None, lang: Language = None
    ) -> HTMLResponse:
        return await shown(who, lang, waiting=waiting, after=after)

    @pages.post("/requests/find", response_class=HTMLResponse, summary="A request by its receipt")
    async def found(who: Worker, receipt: Text = "", lang: Language = None) -> Response:
        try:
            one = await centre.questions.ask(lambda db: book.by_receipt(db, who.communities, receipt))
        except NotThere as error:
            return await shown(who, lang, error)
        return led_to(f"/requests/{one.community}/{one.id}")

    async def shown(
        who: Who,
        lang: str | None,
        error: CentralError | None = None,
        *,
        waiting: bool = True,
        after: int | None = None,
    ) -> HTMLResponse:
        values = await centre.questions.ask(lambda db: listing(centre, db, who, waiting=waiting, after=after))
        values["told"] = told_of(error)
        return centre.show(who, lang, "requests/requests.html", "requests", status=status_of(error), **values)


def _new(pages: APIRouter, centre: Centre) -> None:
    address = "/requests/{community}/new"

    @pages.get(address, response_class=HTMLResponse, summary="Take a request down")
    async def new_page(
        who: Worker, community: RowId, person: Number = None, given: Number = None, lang: Language = None
    ) -> HTMLResponse:
        return await shown(who, community, lang, TakenDown(person=person, given=given))

    @pages.post(address, response_class=HTMLResponse, summary="Take a request down")
    async def taken_down(
        who: Worker, community: RowId, asked: Annotated[TakenDown, Form()], lang: Language = None
    ) -> Response:
        try:
            kind = kind_of(asked.kind)
            made = await centre.office.act(
                who,
                community,
                lambda desk: book.receive(
                    desk, kind, asked.text, person_id=asked.person, given=asked.given, at_desk=True
                ),
            )
        except (BadQuestion, Clash) as error:
            return await shown(who, community, lang, asked, error)
        return led_to(f"/requests/{community}/{made.id}")

    async def shown(
        who: Who, community: int, lang: str | None, asked: TakenDown, error: CentralError | None = None
    ) -> HTMLResponse:
        people = [] if asked.person is None else [asked.person]
        whose = await centre.office.ask_about(
            who, community, lambda db: _whose(centre, db, community, asked.person), lambda _: people
        )
        values: dict[str, Any] = {"community": community, "asked": asked, "whose": whose, "words": WORDS}
        status = status_of(error)
        return centre.show(
            who, lang, "requests/new.html", "requests", status=status, told=told_of(error), **values
        )


def _one(pages: APIRouter, centre: Centre) -> None:
    address = "/requests/{community}/{number}"

    @pages.get(address, response_class=HTMLResponse, summary="One request, its receipt, its answer")
    async def request_page(
        who: Worker, community: RowId, number: RowId, lang: Language = None
    ) -> HTMLResponse:
        return await shown(who, community, number, lang)

    @pages.post(address + "/answer", response_class=HTMLResponse, summary="Answer a request")
    async def answered(  # noqa: PLR0917  FastAPI passes them by name
        who: Worker,
        community: RowId,
        number: RowId,
        decision: Annotated[Decision, Form()],
        text: Text = "",
        lang: Language = None,
    ) -> Response:
        try:
            await centre.office.act(who, community, lambda desk: book.answer(desk, number, decision, text))
        except (BadQuestion, Clash) as error:
            return await shown(who, community, number, lang, typed=text, error=error)
        return led_to(f"/requests/{community}/{number}")

    async def shown(
        who: Who,
        community: int,
        number: int,
        lang: str | None,
        *,
        typed: str = "",
        error: CentralError | None = None,
    ) -> HTMLResponse:
        def ask(db: Connection) -> dict[str, Any]:
            found = book.one_request(db, community, number)
            whose = _whose(centre, db, community, found.person)
            return {"found": found, "texts": book.texts_of(db, centre.office.vault, found), "whose": whose}

        values = await centre.office.ask_about(
            who, community, ask, lambda shown: book.people_of(shown["found"])
        )
        values |= {"words": WORDS, "now_us": centre.now_us(), "typed": typed, "told": told_of(error)}
        return centre.show(who, lang, "requests/one.html", "requests", status=status_of(error), **values)


def _whose(centre: Centre, db: Connection, community: int, person: int | None) -> str | None:
    """Masked; None: a visitor's, by a pass. Raises NotThere."""
    if person is None:
        return None
    found = get_person(db, centre.office.vault, community, person)
    return " ".join(filter(None, (found.name, found.number)))
