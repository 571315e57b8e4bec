"""The command palette: one types, and is led to a page, or to what a page finds for one's role."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse

from central.accounts.who import Role
from central.console.catalogue import load_catalogues
from central.console.centre import Centre
from central.console.guard import Anybody
from central.console.registry import Found, finders, pages_of
from central.console.views import Language

MOST = 12


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.post("/find", response_class=HTMLResponse, summary="What the command palette leads to")
    async def find(
        who: Anybody, text: Annotated[str, Form(max_length=80)] = "", lang: Language = None
    ) -> HTMLResponse:
        """By POST: what is typed may name somebody, and addresses are kept in many places."""
        asked = " ".join(text.split())
        found = pages_called(who.role, asked)
        if asked:
            for each in finders():
                found += await each(centre, who, asked)
        return centre.part(lang, "palette.html", found=found[:MOST], asked=asked)

    return pages


def pages_called(role: Role, text: str) -> list[Found]:
    """Pages whose title holds the text in either language; all of them for an empty one. Pure but for the
    catalogues. The title is English still."""
    zh = load_catalogues()["zh"]
    wanted = text.casefold()
    return [
        Found(page.title, "", page.path)
        for page in pages_of(role)
        if wanted in page.title.casefold() or wanted in zh.gettext(page.title) or wanted in page.name
    ]
