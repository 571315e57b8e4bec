"""Records by month on PostgreSQL: where each one goes, also those of a wrong clock."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from central_support import GATEWAY, SITE, a_block, a_chain, topic
from database_support import alter
from hypothesis import given
from hypothesis import strategies as st
from postgres_support import Postgres
from sqlalchemy import Engine, select, text

from central import store
from central.ingest.intake import examine, take_in
from central.store.engine import insert_many, migrate, open_writer, reading, writing
from central.store.months import Month, month_of
from central.store.records import row_of
from central.store.tables import gateway, record
from messages.chain import record_hash
from messages.topics import Leaf
from messages.wire import decode_record


def us(*date: int) -> int:
    return int(datetime(*date, tzinfo=UTC).timestamp()) * 1_000_000  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("at_us", "month"),
    [
        (us(2026, 11, 25), Month(2026, 11)),
        (us(2026, 12, 1) - 1, Month(2026, 11)),
        (us(2026, 12, 1), Month(2026, 12)),
        (us(2020, 1, 1), Month(2020, 1)),
        (us(2020, 1, 1) - 1, None),
        (us(2100, 1, 1) - 1, Month(2099, 12)),
        (us(2100, 1, 1), None),
        (0, None),
        (-1, None),
    ],
)
def test_a_time_belongs_to_its_month_of_utc(at_us: int, month: Month | None) -> None:
    assert month_of(at_us) == month


@given(st.integers(us(2020, 1, 1), us(2100, 1, 1) - 1))
def test_every_believed_time_lies_within_its_month(at_us: int) -> None:
    month = month_of(at_us)
    assert month is not None
    assert month.begin_us <= at_us < month.next.begin_us


@pytest.fixture
def on_postgresql(postgres: Postgres) -> Engine:
    engine = open_writer(postgres.new_database())
    migrate(engine)
    return engine


def stored(engine: Engine, *times_us: int) -> dict[int, str]:
    """Times of the records and the tables that they lie in."""
    with writing(engine) as connection:
        connection.execute(gateway.insert(), {"site": SITE, "name": GATEWAY, "first_heard_at": 1})
        bodies = [decode_record(body) for body in a_chain(len(times_us))]
        rows = [row_of(1, body, bytes(32)) for body in bodies]
        at = [column.name for column in record.columns].index("at") - 1
        dated = [(*row[:at], us, *row[at + 1 :]) for row, us in zip(rows, times_us, strict=True)]
        insert_many(connection, record, dated)
    with reading(engine) as connection:
        found = connection.execute(text("SELECT at, tableoid::regclass::text AS lies FROM record"))
        return {row.at: row.lies for row in found}


def test_each_record_lies_in_the_partition_of_its_month(on_postgresql: Engine) -> None:
    november, december = us(2026, 11, 30), us(2026, 12, 1)
    assert stored(on_postgresql, november, december, 0) == {
        november: "record_2026_11",
        december: "record_2026_12",
        0: "record_other",
    }
    on_postgresql.dispose()


def test_a_question_about_a_day_reads_its_month_alone(on_postgresql: Engine) -> None:
    stored(on_postgresql, us(2026, 10, 1), us(2026, 11, 1), us(2026, 12, 1))
    asked = select(record.c.id).where(record.c.at.between(us(2026, 11, 3), us(2026, 11, 4)))
    with reading(on_postgresql) as connection:
        words = str(asked.compile(connection, compile_kwargs={"literal_binds": True}))
        plan = "\n".join(connection.execute(text(f"EXPLAIN {words}")).scalars())
    assert "record_2026_11" in plan
    assert "record_2026_10" not in plan
    assert "record_2026_12" not in plan
    on_postgresql.dispose()


def test_a_dropped_month_leaves_the_others(on_postgresql: Engine) -> None:
    october, november = us(2026, 10, 1), us(2026, 11, 1)
    stored(on_postgresql, october, november)
    alter(on_postgresql, "DROP TABLE record_2026_10")
    with reading(on_postgresql) as connection:
        assert connection.execute(select(record.c.at)).scalars().all() == [november]
    on_postgresql.dispose()


def test_records_of_an_older_form_move_into_their_months(postgres: Postgres) -> None:
    engine = open_writer(postgres.new_database())
    config = Config()
    config.set_main_option("script_location", str(Path(store.__file__).parent / "migrations"))
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
    chain = a_chain(3)
    with writing(engine) as connection:
        connection.execute(gateway.insert(), {"site": SITE, "name": GATEWAY, "first_heard_at": 1})
        for body in chain:
            names = [column.name for column in record.columns if column.name != "id"]
            row = row_of(1, decode_record(body), bytes.fromhex(record_hash(body)))
            connection.execute(record.insert(), dict(zip(names, row, strict=True)))
    migrate(engine)
    with writing(engine) as connection:
        take_in(connection, [examine(topic(Leaf.JOURNAL), a_block(a_chain(4)[3:], 4))], 1)
    with reading(engine) as connection:
        assert connection.execute(select(record.c.seq).order_by(record.c.id)).scalars().all() == [1, 2, 3, 4]
    engine.dispose()
