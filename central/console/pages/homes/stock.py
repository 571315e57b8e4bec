"""Stock and flow of a month: how many live in each building, came and left. Numbers, never names."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from central.console.centre import Centre
from central.console.chosen import CommunityAsked, chosen
from central.console.forms import today
from central.console.pages.homes.common import Worker, show
from central.console.pages.homes.sentences import WORDS
from central.console.views import Language
from central.register.place_tree import path_text, paths
from central.register.report import stock_and_flow
from central.register.words import Category

Row = tuple[str, dict[str, tuple[int, int, int]]]


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/homes/stock", response_class=HTMLResponse, summary="Stock and flow of a month")
    async def stock_page(
        who: Worker,
        month: Annotated[str, Query(pattern=r"^((19|20|21)\d\d-(0[1-9]|1[0-2]))?$")] = "",
        community: CommunityAsked = None,
        lang: Language = None,
    ) -> HTMLResponse:
        here, all_mine = await chosen(centre, who, community)
        first = date.fromisoformat(f"{month}-01") if month else today(centre).replace(day=1)
        rows = await centre.office.ask(who, here.id, lambda db: _rows(centre, db, here.id, first))
        return show(
            centre,
            who,
            lang,
            "stock.html",
            here="stock",
            here_id=here.id,
            all_mine=all_mine,
            month=f"{first:%Y-%m}",
            before=f"{first - timedelta(days=1):%Y-%m}",
            after=f"{(first + timedelta(days=32)).replace(day=1):%Y-%m}",
            rows=rows,
            totals=_totals(rows),
            categories=[each for each in Category if any(each in cells for _, cells in rows)],
            words=WORDS,
        )

    return pages


def _rows(centre: Centre, db: Connection, community: int, first: date) -> list[Row]:
    """By buildings in their order: of each category its stock, who came and who left."""
    from_us, until_us = centre.office.month(first)
    counts = stock_and_flow(db, community, from_us, until_us)
    named = paths(db, [each.building for each in counts if each.building is not None])
    rows: dict[int | None, dict[str, tuple[int, int, int]]] = {}
    for each in counts:
        rows.setdefault(each.building, {})[each.category] = (each.stock, each.came, each.left)
    return [
        ("" if building is None else path_text(named[building]), cells) for building, cells in rows.items()
    ]


def _totals(rows: list[Row]) -> tuple[int, int, int]:
    """Of all buildings and categories together; who lives in two buildings is counted in both."""
    every = [cell for _, cells in rows for cell in cells.values()]
    return sum(cell[0] for cell in every), sum(cell[1] for cell in every), sum(cell[2] for cell in every)
