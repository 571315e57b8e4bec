"""The journal's tables, as numbered steps. A step and the note that it was taken commit together.

`records.id` is the record's place in the file. Each epoch knows the id of its first record, so a record's
sequence number is `id - first_id + 1`, and appending touches one page of one table and no index.
"""

from __future__ import annotations

import sqlite3

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

steps = Migrations("journal")


@steps()
def m001_records(db: Database) -> None:
    db.table("owner").create({"gateway": str}, strict=True)
    db.table("epochs").create(
        {"epoch": int, "first_id": int, "opened_at_us": int, "reason": str}, pk="epoch", strict=True
    )
    db.table("records").create({"id": int, "body": bytes}, pk="id", not_null={"body"}, strict=True)


@steps()
def m002_acknowledgements(db: Database) -> None:
    """What the centre had committed by when: acknowledged records stay some days from then."""
    db.table("acknowledgements").create(
        {"epoch": int, "hour": int, "through": int, "at_us": int}, pk=("epoch", "hour"), strict=True
    )


@steps()
def m003_ages(db: Database) -> None:
    """How long ago that was must not be told by a clock that may have jumped since."""
    table = db.table("acknowledgements")
    table.add_column("boot", str, not_null_default="")
    table.add_column("uptime_us", int, not_null_default=0)
    table.add_column("clock", str, not_null_default="unknown")


@steps()
def m004_checks(db: Database) -> None:
    """Whether a stored body is still what was stored: SQLite itself keeps no check of what is in its pages.
    NULL for records from before."""
    db.table("records").add_column("crc", int)


@steps()
def m005_formers(db: Database) -> None:
    """Where the journal stood when an epoch began in another file than the one before: what that one has
    beyond was never told to be stored. NULL where the same file goes on."""
    table = db.table("epochs")
    table.add_column("former_epoch", int)
    table.add_column("former_seq", int)


@steps()
def m006_envelopes(db: Database) -> None:
    """Who a visitor is, sealed for the centre, beside the record that names its hash; goes with that one."""
    db.table("envelopes").create({"id": int, "body": bytes}, pk="id", not_null={"body"}, strict=True)
    db.execute(
        "CREATE TRIGGER envelope_goes AFTER DELETE ON records BEGIN"
        " DELETE FROM envelopes WHERE id = old.id; END"
    )


def take_steps(connection: sqlite3.Connection) -> None:
    """Those that the file has not taken. Raises sqlite3.Error."""
    steps.apply(Database(connection))
