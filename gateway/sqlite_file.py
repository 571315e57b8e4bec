"""What the gateway's SQLite files have in common: their parts, who may read them, whether they are sound."""

from __future__ import annotations

import sqlite3
from itertools import count
from pathlib import Path
from typing import Final

BUSY_MS: Final = 5_000
SYNCHRONOUS_FULL: Final = 2
PRIVATE: Final = 0o600
SUFFIXES: Final = ("", "-wal", "-shm")


def parts(path: Path) -> list[Path]:
    """The file, its log and the index of that, where they exist."""
    return [part for suffix in SUFFIXES if (part := path.with_name(path.name + suffix)).exists()]


def set_aside(path: Path, name: str) -> Path:
    """Moves all parts out of the way, to `name` or one like it; nothing is deleted, nor an earlier one
    written over. Raises OSError."""
    names = (name + (f"-{n}" if n else "") for n in count())
    aside = next(a for a in map(path.with_name, names) if not a.exists())
    for part in parts(path):
        part.rename(aside.with_name(aside.name + part.name.removeprefix(path.name)))
    return aside


def refuse_damage(connection: sqlite3.Connection) -> None:
    """Raises sqlite3.DatabaseError where the structure is not sound."""
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(" ".join(found.split()))
