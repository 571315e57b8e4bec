"""The map of Now: estates, their buildings and gates as the place tree has them, and how each door stands.

Reads only. A door's state is what its contact said; without a contact it is known by its gateway alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, select

from central.fleet.completeness import Completeness
from central.register.place_tree import doors_lead, paths
from central.register.words import PlaceKind
from central.store.register_tables import place
from central.store.tables import gateway, record
from messages.model import Kind

STATES: Final[Mapping[str, str]] = {
    Kind.DOOR_CLOSED: "closed",
    Kind.DOOR_OPENED: "open",
    Kind.DOOR_HELD: "held",
    Kind.DOOR_FORCED: "forced",
    Kind.DOOR_FREED: "free",
    Kind.DOOR_SECURED: "closed",
    Kind.DOOR_LOCKED_DOWN: "locked",
}
_LOOKED_BACK: Final = 60
"""Records of a door among which its state is looked for: a door without a contact says nothing, however far
one looks back."""

MOST_BUILDINGS: Final = 400


@dataclass(frozen=True, slots=True)
class MapDoor:
    """`state`: a word of STATES, `offline`, `reader` (which does not work), or none where nothing says."""

    label: str
    state: str | None
    since_us: int | None


@dataclass(slots=True)
class MapBuilding:
    """`id` None: a gateway, for doors of which the register knows no place. `gateways`: of its doors."""

    id: int | None
    name: str
    doors: list[MapDoor] = field(default_factory=list)
    gateways: list[Completeness] = field(default_factory=list)

    @property
    def tone(self) -> str:
        """As the badges have them: the worst of its doors and gateways."""
        states = {door.state for door in self.doors}
        if states & {"forced", "held"}:
            return "bad"
        if states & {"offline", "reader"} or any(not each.online for each in self.gateways):
            return "warn"
        return "good" if self.doors else ""


@dataclass(slots=True)
class MapEstate:
    """`id` None: of what lies nowhere yet."""

    id: int | None
    name: str
    gates: list[MapDoor] = field(default_factory=list)
    buildings: list[MapBuilding] = field(default_factory=list)


def estate_map(
    connection: Connection, communities: Collection[int], gateways: Sequence[Completeness]
) -> list[MapEstate]:
    """Those of the communities, in the tree's order; at the end the doors that lie nowhere yet."""
    known = {(each.site, each.name): each for each in gateways}
    doors = doors_lead(connection, communities)
    estates = _estates(connection, communities)
    ways = paths(connection, set(doors.values()))
    states = _states(connection, gateways)
    nowhere = []
    for (site, name), found in known.items():
        apart = MapBuilding(None, found.label)
        for door in found.doors:
            where = ways.get(doors.get((site, name, door.name)) or 0, ())
            _put(estates, apart, [step.id for step in where], _door(found, door.name, states), found)
        if apart.doors:
            nowhere.append(apart)
    shown = [each for each, _ in estates.values()]
    if nowhere:
        shown.append(MapEstate(None, "", buildings=nowhere))
    return [each for each in shown if each.gates or each.buildings]


def _put(
    estates: Mapping[int, tuple[MapEstate, dict[int, MapBuilding]]],
    apart: MapBuilding,
    way: Iterable[int],
    door: MapDoor,
    gateway_: Completeness,
) -> None:
    steps = list(way)
    for number, (estate, buildings) in estates.items():
        if number not in steps:
            continue
        building = next((buildings[step] for step in steps if step in buildings), None)
        if building is None:
            estate.gates.append(door)
            return
        _add(building, door, gateway_)
        return
    _add(apart, door, gateway_)


def _add(building: MapBuilding, door: MapDoor, gateway_: Completeness) -> None:
    building.doors.append(door)
    if gateway_ not in building.gateways:
        building.gateways.append(gateway_)


def _estates(
    connection: Connection, communities: Collection[int]
) -> dict[int, tuple[MapEstate, dict[int, MapBuilding]]]:
    """By the estate's place; its buildings by theirs."""
    columns = place.c
    here = (columns.community_id.in_(communities), columns.until_at.is_(None))
    kinds = columns.kind.in_([PlaceKind.ESTATE, PlaceKind.BUILDING])
    query = select(columns.id, columns.parent_id, columns.kind, columns.name).where(*here, kinds)
    rows = connection.execute(query.order_by(columns.sort_key, columns.id).limit(MOST_BUILDINGS)).all()
    found: dict[int, tuple[MapEstate, dict[int, MapBuilding]]] = {
        row.id: (MapEstate(row.id, row.name), {}) for row in rows if row.kind == PlaceKind.ESTATE
    }
    for row in rows:
        if row.kind == PlaceKind.BUILDING and row.parent_id in found:
            estate, buildings = found[row.parent_id]
            buildings[row.id] = MapBuilding(row.id, row.name)
            estate.buildings.append(buildings[row.id])
    return found


def _states(
    connection: Connection, gateways: Sequence[Completeness]
) -> dict[tuple[str, str, str], tuple[str, int]]:
    """What each door's contact said last, and when."""
    found = {}
    for each in gateways:
        here = (gateway.c.site == each.site, gateway.c.name == each.name)
        number = connection.execute(select(gateway.c.id).where(*here)).scalar()
        for door in each.doors:
            row = _last_state(connection, number, door.name)
            if row is not None:
                found[each.site, each.name, door.name] = (STATES[row.kind], row.at)
    return found


def _last_state(connection: Connection, number: int | None, door: str) -> Any | None:
    columns = record.c
    recent = (
        select(columns.kind, columns.at)
        .where(columns.gateway_id == number, columns.door == door)
        .order_by(columns.at.desc())
        .limit(_LOOKED_BACK)
        .subquery()
    )
    query = select(recent).where(recent.c.kind.in_(list(STATES))).order_by(recent.c.at.desc()).limit(1)
    return connection.execute(query).first()


def _door(found: Completeness, name: str, states: Mapping[tuple[str, str, str], tuple[str, int]]) -> MapDoor:
    label = found.door_label(name)
    if not found.online:
        return MapDoor(label, "offline", None)
    readers = next(door.readers for door in found.doors if door.name == name)
    if any(found.devices.get(reader) in ("lost", "degraded", "recovering") for reader in readers):
        return MapDoor(label, "reader", None)
    state, since_us = states.get((found.site, found.name, name), (None, None))
    return MapDoor(label, state, since_us)
