"""How each door stands, as its gateway's records say it. Reads only; claims nothing that no record says.

Two things are told apart, as the gateway does: the leaf (shut, open, held, forced), by its contact; and the
mode (free, locked down), by a timetable or a command. A gateway that starts says both anew, so what was said
of a mode before its last start counts no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, bindparam, func, select, text, union_all

from central.fleet.completeness import Completeness
from central.store.tables import OF_COVERAGE, OF_TURNS, gateway, record, sent_command
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

_LOOKED_BACK: Final = 60
"""Records of a door among which its contact's word is looked for: a door without a contact says nothing,
however far one looks back."""

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


def door_states(connection: Connection, gateways: Sequence[Completeness]) -> Doors:
    """Of every door of these gateways."""
    found: dict[tuple[str, str, str], DoorState] = {}
    ends = _ends(connection, gateways)
    for each in gateways:
        if not each.doors:
            continue
        here = (gateway.c.site == each.site, gateway.c.name == each.name)
        number = connection.execute(select(gateway.c.id).where(*here)).scalar()
        started = _started(connection, number)
        for door in each.doors:
            place = (each.site, each.name, door.name)
            rows = connection.execute(_LAST, {"gateway": number, "door": door.name}).all()
            found[place] = state_of(rows, started, ends.get(place), each)
    return found


def state_of(
    rows: Sequence[Any],
    started: tuple[int, int] | None,
    end: tuple[Mode | None, int | None] | None,
    of: Completeness,
) -> DoorState:
    """From the last record about the leaf and the last about the mode. `started`: epoch and number of the
    gateway's last start. `end`: what the last command that was carried out asked for, and until when."""
    leaf = next((row for row in rows if row.kind in LEAVES), None)
    mode = next((row for row in rows if row.kind in MODES), None)
    if mode is not None and (MODES[mode.kind] is None or (started or (0, 0)) > (mode.epoch, mode.seq)):
        mode = None
    until_us = None
    if mode is not None and end is not None and end[0] is MODES[mode.kind]:
        until_us = end[1]
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


def _last_records() -> Any:
    columns = record.c
    here = (columns.gateway_id == bindparam("gateway"), columns.door == bindparam("door"))
    shown = (columns.kind, columns.at, columns.reason, columns.epoch, columns.seq)
    newest = (columns.at.desc(), columns.epoch.desc(), columns.seq.desc())
    mode = select(*shown).where(*here, text(OF_TURNS)).order_by(*newest).limit(1).subquery()
    recent = select(*shown).where(*here).order_by(*newest).limit(_LOOKED_BACK).subquery()
    by_time = (recent.c.at.desc(), recent.c.epoch.desc(), recent.c.seq.desc())
    leaf = select(recent).where(recent.c.kind.in_(list(LEAVES))).order_by(*by_time).limit(1).subquery()
    return union_all(select(mode), select(leaf))


_LAST: Final = _last_records()


def _started(connection: Connection, number: int | None) -> tuple[int, int] | None:
    columns = record.c
    query = select(columns.epoch, columns.seq).where(
        columns.gateway_id == number, text(OF_COVERAGE), columns.kind == Kind.GATEWAY_STARTED
    )
    row = connection.execute(query.order_by(columns.at.desc()).limit(1)).first()
    return None if row is None else (row.epoch, row.seq)


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
