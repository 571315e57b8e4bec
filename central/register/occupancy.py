"""How many homes and people there are in each part of a place, and in each of its rooms. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, case, func, or_, select

from central.register.place_tree import Place, below, children, paths, place_of, uses
from central.register.words import PlaceKind, lived_use
from central.store.register_tables import person, place, residency

MOST_ROOMS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Part:
    """One of the places that lie directly in another one."""

    place: Place
    rooms: int
    people: int


@dataclass(frozen=True, slots=True)
class Room:
    """`way`: names from below the place that was asked about down to the room's own parent. `use`: as
    `lived_uses` says."""

    place: Place
    way: tuple[str, ...]
    use: str | None
    people: int


def parts_of(connection: Connection, community: int, parent: int, now_us: int) -> list[Part]:
    """In their order; who lives in two homes of a part is one."""
    found = children(connection, community, parent)
    lines = below(select(place.c.id).where(place.c.id.in_([each.id for each in found])))
    counted_rooms = (
        select(lines.c.start, func.count())
        .join(place, place.c.id == lines.c.id)
        .where(place.c.kind == PlaceKind.ROOM.value, place.c.until_at.is_(None))
        .group_by(lines.c.start)
    )
    counted_people = (
        select(lines.c.start, func.count(_human().distinct()))
        .join(residency, residency.c.place_id == lines.c.id)
        .join(person, person.c.id == residency.c.person_id)
        .where(_at(now_us))
        .group_by(lines.c.start)
    )
    rooms = {row[0]: row[1] for row in connection.execute(counted_rooms)}
    people = {row[0]: row[1] for row in connection.execute(counted_people)}
    return [Part(each, rooms.get(each.id, 0), people.get(each.id, 0)) for each in found]


def rooms_of(connection: Connection, community: int, within: int, now_us: int) -> list[Room]:
    """All rooms that lie anywhere in a place, in the order of their way; at most `MOST_ROOMS`."""
    lines = below(select(place.c.id).where(place.c.id == within))
    asked = (
        select(place)
        .join(lines, lines.c.id == place.c.id)
        .where(place.c.kind == PlaceKind.ROOM.value, place.c.until_at.is_(None))
        .order_by(place.c.sort_key, place.c.id)
        .limit(MOST_ROOMS)
    )
    found = [place_of(row) for row in connection.execute(asked)]
    ids = [each.id for each in found]
    ways, used = paths(connection, ids), lived_uses(connection, community, ids, now_us)
    people = _people_by_room(connection, ids, now_us)
    rooms = []
    for each in found:
        steps = ways[each.id]
        own = next((rank for rank, step in enumerate(steps) if step.id == within), -1)
        way = tuple(step.name for step in steps[own + 1 : -1])
        rooms.append(Room(each, way, used.get(each.id), people.get(each.id, 0)))
    ranked = {way: rank for rank, way in enumerate(_in_order(connection, within, rooms))}
    return sorted(rooms, key=lambda room: ranked[room.way])


def lived_uses(
    connection: Connection, community: int, rooms: Collection[int], now_us: int
) -> Mapping[int, str]:
    """What each of these rooms is used for now, by the register and by who lives there; where it is known."""
    registered = uses(connection, community, rooms)
    lasts = case((_at(now_us), residency.c.relation))
    asked = (
        select(residency.c.place_id, lasts.label("relation"))
        .where(
            residency.c.place_id.in_(list(rooms)),
            residency.c.voided_at.is_(None),
            residency.c.from_at <= now_us,
        )
        .distinct()
    )
    relations: dict[int, set[str]] = {}
    for row in connection.execute(asked):
        relations.setdefault(row.place_id, set()).update([row.relation] if row.relation else [])
    found = {
        room: lived_use(registered.get(room), relations.get(room, ()), was_lived_in=room in relations)
        for room in rooms
    }
    return {room: use for room, use in found.items() if use is not None}


def _in_order(connection: Connection, within: int, rooms: Collection[Room]) -> list[tuple[str, ...]]:
    """The ways as the tree has them: units by their number, not by their letters."""
    lines = below(select(place.c.id).where(place.c.id == within))
    asked = select(place.c.name, place.c.sort_key).join(lines, lines.c.id == place.c.id)
    keys = {row.name: row.sort_key for row in connection.execute(asked)}
    return sorted({room.way for room in rooms}, key=lambda way: [keys.get(name, name) for name in way])


def _people_by_room(connection: Connection, rooms: Collection[int], now_us: int) -> Mapping[int, int]:
    asked = (
        select(residency.c.place_id, func.count(_human().distinct()))
        .join(person, person.c.id == residency.c.person_id)
        .where(residency.c.place_id.in_(rooms), _at(now_us))
        .group_by(residency.c.place_id)
    )
    return {row[0]: row[1] for row in connection.execute(asked)}


def _human() -> ColumnElement[int]:
    """Of rows that were merged, the one that counts."""
    return func.coalesce(person.c.merged_into, residency.c.person_id)


def _at(now_us: int) -> ColumnElement[bool]:
    begun = residency.c.voided_at.is_(None) & (residency.c.from_at <= now_us)
    return begun & or_(residency.c.until_at.is_(None), residency.c.until_at > now_us)
