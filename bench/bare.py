"""What the engine does without us: the yardstick that stands beside our figures, in the same run."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

_ROW_BYTES = 480
_TOGETHER = 1_000


def bulk_insert(path: Path, rows: int) -> float:
    """Rows a second that SQLite itself takes in batches, durable, with a unique key and an index by door."""
    body = b"x" * (_ROW_BYTES // 2)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 20000")
        connection.execute(
            "CREATE TABLE record (id INTEGER PRIMARY KEY, gateway INTEGER, epoch INTEGER, seq INTEGER,"
            " door TEXT, at INTEGER, body BLOB, UNIQUE (gateway, epoch, seq))"
        )
        connection.execute("CREATE INDEX record_by_door ON record (gateway, door, at)")
        started = time.perf_counter()
        for first in range(0, rows, _TOGETHER):
            connection.execute("BEGIN")
            connection.executemany(
                "INSERT INTO record (gateway, epoch, seq, door, at, body) VALUES (?, ?, ?, ?, ?, ?)",
                ((1, 1, seq, "unit-1", seq, body) for seq in range(first, min(first + _TOGETHER, rows))),
            )
            connection.execute("COMMIT")
        return rows / (time.perf_counter() - started)
