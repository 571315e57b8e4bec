"""What a command that was carried out led to at its door, as the gateway's records say it. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, select, text

from central.fleet.door_states import BY_ACTION, MODES
from central.store.tables import OF_TURNS, gateway, record
from messages.commands import Action, Outcome
from messages.model import Kind, Reason

_FOLLOWS: Final = 200
"""Records after a command's own among which is looked for what it led to: other doors speak meanwhile."""

_OF_A_RELEASE: Final = (Kind.ACCESS_TAKEN, Kind.ACCESS_NOT_TAKEN)


def effects_of(connection: Connection, commands: Iterable[Row[Any]]) -> dict[str, Kind]:
    """By the commands' ids; `commands` are rows of `sent_command`. Nothing of one that was not carried out,
    or of which no record has come (yet)."""
    found = {}
    for row in commands:
        if row.outcome == Outcome.DONE and row.door is not None and row.seq is not None:
            kind = _released(connection, row) if row.action == Action.RELEASE else _turned(connection, row)
            if kind is not None:
                found[row.command] = Kind(kind)
    return found


def _released(connection: Connection, row: Row[Any]) -> str | None:
    here = (_after(row), record.c.links == row.seq, record.c.kind.in_(_OF_A_RELEASE))
    return _first(connection, row, *here)


def _turned(connection: Connection, row: Row[Any]) -> str | None:
    """What the door became; of a door that was so already, what it had become before."""
    asked = BY_ACTION.get(row.action)
    wanted = [kind for kind, mode in MODES.items() if row.action in BY_ACTION and mode is asked]
    columns = record.c
    of_turns = (columns.door == row.door, text(OF_TURNS))
    became = _first(connection, row, *of_turns, _after(row), columns.reason == Reason.COMMAND)
    if became is not None:
        return became if became in wanted else None
    before = (columns.epoch == row.epoch) & (columns.seq < row.seq)
    query = _query(row, *of_turns, before).order_by(columns.at.desc(), columns.seq.desc()).limit(1)
    was: str | None = connection.execute(query).scalar()
    return was if was in wanted else None


def _after(row: Row[Any]) -> Any:
    columns = record.c
    return and_(columns.epoch == row.epoch, columns.seq > row.seq, columns.seq <= row.seq + _FOLLOWS)


def _first(connection: Connection, row: Row[Any], *here: Any) -> str | None:
    found: str | None = connection.execute(_query(row, *here).order_by(record.c.seq).limit(1)).scalar()
    return found


def _query(row: Row[Any], *here: Any) -> Any:
    number = select(gateway.c.id).where(gateway.c.site == row.site, gateway.c.name == row.gateway)
    return select(record.c.kind).where(record.c.gateway_id == number.scalar_subquery(), *here)
