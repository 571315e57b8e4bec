"""API: the public report on look-ups, by quarter. Counts alone; small ones are kept back."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Path as InPath
from pydantic import BaseModel, Field

from central.accounts.guard import requires
from central.accounts.who import Role, Who
from central.errors import NotThere
from central.lookup import transparency
from central.lookup.service import LookUps
from central.lookup.transparency import FIRST_YEAR, LAST_YEAR, Report
from central.problems import RESPONSES, documented
from central.small_counts import SMALLEST, Count
from central.times import utc_text

READERS = (Role.SUPERVISOR, Role.APPROVER, Role.OFFICER, Role.WORKER, Role.RESIDENT)
"""Whoever belongs to the community; the report is made to be hung up."""

Reader = Annotated[Who, requires(*READERS)]
_ANSWERS: dict[int | str, dict[str, Any]] = {
    **RESPONSES,
    404: documented("There is no such community for the caller"),
}


class ReportOut(BaseModel):
    """Null: a count below 10 that is not none, or one that is kept back so that such a one stays unknown."""

    community: int
    from_: str = Field(serialization_alias="from", description="UTC")
    until: str
    smallest: int = Field(description="smaller counts are kept back")
    look_ups: Count
    by_purpose: dict[str, Count]
    by_basis: dict[str, Count]
    by_question: dict[str, Count]
    by_role: dict[str, Count]
    emergencies: Count
    acts: dict[str, Count] = Field(description="what else happened, by kind")
    deletions: int = Field(description="days and months whose keys of identity were destroyed")

    @classmethod
    def of(cls, report: Report) -> ReportOut:
        return cls(
            community=report.community,
            from_=utc_text(report.from_us),
            until=utc_text(report.until_us),
            smallest=SMALLEST,
            look_ups=report.look_ups,
            by_purpose=dict(report.by_purpose),
            by_basis=dict(report.by_basis),
            by_question=dict(report.by_question),
            by_role=dict(report.by_role),
            emergencies=report.emergencies,
            acts=dict(report.acts),
            deletions=report.deletions,
        )


def router(look_ups: LookUps) -> APIRouter:
    api = APIRouter(tags=["look-ups"])

    @api.get(
        "/transparency-reports/{community}/{year}/{quarter}",
        responses=_ANSWERS,
        summary="How often entries were looked up in a quarter that is over, for what, and what became of it",
    )
    async def one(
        community: Annotated[int, InPath(ge=1, le=2**53)],
        year: Annotated[int, InPath(ge=FIRST_YEAR, lt=LAST_YEAR)],
        quarter: Annotated[int, InPath(ge=1, le=4)],
        who: Reader,
    ) -> ReportOut:
        if not who.sees(community):
            raise NotThere("no such community")
        from_us, until_us = transparency.quarter_of(year, quarter, look_ups.zone, look_ups.now_us())
        report = transparency.report
        return ReportOut.of(await look_ups.questions.ask(lambda db: report(db, community, from_us, until_us)))

    return api
