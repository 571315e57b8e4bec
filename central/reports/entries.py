"""Entries of a month by building and hour of the day, from what the tally counted. Reads only.

Of months that are over alone, and as they were counted some days after their end: from then on a month is
told the same for ever, so that nobody can subtract one reading from the next. What comes later is told in
whole tens. Small counts are kept back along each building's row, whose sum is told; the hours of all
buildings together are added up from what is told, so that they say nothing more (trust.md R-101).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Final

from sqlalchemy import ColumnElement, Connection, func, select, text

from central.accounts.book import sites_of
from central.register.place_tree import doors_lead, path_text, paths
from central.register.report import buildings_of
from central.small_counts import SMALLEST, Count, alone, kept_back
from central.store.count_tables import entry_count, month_told
from central.store.tables import gateway
from central.times import local, micros

HOURS: Final = range(24)
_Cells = dict[int | None, list[int]]

_CLOSE: Final = text(f"""
    INSERT INTO {month_told.name} (community_id, month, told_at, entries, cells)
    VALUES (:community_id, :month, :told_at, :entries, :cells)
    ON CONFLICT (community_id, month) DO NOTHING
""")  # noqa: S608  our own names


@dataclass(frozen=True, slots=True)
class Month:
    """Of the community's clock, such as 2026-10; `until_us` is exclusive."""

    name: str
    from_us: int
    until_us: int

    @classmethod
    def of(cls, first: date, zone: tzinfo) -> Month:
        """The month that begins with that day."""
        following = (first.replace(day=1) + timedelta(days=32)).replace(day=1)
        begins, ends = (micros(datetime(day.year, day.month, 1, tzinfo=zone)) for day in (first, following))
        return cls(f"{first:%Y-%m}", begins, ends)


@dataclass(frozen=True, slots=True)
class OfBuilding:
    """`name` empty: of doors that lie in no building. `hours`: of the day, all days of the month together."""

    name: str
    entries: Count
    hours: Sequence[Count]


@dataclass(frozen=True, slots=True)
class Entries:
    """`hours`: of all buildings, without what was kept back of each. `late`: what came after the month was
    closed and is in none of it, in whole tens."""

    entries: Count
    buildings: Sequence[OfBuilding]
    hours: Sequence[int]
    late: int = 0


def month_to_tell(
    connection: Connection, community: int, month: Month, *, zone: tzinfo, now_us: int
) -> dict[str, object]:
    """What is counted of it now, as a row of `month_told`. Reads the whole tree of places."""
    cells = _cells(connection, community, month, zone)
    return {
        "community_id": community,
        "month": month.name,
        "told_at": now_us,
        "entries": sum(map(sum, cells.values())),
        "cells": json.dumps([[building, hours] for building, hours in cells.items()]),
    }


def close_month(connection: Connection, row: dict[str, object]) -> None:
    """That row is what is told of the month from now on. Within the caller's transaction; nothing, where
    somebody was quicker."""
    connection.execute(_CLOSE, row)


def entries_of(connection: Connection, community: int, month: Month) -> Entries | None:
    """By buildings in their order. None: the month is not closed yet, or nobody was let in."""
    columns = month_told.c
    here = (columns.community_id == community) & (columns.month == month.name)
    told = connection.execute(select(month_told).where(here)).first()
    cells: dict[int | None, list[int]] = {} if told is None else dict(json.loads(told.cells))
    if told is None or not cells:
        return None
    order = {building: rank for rank, building in enumerate(dict.fromkeys(cells))}
    named = paths(connection, [building for building in order if building is not None])
    names = {building: "" if building is None else path_text(named[building]) for building in order}
    sums = kept_back({str(building): sum(hours) for building, hours in cells.items()})
    buildings = [
        _of_building(names[building], sums[str(building)], hours) for building, hours in cells.items()
    ]
    hours_told = [sum(each.hours[hour] or 0 for each in buildings) for hour in HOURS]
    late = _counted(connection, community, month) - told.entries
    return Entries(alone(told.entries), buildings, hours_told, max(0, late // SMALLEST * SMALLEST))


def is_closed(connection: Connection, community: int, month: Month) -> bool:
    columns = month_told.c
    here = (columns.community_id == community) & (columns.month == month.name)
    return connection.execute(select(columns.month).where(here)).first() is not None


def _counted(connection: Connection, community: int, month: Month) -> int:
    """Until now."""
    query = select(func.sum(entry_count.c.entries)).join_from(entry_count, gateway)
    return int(connection.execute(query.where(*_in(connection, community, month))).scalar() or 0)


def _in(connection: Connection, community: int, month: Month) -> tuple[ColumnElement[bool], ...]:
    hour_at = entry_count.c.hour_at
    sites = gateway.c.site.in_(sites_of(connection, [community]))
    return sites, hour_at >= month.from_us, hour_at < month.until_us


def _of_building(name: str, entries: Count, hours: Sequence[int]) -> OfBuilding:
    if entries is None:
        return OfBuilding(name, None, [None] * len(HOURS))  # a true 0 would tell the hours with somebody
    told = kept_back({str(hour): count for hour, count in enumerate(hours)})
    return OfBuilding(name, entries, [told[str(hour)] for hour in HOURS])


def _cells(connection: Connection, community: int, month: Month, zone: tzinfo) -> _Cells:
    """By building, in the tree's order and none at the end: its entries in each hour of the day."""
    columns = entry_count.c
    query = (
        select(gateway.c.site, gateway.c.name, columns.door, columns.hour_at, columns.entries)
        .join_from(entry_count, gateway)
        .where(*_in(connection, community, month))
    )
    places = doors_lead(connection, [community], former=True)
    building_of = buildings_of(connection, community)
    hour_of: dict[int, int] = {}
    found: _Cells = defaultdict(lambda: [0] * len(HOURS))
    for site, name, door, hour_at, entries in connection.execute(query):
        hour = hour_of.get(hour_at)
        if hour is None:
            hour = hour_of[hour_at] = local(hour_at, zone).hour
        lies_in = places.get((site, name, door))
        found[None if lies_in is None else building_of.get(lies_in)][hour] += entries
    ordered = [*dict.fromkeys(each for each in building_of.values() if each is not None), None]
    return {building: found[building] for building in ordered if building in found}
