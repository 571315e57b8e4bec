"""The indexes of ended months on PostgreSQL: built anew once, beside writers, and whatever was broken off."""

import threading
from collections.abc import Iterator

import pytest
from central_support import SITE, a_record, until
from msgspec.structs import replace
from postgres_support import Postgres
from sqlalchemy import Engine, text
from test_central_months import us

from central.store.ended_months import AFTER_US, EndedMonths, build_one
from central.store.engine import insert_many, migrate, open_writer, reading, writing
from central.store.records import row_of
from central.store.tables import gateway, record

OCTOBER_US, OVER_US = us(2026, 10, 5), us(2026, 11, 1) + AFTER_US
GATEWAYS = 40


@pytest.fixture
def url(postgres: Postgres) -> str:
    return postgres.new_database()


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = open_writer(url)
    migrate(engine)
    with writing(engine) as connection:
        names = [{"site": SITE, "name": f"east-{n}", "first_heard_at": 1} for n in range(GATEWAYS)]
        connection.execute(gateway.insert(), names)
    yield engine
    engine.dispose()


def come(engine: Engine, first: int, last: int, at_us: int = OCTOBER_US) -> None:
    """Records `first` to `last` of each gateway, one after the other at all of them."""
    known = a_record(1)
    with writing(engine) as connection:
        for seq in range(first, last + 1):
            made = replace(known, seq=seq, at=at_us)
            rows = [row_of(number, made, seq.to_bytes(32, "big")) for number in range(1, GATEWAYS + 1)]
            insert_many(connection, record, rows)


def sizes(engine: Engine, month: str = "record_2026_10") -> dict[str, int]:
    asked = "SELECT indexrelid::regclass::text, pg_relation_size(indexrelid) FROM pg_index WHERE indrelid = "
    with reading(engine) as connection:
        found = connection.execute(text(f"{asked} CAST('{month}' AS regclass)")).all()
    return dict(found)


def build(engine: Engine, now_us: int = OVER_US) -> int:
    """How many were built anew."""
    built = 0
    with writing(engine.execution_options(isolation_level="AUTOCOMMIT")) as connection:
        while build_one(connection, now_us):
            built += 1
    return built


def place_of(month: str = "record_2026_10") -> str:
    return f"{month}_gateway_id_epoch_seq_at_key"


def test_what_grew_in_halves_is_full_once_its_month_is_over(engine: Engine) -> None:
    come(engine, 1, 100)
    before = sizes(engine)
    assert build(engine, OVER_US - 1) == 0
    assert build(engine) > 0
    after = sizes(engine)
    assert after.keys() == before.keys()
    assert after[place_of()] < 0.75 * before[place_of()]
    assert build(engine) == 0


def test_a_month_that_runs_is_left_alone(engine: Engine) -> None:
    come(engine, 1, 100, us(2026, 11, 2))
    assert build(engine) == 0


def test_what_grew_again_is_built_again(engine: Engine) -> None:
    come(engine, 1, 100)
    build(engine)
    come(engine, 101, 200)
    assert build(engine) > 0
    assert build(engine) == 0


def test_what_was_broken_off_is_taken_away_and_done_anew(engine: Engine, url: str) -> None:
    """A transaction that has written keeps the building waiting; nobody waits for the building."""
    come(engine, 1, 100)
    before = sizes(engine)
    writer, months = open_writer(url), EndedMonths(url, lambda: OVER_US)
    with writer.connect() as open_one:
        open_one.execute(text("UPDATE record SET links = 1 WHERE seq = 1"))
        months.start()
        until(lambda: any(name.endswith("_ccnew") for name in sizes(engine)) or None, "it is being built")
        come(engine, 101, 101)
        months.stop()
    assert sizes(engine).keys() > before.keys()
    assert build(engine) > 0
    assert sizes(engine).keys() == before.keys()
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM record")).scalar() == 101 * GATEWAYS
    writer.dispose()


def test_an_end_that_is_asked_for_just_before_the_building_begins_breaks_it_off_too(
    engine: Engine, url: str
) -> None:
    come(engine, 1, 100)
    looked, ending = threading.Event(), threading.Event()

    def now_us() -> int:
        looked.set()
        assert ending.wait(20)
        return OVER_US

    writer, months = open_writer(url), EndedMonths(url, now_us)
    with writer.connect() as open_one:  # the building would wait for it for ever
        open_one.execute(text("UPDATE record SET links = 1 WHERE seq = 1"))
        months.start()
        assert looked.wait(20)
        end = threading.Thread(target=months.stop)
        end.start()
        ending.set()
        end.join(20)
        assert not end.is_alive()
    writer.dispose()


def test_one_that_failed_before_lets_the_others_go_first(engine: Engine) -> None:
    come(engine, 1, 100)
    first = min(sizes(engine))
    failed = {first}
    with writing(engine.execution_options(isolation_level="AUTOCOMMIT")) as connection:
        assert build_one(connection, OVER_US, failed)
        noted = text("SELECT obj_description(CAST(:name AS regclass), 'pg_class')")
        assert connection.execute(noted, {"name": first}).scalar() is None
    assert len(failed) == 2


def test_two_processes_build_nothing_at_the_same_time(engine: Engine, url: str) -> None:
    come(engine, 1, 100)
    other = open_writer(url)
    with writing(other.execution_options(isolation_level="AUTOCOMMIT")) as connection:
        assert build_one(connection, OVER_US)
        assert build(engine) == 0
    other.dispose()
    assert build(engine) > 0
