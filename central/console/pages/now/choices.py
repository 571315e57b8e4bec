"""Where the feed of Now can be narrowed to: estates, buildings, units and single doors, in the order
of the place tree. Reads only; `grouped` is pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, select

from central.fleet.completeness import Completeness
from central.register.place_tree import Step, doors_lead, path_text, paths
from central.register.words import PlaceKind
from central.store.register_tables import place

_OFFERED: Final = frozenset({PlaceKind.BUILDING, PlaceKind.UNIT})
"""Beside the estate; what lies deeper is known by its door."""

_IN_ONE_QUESTION: Final = 500

Doors = Mapping[tuple[str, str, str], tuple[Step, ...]]


@dataclass(frozen=True, slots=True)
class Choice:
    """`value` is what the address says: a place's number, site/gateway or site/gateway/door. `whole`: its
    group as a whole, whose name it has."""

    value: str
    name: str
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """An estate with what lies in it; without a name: what the register knows no place of."""

    name: str
    choices: tuple[Choice, ...]


def choices_of(
    connection: Connection, communities: Collection[int], gateways: Sequence[Completeness]
) -> list[Group]:
    """Of doors of which their gateways spoke."""
    doors = _ways(connection, communities)
    order = _order(connection, {step.id for way in doors.values() for step in way})
    return grouped(gateways, doors, order)


def doors_at(
    connection: Connection, communities: Collection[int], at: str
) -> frozenset[tuple[str, str, str]]:
    """The doors that a choice means, but for a whole gateway (`home_doors`); of a place of others none, and
    none of a home."""
    doors = _ways(connection, communities)
    if at.isdecimal():
        return frozenset(door for door, way in doors.items() if _leads_into(way, int(at)))
    site, gateway, door = at.split("/")
    one = (site, gateway, door)
    return frozenset() if _is_of_a_home(doors.get(one, ())) else frozenset({one})


def home_doors(connection: Connection, communities: Collection[int]) -> frozenset[tuple[str, str, str]]:
    """Those that nobody is to choose."""
    return frozenset(door for door, way in _ways(connection, communities).items() if _is_of_a_home(way))


def _leads_into(way: Sequence[Step], number: int) -> bool:
    return any(step.id == number and step.kind != PlaceKind.ROOM for step in way)


def _is_of_a_home(way: Sequence[Step]) -> bool:
    """Who watches that watches who lives there: that is a look-up, which has its own page."""
    return bool(way) and way[-1].kind == PlaceKind.ROOM


def _ways(
    connection: Connection, communities: Collection[int]
) -> dict[tuple[str, str, str], tuple[Step, ...]]:
    lead = doors_lead(connection, communities)
    ways = paths(connection, set(lead.values()))
    return {door: ways[leads] for door, leads in lead.items() if leads in ways}


def grouped(gateways: Sequence[Completeness], doors: Doors, order: Mapping[int, int]) -> list[Group]:
    """`order`: of each place among all."""
    found = [
        (doors.get((each.site, each.name, door.name), ()), f"{each.site}/{each.name}/{door.name}", door.label)
        for each in gateways
        for door in each.doors
    ]
    placed = sorted(
        (each for each in found if each[0]), key=lambda each: [order[step.id] for step in each[0]]
    )
    groups = [
        Group(name, tuple(_within([each for each in placed if each[0][0].id == number])))
        for number, name in dict.fromkeys((way[0].id, way[0].name) for way, _, _ in placed)
    ]
    nowhere = tuple(_nowhere(gateways, doors))
    return [*groups, Group("", nowhere)] if nowhere else groups


def _within(placed: Sequence[tuple[tuple[Step, ...], str, str]]) -> Iterator[Choice]:
    """Of one estate: each place before what lies in it, a door after the place that it leads to."""
    top = placed[0][0][0]
    yield Choice(str(top.id), top.name, whole=True)
    told = {top.id}
    for way, value, label in placed:
        for depth, step in enumerate(way):
            if step.kind in _OFFERED and step.id not in told:
                told.add(step.id)
                yield Choice(str(step.id), path_text(way[1 : depth + 1]))
        if not _is_of_a_home(way):
            yield Choice(value, " · ".join(filter(None, (path_text(way[1:]), label))))


def _nowhere(gateways: Sequence[Completeness], doors: Doors) -> Iterator[Choice]:
    for each in gateways:
        alone = [door for door in each.doors if (each.site, each.name, door.name) not in doors]
        if alone:
            yield Choice(f"{each.site}/{each.name}", each.label)
        for door in alone:
            yield Choice(f"{each.site}/{each.name}/{door.name}", f"{each.label} · {door.label}")


def _order(connection: Connection, numbers: Collection[int]) -> dict[int, int]:
    """Of these places among all of them, as the tree has them beside each other."""
    wanted = sorted(numbers)
    rows: list[Any] = []
    for first in range(0, len(wanted), _IN_ONE_QUESTION):
        these = place.c.id.in_(wanted[first : first + _IN_ONE_QUESTION])
        rows += connection.execute(select(place.c.id, place.c.sort_key).where(these)).all()
    ordered = sorted(rows, key=lambda row: (row.sort_key, row.id))
    return {row.id: at for at, row in enumerate(ordered)}
