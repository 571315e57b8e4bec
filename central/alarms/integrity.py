"""An end for alarms about records that do not fit together: somebody declares, under their name, what was
found and what was done.

What was found stays found: the gateway's records are never called complete again. Only the alarm is over; and
whatever is found beside that raises another one. Within the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, case, func, insert, select, update

from central.alarms import book
from central.alarms.book import Alarm
from central.alarms.kinds import UNBELIEVED, AlarmKind
from central.errors import BadQuestion, Clash
from central.store.alarm_tables import alarm, integrity_declared
from central.store.tables import NO_PLACE, finding

MAX_TEXT: Final = 500


@dataclass(frozen=True, slots=True)
class Declared:
    """`count`: of the findings that it covers. `flaw`: their kind."""

    alarm: int
    flaw: str
    count: int
    at_us: int
    by: str
    found: str
    done: str


def declare(
    connection: Connection,
    number: int,
    sites: Sequence[str],
    *,
    count: int,
    found: str,
    done: str,
    by: str,
    now_us: int,
) -> Alarm:
    """The alarm is over, and somebody has seen to it. `count`: how many findings they looked at.

    Raises NotThere; BadQuestion without words for what was found and done; Clash for an alarm of another
    kind, one that is over, or one that has grown meanwhile.
    """
    known = book.one_alarm(connection, number, sites, now_us)
    if known.kind is not AlarmKind.INTEGRITY:
        raise Clash("only an alarm about records that do not fit together ends so")
    if known.device is None or known.device == UNBELIEVED:
        raise Clash("this one ends by itself when the gateway signs again")
    if known.over_us is not None:
        raise Clash("this alarm is over already")
    if known.count != count:
        raise Clash("more was found meanwhile: look at that first")
    said = {"found": found.strip(), "done": done.strip()}
    for field, text in said.items():
        if not 0 < len(text) <= MAX_TEXT:
            raise BadQuestion(field, f"say in 1 to {MAX_TEXT} characters what was {field}; no names")
    gateway_id = connection.execute(select(alarm.c.gateway_id).where(alarm.c.id == number)).scalar_one()
    about = {"alarm_id": number, "gateway_id": gateway_id, "flaw": known.device, "findings": count}
    row = {**about, **said, "declared_at": now_us, "declared_by": by}
    connection.execute(insert(integrity_declared).values(row))
    ended: dict[str, int | str] = {"over_at": max(now_us, known.began_us)}
    if known.seen_us is None:
        ended |= {"seen_at": now_us, "seen_by": by}
    connection.execute(update(alarm).where(alarm.c.id == number).values(ended))
    return book.one_alarm(connection, number, sites, now_us)


def flaws_now(connection: Connection) -> dict[tuple[int, str], int]:
    """By gateway and kind: how often something was found that nobody has declared. What is found again at the
    same record is the same; what has no place counts each time."""
    often = case((finding.c.epoch == NO_PLACE, finding.c.count), else_=1)
    found = _summed(connection, finding.c.gateway_id, finding.c.kind, often)
    columns = integrity_declared.c
    declared = _summed(connection, columns.gateway_id, columns.flaw, columns.findings)
    return {key: new for key, count in found.items() if (new := count - declared.get(key, 0)) > 0}


def _summed(
    connection: Connection, gateway_id: Column[Any], kind: Column[Any], count: ColumnElement[Any]
) -> dict[tuple[int, str], int]:
    query = select(gateway_id, kind, func.sum(count)).group_by(gateway_id, kind)
    return {(row[0], row[1]): int(row[2]) for row in connection.execute(query)}


def declared_of(connection: Connection, alarms: Sequence[int]) -> dict[int, Declared]:
    """By alarm."""
    columns = integrity_declared.c
    rows = connection.execute(select(integrity_declared).where(columns.alarm_id.in_(alarms)))
    return {
        row.alarm_id: Declared(
            row.alarm_id, row.flaw, row.findings, row.declared_at, row.declared_by, row.found, row.done
        )
        for row in rows
    }
