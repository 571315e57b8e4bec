"""The last days of each door: when it could record, when not and why, and when that is not known."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection, Row, select

from central.accounts.book import sites_of
from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.door_marks import Places, marks_of
from central.console.guard import page_for
from central.console.paging import Cut, PageNumber, cut
from central.console.views import Language
from central.console.words import N_
from central.fleet.completeness import completeness_of
from central.fleet.coverage import DoorCoverage, coverage
from central.store.tables import gateway

Looking = Annotated[Who, page_for(Role.OPERATOR, Role.INSTALLER, Role.SUPERVISOR)]
DAYS: Final = (1, 7, 31)
MOST_GAPS: Final = 20
"""Of a door, the newest ones; its share counts all of them."""
_ALL: Final = N_("All of them")
_DAY_US: Final = 86_400_000_000


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/operations/coverage", response_class=HTMLResponse, summary="Coverage of each door")
    async def coverage_page(
        who: Looking,
        days: Annotated[int, Query(ge=1, le=31)] = 7,
        of: Annotated[str, Query(pattern=r"^([a-z0-9][a-z0-9-]{0,31}/[a-z0-9][a-z0-9-]{0,31})?$")] = "",
        *,
        gaps: bool = False,
        page: PageNumber = 1,
        lang: Language = None,
    ) -> HTMLResponse:
        """`of`: one gateway alone, as site/name. `gaps`: doors alone that could not record at some time."""
        now_us = centre.now_us()
        from_us = now_us - days * _DAY_US

        def asked(db: Connection) -> tuple[list[Row[Any]], Cut[Row[Any]], list[DoorCoverage], Places]:
            every = _gateways(db, who)
            wanted = [row for row in every if of in {"", f"{row.site}/{row.name}"}]
            of_all = coverage(db, wanted, from_us, now_us, now_us) if gaps else []
            if gaps:
                lacking = {(each.site, each.gateway) for each in of_all if each.has_gaps}
                wanted = [row for row in wanted if (row.site, row.name) in lacking]
            here = cut(wanted, page, weight=lambda row: len(json.loads(row.doors or "[]")))
            stands = marks_of(db, completeness_of(db, here.things), now_us)
            return every, here, of_all or coverage(db, here.things, from_us, now_us, now_us), stands

        every, here, found, stands = await centre.questions.ask(asked)
        shown = {(row.site, row.name) for row in here.things}
        gateways: dict[tuple[str, str], list[DoorCoverage]] = {}
        for each in found:
            if (each.site, each.gateway) in shown and (each.has_gaps or not gaps):
                gateways.setdefault((each.site, each.gateway), []).append(each)
        known = [each.recorded for each in found if each.recorded is not None]
        values: dict[str, Any] = {"gateways": gateways, "days": days, "choices": DAYS, "most": MOST_GAPS}
        values |= {"from_us": from_us, "until_us": now_us, "known": len(known)}
        every_one = [("", centre.views.said_in(lang)(_ALL))]
        every_one += [(f"{row.site}/{row.name}", row.label or row.name) for row in every]
        values |= {"every_one": every_one, "of": of, "shown": here, "stands": stands, "only_gaps": gaps}
        values["whole"] = sum(each == 1.0 for each in known)
        return centre.show(who, lang, "operations/coverage.html", "coverage", **values)

    return pages


def _gateways(db: Connection, who: Who) -> list[Row[Any]]:
    here = select(gateway).where(gateway.c.site.in_(sites_of(db, who.communities)))
    return list(db.execute(here.order_by(gateway.c.site, gateway.c.name)))
