"""From the oldest journal to today's: the same tables, the same records."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from gateway_support import GATEWAY, a_fact, opened
from sqlite_utils import Database

from gateway import rights_schema
from gateway.commanded import Turn
from gateway.journal_schema import steps, take_steps
from gateway.rights_store import RightsStore
from gateway.schema_steps import JOURNAL_STEPS, RIGHTS_STEPS, steps_taken


def tables(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))


@pytest.mark.parametrize(
    ("schema", "take", "known"),
    [("journal", take_steps, JOURNAL_STEPS), ("rights", rights_schema.take_steps, RIGHTS_STEPS)],
    ids=["journal", "rights"],
)
def test_every_step_is_known_by_its_name(
    schema: str, take: Callable[[sqlite3.Connection], None], known: frozenset[str]
) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        assert steps_taken(connection, schema) == frozenset()
        take(connection)
        assert steps_taken(connection, schema) == known
        assert steps_taken(connection, "of another program") == frozenset()


def test_what_takes_the_steps_is_loaded_only_where_there_is_one_to_take(tmp_path: Path) -> None:
    """It would be a tenth of the gateway's memory, for ever."""
    with opened(tmp_path / "journal.db"):
        RightsStore(tmp_path / "rights.db", "north", "east").close()
    code = f"""if True:
        import gateway.cli, gateway.daemon, sys
        from pathlib import Path
        from gateway import journal_file, rights_store
        journal_file.open_for_writing(Path({str(tmp_path / "journal.db")!r}), {GATEWAY!r}).close()
        rights_store.RightsStore(Path({str(tmp_path / "rights.db")!r}), "north", "east").close()
        print("sqlite_utils" in sys.modules)
        rights_store.RightsStore(Path({str(tmp_path / "new.db")!r}), "north", "east").close()
        print("sqlite_utils" in sys.modules)
    """
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "True"]


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


def test_what_commands_made_of_doors_before_its_end_was_kept_in_uptime_is_still_known(tmp_path: Path) -> None:
    path = tmp_path / "rights.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        rights_schema.steps.apply(Database(connection), stop_before="m003_ends")
        connection.execute("INSERT INTO owner VALUES ('north', 'east')")
        connection.execute("INSERT INTO turns VALUES ('lobby', 'locked_down', 99)")
    with closing(RightsStore(path, "north", "east")) as store:
        assert store.turns() == [Turn("lobby", "locked_down", 99)]
