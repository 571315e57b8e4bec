"""From SQLite to PostgreSQL: everything, exactly once, whatever is killed; compared row by row."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from central_support import a_block, a_chain, topic
from database_support import new_database
from postgres_support import Postgres
from register_support import an_estate
from sqlalchemy import insert, inspect, text

from central.errors import StoreRefused, StoreUnavailable
from central.ingest.intake import examine, take_in
from central.store.chains import verify_all
from central.store.contents import Amount, amount_of, shapes
from central.store.copying import copy_to_postgres
from central.store.engine import migrate, open_reader, open_writer, reading, writing
from central.store.tables import gateway
from messages.topics import Leaf

NOW_US = 1_700_000_100_000_000
STEP = 100
RECORDS = 430


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """With records, and a register whose rows refer to later ones."""
    path = tmp_path / "old" / "central.sqlite"
    path.parent.mkdir()
    writer = new_database(path)
    bodies = a_chain(RECORDS)
    for first in range(0, RECORDS, STEP):
        block = a_block(bodies[first : first + STEP], first + 1)
        with writing(writer) as connection:
            take_in(connection, [examine(topic(Leaf.BACKLOG), block)], NOW_US)
    estate = an_estate(writer, tmp_path)
    first = estate.resident("安娜", "101", "04A1B2C3")
    second = estate.resident("安那", "102", "04A1B2C4")
    with writing(writer) as connection:
        merged = text("UPDATE person SET merged_into = :second, state = 'merged' WHERE id = :first")
        connection.execute(merged, {"first": first, "second": second})
    writer.dispose()
    return path


def held(url: str) -> dict[str, Amount]:
    reader = open_reader(url)
    with reading(reader) as connection:
        found = {shape.name: amount_of(connection, shape) for shape in shapes(connection)}
    reader.dispose()
    return found


def test_everything_is_there_and_new_rows_follow(source: Path, postgres: Postgres) -> None:
    url, lines = postgres.new_database(), list[str]()
    copy_to_postgres(source, url, lines.append, STEP)
    assert held(url) == held(f"sqlite:///{source}")
    assert held(url)["record"].rows == RECORDS
    assert f"record: {STEP} rows" in lines, "progress is told"
    assert any(line.startswith(f"record: the same {RECORDS} rows on both sides") for line in lines)
    there = open_writer(url)
    migrate(there)
    with writing(there) as connection:
        connection.execute(insert(gateway).values(site="n", name="n", first_heard_at=1))
        assert not inspect(connection).has_table("liuhen_copy")
    assert [good for _, good in verify_all(there)] == [True]
    there.dispose()


PROGRAM = """
import os, signal, sys
from pathlib import Path
from central.store.copying import copy_to_postgres

def say(line):
    if line.startswith(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

copy_to_postgres(Path(sys.argv[1]), sys.argv[2], say, 100)
"""


def test_killed_again_and_again_it_goes_on_where_it_was(source: Path, postgres: Postgres) -> None:
    url = postgres.new_database()
    for where in (f"record: {2 * STEP} rows", f"record: {3 * STEP} rows"):
        killed = subprocess.run([sys.executable, "-c", PROGRAM, source, url, where], check=False)
        assert killed.returncode == -signal.SIGKILL
    half = open_writer(url)
    with pytest.raises(StoreRefused, match="copy-to-postgres"):
        migrate(half)
    half.dispose()
    lines: list[str] = []
    copy_to_postgres(source, url, lines.append, STEP)
    assert f"record: {STEP} rows" not in lines, "the beginning is not copied again"
    assert held(url) == held(f"sqlite:///{source}")


def test_nobody_writes_meanwhile(source: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("central.store.engine._BUSY_S", 0.05)
    refused: list[object] = []
    writer = open_writer(f"sqlite:///{source}")

    def say(_: str) -> None:
        if not refused:
            with pytest.raises(StoreUnavailable) as caught, writing(writer):
                raise AssertionError("somebody else copies it")
            refused.append(caught)

    copy_to_postgres(source, postgres.new_database(), say)
    writer.dispose()
    assert refused


def test_what_differs_in_the_end_is_named(source: Path, postgres: Postgres) -> None:
    """Whoever started the old centre between two tries, or wrote to the new database."""
    url = postgres.new_database()
    subprocess.run([sys.executable, "-c", PROGRAM, source, url, f"record: {2 * STEP} rows"], check=False)
    writer = open_writer(f"sqlite:///{source}")
    with writing(writer) as connection:
        connection.execute(text("UPDATE gateway SET software = 'newer'"))
    writer.dispose()
    with pytest.raises(StoreRefused, match=r"gateway: 1 rows .* was written to since the copy began"):
        copy_to_postgres(source, url)
    half = open_writer(url)
    with pytest.raises(StoreRefused, match="not whole"):
        migrate(half)
    half.dispose()


def test_a_target_with_tables_is_left_alone(source: Path, postgres: Postgres, migrated_database: str) -> None:
    url = postgres.new_database(migrated_database)
    with pytest.raises(StoreRefused, match="empty database only"):
        copy_to_postgres(source, url)


def test_a_target_that_is_no_postgresql_and_a_source_that_is_not_there(tmp_path: Path, source: Path) -> None:
    with pytest.raises(StoreRefused, match="no PostgreSQL"):
        copy_to_postgres(source, f"sqlite:///{tmp_path / 'other' / 'central.sqlite'}")
    with pytest.raises(StoreRefused, match="is not there"):
        copy_to_postgres(tmp_path / "nothing.sqlite", "postgresql+psycopg://nobody@/nowhere")
    assert [path.name for path in source.parent.iterdir()] == ["central.sqlite"]
