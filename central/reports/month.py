"""Everything that the report of a month is made of. Reads only; numbers, never names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo

from sqlalchemy import Connection, select

from central.accounts.book import sites_of
from central.alarms.response import Response, response
from central.fleet.coverage import DoorCoverage, coverage
from central.register.place_tree import path_text, paths
from central.register.report import stock_and_flow
from central.reports.entries import Entries, Month, entries_of, is_closed
from central.small_counts import Count, rounded
from central.store.tables import gateway
from central.tours.walked import Month as Tours
from central.tours.walked import month_of, walked

_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """A month of the community's clock; `end`: the first day after it. Times are UTC microseconds."""

    first: date
    end: date
    from_us: int
    until_us: int


@dataclass(frozen=True, slots=True)
class Stock:
    """Of one building, rounded and without small counts; `name` empty: rooms that lie in no building."""

    name: str
    stock: Count
    came: Count
    left: Count


@dataclass(frozen=True, slots=True)
class Report:
    """`is_told`: entries are told of months that are closed alone, some days after their end."""

    is_told: bool
    entries: Entries | None
    stock: Sequence[Stock]
    doors: Sequence[DoorCoverage]
    alarms: Sequence[Response]
    tours: Tours


def report_of(connection: Connection, community: int, span: Span, *, zone: tzinfo, now_us: int) -> Report:
    sites = sites_of(connection, [community])
    month = Month.of(span.first, zone)
    here = select(gateway).where(gateway.c.site.in_(sites)).order_by(gateway.c.site, gateway.c.name)
    rows = connection.execute(here).all()
    rounds = walked(connection, community, span.first, span.end - _ONE_DAY, zone=zone, now_us=now_us)
    return Report(
        is_told=is_closed(connection, community, month),
        entries=entries_of(connection, community, month),
        stock=_stock(connection, community, span),
        doors=coverage(connection, rows, span.from_us, span.until_us, now_us),
        alarms=response(connection, sites, span.from_us, span.until_us, now_us),
        tours=month_of(rounds),
    )


def _stock(connection: Connection, community: int, span: Span) -> list[Stock]:
    """By buildings in their order, all categories together."""
    sums: dict[int | None, list[int]] = defaultdict(lambda: [0, 0, 0])
    for each in stock_and_flow(connection, community, span.from_us, span.until_us):
        for at, count in enumerate((each.stock, each.came, each.left)):
            sums[each.building][at] += count
    named = paths(connection, [building for building in sums if building is not None])
    return [
        Stock("" if building is None else path_text(named[building]), *(rounded(count) for count in counts))
        for building, counts in sums.items()
    ]
