"""What the engine does without us: the yardstick that stands beside our figures, in the same run."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from bench.prefill import prepared
from central.store.engine import migrate, open_writer
from central.store.records import Row, row_of
from central.store.tables import record
from messages.chain import record_hash
from messages.wire import decode_record

_TOGETHER = 2_000
_GATEWAY = 1


def bulk_insert(path: Path, rows: int) -> float:
    """Rows a second that SQLite itself takes of the same records into the same table, durably, in batches.

    Nothing is received, decoded, verified or acknowledged: the rows are ready in memory.
    """
    writer = open_writer(f"sqlite:///{path}")
    migrate(writer)
    writer.dispose()
    ready = _rows(rows)
    names = [column.name for column in record.columns if column.name != "id"]
    insert = f"INSERT INTO record ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608  our names
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 20000")
        connection.execute(
            "INSERT INTO gateway (id, site, name, first_heard_at) VALUES (?, 'bare', 'bare', 0)", (_GATEWAY,)
        )
        started = time.perf_counter()
        for first in range(0, rows, _TOGETHER):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(insert, ready[first : first + _TOGETHER])
            connection.execute("COMMIT")
        return rows / (time.perf_counter() - started)


def _rows(count: int) -> list[Row]:
    bodies = prepared("bare", count)
    return [row_of(_GATEWAY, decode_record(body), bytes.fromhex(record_hash(body))) for body in bodies]
