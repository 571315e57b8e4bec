"""The notice: for the door as a sheet, for residents on their own page; and where it hangs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from central.accounts.book import staff_names
from central.accounts.who import Role, Who
from central.assessments.book import in_force
from central.assessments.hung import at_doors, saw_it_hang
from central.assessments.notice import notice_of
from central.console.centre import Centre
from central.console.chosen import CommunityAsked, chosen
from central.console.forms import RowId, Text, led_to, status_of
from central.console.guard import page_for
from central.console.registry import Page, Section
from central.console.views import Language
from central.console.words import N_
from central.errors import CentralError, Clash

PAGES = [
    Page("notice", "/notice", N_("Notice at the door"), Section.VISITORS, frozenset({Role.WORKER}), 30),
    Page("own-notice", "/own/notice", N_("What is recorded"), Section.OWN, frozenset({Role.RESIDENT}), 40),
]
Worker = Annotated[Who, page_for(Role.WORKER)]
Resident = Annotated[Who, page_for(Role.RESIDENT)]
DoorAsked = Annotated[str, Query(max_length=80)]


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/notice", response_class=HTMLResponse, summary="The notice as a sheet, and where it hangs")
    async def notice_page(
        who: Worker, community: CommunityAsked = None, door: DoorAsked = "", lang: Language = None
    ) -> HTMLResponse:
        """`door`: what stands on the sheet as its place."""
        return await shown(who, community, lang, door)

    @pages.post("/notice/{community}", response_class=HTMLResponse, summary="The notice hangs at a door")
    async def hangs(  # noqa: PLR0917  FastAPI passes them by name
        who: Worker,
        community: RowId,
        site: Text = "",
        gateway: Text = "",
        door: Text = "",
        lang: Language = None,
    ) -> Response:
        try:
            await centre.office.act(who, community, lambda desk: saw_it_hang(desk, site, gateway, door))
        except Clash as error:
            return await shown(who, community, lang, "", error)
        return led_to(f"/notice?community={community}")

    @pages.get("/own/notice", response_class=HTMLResponse, summary="What is recorded, and one's rights")
    async def own_notice(who: Resident, lang: Language = None) -> HTMLResponse:
        here, _ = await chosen(centre, who, None)
        told = await centre.questions.ask(lambda db: notice_in(db, here.id))
        return centre.show(who, lang, "notice/own.html", "own-notice", place=here, told=told)

    async def shown(
        who: Who, community: int | None, lang: str | None, door: str, error: CentralError | None = None
    ) -> HTMLResponse:
        here, all_mine = await chosen(centre, who, community)

        def ask(db: Connection) -> dict[str, Any]:
            return {
                "told": notice_in(db, here.id),
                "doors": at_doors(db, here.id),
                "names": staff_names(db, [here.id]),
            }

        values = await centre.office.ask(who, here.id, ask)
        values |= {"place": here, "all_mine": all_mine, "door": door, "wrong": error is not None}
        return centre.show(who, lang, "notice/notice.html", "notice", status=status_of(error), **values)

    return pages


def notice_in(db: Connection, community: int) -> list[dict[str, Any]]:
    """In each language: `language`, `title`, `paragraphs`; nothing where no assessment is in force."""
    found = in_force(db, community)
    if found is None:
        return []
    return [
        {"language": each.language.value, "title": each.title, "paragraphs": each.paragraphs}
        for each in notice_of(found[1])
    ]
