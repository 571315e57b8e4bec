"""Where the community lives: its estates, their buildings, gates and doors. Pure, no people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bench.community.size import Size
from bench.plan import Building
from messages.model import Direction

COMMUNITY: Final = "滨河社区"
GATES: Final = "gates"
"""The gateway of an estate's gates."""

_UNITS, _ON_A_FLOOR = 2, 2
_ESTATES: Final = (("riverside", "滨河花园"), ("maple", "枫林家园"), ("lakeside", "湖畔雅苑"))
_GATES: Final = (
    ("south-in", "南门入口", Direction.IN),
    ("south-out", "南门出口", Direction.OUT),
    ("north-in", "北门入口", Direction.IN),
    ("north-out", "北门出口", Direction.OUT),
)


@dataclass(frozen=True, slots=True)
class Door:
    """One with one reader of its name. `unit`: its number in the building, None: into the building as a
    whole, or the estate."""

    name: str
    label: str
    unit: int | None = None
    direction: Direction = Direction.IN


@dataclass(frozen=True, slots=True)
class House:
    """A building with a gateway of its own. `simulated`: whose gateway runs, with simulated readers.
    `under_repair`: nobody lives there while it is repaired."""

    site: str
    gateway: str
    name: str
    doors: tuple[Door, ...]
    floors: int
    simulated: bool = False
    under_repair: bool = False

    def door_of(self, unit: int) -> Door:
        return next(door for door in self.doors if door.unit == unit)


@dataclass(frozen=True, slots=True)
class Estate:
    site: str
    name: str
    houses: tuple[House, ...]
    gates: tuple[Door, ...]


@dataclass(frozen=True, slots=True)
class Room:
    house: House
    unit: int
    name: str


def estates_of(simulated: Sequence[Building], size: Size) -> tuple[Estate, ...]:
    """`simulated`: buildings whose gateways run; they are the first ones of the first estate. The last
    building of the last one is under repair."""
    estates = [
        Estate(site, name, tuple(_houses(site, count, size.floors, simulated if not at else ())), _gates())
        for at, ((site, name), count) in enumerate(zip(_ESTATES, size.houses, strict=True))
    ]
    last = estates[-1]
    repaired = replace(last.houses[-1], name=f"{last.houses[-1].name} (大修中)", under_repair=True)
    return (*estates[:-1], replace(last, houses=(*last.houses[:-1], repaired)))


def rooms_of(house: House) -> Iterator[Room]:
    for unit in range(1, _UNITS + 1):
        for floor in range(1, house.floors + 1):
            for flat in range(1, _ON_A_FLOOR + 1):
                yield Room(house, unit, f"{floor}{flat:02d}")


def _houses(site: str, count: int, floors: int, simulated: Sequence[Building]) -> Iterator[House]:
    for building in simulated:
        doors = tuple(Door(door.name, door.label, _unit_in(door.name)) for door in building.doors)
        yield House(site, building.name, building.label, doors, floors, simulated=True)
    for number in range(len(simulated) + 1, count + 1):
        doors = tuple(Door(f"unit-{unit}", f"{unit} 单元门", unit) for unit in range(1, _UNITS + 1))
        yield House(site, f"building-{number:02d}", f"{number} 号楼", doors, floors)


def _unit_in(door: str) -> int | None:
    last = door.rpartition("-")[2]
    return int(last) if last.isdigit() else None


def _gates() -> tuple[Door, ...]:
    return tuple(Door(name, label, None, direction) for name, label, direction in _GATES)
