"""When points were read: by a guard of the plan, or the tag that hangs there. Reads only.

Gives times by point to what derives words from them, never whose they were. Who was where is an entry, and
entries are looked up with a reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, or_, select

from central.fleet.completeness import completeness_of
from central.store.register_tables import holder, person
from central.store.tables import gateway, record
from central.store.tour_tables import tour_guard
from messages.model import Kind, Reason

_SHOWN_THERE: Final = (Kind.ACCESS_GRANTED, Kind.ACCESS_DENIED)
"""Whether the door opened does not matter: the credential was there."""

_OUT_OF_HAND: Final = (Reason.LOST, Reason.BLOCKED)
"""Not the guard's any more."""


@dataclass(frozen=True, slots=True)
class Point:
    id: int
    name: str
    site: str
    gateway: str
    door: str
    reader: str | None
    token: bytes | None


@dataclass(frozen=True, slots=True)
class _Known:
    """A gateway, and up to when all that it recorded is here."""

    id: int
    until_us: int


def known_until(connection: Connection, points: Iterable[Point]) -> dict[int, int]:
    """By point: up to when all records of its gateway are here; 0 where it never spoke."""
    points = list(points)
    known = _gateways(connection, points)
    return {
        each.id: known[each.site, each.gateway].until_us if (each.site, each.gateway) in known else 0
        for each in points
    }


def reads_at(
    connection: Connection, plan: int, points: Sequence[Point], from_us: int, until_us: int
) -> Mapping[int, list[int]]:
    """By point, in the order of time: when it was read for this plan."""
    ids = _ids(connection, points)
    here = [each for each in points if (each.site, each.gateway) in ids]
    found: dict[int, list[int]] = defaultdict(list)
    for point, condition in _branches(connection, plan, here, ids, until_us):
        query = select(record.c.at).where(
            condition,
            record.c.at >= from_us,
            record.c.at < until_us,
            record.c.kind.in_(_SHOWN_THERE),
            or_(record.c.reason.is_(None), record.c.reason.not_in(_OUT_OF_HAND)),
        )
        found[point] += connection.execute(query).scalars()
    return {point: sorted(times) for point, times in found.items()}


def _branches(
    connection: Connection,
    plan: int,
    points: Sequence[Point],
    ids: Mapping[tuple[str, str], int],
    until_us: int,
) -> Iterable[tuple[int, ColumnElement[bool]]]:
    by_guards = _of_guards(connection, plan, until_us) if any(p.token is None for p in points) else []
    for point in points:
        place = [record.c.gateway_id == ids[point.site, point.gateway], record.c.door == point.door]
        if point.reader is not None:
            place.append(record.c.reader == point.reader)
        if point.token is not None:
            # Nobody holds a tag; the words are those of the index's own condition.
            yield point.id, and_(record.c.token == point.token, record.c.holder.is_(None), *place)
        elif by_guards:
            yield point.id, and_(or_(*by_guards), *place)


def _of_guards(connection: Connection, plan: int, until_us: int) -> list[ColumnElement[bool]]:
    """Records of those who were of the plan, each for as long as they were."""
    same = or_(person.c.id == tour_guard.c.person_id, person.c.merged_into == tour_guard.c.person_id)
    query = (
        select(
            holder.c.reference,
            holder.c.from_at,
            holder.c.until_at,
            tour_guard.c.from_at.label("since"),
            tour_guard.c.until_at.label("till"),
        )
        .join_from(tour_guard, person, same)
        .join(holder, holder.c.person_id == person.c.id)
        .where(tour_guard.c.plan_id == plan, tour_guard.c.from_at < until_us)
        .order_by(holder.c.id)
    )
    found = []
    for row in connection.execute(query):
        parts = [record.c.holder == row.reference, record.c.at >= max(row.from_at, row.since)]
        ends = [at for at in (row.until_at, row.till) if at is not None]
        if ends:
            parts.append(record.c.at < min(ends))
        found.append(and_(*parts))
    return found


def _ids(connection: Connection, points: Sequence[Point]) -> dict[tuple[str, str], int]:
    return {(row.site, row.name): row.id for row in _rows(connection, points)}


def _gateways(connection: Connection, points: Sequence[Point]) -> dict[tuple[str, str], _Known]:
    rows = _rows(connection, points)
    told = {(each.site, each.name): each.complete_until_us for each in completeness_of(connection, rows)}
    return {(row.site, row.name): _Known(row.id, told.get((row.site, row.name)) or 0) for row in rows}


def _rows(connection: Connection, points: Sequence[Point]) -> Sequence[Any]:
    """Whole rows of `gateway`."""
    names = {(each.site, each.gateway) for each in points}
    if not names:
        return []
    here = or_(*(and_(gateway.c.site == site, gateway.c.name == name) for site, name in sorted(names)))
    return connection.execute(select(gateway).where(here)).all()
