"""Entries of a month by building and hour of the day, from what the tally counted. Reads only.

Of whole months that are over alone: nobody can subtract yesterday's report from today's. Small counts are
kept back along each building's row, whose sum is told; the hours of all buildings together are added up from
what is told, so that they say nothing more (trust.md R-101).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from sqlalchemy import Connection, select

from central.accounts.book import sites_of
from central.register.place_tree import path_text, paths
from central.register.report import buildings_of
from central.small_counts import Count, alone, kept_back
from central.store.count_tables import entry_count
from central.store.register_tables import door_place
from central.store.tables import gateway
from central.times import local

HOURS: Final = range(24)
_Cells = dict[int | None, list[int]]


@dataclass(frozen=True, slots=True)
class OfBuilding:
    """`name` empty: of doors that lie in no building. `hours`: of the day, all days of the month together."""

    name: str
    entries: Count
    hours: Sequence[Count]


@dataclass(frozen=True, slots=True)
class Entries:
    """`hours`: of all buildings, without what was kept back of each."""

    entries: Count
    buildings: Sequence[OfBuilding]
    hours: Sequence[int]


def entries_of(
    connection: Connection, community: int, from_us: int, until_us: int, zone: tzinfo
) -> Entries | None:
    """By buildings in their order. None: nobody was let in, or it is not counted yet."""
    cells = _cells(connection, community, from_us, until_us, zone)
    if not cells:
        return None
    order = {building: rank for rank, building in enumerate(dict.fromkeys(cells))}
    named = paths(connection, [building for building in order if building is not None])
    names = {building: "" if building is None else path_text(named[building]) for building in order}
    sums = kept_back({str(building): sum(hours) for building, hours in cells.items()})
    buildings = [
        _of_building(names[building], sums[str(building)], hours) for building, hours in cells.items()
    ]
    told = [sum(each.hours[hour] or 0 for each in buildings) for hour in HOURS]
    return Entries(alone(sum(sum(hours) for hours in cells.values())), buildings, told)


def _of_building(name: str, entries: Count, hours: Sequence[int]) -> OfBuilding:
    if entries is None:
        return OfBuilding(name, None, [None] * len(HOURS))  # a true 0 would tell the hours with somebody
    told = kept_back({str(hour): count for hour, count in enumerate(hours)})
    return OfBuilding(name, entries, [told[str(hour)] for hour in HOURS])


def _cells(connection: Connection, community: int, from_us: int, until_us: int, zone: tzinfo) -> _Cells:
    """By building, in the tree's order and none at the end: its entries in each hour of the day."""
    columns = entry_count.c
    query = (
        select(gateway.c.site, gateway.c.name, columns.door, columns.hour_at, columns.entries)
        .join_from(entry_count, gateway)
        .where(
            gateway.c.site.in_(sites_of(connection, [community])),
            columns.hour_at >= from_us,
            columns.hour_at < until_us,
        )
    )
    places = _placed(connection, community)
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


def _placed(connection: Connection, community: int) -> dict[tuple[str, str, str], int]:
    """Where each door leads now, or led last."""
    columns = door_place.c
    query = select(columns.site, columns.gateway, columns.door, columns.place_id)
    rows = connection.execute(query.where(columns.community_id == community).order_by(columns.id))
    return {(row.site, row.gateway, row.door): row.place_id for row in rows}
