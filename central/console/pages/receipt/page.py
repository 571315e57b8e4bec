"""A receipt, typed by whoever holds it. Open to all: a visitor has no account, and the receipt is chance."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from central.accounts.guard import open_to_all
from central.accounts.identify import address_of
from central.assessments.words import DataKind
from central.console.centre import Centre
from central.console.pages.assessment.sentences import KINDS
from central.console.registry import Page
from central.console.views import Language
from central.errors import NotThere, TooOften
from central.receipts import LONGEST
from central.visitors.receipts import Recorded

PAGES: Final[list[Page]] = []
"""None in the navigation: it is on the sign-in page, and on what a visitor is given."""

_MISSING, _OFTEN = 404, 429
_OF_ENTRIES: Final = (DataKind.ENTRY_RECORDS, DataKind.VISITOR_IDENTITY)


class Typed(BaseModel):
    model_config = ConfigDict(extra="ignore")

    receipt: str = Field("", max_length=LONGEST)


def router(centre: Centre) -> APIRouter:
    pages = APIRouter(dependencies=[open_to_all()])

    @pages.get("/receipt", response_class=HTMLResponse, summary="A receipt, to be typed")
    async def receipt_page(lang: Language = None) -> HTMLResponse:
        return shown(lang, None)

    @pages.post("/receipt", response_class=HTMLResponse, summary="What was recorded of a visit")
    async def told(request: Request, typed: Typed = Form(), lang: Language = None) -> HTMLResponse:  # noqa: B008
        try:
            found = await centre.receipts.told(typed.receipt, address_of(request))
        except NotThere:
            return shown(lang, None, "unknown", _MISSING)
        except TooOften:
            return shown(lang, None, "often", _OFTEN)
        return shown(lang, found)

    def shown(
        lang: str | None, found: Recorded | None, wrong: str | None = None, status: int = 200
    ) -> HTMLResponse:
        values = {"found": found, "wrong": wrong, "kinds": KINDS, "of_entries": _OF_ENTRIES}
        return centre.part(lang, "receipt/receipt.html", status=status, **values)

    return pages
