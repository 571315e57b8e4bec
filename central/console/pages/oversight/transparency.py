"""The public report on look-ups, a quarter on a page: made to be printed and hung up."""

from __future__ import annotations

from datetime import date, datetime, timedelta
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
from central.lookup.transparency import last_asked, quarter_of, report
from central.lookup.transparency_api import READERS
from central.lookup.words import Basis, Purpose
from central.small_counts import SMALLEST
from central.times import local, micros

Reader = Annotated[Who, page_for(*READERS)]
_MONTHS: Final = 3
_LEAST_DAYS: Final = 93
"""Longer than any quarter, and shorter than two."""


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/oversight/transparency", response_class=HTMLResponse, summary="The public report")
    async def transparency_page(
        who: Reader,
        quarter: Annotated[str, Query(pattern=r"^(20\d\d-Q[1-4])?$")] = "",
        community: CommunityAsked = None,
        lang: Language = None,
    ) -> HTMLResponse:
        here, all_mine = await chosen(centre, who, community)
        running = _first(today(centre))
        last = running - timedelta(days=1)
        first = _begin(quarter) if quarter else await newest(here.id, running)
        span = quarter_of(first.year, _number(first), centre.zone, centre.now_us())
        found = await centre.questions.ask(lambda db: report(db, here.id, *span))
        following = _first(first + timedelta(days=_LEAST_DAYS))
        values: dict[str, Any] = {"found": found, "place": here, "here_id": here.id, "all_mine": all_mine}
        values |= {"quarter": _said(first), "before": _said(first - timedelta(days=1))}
        values |= {"after": _said(following) if following < last else None, "smallest": SMALLEST}
        values |= {"running": _said(running), "running_ends": _first(running + timedelta(days=_LEAST_DAYS))}
        values |= {"skipped": _said(last) if not quarter and first < _first(last) else None}
        values |= {"purposes": list(Purpose), "bases": list(Basis), "happened": HAPPENED}
        return centre.show(who, lang, "oversight/transparency.html", "transparency", **values)

    async def newest(community: int, running: date) -> date:
        """The first day of the last quarter that has look-ups to tell of; where none has, of the last one.
        Never the running one: whoever reads it twice could subtract, and learn of a single look-up."""
        before_us = micros(datetime(running.year, running.month, 1, tzinfo=centre.zone))
        at_us = await centre.questions.ask(lambda db: last_asked(db, community, before_us))
        return _first(running - timedelta(days=1) if at_us is None else local(at_us, centre.zone).date())

    return pages


def _first(day: date) -> date:
    """Of the quarter that a day lies in."""
    return date(day.year, (day.month - 1) // _MONTHS * _MONTHS + 1, 1)


def _number(first: date) -> int:
    return (first.month - 1) // _MONTHS + 1


def _said(day: date) -> str:
    return f"{day.year}-Q{_number(_first(day))}"


def _begin(quarter: str) -> date:
    return date(int(quarter[:4]), (int(quarter[-1]) - 1) * _MONTHS + 1, 1)
