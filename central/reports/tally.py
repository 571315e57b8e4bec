"""The tally: counts who is let in, by door and hour, behind what arrives; and closes months that are over.

A month of records is millions; a report adds up a few thousand counts instead. Numbers alone: a count says
of nobody that they were there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta, tzinfo
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, func, insert, literal_column, or_, select, text, update

from central.reports.entries import Month, close_month, month_to_tell
from central.store.count_tables import entry_count, entry_tally, month_told
from central.store.engine import reading, writing
from central.store.register_tables import community
from central.store.settled import Settled
from central.store.tables import record
from central.times import local
from messages.model import Direction, Kind

EVERY_S: Final = 20.0
HOUR_US: Final = 3_600_000_000
MOST_RECORDS: Final = 20_000
"""Counted in one go: a backlog of months must not become one transaction."""

CLOSES_AFTER_US: Final = 5 * 24 * HOUR_US
"""So long after its end a month is closed: gateways that were offline have come back, or have an alarm."""

YEARS_BACK: Final = 3
"""What is counted before that is no month to be told: a gateway whose clock stands at 1970 would make
hundreds of empty ones, and what was offline for years has its journal read out by hand."""

_ONE: Final = 1

_ADD: Final = text(f"""
    INSERT INTO {entry_count.name} (gateway_id, hour_at, door, entries)
    VALUES (:gateway_id, :hour_at, :door, :entries)
    ON CONFLICT (gateway_id, hour_at, door)
    DO UPDATE SET entries = {entry_count.name}.entries + excluded.entries
""")  # noqa: S608  our own names


class Tally:
    """One look at a time. Keeps nothing that the database does not, but for how far all is settled."""

    def __init__(self, writer: Engine, reader: Engine, now_us: Callable[[], int], zone: tzinfo) -> None:
        """`zone`: of the communities' months."""
        self._writer = writer
        self._reader = reader
        self._now_us = now_us
        self._zone = zone
        self._settled = Settled()
        self._there_at_first: int | None = None
        self._closed_through = ""  # the last month of which nothing is to be closed any more

    def look(self) -> bool:
        """Whether there is more to count now. Raises StoreUnavailable, RowRefused: then nothing was counted.

        Counts up to where no record with a lower number can come any more.
        """
        with reading(self._reader) as connection:
            newest = connection.execute(select(func.max(record.c.id))).scalar() or 0
            if self._there_at_first is None:
                self._there_at_first = newest
            first = connection.execute(select(entry_tally.c.record_id)).scalar() or 0
            settled = self._settled.through(connection, newest)
            through = min(settled, first + MOST_RECORDS)
            counts = _counted(connection, first, through) if through > first else []
        if through > first:
            self._note(first, through, counts)
        more = through < settled
        if not more and max(first, through) >= self._there_at_first:
            self._close_months()
        return more

    def _close_months(self) -> None:
        """Those that are over for so long that what was late has come, once all of it is counted."""
        now_us = self._now_us()
        last = local(now_us - CLOSES_AFTER_US, self._zone).date().replace(day=1) - timedelta(days=1)
        if f"{last:%Y-%m}" <= self._closed_through:
            return
        earliest = Month.of(last.replace(year=last.year - YEARS_BACK, day=1), self._zone)
        with reading(self._reader) as connection:
            hour_at = entry_count.c.hour_at
            first_us = connection.execute(
                select(func.min(hour_at)).where(hour_at >= earliest.from_us)
            ).scalar()
            here = list(connection.execute(select(community.c.id)).scalars())
            rows = connection.execute(select(month_told.c.community_id, month_told.c.month))
            closed = {(row.community_id, row.month) for row in rows}
        if first_us is None:
            return
        for first in _months(local(first_us, self._zone).date(), last):
            month = Month.of(first, self._zone)
            open_ones = [each for each in here if (each, month.name) not in closed]
            if open_ones:
                with reading(self._reader) as connection:  # the whole tree each time: no writer waits for it
                    rows_told = [
                        month_to_tell(connection, each, month, zone=self._zone, now_us=now_us)
                        for each in open_ones
                    ]
                with writing(self._writer) as connection:
                    for row in rows_told:
                        close_month(connection, row)
        self._closed_through = f"{last:%Y-%m}"

    def _note(self, first: int, through: int, counts: list[dict[str, Any]]) -> None:
        """Nothing, where another process has counted these meanwhile. Raises RowRefused, where it was quicker
        with the very first ones."""
        with writing(self._writer) as connection:
            mine = update(entry_tally).where(entry_tally.c.record_id == first).values(record_id=through)
            noted = connection.execute(mine).rowcount
            if not noted and first == 0:
                noted = connection.execute(insert(entry_tally).values(id=_ONE, record_id=through)).rowcount
            if noted and counts:
                connection.execute(_ADD, counts)


def _months(first: date, last: date) -> Iterator[date]:
    """The first days of those from that of `first` until that of `last`."""
    day = first.replace(day=1)
    while day <= last:
        yield day
        day = (day + timedelta(days=32)).replace(day=1)


def _counted(connection: Connection, first: int, through: int) -> list[dict[str, Any]]:
    columns = record.c
    hour = columns.at - columns.at % literal_column(str(HOUR_US))  # the same text wherever it stands
    query = (
        select(columns.gateway_id, hour.label("hour_at"), columns.door, func.count().label("entries"))
        .where(
            columns.id > first,
            columns.id <= through,
            columns.kind == Kind.ACCESS_GRANTED,
            columns.door.is_not(None),
            or_(columns.direction.is_(None), columns.direction != Direction.OUT),
        )
        .group_by(columns.gateway_id, hour, columns.door)
    )
    rows: list[Row[Any]] = list(connection.execute(query))
    return [dict(row._mapping) for row in rows]
