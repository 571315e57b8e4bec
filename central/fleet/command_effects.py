"""What commands that were carried out led to at their doors, as the gateways' records say it. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, Text, column, select, text, tuple_, values

from central.fleet.door_states import BY_ACTION, MODES
from central.store.tables import OF_TURNS, Whole, gateway, record
from messages.commands import Action, Outcome
from messages.model import Kind, Reason

_FOLLOWS: Final = 200
"""Records after a command's own among which is looked for what it led to: other doors speak meanwhile."""

_TOGETHER: Final = 200
"""Commands in a statement."""

_OF_A_RELEASE: Final = (Kind.ACCESS_TAKEN, Kind.ACCESS_NOT_TAKEN)


def effects_of(connection: Connection, commands: Iterable[Row[Any]]) -> dict[str, Kind]:
    """By the commands' ids; `commands` are rows of `sent_command`. Nothing of one that was not carried out,
    or of which no record has come (yet). Three statements for up to 200 commands."""
    done = [
        row
        for row in commands
        if row.outcome == Outcome.DONE and row.door is not None and row.seq is not None
    ]
    found: dict[str, Kind] = {}
    for first in range(0, len(done), _TOGETHER):
        together = done[first : first + _TOGETHER]
        numbers = _numbers(connection, together)
        here = [row for row in together if (row.site, row.gateway) in numbers]
        releases = [row for row in here if row.action == Action.RELEASE]
        turns = [row for row in here if row.action in BY_ACTION]
        found |= dict(_released(connection, releases, numbers))
        found |= dict(_turned(connection, turns, numbers))
    return found


def _numbers(connection: Connection, commands: Sequence[Row[Any]]) -> dict[tuple[str, str], int]:
    """Of their gateways."""
    places = {(row.site, row.gateway) for row in commands}
    here = tuple_(gateway.c.site, gateway.c.name).in_(list(places))
    rows = connection.execute(select(gateway.c.id, gateway.c.site, gateway.c.name).where(here))
    return {(row.site, row.name): row.id for row in rows}


def _released(
    connection: Connection, commands: Sequence[Row[Any]], numbers: dict[tuple[str, str], int]
) -> Iterator[tuple[str, Kind]]:
    if not commands:
        return
    asked, columns = _asked(commands, numbers), record.c
    here = (*_after(asked), columns.links == asked.c.seq, columns.kind.in_(_OF_A_RELEASE))
    became = _first(asked, here, columns.seq)
    for row in connection.execute(select(asked.c.command, became.scalar_subquery().label("became"))):
        if row.became is not None:
            yield row.command, Kind(row.became)


def _turned(
    connection: Connection, commands: Sequence[Row[Any]], numbers: dict[tuple[str, str], int]
) -> Iterator[tuple[str, Kind]]:
    """What the doors became; of a door that was so already, what it had become before."""
    if not commands:
        return
    asked, columns = _asked(commands, numbers), record.c
    of_turns = (columns.door == asked.c.door, text(OF_TURNS))
    after = (*_after(asked), *of_turns, columns.reason == Reason.COMMAND)
    before = (
        columns.gateway_id == asked.c.gateway_id,
        columns.epoch == asked.c.epoch,
        columns.seq < asked.c.seq,
        *of_turns,
    )
    became = _first(asked, after, columns.seq).scalar_subquery().label("became")
    was = _first(asked, before, columns.at.desc(), columns.seq.desc()).scalar_subquery().label("was")
    actions = {row.command: row.action for row in commands}
    for row in connection.execute(select(asked.c.command, became, was)):
        kind = row.became or row.was
        if kind is not None and MODES[kind] is BY_ACTION[actions[row.command]]:
            yield row.command, Kind(kind)


def _asked(commands: Sequence[Row[Any]], numbers: dict[tuple[str, str], int]) -> Any:
    """Them as a table to ask beside."""
    columns = (
        column("command", Text),
        column("gateway_id", Whole),
        column("epoch", Whole),
        column("seq", Whole),
        column("door", Text),
    )
    rows = [(row.command, numbers[row.site, row.gateway], row.epoch, row.seq, row.door) for row in commands]
    return values(*columns, name="asked").data(rows).cte()


def _after(asked: Any) -> tuple[Any, ...]:
    columns = record.c
    return (
        columns.gateway_id == asked.c.gateway_id,
        columns.epoch == asked.c.epoch,
        columns.seq > asked.c.seq,
        columns.seq <= asked.c.seq + _FOLLOWS,
    )


def _first(asked: Any, here: Sequence[Any], *order: Any) -> Select[Any]:
    return select(record.c.kind).where(*here).order_by(*order).limit(1).correlate(asked)
