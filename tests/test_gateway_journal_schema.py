"""From the oldest journal to today's: the same tables, the same records."""

import sqlite3
from contextlib import closing
from pathlib import Path

from gateway_support import a_fact, opened
from sqlite_utils import Database

from gateway.journal_schema import KNOWN_STEPS, steps


def tables(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))


def test_every_step_is_known_by_its_name() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        db = Database(connection)
        steps.apply(db)
        assert {step.name for step in steps.applied(db)} == KNOWN_STEPS


def test_a_journal_of_the_first_step_becomes_todays_and_keeps_its_records(tmp_path: Path) -> None:
    new, old = tmp_path / "new.db", tmp_path / "old.db"
    with opened(new) as journal:
        journal.append([a_fact()])
    with closing(sqlite3.connect(old, isolation_level=None)) as connection:
        steps.apply(Database(connection), stop_before="m002_acknowledgements")
        connection.execute("ATTACH ? AS other", (str(new),))
        for table, columns in (
            ("owner", "gateway"),
            ("epochs", "epoch, first_id, opened_at_us, reason"),
            ("records", "id, body"),
        ):
            connection.execute(f"INSERT INTO main.{table} SELECT {columns} FROM other.{table}")  # noqa: S608  fixed names
    assert tables(old) != tables(new)
    with opened(old) as journal:
        assert journal.append([a_fact()]) == [3]
        journal.acknowledge(journal.head.epoch, 3)
    assert tables(old) == tables(new)
