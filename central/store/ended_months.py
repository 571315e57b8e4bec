"""Months that are over, on PostgreSQL: their indexes are built anew, once, beside everything else.

Records of hundreds of gateways come in between each other, so most pages of an index by gateway are cut in
halves as it grows, and stay half empty when nothing comes any more. Built anew they are full. Nothing waits
for that: `REINDEX ... CONCURRENTLY` locks out neither readers nor writers, and is done over a connection of
its own. What it leaves behind when it was broken off is taken away before the next one.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, text

from central.errors import StoreUnavailable
from central.looking import Looking
from central.store.engine import open_writer, writing
from central.store.months import Month, month_named

log = logging.getLogger(__name__)

EVERY_S: Final = 3_600.0
AFTER_US: Final = 3 * 86_400_000_000
"""Of a gateway that was cut off records come days later; what comes later still finds its place, too."""

_LEAST_BYTES: Final = 131_072
"""Smaller ones are not worth it: most of a month's indexes hold few of its records, or none."""

_GROWN: Final = 1.25
"""So much larger than it was when it was built anew: again. Whatever came late, or a clock that was ahead
had called a month ended while it was running."""

_LOCK: Final = 6543210991
"""Advisory: of several processes one at a time, so that none takes away what another one is building."""

_NOTE: Final = re.compile(r"built anew: ([0-9]+) bytes")
_FOUND: Final = text("""
    SELECT month.relname, index.relname, pg_relation_size(index.oid), obj_description(index.oid, 'pg_class'),
        pg_index.indisvalid
    FROM pg_inherits JOIN pg_class AS month ON month.oid = inhrelid
        JOIN pg_index ON indrelid = month.oid JOIN pg_class AS index ON index.oid = indexrelid
    WHERE inhparent = CAST('record' AS regclass)
    ORDER BY month.relname, index.relname
""")
_LEFT_OVER: Final = re.compile(r".*_cc(new|old)[0-9]*")


class _Index(NamedTuple):
    partition: str
    name: str
    size: int
    note: str | None
    valid: bool

    def is_to_be_built(self, now_us: int) -> bool:
        month = month_named(self.partition)
        if month is None or not self.valid or self.size < _LEAST_BYTES or not _is_over(month, now_us):
            return False
        noted = _NOTE.fullmatch(self.note or "")
        return noted is None or self.size > _GROWN * int(noted[1])


class EndedMonths:
    """`start`, then `stop`, which breaks off what is being built."""

    def __init__(self, url: str, now_us: Callable[[], int]) -> None:
        """`url`: of a database of PostgreSQL."""
        self._url = url
        self._now_us = now_us
        self._stopping = False
        self._begun: set[str] = set()
        self._driver: Any = None  # of the connection at work
        self._at_work = threading.Lock()
        self._looking = Looking("months", self.look, EVERY_S)

    def start(self) -> None:
        self._looking.start()

    def stop(self) -> None:
        with self._at_work:
            self._stopping = True
        self._looking.stop(self._break_off)

    def _break_off(self) -> None:
        import psycopg

        with self._at_work:
            if self._driver is not None:
                with suppress(psycopg.Error):  # the server is away, and with it what was being built
                    self._driver.cancel()

    def look(self) -> bool:
        """Builds one index anew; whether it did. Raises StoreUnavailable, RowRefused: then it is as it was,
        and tried again later."""
        engine = open_writer(self._url)
        try:
            with writing(engine.execution_options(isolation_level="AUTOCOMMIT")) as connection:
                return self._is_to_go_on(connection) and build_one(connection, self._now_us(), self._begun)
        except StoreUnavailable:
            if self._stopping:
                return False
            raise
        finally:
            with self._at_work:
                self._driver = None
            engine.dispose()

    def _is_to_go_on(self, connection: Connection) -> bool:
        with self._at_work:
            self._driver = connection.connection.driver_connection
            return not self._stopping


def build_one(connection: Connection, now_us: int, begun: set[str] | None = None) -> bool:
    """Over a connection that commits each statement and is the only one of all to build, as long as it lives.
    Whether an index was built anew. `begun`: those that this process has begun before, and failed at if they
    are still to be built: their turn comes last."""
    mine = connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK}).scalar()
    if not mine:
        return False
    _clear(connection)
    begun = set() if begun is None else begun
    due = [each for each in _found(connection) if each.is_to_be_built(now_us)]
    if not due:
        return False
    wanted = min(due, key=lambda each: each.name in begun)
    begun.add(wanted.name)
    connection.exec_driver_sql(f'REINDEX INDEX CONCURRENTLY "{wanted.name}"')
    [size] = [each.size for each in _found(connection) if each.name == wanted.name]
    connection.exec_driver_sql(f"COMMENT ON INDEX \"{wanted.name}\" IS 'built anew: {size} bytes'")
    log.info("months: %s was built anew: %d KiB, now %d", wanted.name, wanted.size >> 10, size >> 10)
    return True


def _clear(connection: Connection) -> None:
    """What a broken-off one left: it is of no use, and would be kept up to date for ever."""
    for each in _found(connection):
        if not each.valid and _LEFT_OVER.fullmatch(each.name):
            connection.exec_driver_sql(f'DROP INDEX CONCURRENTLY "{each.name}"')
            log.info("months: %s was not built to its end, and is dropped", each.name)


def _found(connection: Connection) -> list[_Index]:
    return [_Index(*row) for row in connection.execute(_FOUND)]


def _is_over(month: Month, now_us: int) -> bool:
    return month.next.begin_us + AFTER_US <= now_us
