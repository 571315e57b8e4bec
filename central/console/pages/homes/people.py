"""People: found by all of what is known of them, or by a card laid on the desk reader; or registered."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from central.accounts.who import Who
from central.console.centre import Centre
from central.console.chosen import chosen
from central.console.forms import Text, led_to
from central.console.pages.homes.common import Worker, show
from central.console.pages.homes.sentences import WORDS
from central.console.views import Language
from central.errors import BadQuestion, CentralError, Clash
from central.lookup.words import Through
from central.register import people
from central.register.people_found import MaskedPerson, found_by_any, meant_alone
from central.register.place_tree import path_text, paths
from central.register.residencies import lived_where
from central.register.words import Category, DocumentType

Community = Annotated[int | None, Query(ge=1, le=2**53)]
Chosen = Annotated[int, Form(ge=1, le=2**53)]


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/homes/people", response_class=HTMLResponse, summary="Find or register somebody")
    async def people_page(who: Worker, community: Community = None, lang: Language = None) -> HTMLResponse:
        return await shown(who, community, lang)

    @pages.post("/homes/people", response_class=HTMLResponse, summary="People by what is known of them")
    async def found(who: Worker, community: Chosen, text: Text = "", lang: Language = None) -> HTMLResponse:
        """By POST: what is typed stands in no address and no log."""
        asked = text.strip()
        try:
            rows = await found_by(centre, who, community, asked)
        except BadQuestion as error:
            return await shown(who, community, lang, error)
        return await shown(who, community, lang, found=rows)

    @pages.post("/homes/people/new", response_class=HTMLResponse, summary="Register somebody without a home")
    async def registered(  # noqa: PLR0917  FastAPI passes them by name
        who: Worker,
        community: Chosen,
        name: Text = "",
        document: Annotated[DocumentType, Form()] = DocumentType.RESIDENT_ID,
        number: Text = "",
        phone: Text = "",
        category: Annotated[Category, Form()] = Category.WORKER,
        lang: Language = None,
    ) -> Response:
        try:
            made = await centre.office.act(
                who,
                community,
                lambda desk: people.register_person(
                    desk,
                    name=name,
                    document=document,
                    number=number.strip() or None,
                    phone=phone.strip() or None,
                    category=category,
                ),
            )
        except (BadQuestion, Clash) as error:
            kept = {"name": name, "document": document, "number": number, "phone": phone}
            return await shown(who, community, lang, error, new={**kept, "category": category})
        return led_to(f"/homes/{community}/people/{made}")

    async def shown(
        who: Who,
        community: int | None,
        lang: str | None,
        error: CentralError | None = None,
        *,
        found: list[Any] | None = None,
        new: dict[str, Any] | None = None,
    ) -> HTMLResponse:
        here, all_mine = await chosen(centre, who, community)
        values: dict[str, Any] = {"here_id": here.id, "all_mine": all_mine, "found": found, "words": WORDS}
        blank = {"name": "", "document": "resident_id", "number": "", "phone": "", "category": "worker"}
        values |= {"new": new or blank, "is_new": new is not None}
        return show(centre, who, lang, "people.html", here="people", error=error, **values)

    return pages


async def found_by(centre: Centre, who: Who, community: int, asked: str) -> list[tuple[MaskedPerson, str]]:
    """Whom the text means, whatever it is, and where they live. Raises BadQuestion."""
    vault = centre.office.vault

    def question(db: Connection) -> tuple[list[tuple[MaskedPerson, str]], list[int]]:
        rows = _found_in(centre, db, community, asked)
        return rows, meant_alone(db, vault, community, asked, [each for each, _ in rows])

    rows, _ = await centre.office.ask_about(who, community, question, lambda found: found[1], Through.FOUND)
    return rows


def _found_in(centre: Centre, db: Connection, community: int, asked: str) -> list[tuple[MaskedPerson, str]]:
    """Nothing is found by a part of it."""
    now_us = centre.now_us()
    rows = []
    for each in found_by_any(db, centre.office.vault, community, asked):
        lasting = [
            home
            for home in lived_where(db, community, each.id)
            if home.voided_us is None and (home.until_us is None or home.until_us > now_us)
        ]
        named = paths(db, [home.place_id for home in lasting])
        rows.append((each, "、".join(path_text(named[home.place_id]) for home in lasting)))
    return rows
