"""The page Look up 查询. Every answer goes through `LookUps`: its row is in the register before it is shown.

No number, name or room stands in an address, a title or a file's name: questions are posted, and an answer is
found again by its number in the register.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import Field

from central.accounts.who import Role, Who
from central.console.case_words import CaseWords
from central.console.centre import Centre
from central.console.forms import file_to_keep
from central.console.guard import page_for
from central.console.pages.look_up import show
from central.console.pages.look_up.form import Form as Typed
from central.console.pages.look_up.form import asking_of, fault_told
from central.console.registry import Page, Section
from central.console.views import Language
from central.console.words import N_
from central.errors import (
    BadQuestion,
    CentralError,
    Clash,
    IdentityGone,
    NotAllowed,
    NotThere,
    ProveAgain,
    TooOften,
)
from central.lookup import acts
from central.lookup.case_formats import Format
from central.lookup.exporting import export
from central.lookup.holding import hold
from central.lookup.look_ups_api import asker_for
from central.lookup.revealing import reveal_beside
from central.lookup.rules import Asker
from central.lookup.states import look_ups_of, own_row
from central.lookup.words import Act, Shown

PAGES = [
    Page("look-up", "/look-up", N_("New look-up"), Section.LOOK_UP, frozenset({Role.OFFICER})),
    Page("my-look-ups", "/look-up/mine", N_("My look-ups"), Section.LOOK_UP, frozenset({Role.OFFICER}), 20),
]
Officer = Annotated[Who, page_for(Role.OFFICER)]
TakingOut = Annotated[Who, page_for(Role.OFFICER, fresh=True)]
Number = Annotated[int, InPath(ge=1, le=2**53)]
View = Literal["timeline", "table", "places"]
_Text = Annotated[str, Form(max_length=300)]
_Record = Annotated[int, Field(ge=1, le=2**62)]
_SEE_OTHER: Final = 303
_ZIP: Final = "application/zip"


@dataclass(frozen=True, slots=True)
class _Own:
    """What the routes share."""

    centre: Centre

    async def asker(self, who: Who, request: Request) -> Asker:
        return await asker_for(self.centre.look_ups, who, request)

    async def blank(
        self, who: Who, lang: str | None, typed: Typed, error: CentralError | None = None
    ) -> HTMLResponse:
        """The form, with what is wrong with it."""
        values = await self.centre.questions.ask(lambda db: show.form_values(db, who, typed))
        told: dict[str, Any] = {
            "error": told_of(error),
            "field": getattr(error, "field", None),
            "typed": typed,
            "to_try": next((each.subject for each in self.centre.demo if each.subject is not None), None),
            "proves_again": isinstance(error, ProveAgain),  # in another tab: what was typed is kept here
        }
        status = status_of(error)
        return self.centre.show(who, lang, "look_up/ask.html", "look-up", status=status, **told, **values)

    async def answer(  # noqa: PLR0917  as the route takes them
        self,
        who: Who,
        asker: Asker,
        number: int,
        lang: str | None,
        view: View = "timeline",
        cursor: str | None = None,
        error: CentralError | None = None,
        *,
        at: Act | None = None,
        typed: str = "",
    ) -> HTMLResponse:
        """The answer of that number, written down as given once more. `at`: whose reason, `typed`, `error` is
        about."""
        values = await show.answer_values(self.centre, who, asker, number, cursor)
        told = {"view": view, "error": told_of(error), "cursor": cursor, "at": at, "typed": typed}
        return self.centre.show(
            who, lang, "look_up/answer.html", "look-up", status=status_of(error), **told, **values
        )

    async def done(
        self,
        who: Who,
        asker: Asker,
        number: int,
        lang: str | None,
        act: Callable[[], Awaitable[object]],
        *,
        at: Act | None = None,
        typed: str = "",
    ) -> Response:
        """Leads back to the answer, or shows there why it could not be done. `at`: where `typed` is the
        reason for."""
        try:
            await act()
        except (BadQuestion, Clash, NotAllowed) as error:
            at = at if isinstance(error, BadQuestion) else None
            return await self.answer(who, asker, number, lang, error=error, at=at, typed=typed)
        return RedirectResponse(f"/look-up/{number}", _SEE_OTHER)


def router(centre: Centre) -> APIRouter:
    pages, own = APIRouter(), _Own(centre)
    _ask(pages, own)
    _answer(pages, own)
    _take_out(pages, own)
    _blind(pages, own)
    return pages


def _ask(pages: APIRouter, own: _Own) -> None:
    centre = own.centre

    @pages.get("/look-up", response_class=HTMLResponse)
    async def ask_page(who: Officer, lang: Language = None) -> Response:
        return await own.blank(who, lang, Typed())

    @pages.post("/look-up", response_class=HTMLResponse)
    async def ask(request: Request, who: Officer, lang: Language = None) -> Response:
        asker, typed = await own.asker(who, request), show.typed_of(await request.form(), who)
        if typed.community not in who.communities:  # on record where one's own supervisors see it
            nowhere = NotThere("no such community of yours")
            await centre.look_ups.refuse(asker, min(who.communities, default=0), typed.asked, nowhere)
            return await own.blank(who, lang, typed, nowhere)
        if typed.emergency and not who.fresh:  # in an emergency nobody else agrees first
            stale = ProveAgain("give the second factor again: an emergency takes a fresh one")
            await centre.look_ups.refuse(asker, typed.community, typed.asked, stale, typed.named)
            return await own.blank(who, lang, typed, stale)
        if typed.seeks_room:
            found = await centre.questions.ask(lambda db: show.only_room(db, who, typed))
            typed = replace(typed, room=found)
        try:
            asking = asking_of(typed, centre.now_us(), centre.zone)
        except BadQuestion as error:
            await centre.look_ups.refuse(asker, typed.community, typed.asked, error, typed.named)
            return await own.blank(who, lang, typed, error)
        try:
            number = await centre.look_ups.put(asker, asking, centre.now_us())
        except (BadQuestion, NotThere, NotAllowed, TooOften) as error:
            return await own.blank(who, lang, typed, error)
        return RedirectResponse(f"/look-up/{number}", _SEE_OTHER)  # which answers it

    @pages.post("/look-up/rooms", response_class=HTMLResponse)
    async def rooms(request: Request, who: Officer, lang: Language = None) -> Response:
        typed = await request.form()
        text, community = str(typed.get("room_name", ""))[:80], show.community_of(typed, who)
        found = await centre.questions.ask(lambda db: show.rooms_called(db, who, community, text))
        told: dict[str, Any] = {
            "rooms": found,
            "most_rooms": show.MOST_ROOMS,
            "meant": show.meant(found, text),
            "asked": text,
        }
        return centre.part(lang, "look_up/rooms.html", **told)

    @pages.get("/look-up/mine", response_class=HTMLResponse)
    async def mine(
        request: Request,
        who: Officer,
        before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
        lang: Language = None,
    ) -> Response:
        asker = await own.asker(who, request)
        rows = await centre.questions.ask(lambda db: look_ups_of(db, asker, before))
        return centre.show(who, lang, "look_up/mine.html", "my-look-ups", rows=rows, before=before)


def _answer(pages: APIRouter, own: _Own) -> None:
    centre = own.centre

    @pages.get("/look-up/{number}", response_class=HTMLResponse)
    async def answer_page(
        request: Request,
        who: Officer,
        number: Number,
        *,
        view: View = "timeline",
        cursor: Annotated[str | None, Query(max_length=64)] = None,
        lang: Language = None,
    ) -> Response:
        return await own.answer(who, await own.asker(who, request), number, lang, view, cursor)

    @pages.post("/look-up/{number}/reveals", response_class=HTMLResponse)
    async def revealed(
        request: Request,
        who: Officer,
        number: Number,
        *,
        record: Annotated[_Record, Form()],
        field: Annotated[Shown, Form()],
        why: _Text,
        beside: Annotated[list[_Record], Form(max_length=500)] = [],  # noqa: B006  FastAPI copies it
        lang: Language = None,
    ) -> Response:
        """`beside`: the records of the page that are marked as the same person's."""
        asker = await own.asker(who, request)
        values: dict[str, Any] = {"field": field, "also": (), "value": None, "error": None}
        try:
            found = await reveal_beside(
                centre.look_ups, asker, number, record, shown=field, why=why, beside=beside
            )
            values |= {"value": found.value, "also": found.also}
        except (BadQuestion, Clash, IdentityGone) as error:
            values["error"] = told_of(error)
        return centre.part(lang, "look_up/revealed.html", **values)


