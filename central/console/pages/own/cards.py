"""A resident's own cards: their state, and one reported lost at once."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from central.accounts.residents import accounts_of
from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.forms import Done, RowId, led_to, status_of
from central.console.guard import page_for
from central.console.pages.homes.sentences import WORDS
from central.console.views import Language
from central.console.words import N_
from central.errors import CentralError, Clash
from central.register.credentials import history_of
from central.register.oneself import person_of
from central.register.own_cards import own_cards, own_community, report_own_lost

Resident = Annotated[Who, page_for(Role.RESIDENT)]


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/own/cards", response_class=HTMLResponse, summary="One's own cards")
    async def cards_page(who: Resident, *, done: Done = None, lang: Language = None) -> HTMLResponse:
        return await shown(who, lang, done=done)

    @pages.post("/own/cards/{card}/report-lost", response_class=HTMLResponse, summary="Report it lost")
    async def lost(card: RowId, who: Resident, lang: Language = None) -> Response:
        community = await centre.questions.ask(lambda db: own_community(db, who))
        try:
            await centre.office.act(who, community, lambda desk: report_own_lost(desk, who, card))
        except Clash as error:
            return await shown(who, lang, error=error)
        return led_to("/own/cards", "card-lost")

    async def shown(
        who: Who, lang: str | None, *, done: str | None = None, error: CentralError | None = None
    ) -> HTMLResponse:
        cards = await centre.questions.ask(lambda db: _cards(db, who))
        values: dict[str, Any] = {"cards": cards, "words": WORDS, "just_done": done}
        values |= {"wrong": error is not None, "now_us": centre.now_us()}
        status = status_of(error)
        return centre.show(who, lang, "own/cards.html", "own-cards", status=status, **values)

    return pages


def _cards(db: Connection, who: Who) -> list[tuple[Any, list[tuple[Any, str]]]]:
    """Each with what became of it and by whom, the newest first."""
    community, mine = own_community(db, who), accounts_of(db, person_of(who))

    def by(account: int) -> str:
        return N_("by you") if account in mine else N_("by the desk")

    return [
        (each, [(event, by(event.account)) for event in reversed(history_of(db, community, each.id))])
        for each in own_cards(db, who)
    ]
