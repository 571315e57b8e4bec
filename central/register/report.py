"""Stock and flow (人来登记、人走注销): how many live in each building, came and left, by category.

Reads only. Numbers, never names. What leaves the community is coarser still: nothing under ten is told, and
the rest is rounded to fives, so that two reports laid side by side give nobody away.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from central.register.words import CATEGORY_OF, Category, PlaceKind, Relation
from central.small_counts import SMALLEST, rounded
from central.store.register_tables import person, place, residency


@dataclass(frozen=True, slots=True)
class Count:
    """Of one category in one building; `building` None: rooms that lie in no building."""

    building: int | None
    category: str
    stock: int  # at the end of the time
    came: int
    left: int


def stock_and_flow(connection: Connection, community: int, from_us: int, until_us: int) -> list[Count]:
    """By buildings in their order, then categories; one in which nobody lived all that time has a row of
    zeros. Somebody with two homes in a building is one; who moves
    within it neither comes nor leaves."""
    building_of = buildings_of(connection, community)
    before: dict[tuple[int | None, str], set[int]] = defaultdict(set)
    after: dict[tuple[int | None, str], set[int]] = defaultdict(set)
    came: dict[tuple[int | None, str], set[int]] = defaultdict(set)
    left: dict[tuple[int | None, str], set[int]] = defaultdict(set)
    for row in connection.execute(_residencies(community, from_us, until_us)).all():
        cell = (building_of.get(row.place_id), CATEGORY_OF[Relation(row.relation)].value)
        if row.from_at < from_us:
            before[cell].add(row.human)
        else:
            came[cell].add(row.human)
        if row.until_at is None or row.until_at >= until_us:
            after[cell].add(row.human)
        else:
            left[cell].add(row.human)
    order = {building: rank for rank, building in enumerate(dict.fromkeys(building_of.values()))}
    there = {*before, *after, *came, *left}
    lived_in = {building for building, _ in there}
    empty = {
        (building, Category.RESIDENT.value)
        for building in _standing(connection, community, from_us, until_us)
        if building not in lived_in
    }
    cells = sorted(there | empty, key=lambda cell: (order.get(cell[0], len(order)), cell[1]))
    return [
        Count(*cell, len(after[cell]), len(came[cell] - before[cell]), len(left[cell] - after[cell]))
        for cell in cells
    ]


def _standing(connection: Connection, community: int, from_us: int, until_us: int) -> list[int]:
    """Buildings that stood at any moment of the time."""
    columns = place.c
    lasts = columns.until_at.is_(None) | (columns.until_at > from_us)
    here = (columns.community_id == community, columns.kind == PlaceKind.BUILDING.value)
    asked = select(columns.id).where(*here, columns.from_at < until_us, lasts)
    return list(connection.execute(asked).scalars())


def as_told_outside(count: int) -> str:
    told = rounded(count)
    return f"<{SMALLEST}" if told is None else str(told)


def _residencies(community: int, from_us: int, until_us: int) -> Any:
    """Those that lasted at any moment of the time, its beginning included."""
    human = func.coalesce(person.c.merged_into, person.c.id).label("human")
    return (
        select(human, residency.c.place_id, residency.c.relation, residency.c.from_at, residency.c.until_at)
        .join(person, person.c.id == residency.c.person_id)
        .where(
            residency.c.community_id == community,
            residency.c.voided_at.is_(None),
            residency.c.from_at < until_us,
            residency.c.until_at.is_(None) | (residency.c.until_at >= from_us),
        )
    )


def buildings_of(connection: Connection, community: int) -> Mapping[int, int | None]:
    """Of each place, in the order of estates and their buildings: the building that it lies in."""
    above = place.alias()
    asked = (
        select(place.c.id, place.c.parent_id, place.c.kind)
        .outerjoin(above, above.c.id == place.c.parent_id)
        .where(place.c.community_id == community)
        .order_by(above.c.sort_key, place.c.sort_key, place.c.id)
    )
    rows = connection.execute(asked).all()
    parents = {row.id: row.parent_id for row in rows}
    found: dict[int, int | None] = {row.id: row.id for row in rows if row.kind == PlaceKind.BUILDING}
    for row in rows:
        way: list[int] = []
        at: int | None = row.id
        while at is not None and at not in found:
            way.append(at)
            at = parents.get(at)
        for each in way:
            found[each] = None if at is None else found[at]
    return found