def _blind(pages: APIRouter, own: _Own) -> None:
    centre = own.centre

    @pages.get("/parts/look-up/{number}/blind", response_class=HTMLResponse)
    async def blind(
        request: Request,
        who: Officer,
        number: Number,
        at: Annotated[list[str], Query(max_length=1_000)] = [],  # noqa: B006  FastAPI copies it
        lang: Language = None,
    ) -> Response:
        """`at`: gateways of the answer, each as site/gateway. Of doors alone; no entry is looked at."""
        asker = await own.asker(who, request)
        row = await centre.questions.ask(lambda db: own_row(db, asker, number))
        mine = await centre.questions.ask(lambda db: show.gateways_asked(db, who, row))
        wanted = {(site, name) for site, _, name in (each.partition("/") for each in at)}
        values = await show.blind_values(centre, row, wanted & mine)
        whole = values["whole"] and wanted <= mine
        return centre.part(lang, "look_up/blind.html", **{**values, "whole": whole, "later": True})


def _take_out(pages: APIRouter, own: _Own) -> None:
    centre = own.centre

    @pages.post("/look-up/{number}/approval-requests")
    async def ask_for(
        request: Request,
        who: Officer,
        number: Number,
        *,
        act: Annotated[Act, Form()],
        why: _Text,
        lang: Language = None,
    ) -> Response:
        asker, now_us = await own.asker(who, request), centre.now_us()

        async def asked() -> None:
            await centre.look_ups.record(
                lambda db: acts.ask_for(db, asker, number, act=act, why=why, now_us=now_us)
            )

        return await own.done(who, asker, number, lang, asked, at=act, typed=why)

    @pages.post("/look-up/{number}/exports")
    async def taken_out(
        request: Request,
        who: TakingOut,
        number: Number,
        *,
        wanted: Annotated[Format, Form(alias="format")],
        lang: Language = None,
    ) -> Response:
        asker = await own.asker(who, request)
        try:
            made = await export(
                *(centre.look_ups, centre.signing, asker, number, wanted),
                wording=CaseWords(centre.views),
                language=lang,
            )
        except (BadQuestion, Clash, NotAllowed) as error:
            return await own.answer(who, asker, number, lang, error=error)
        return file_to_keep(request, made.archive, _ZIP, made.name)

    @pages.post("/look-up/{number}/holds")
    async def held(
        request: Request,
        who: TakingOut,
        number: Number,
        *,
        days: Annotated[int, Form(ge=1, le=180)],
        lang: Language = None,
    ) -> Response:
        asker = await own.asker(who, request)
        return await own.done(who, asker, number, lang, lambda: hold(centre.look_ups, asker, number, days))


_KINDS: Final[dict[type[CentralError], tuple[int, str]]] = {
    TooOften: (429, N_("You have asked as often as you may for now. An approver can raise your limit.")),
    NotAllowed: (
        403,
        N_("This needs the word of somebody of another unit first, or your look-ups rest until a review."),
    ),
    ProveAgain: (
        401,
        N_("An emergency takes a fresh second factor. Give it in another tab, then look up again."),
    ),
    NotThere: (404, N_("There is no such place in your communities.")),
    Clash: (409, N_("This was asked for already, or is not there.")),
    IdentityGone: (410, N_("It was deleted when its time was over.")),
}


def told_of(error: CentralError | None) -> str | None:
    """In English, to be translated where it is shown."""
    if error is None:
        return None
    if isinstance(error, BadQuestion):
        return fault_told(error)
    return _KINDS[type(error)][1]


def status_of(error: CentralError | None) -> int:
    if error is None:
        return 200
    return 422 if isinstance(error, BadQuestion) else _KINDS[type(error)][0]
