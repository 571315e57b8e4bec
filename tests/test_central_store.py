"""The database: made by its steps, safe, private, refused when newer; records come back as they were."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from traceback import format_exception

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from central_support import GATEWAY, a_record
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, inspect, select

from central.errors import RowRefused, StoreRefused, StoreUnavailable
from central.store.engine import (
    form_of,
    insert_many,
    migrate,
    newest_step,
    open_reader,
    open_writer,
    reading,
    writing,
)
from central.store.records import record_of, row_of
from central.store.schema import metadata
from central.store.tables import gateway, record
from messages.chain import GENESIS
from messages.model import AssuranceLevel, ClockQuality, Credential, Direction, Kind, Reason, Record
from messages.wire import encode_record


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'central.sqlite'}"


def statements(engine: Engine) -> set[tuple[str, str]]:
    """What SQLite remembers of how tables and indexes were made, without its own and Alembic's. A column that
    was added later stands on the line of the one before it."""
    with engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master").all()
    return {
        (name, " ".join((sql or "").split()))
        for name, sql in found
        if not name.startswith(("sqlite", "alembic"))
    }


def test_the_steps_make_the_tables_of_the_program(engine: Engine) -> None:
    """But for the keys of records by month, which PostgreSQL wants to hold `at` as well."""

    def compared(item: object, name: str | None, *_: object) -> bool:
        by_month = (name or "").startswith("record_") and engine.dialect.name == "postgresql"
        return not by_month

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": compared})
        assert compare_metadata(context, metadata) == []


def test_the_steps_make_the_same_statements_as_the_tables(tmp_path: Path) -> None:
    """What comparing columns does not see: strict tables, tables without row ids, names of constraints."""
    engine = open_writer(url(tmp_path))
    migrate(engine)
    made = statements(engine)
    engine.dispose()
    plain = open_writer(f"sqlite:///{tmp_path / 'plain.sqlite'}")
    metadata.create_all(plain)
    wanted = statements(plain)
    plain.dispose()
    assert made == wanted


def test_migrating_twice_changes_nothing(engine: Engine) -> None:
    migrate(engine)
    with engine.connect() as connection:
        assert set(metadata.tables) <= set(inspect(connection).get_table_names())


def test_the_newest_step_is_told_from_the_files_as_alembic_tells_it(engine: Engine) -> None:
    """The engine of this test was brought there by Alembic itself."""
    with engine.connect() as connection:
        noted = MigrationContext.configure(connection).get_current_revision()
        assert form_of(connection) == newest_step() == noted


def test_a_database_that_has_seen_all_steps_loads_nothing_to_take_them_with(tmp_path: Path) -> None:
    engine = open_writer(url(tmp_path))
    migrate(engine)
    engine.dispose()
    again = (
        "import sys; from central.store.engine import migrate, open_writer;"
        " migrate(open_writer(sys.argv[1])); print('alembic' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", again, url(tmp_path)], capture_output=True, check=True)
    assert told.stdout.strip() == b"False"


def test_two_processes_that_start_at_once_make_one_database(database_url: str) -> None:
    program = (
        "import sys; from central.store.engine import migrate, open_writer; migrate(open_writer(sys.argv[1]))"
    )
    started = [subprocess.Popen([sys.executable, "-c", program, database_url]) for _ in range(3)]
    assert [process.wait(timeout=60) for process in started] == [0, 0, 0]


def test_a_database_of_a_newer_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    engine = open_writer(url(tmp_path))
    migrate(engine)
    with writing(engine) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreRefused, match=r"9999.*newer liuhen-central"):
        migrate(engine)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one() == "9999"
    engine.dispose()


def test_the_file_is_for_its_owner_alone_and_its_commits_are_durable(tmp_path: Path) -> None:
    engine = open_writer(url(tmp_path))
    migrate(engine)
    for file in tmp_path.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file.name
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
    engine.dispose()


def test_a_reader_can_change_nothing(engine: Engine, database_url: str) -> None:
    reader = open_reader(database_url)
    with pytest.raises(StoreUnavailable, match=r"read-?only"), reading(reader) as connection:
        connection.execute(insert(gateway).values(site="a", name="b", first_heard_at=1))
    with writing(engine) as connection:
        connection.execute(insert(gateway).values(site="a", name="b", first_heard_at=1))
    reader.dispose()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "central.sqlite").write_text(
        "this is a letter, not a database; it is long enough to tell\n" * 20
    )
    engine = open_writer(url(tmp_path))
    with pytest.raises(StoreRefused, match="not a database of ours"):
        migrate(engine)
    engine.dispose()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreRefused, match="database"):
        open_writer(f"sqlite:///{tmp_path / 'file' / 'central.sqlite'}")


def test_an_error_names_no_value_of_the_statement(tmp_path: Path) -> None:
    engine = open_writer(url(tmp_path))
    migrate(engine)
    with pytest.raises(RowRefused) as caught, writing(engine) as connection:
        connection.execute(insert(gateway).values(id=1, site="canary-site", name=None, first_heard_at=1))
    assert "canary" not in "".join(format_exception(caught.value))
    engine.dispose()


def test_a_locked_database_is_unavailable_and_not_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("central.store.engine._BUSY_S", 0.05)
    engine = open_writer(url(tmp_path))
    migrate(engine)
    other = sqlite3.connect(tmp_path / "central.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"), writing(engine):
        raise AssertionError("the other one holds the database")
    other.close()
    engine.dispose()


HASHES = st.binary(min_size=32, max_size=32).map(bytes.hex)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,31}", fullmatch=True)
REFERENCES = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)
COUNTS = st.integers(0, 2**48)
CREDENTIALS = st.builds(
    Credential,
    kind=st.from_regex(r"[a-z_]{1,24}", fullmatch=True),
    token=st.binary(min_size=16, max_size=16).map(bytes.hex),
    assurance=st.sampled_from(AssuranceLevel),
    hint=st.none() | st.text(max_size=4),
)
RECORDS = st.builds(
    Record,
    v=st.just(1),
    gateway=st.just(GATEWAY),
    epoch=st.integers(1, 2**40),
    seq=st.integers(1, 2**48),
    kind=st.sampled_from(Kind),
    at=st.integers(0, 2**53),
    boot=st.binary(min_size=8, max_size=8).map(bytes.hex),
    uptime_us=st.integers(0, 2**53),
    clock=st.sampled_from(ClockQuality),
    prev=st.just(GENESIS) | HASHES,
    door=st.none() | NAMES,
    reader=st.none() | NAMES,
    direction=st.none() | st.sampled_from(Direction),
    credential=st.none() | CREDENTIALS,
    holder=st.none() | REFERENCES,
    category=st.none() | REFERENCES,
    reason=st.none() | st.sampled_from(Reason),
    list_version=st.none() | COUNTS,
    list_age_s=st.none() | COUNTS,
    links=st.none() | st.integers(1, 2**48),
    identity=st.none() | HASHES,
)


@pytest.fixture(scope="module")
def shared_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = open_writer(url(tmp_path_factory.mktemp("store")))
    migrate(engine)
    with writing(engine) as connection:
        connection.execute(insert(gateway).values(id=1, site="maple-court", name=GATEWAY, first_heard_at=1))
    yield engine
    engine.dispose()


@given(found=RECORDS)
def test_any_record_gives_its_canonical_bytes_again_from_its_row(
    shared_engine: Engine, found: Record
) -> None:
    body = encode_record(found)
    with shared_engine.connect() as connection:
        insert_many(connection, record, [row_of(1, found, b"\1" * 32)])
        row = connection.execute(select(record)).one()
        connection.rollback()
    assert encode_record(record_of(row, GATEWAY, bytes.fromhex(found.prev))) == body


def test_a_row_with_an_unknown_word_is_no_record(shared_engine: Engine) -> None:
    with shared_engine.connect() as connection:
        insert_many(connection, record, [row_of(1, a_record(1, kind="door_melted"), b"\1" * 32)])
        row = connection.execute(select(record)).one()
        connection.rollback()
    with pytest.raises(ValueError, match="door_melted"):
        record_of(row, GATEWAY, bytes(32))
