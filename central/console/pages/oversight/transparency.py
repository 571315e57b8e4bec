"""The public report on look-ups, a quarter on a page: made to be printed and hung up."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from central.accounts.who import Who
from central.console.centre import Centre
from central.console.chosen import CommunityAsked, chosen
from central.console.forms import today
from central.console.guard import page_for
from central.console.pages.oversight.register import HAPPENED
from central.console.views import Language
from central.lookup.public_reports import first_day, newest, number_of
from central.lookup.transparency import Report, quarter_of, report
from central.lookup.transparency_api import READERS
from central.lookup.words import Basis, Purpose
from central.small_counts import SMALLEST

Reader = Annotated[Who, page_for(*READERS)]
Quarter = Annotated[str, Query(pattern=r"^(20\d\d-Q[1-4])?$")]
_MONTHS: Final = 3
_LEAST_DAYS: Final = 93
"""Longer than any quarter, and shorter than two."""


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/oversight/transparency", response_class=HTMLResponse, summary="The public report")
    async def transparency_page(
        who: Reader,
        quarter: Quarter = "",
        community: CommunityAsked = None,
        lang: Language = None,
    ) -> HTMLResponse:
        here, all_mine = await chosen(centre, who, community)
        running = first_day(today(centre))
        first = begin_of(quarter)
        if first is None:
            first = await centre.questions.ask(lambda db: newest(db, here.id, running, centre.zone))
        span = quarter_of(first.year, number_of(first), centre.zone, centre.now_us())
        found = await centre.questions.ask(lambda db: report(db, here.id, *span))
        values: dict[str, Any] = {"place": here, "here_id": here.id, "all_mine": all_mine}
        values |= report_values(found, first, running, opened=not quarter)
        return centre.show(who, lang, "oversight/transparency.html", "transparency", **values)

    return pages


def report_values(found: Report, first: date, running: date, *, opened: bool) -> dict[str, Any]:
    """For `oversight/report.html`. `first`, `running`: the first days of its quarter and of the running one;
    `opened`: nobody chose it."""
    last = running - timedelta(days=1)
    following = first_day(first + timedelta(days=_LEAST_DAYS))
    values: dict[str, Any] = {"found": found, "smallest": SMALLEST}
    values |= {"quarter": _said(first), "before": _said(first - timedelta(days=1))}
    values |= {"after": _said(following) if following < last else None}
    values |= {"running": _said(running), "running_ends": first_day(running + timedelta(days=_LEAST_DAYS))}
    values |= {"skipped": _said(last) if opened and first < first_day(last) else None}
    return {**values, "purposes": list(Purpose), "bases": list(Basis), "happened": HAPPENED}


def _said(day: date) -> str:
    return f"{day.year}-Q{number_of(first_day(day))}"


def begin_of(quarter: str) -> date | None:
    """Of what an address says; None: nothing."""
    return date(int(quarter[:4]), (int(quarter[-1]) - 1) * _MONTHS + 1, 1) if quarter else None
