"""The report of a month of one community. Counts alone; the small ones are kept back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.chosen import CommunityAsked, chosen
from central.console.forms import file_to_keep, today
from central.console.guard import page_for
from central.console.pages.reports.words import ROUND_KEY, ROUNDS, TAKEN
from central.console.pages.reports.workbook import sheets_of, written
from central.console.registry import Page, Section
from central.console.views import Language
from central.console.words import GAPS, N_
from central.reports.month import Report, Span, report_of
from central.small_counts import SMALLEST

READERS = (Role.SUPERVISOR, Role.WORKER, Role.OPERATOR)
Reader = Annotated[Who, page_for(*READERS)]
Month = Annotated[str, Query(pattern=r"^((20|21)\d\d-(0[1-9]|1[0-2]))?$")]
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MOST_DOORS = 12
"""Doors with gaps that are shown one by one; the workbook has all of them."""


@dataclass(frozen=True, slots=True)
class PlanDrawn:
    """Rounds of a plan by the tones of what became of them."""

    name: str
    toned: list[tuple[int, str]]

    def of(self, tone: str) -> int:
        return sum(count for count, each in self.toned if each == tone)


PAGES = [Page("month", "/reports", N_("The month"), Section.REPORTS, frozenset(READERS))]


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/reports", response_class=HTMLResponse, summary="The report of a month")
    async def month_page(
        who: Reader, month: Month = "", community: CommunityAsked = None, lang: Language = None
    ) -> HTMLResponse:
        here, all_mine = await chosen(centre, who, community)
        span = _span(centre, month)
        report = await _report(centre, who, here.id, span)
        doors = sorted(
            (each for each in report.doors if each.recorded is not None), key=lambda each: each.recorded or 0
        )
        values: dict[str, Any] = {"report": report, "here_id": here.id, "all_mine": all_mine, "place": here}
        values |= {"month": f"{span.first:%Y-%m}", "after": f"{span.end:%Y-%m}"}
        values |= {"before": f"{span.first - timedelta(days=1):%Y-%m}", "smallest": SMALLEST}
        values |= {"doors": doors, "whole": [each for each in doors if each.recorded == 1.0]}
        values |= {"taken": TAKEN, "whys": list(GAPS), "most": MOST_DOORS}
        values |= {"tours": _tours(report), "round_key": ROUND_KEY}
        return centre.show(who, lang, "reports/month.html", "month", **values)

    @pages.get("/reports/workbook", summary="The same as a workbook")
    async def workbook(
        request: Request,
        who: Reader,
        month: Month = "",
        community: CommunityAsked = None,
        lang: Language = None,
    ) -> Response:
        here, _ = await chosen(centre, who, community)
        span = _span(centre, month)
        say = centre.views.said_in(lang)
        report = await _report(centre, who, here.id, span)
        said = say(N_("Numbers, never names. Small counts are kept back."))
        made = written(sheets_of(report, say), [f"{here.name} {span.first:%Y-%m}", said])
        return file_to_keep(request, made, _XLSX, f"report-{span.first:%Y-%m}.xlsx")

    return pages


def _span(centre: Centre, month: str) -> Span:
    """Without a month: the last one that is over."""
    last = today(centre).replace(day=1) - timedelta(days=1)
    first = date.fromisoformat(f"{month}-01") if month else last.replace(day=1)
    from_us, until_us = centre.office.month(first)
    return Span(first, (first + timedelta(days=32)).replace(day=1), from_us, until_us)


async def _report(centre: Centre, who: Who, community: int, span: Span) -> Report:
    def asked(db: Any) -> Report:
        return report_of(db, community, span, zone=centre.office.zone, now_us=centre.now_us())

    return await centre.office.ask(who, community, asked)


def _tours(report: Report) -> list[PlanDrawn]:
    """Of plans with rounds that are over, or should be."""
    drawn = [
        PlanDrawn(each.plan.name, [(each.rounds[state], tone) for state, (_, tone) in ROUNDS.items()])
        for each in report.tours.plans
    ]
    return [each for each in drawn if any(count for count, _ in each.toned)]
