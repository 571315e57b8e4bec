"""How each door stands, as its gateway's records say it. Reads only; claims nothing that no record says.

Two things are told apart, as the gateway does: the leaf (shut, open, held, forced), by its contact; and the
mode (free, locked down), by a timetable or a command. A gateway that starts says both anew, so what was said
before its last start counts no more. What came last is told by epoch and number, never by a clock (R-18).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, Text, column, func, select, text, values

from central.fleet.completeness import Completeness
from central.store.tables import OF_COVERAGE, OF_LEAVES, OF_TURNS, Whole, gateway, record, sent_command
from messages.commands import Action, Outcome
from messages.model import Kind, Reason


class Leaf(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HELD = "held"
    FORCED = "forced"


class Mode(StrEnum):
    """What stands out of the ordinary; a door under control has none."""

    FREE = "free"
    LOCKED_DOWN = "locked_down"


LEAVES: Final[Mapping[str, Leaf]] = {
    Kind.DOOR_CLOSED: Leaf.CLOSED,
    Kind.DOOR_OPENED: Leaf.OPEN,
    Kind.DOOR_HELD: Leaf.HELD,
    Kind.DOOR_FORCED: Leaf.FORCED,
}
MODES: Final[Mapping[str, Mode | None]] = {
    Kind.DOOR_FREED: Mode.FREE,
    Kind.DOOR_LOCKED_DOWN: Mode.LOCKED_DOWN,
    Kind.DOOR_SECURED: None,
}
BY_ACTION: Final[Mapping[str, Mode | None]] = {
    Action.FREE: Mode.FREE,
    Action.LOCK_DOWN: Mode.LOCKED_DOWN,
    Action.BACK_TO_SCHEDULE: None,
}
"""What a command that turns a door asks for."""

_DOORS_TOGETHER: Final = 200
"""In a statement."""

Doors = Mapping[tuple[str, str, str], "DoorState"]
"""By site, gateway and door."""


@dataclass(frozen=True, slots=True)
class DoorState:
    """Times are UTC microseconds. `leaf` None: no contact has spoken. `until_us`: when a command ends what it
    made of the door. `as_of_us`: up to here the gateway's story is known; None: it is up to date."""

    leaf: Leaf | None = None
    leaf_since_us: int | None = None
    mode: Mode | None = None
    mode_since_us: int | None = None
    reason: Reason | None = None
    until_us: int | None = None
    as_of_us: int | None = None


def door_states(connection: Connection, gateways: Sequence[Completeness], now_us: int) -> Doors:
    """Of every door of these gateways. Few statements, as whoever has the map open asks every few seconds."""
    numbers = _numbers(connection, gateways)
    ends, starts = _ends(connection, gateways), _starts(connection, list(numbers.values()))
    asked = [
        (numbers[each.site, each.name], door.name)
        for each in gateways
        for door in each.doors
        if (each.site, each.name) in numbers
    ]
    last = _last_records(connection, asked)
    found: dict[tuple[str, str, str], DoorState] = {}
    for each in gateways:
        number = numbers.get((each.site, each.name), 0)
        for door in each.doors:
            place = (each.site, each.name, door.name)
            rows = last.get((number, door.name), ())
            found[place] = state_of(rows, starts.get(number), ends.get(place), each, now_us)
    return found


def state_of(
    rows: Sequence[Any],
    started: tuple[int, int] | None,
    end: tuple[Mode | None, int | None] | None,
    of: Completeness,
    now_us: int,
) -> DoorState:
    """From the last record about the leaf and the last about the mode. `started`: epoch and number of the
    gateway's last start. `end`: what the last command that was carried out asked for, and until when: it ends
    what a command made, and no hours of a timetable that came after it."""
    leaf = next((row for row in rows if row.kind in LEAVES), None)
    mode = next((row for row in rows if row.kind in MODES), None)
    if leaf is not None and _is_before(leaf, started):
        leaf = None
    if mode is not None and (MODES[mode.kind] is None or _is_before(mode, started)):
        mode = None
    until_us = None
    if mode is not None and mode.reason == Reason.COMMAND and end is not None and end[0] is MODES[mode.kind]:
        until_us = end[1] if end[1] is not None and end[1] > now_us else None
    known = [row.at for row in (leaf, mode) if row is not None]
    current = of.online and not of.behind
    return DoorState(
        leaf=None if leaf is None else LEAVES[leaf.kind],
        leaf_since_us=None if leaf is None else leaf.at,
        mode=None if mode is None else MODES[mode.kind],
        mode_since_us=None if mode is None else mode.at,
        reason=None if mode is None or mode.reason is None else Reason(mode.reason),
        until_us=until_us,
        as_of_us=None if current else max([*known, of.complete_until_us or 0], default=0) or None,
    )


