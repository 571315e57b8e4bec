"""One writer at a time, of all processes (trust.md R-03): each waits for the other, and nothing is lost."""

import fcntl
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from central_support import a_broker, a_central, a_chain, a_gateway, until
from database_support import new_database
from sqlalchemy import Engine, text

from central.errors import StoreUnavailable
from central.store.engine import open_reader, open_writer, reading, writing
from central.store.one_writer import OneWriter
from central.store.tables import gateway


@contextmanager
def another_writes(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(handle)


def others_may_write(folder: Path) -> bool:
    """Asked by another process, as `take` is one."""
    asked = (
        "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    )
    done = subprocess.run([sys.executable, "-c", asked, folder], check=False, stderr=subprocess.DEVNULL)
    return done.returncode == 0


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = new_database(tmp_path / "central.sqlite")
    yield opened
    opened.dispose()


def test_from_the_beginning_of_a_transaction_to_its_end_nobody_else_writes(
    engine: Engine, tmp_path: Path
) -> None:
    assert others_may_write(tmp_path)
    with writing(engine):
        assert not others_may_write(tmp_path)
    assert others_may_write(tmp_path)


def test_a_transaction_that_fails_lets_others_write(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), writing(engine):
        raise ZeroDivisionError
    assert others_may_write(tmp_path)


def test_whoever_only_reads_waits_for_nobody(engine: Engine, tmp_path: Path) -> None:
    reader = open_reader(str(engine.url))
    with another_writes(tmp_path), reading(reader) as connection:
        assert connection.execute(gateway.select()).all() == []
    reader.dispose()


def test_one_connection_may_begin_again_before_it_is_given_back(engine: Engine) -> None:
    with engine.connect() as connection:
        for _ in range(2):
            connection.execute(text("SELECT 1"))
            connection.commit()


def test_patience_ends_and_says_what_is_in_the_way(tmp_path: Path) -> None:
    writer = OneWriter(tmp_path)
    with another_writes(tmp_path), pytest.raises(StoreUnavailable, match="another program writes"):
        writer.begin(0.0)
    writer.begin(0.0)
    assert not others_may_write(tmp_path)
    writer.end()
    assert others_may_write(tmp_path)


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="nowhere: cannot be opened"):
        OneWriter(tmp_path / "nowhere").begin(0.0)


def test_writers_of_several_threads_and_connections_lose_nothing(engine: Engine) -> None:
    def write(own: Engine, name: str) -> None:
        for number in range(20):
            with writing(own) as connection:
                connection.execute(
                    gateway.insert().values(site="maple-court", name=f"{name}-{number}", first_heard_at=1)
                )

    other = open_writer(str(engine.url))
    threads = [
        threading.Thread(target=write, args=(own, name))
        for own, name in ((engine, "a"), (engine, "b"), (other, "c"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.dispose()
    with writing(engine) as connection:
        assert len(connection.execute(gateway.select()).all()) == 60


def test_a_serving_centre_waits_while_another_program_writes_and_acknowledges_nothing(tmp_path: Path) -> None:
    chain = a_chain(40)
    with (
        a_broker(tmp_path) as broker,
        a_central(tmp_path, broker.port) as central,
        a_gateway(broker.port) as end,
    ):
        until(lambda: end.centre[-1:] == [True], "the centre's subscriptions")
        with another_writes(tmp_path):
            end.send(chain, 1)
            until(lambda: "another program writes" in central.log(), "the centre to find it busy")
            with closing(sqlite3.connect(central.database)) as database:
                assert database.execute("SELECT count(*) FROM record").fetchone() == (0,)
        end.acknowledged(40)
