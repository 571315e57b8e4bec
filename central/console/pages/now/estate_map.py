"""The map of Now: estates, their buildings and gates as the place tree has them, and how each door stands.

Reads only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, select

from central.console.door_marks import DoorMarks, Places
from central.fleet.completeness import Completeness
from central.register.place_tree import doors_lead, paths
from central.register.words import PlaceKind
from central.store.register_tables import place

MOST_BUILDINGS: Final = 400


@dataclass(frozen=True, slots=True)
class MapDoor:
    label: str
    stands: DoorMarks


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
        tones = {door.stands.tone for door in self.doors}
        if "bad" in tones:
            return "bad"
        if "warn" in tones or any(not each.online for each in self.gateways):
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
    connection: Connection, communities: Collection[int], gateways: Sequence[Completeness], stands: Places
) -> list[MapEstate]:
    """Those of the communities, in the tree's order; at the end the doors that lie nowhere yet. `stands`: how
    each door of the gateways does."""
    known = {(each.site, each.name): each for each in gateways}
    doors = doors_lead(connection, communities)
    estates = _estates(connection, communities)
    ways = paths(connection, set(doors.values()))
    nowhere = []
    for (site, name), found in known.items():
        apart = MapBuilding(None, found.label)
        for door in found.doors:
            where = ways.get(doors.get((site, name, door.name)) or 0, ())
            shown = MapDoor(door.label, stands[site, name, door.name])
            _put(estates, apart, [step.id for step in where], shown, found)
        if apart.doors:
            nowhere.append(apart)
    all_ = [each for each, _ in estates.values()]
    if nowhere:
        all_.append(MapEstate(None, "", buildings=nowhere))
    return [each for each in all_ if each.gates or each.buildings]


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