def _is_before(row: Any, started: tuple[int, int] | None) -> bool:
    return started is not None and (row.epoch, row.seq) < started


def _numbers(connection: Connection, gateways: Sequence[Completeness]) -> dict[tuple[str, str], int]:
    wanted = {(each.site, each.name) for each in gateways if each.doors}
    query = select(gateway.c.id, gateway.c.site, gateway.c.name).where(
        gateway.c.site.in_({site for site, _ in wanted})
    )
    rows = connection.execute(query)
    return {(row.site, row.name): row.id for row in rows if (row.site, row.name) in wanted}


def _last_records(
    connection: Connection, doors: Sequence[tuple[int, str]]
) -> dict[tuple[int, str], list[Row[Any]]]:
    """By gateway and door: the last record about the mode, and the last about the leaf."""
    ids: list[int] = []
    for first in range(0, len(doors), _DOORS_TOGETHER):
        rows = connection.execute(_last_of(doors[first : first + _DOORS_TOGETHER]))
        ids += [number for row in rows for number in row if number is not None]
    columns = record.c
    shown = (columns.kind, columns.at, columns.reason, columns.epoch, columns.seq)
    query = select(columns.gateway_id, columns.door, *shown)
    found: dict[tuple[int, str], list[Row[Any]]] = {}
    for first in range(0, len(ids), _DOORS_TOGETHER):
        rows = connection.execute(query.where(columns.id.in_(ids[first : first + _DOORS_TOGETHER])))
        for row in rows:
            found.setdefault((row.gateway_id, row.door), []).append(row)
    return found


def _last_of(doors: Sequence[tuple[int, str]]) -> Select[Any]:
    """The numbers of those records, a row for each door."""
    asked = values(column("gateway_id", Whole), column("door", Text), name="asked").data(list(doors)).cte()
    columns = record.c
    here = (columns.gateway_id == asked.c.gateway_id, columns.door == asked.c.door)
    newest = (columns.epoch.desc(), columns.seq.desc())
    mode, leaf = (
        select(columns.id).where(*here, text(kinds)).order_by(*newest).limit(1).correlate(asked)
        for kinds in (OF_TURNS, OF_LEAVES)
    )
    return select(mode.scalar_subquery(), leaf.scalar_subquery()).select_from(asked)


def _starts(connection: Connection, numbers: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Epoch and number of each gateway's last start."""
    columns = record.c
    here = (columns.gateway_id == gateway.c.id, text(OF_COVERAGE), columns.kind == Kind.GATEWAY_STARTED)
    newest = (columns.at.desc(), columns.epoch.desc(), columns.seq.desc())
    last = select(columns.id).where(*here).order_by(*newest).limit(1).correlate(gateway)
    ids = select(last.scalar_subquery()).where(gateway.c.id.in_(numbers))
    query = select(columns.gateway_id, columns.epoch, columns.seq).where(columns.id.in_(ids))
    return {row.gateway_id: (row.epoch, row.seq) for row in connection.execute(query)}


def _ends(
    connection: Connection, gateways: Sequence[Completeness]
) -> dict[tuple[str, str, str], tuple[Mode | None, int | None]]:
    """What the last command asked for that each door's gateway has carried out, and until when."""
    columns = sent_command.c
    done = (columns.outcome == Outcome.DONE, columns.action.in_(list(BY_ACTION)), columns.door.is_not(None))
    here = columns.site.in_({each.site for each in gateways})
    last = (
        select(func.max(columns.id)).where(here, *done).group_by(columns.site, columns.gateway, columns.door)
    )
    rows = connection.execute(select(sent_command).where(columns.id.in_(last)))
    return {(row.site, row.gateway, row.door): (BY_ACTION[row.action], row.until_at) for row in rows}
