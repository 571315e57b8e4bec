"""Records by month, on PostgreSQL: which partition a time belongs to, and making those that are missing.

A month is one of UTC by the record's own time. What a wrong clock puts outside of the years that are
believed goes to the partition for the rest, so that no gateway can fill the database with empty months.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, text

FIRST_YEAR: Final = 2020
END_YEAR: Final = 2100
_LOCK: Final = 6543210988
"""Advisory: two workers never make the same month at once."""

_IN_USE: Final = 6543210989
"""Advisory: shared by all who insert into months, so that none is dropped before they have committed."""

_PATIENCE: Final = "500ms"
"""Of whoever drops months, for readers and writers; below PostgreSQL's own time to look for a dead-lock."""


_NAMED: Final = re.compile(r"record_([0-9]{4})_([0-9]{2})")


class Month(NamedTuple):
    year: int
    month: int

    @property
    def begin_us(self) -> int:
        return int(datetime(self.year, self.month, 1, tzinfo=UTC).timestamp()) * 1_000_000

    @property
    def next(self) -> Month:
        return Month(self.year + self.month // 12, self.month % 12 + 1)

    @property
    def partition(self) -> str:
        return f"record_{self.year}_{self.month:02}"


_BEGIN_US: Final = Month(FIRST_YEAR, 1).begin_us
_END_US: Final = Month(END_YEAR, 1).begin_us


def month_of(at_us: int) -> Month | None:
    """None outside of the years that are believed."""
    if not _BEGIN_US <= at_us < _END_US:
        return None
    at = datetime.fromtimestamp(at_us // 1_000_000, UTC)
    return Month(at.year, at.month)


def month_named(partition: str) -> Month | None:
    """The month whose partition has this name; None for any other table."""
    found = _NAMED.fullmatch(partition)
    return Month(int(found[1]), int(found[2])) if found else None


def months_of(times_us: Iterable[int]) -> set[Month]:
    """Those that are believed, of many times: nearly always one."""
    times = set(times_us)
    if times and (first := month_of(min(times))) and first == month_of(max(times)):
        return {first}
    return {month for at_us in times if (month := month_of(at_us))}


def asked_of_months(months: set[Month]) -> list[tuple[str, tuple[Any, ...]]]:
    """Statements, with a question mark for each value: none of these is dropped until the transaction is
    over; and which of them are there."""
    names = "{" + ",".join(sorted(month.partition for month in months)) + "}"
    there = "SELECT relname FROM pg_class WHERE relname = ANY(CAST(? AS text[])) AND relispartition"
    return [("SELECT pg_advisory_xact_lock_shared(?)", (_IN_USE,)), (there, (names,))]


def make_months(connection: Connection, times_us: Iterable[int]) -> None:
    """So that records of these times can be inserted into a partitioned `record`."""
    months = months_of(times_us)
    connection.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": _IN_USE})
    make_missing(connection, months, _partitions(connection, months))


def make_missing(connection: Connection, months: set[Month], there: set[str]) -> None:
    """`there`: the partitions of them that were found, after the lock was taken."""
    if missing := {month for month in months if month.partition not in there}:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        there = _partitions(connection, missing)
        for month in sorted(month for month in missing if month.partition not in there):
            _make(connection, month)


def drop_empty_months(connection: Connection, before_us: int) -> list[str]:
    """The partitions of months that were over by then and hold nothing; their names. Fails where somebody
    keeps the table busy: it is for another time then."""
    over = [month for month in _there(connection) if month.next.begin_us <= before_us]
    if not any(_is_empty(connection, month) for month in over):
        return []
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_PATIENCE}'")
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _IN_USE})
    gone = [month.partition for month in over if _is_empty(connection, month)]
    for name in gone:
        connection.exec_driver_sql(f"DROP TABLE {name}")
    return gone


def _there(connection: Connection) -> list[Month]:
    """All that have a partition, the oldest first."""
    names = connection.execute(
        text("SELECT relid::regclass::text FROM pg_partition_tree('record') WHERE isleaf AND level = 1")
    ).scalars()
    return sorted(month for name in names if (month := month_named(name)))


def _is_empty(connection: Connection, month: Month) -> bool:
    some = f"SELECT EXISTS (SELECT 1 FROM {month.partition})"  # noqa: S608  our own name
    return not connection.exec_driver_sql(some).scalar()


def _partitions(connection: Connection, months: set[Month]) -> set[str]:
    there = connection.execute(
        text("SELECT relname FROM pg_class WHERE relname = ANY(:names) AND relispartition"),
        {"names": [month.partition for month in months]},
    ).scalars()
    return set(there)


def _make(connection: Connection, month: Month) -> None:
    # Names and bounds are our own numbers; DDL takes no parameters.
    bounds = f"FROM ({month.begin_us}) TO ({month.next.begin_us})"
    connection.exec_driver_sql(f"CREATE TABLE {month.partition} PARTITION OF record FOR VALUES {bounds}")
    indexes = text("SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = CAST(:name AS regclass)")
    for index in connection.execute(indexes, {"name": month.partition}).scalars().all():
        # Records are never updated and come nearly in order: room kept for others would stay empty.
        connection.exec_driver_sql(f"ALTER INDEX {index} SET (fillfactor = 100)")
