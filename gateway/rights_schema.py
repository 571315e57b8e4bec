"""The tables of what is in force at a gateway, as numbered steps. A step and its note commit together.

A list that comes whole is written beside the one in force, under the next generation, in many small commits;
one small commit then puts it in force. So no commit is ever large, and the journal never waits behind one.
"""

from __future__ import annotations

import sqlite3

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

steps = Migrations("rights")


@steps()
def m001_rights(db: Database) -> None:
    db.table("owner").create({"site": str, "gateway": str}, strict=True)
    db.table("list").create(
        {"id": int, "generation": int, "version": int, "issued_us": int, "digest": str, "signed": bytes},
        pk="id",
        strict=True,
    )
    db.execute(
        "CREATE TABLE entries (generation INTEGER NOT NULL, token TEXT NOT NULL, body BLOB NOT NULL,"
        " PRIMARY KEY (generation, token)) STRICT, WITHOUT ROWID"
    )
    db.table("settings").create({"id": int, "revision": int, "signed": bytes}, pk="id", strict=True)
    db.table("used_commands").create({"id": str, "forget_at_us": int}, pk="id", strict=True)


@steps()
def m002_turns(db: Database) -> None:
    """Doors that a command has turned: a lockdown outlives a restart."""
    db.table("turns").create({"door": str, "mode": str, "until_us": int}, pk="door", strict=True)


@steps()
def m003_ends(db: Database) -> None:
    """When a turn ends in uptime, and of which boot that is: the time of day may jump."""
    db.execute("ALTER TABLE turns ADD COLUMN issued_us INTEGER NOT NULL DEFAULT 0")
    db.execute("ALTER TABLE turns ADD COLUMN boot TEXT NOT NULL DEFAULT ''")
    db.execute("ALTER TABLE turns ADD COLUMN end_uptime_us INTEGER NOT NULL DEFAULT 0")


def take_steps(connection: sqlite3.Connection) -> None:
    """Those that the file has not taken. Raises sqlite3.Error."""
    steps.apply(Database(connection))
