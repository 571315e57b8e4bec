"""The public report on look-ups, read without an account: whole quarters, small counts kept back (R-108)."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from central.accounts.guard import open_to_all
from central.accounts.identify import address_of
from central.console.centre import Centre
from central.console.chosen import CommunityAsked
from central.console.forms import today
from central.console.pages.oversight.transparency import Quarter, begin_of, report_values
from central.console.registry import Page
from central.console.views import Language
from central.errors import NotThere
from central.lookup.public_reports import PublicReports, first_day

PAGES: Final[list[Page]] = []
"""None in the navigation: it is on the sign-in page, and whoever has signed in has it under Oversight."""


def router(centre: Centre) -> APIRouter:
    pages = APIRouter(dependencies=[open_to_all()])
    reports = PublicReports(centre.questions, centre.zone, centre.now_us)

    @pages.get("/public-report", response_class=HTMLResponse, summary="The public report, for everybody")
    async def public_report(
        request: Request, quarter: Quarter = "", community: CommunityAsked = None, lang: Language = None
    ) -> HTMLResponse:
        """Thirty a minute from one address."""
        everywhere = await reports.communities(address_of(request))
        place = next((each for each in everywhere if community in {None, each.id}), None)
        if place is None and community is not None:
            raise NotThere("no such community")
        values: dict[str, Any] = {"place": place, "all_mine": everywhere}
        if place is not None:
            first = begin_of(quarter) or await reports.newest(place.id)
            found = await reports.told(place.id, first)
            values |= {"here_id": place.id}
            values |= report_values(found, first, first_day(today(centre)), opened=not quarter)
        return centre.part(lang, "public_report/public_report.html", **values)

    return pages
