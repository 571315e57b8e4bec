"""Entries end beside all else: while records come in, in months of PostgreSQL, and in what was restored."""

import threading
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from identity_support import COMMUNITY, DAY_US, NOON_US
from postgres_support import Postgres
from retention_support import DAYS, HOUR_US, Archive, Growing
from sqlalchemy import Connection, Engine, func, select, update

from central.accounts.who import Role, Who
from central.errors import StoreUnavailable
from central.ingest.intake import examine, take_in
from central.lookup import api
from central.lookup.entries import Page, Question, Window, entries_of_door
from central.store.backup import make_backup
from central.store.engine import migrate, open_writer, reading, writing
from central.store.months import drop_empty_months
from central.store.restore import restore
from central.store.retention_tables import record_mark
from central.store.tables import record
from central.tours import walked
from central.tours.rounds import Round
from messages.topics import GatewayTopic, Leaf


@pytest.fixture
def on_postgresql(postgres: Postgres) -> Engine:
    engine = open_writer(postgres.new_database())
    migrate(engine)
    return engine


def test_a_mark_never_covers_what_commits_after_it(on_postgresql: Engine) -> None:
    """Two processes take records in: the one that drew the lower numbers commits later. Nobody waits."""
    url = on_postgresql.url.render_as_string(hide_password=False)
    archive, slow = Archive(on_postgresql), open_writer(url)
    archive.runs()
    archive.now_us += DAY_US // 2
    topic = str(GatewayTopic("maple-court", "slow-1", Leaf.BACKLOG))
    archive.comes(Growing("north-1"), 1)  # whoever makes a month keeps others waiting
    with writing(slow) as connection:
        take_in(connection, [examine(topic, Growing("slow-1").grow(3, NOON_US))], NOON_US)
        archive.comes(Growing(), 2)  # higher numbers, committed
        archive.job.look()
        assert marked(archive) == 0
        with writing(on_postgresql) as another:
            another.exec_driver_sql("SET LOCAL lock_timeout = '1s'")
            take_in(
                another, [examine(topic.replace("slow", "quick"), Growing("quick-1").grow(1, NOON_US))], 1
            )
    archive.job.look()
    assert marked(archive) == archive.newest_number()
    with reading(on_postgresql) as connection:
        assert connection.execute(select(func.count()).select_from(record)).scalar_one() == 7
    slow.dispose()
    archive.close()
    on_postgresql.dispose()


def test_no_record_waits_for_a_mark_that_waits_for_a_forgotten_session(on_postgresql: Engine) -> None:
    url = on_postgresql.url.render_as_string(hide_password=False)
    archive, forgotten = Archive(on_postgresql), open_writer(url)
    chain = Growing()
    archive.comes(chain, 1)
    with writing(forgotten) as connection:
        connection.execute(update(record).values(door="front"))  # and leaves it so
        looking = threading.Thread(target=archive.job.look)
        looking.start()
        with writing(on_postgresql) as another:
            another.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
            take_in(
                another,
                [
                    examine(
                        str(GatewayTopic("maple-court", "west-1", Leaf.BACKLOG)),
                        Growing("west-1").grow(1, NOON_US),
                    )
                ],
                NOON_US,
            )
        looking.join(10)
        assert not looking.is_alive()
    archive.close()
    forgotten.dispose()
    on_postgresql.dispose()


def test_who_finds_another_process_at_it_says_so(on_postgresql: Engine) -> None:
    archive = Archive(on_postgresql)
    serving = open_writer(on_postgresql.url.render_as_string(hide_password=False))
    archive.comes(Growing(), 1)
    archive.passes(DAYS - 1)
    archive.now_us += 2 * DAY_US
    archive.count()
    with writing(serving) as connection:
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(6543210990)")
        assert archive.runs() == []
        assert "another process" in archive.job.said
        assert archive.seqs() == [1]
    archive.runs()
    assert (archive.seqs(), archive.job.said) == ([], "")
    serving.dispose()
    archive.close()
    on_postgresql.dispose()


def marked(archive: Archive) -> int:
    with reading(archive.engine) as connection:
        return connection.execute(select(func.max(record_mark.c.last_id))).scalar() or 0


def test_months_that_are_over_and_empty_are_dropped_and_the_others_stay(on_postgresql: Engine) -> None:
    archive = Archive(on_postgresql)
    chain = Growing()
    archive.comes(chain, 3)
    late = Growing("late-1")
    archive.comes(late, 2, us(2021, 3, 5))
    archive.passes(60)
    archive.comes(chain, 3)
    archive.comes(Growing("ahead-1"), 1, us(2031, 1, 1))
    assert archive.months() == [
        "record_2021_03",
        "record_2026_11",
        "record_2027_01",
        "record_2031_01",
        "record_other",
    ]
    archive.passes(DAYS - 58)
    assert archive.months() == ["record_2026_11", "record_2027_01", "record_2031_01", "record_other"]
    archive.passes(30)  # what came until the end of November is over
    assert archive.months() == ["record_2027_01", "record_2031_01", "record_other"]
    archive.comes(late, 1, us(2021, 3, 6))  # comes years later: its month is made again
    assert "record_2021_03" in archive.months()
    assert archive.seqs("late-1") == [3]
    archive.close()
    on_postgresql.dispose()


def test_a_month_that_somebody_writes_to_is_not_dropped(on_postgresql: Engine) -> None:
    url = on_postgresql.url.render_as_string(hide_password=False)
    archive, other = Archive(on_postgresql), open_writer(url)
    archive.comes(Growing(), 1, us(2021, 3, 5))
    with writing(on_postgresql) as connection:
        connection.exec_driver_sql("DELETE FROM record")
    topic = str(GatewayTopic("maple-court", "slow-1", Leaf.BACKLOG))
    with writing(other) as connection:
        take_in(connection, [examine(topic, Growing("slow-1").grow(1, us(2021, 3, 6)))], NOON_US)
        with pytest.raises(StoreUnavailable, match="lock timeout"), writing(on_postgresql) as dropping:
            drop_empty_months(dropping, NOON_US)
    with writing(on_postgresql) as connection:
        assert drop_empty_months(connection, NOON_US) == []
    assert archive.seqs("slow-1") == [1]
    other.dispose()
    archive.close()
    on_postgresql.dispose()


def us(*date: int) -> int:
    return int(datetime(*date, tzinfo=UTC).timestamp()) * 1_000_000  # type: ignore[arg-type,misc]


def test_records_come_in_while_others_are_ended(engine: Engine) -> None:
    """From another connection, as ingest does; on SQLite both take turns."""
    archive = Archive(engine, at_once=10)
    old = Growing()
    archive.comes(old, 400)
    archive.passes(DAYS - 1)
    archive.now_us += DAY_US // 2
    archive.runs()
    archive.now_us += DAY_US
    archive.count()
    ingest = open_writer(engine.url.render_as_string(hide_password=False))
    failed: list[Exception] = []
    stop, chain = threading.Event(), Growing("busy-1")
    topic = str(GatewayTopic("maple-court", "busy-1", Leaf.BACKLOG))

    def take() -> None:
        try:
            while not stop.is_set() or len(chain.bodies) < 20:
                with writing(ingest) as connection:
                    take_in(connection, [examine(topic, chain.grow(2, archive.now_us))], archive.now_us)
        except Exception as error:  # noqa: BLE001  told below
            failed.append(error)

    busy = threading.Thread(target=take)
    busy.start()
    archive.job.run()
    stop.set()
    busy.join()
    assert failed == []
    assert archive.seqs() == []
    assert archive.seqs("busy-1") == list(range(1, len(chain.bodies) + 1))
    assert all(good for _, good in archive.verified())
    assert archive.certified() == [(COMMUNITY, "2026-11-04", 400)]
    ingest.dispose()
    archive.close()


def test_a_restored_backup_is_ended_at_the_next_run(
    engine: Engine, engine_name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """One of 35 days; what has gone since is there again, until then."""
    archive = Archive(engine)
    chain = Growing()
    archive.comes(chain, 5)
    archive.passes(DAYS - 20)
    folder = make_backup(
        archive.reader, tmp_path / "backups", datetime.fromtimestamp(archive.now_us // 1_000_000, UTC), None
    )
    archive.passes(30)
    assert archive.seqs() == []
    url = f"sqlite:///{tmp_path / 'restored.sqlite'}"
    if engine_name == "postgresql":
        url = request.getfixturevalue("postgres").new_database()
    restore(folder, url, None)
    restored = Archive(open_writer(url))
    restored.now_us = archive.now_us
    assert restored.seqs() == [1, 2, 3, 4, 5]
    restored.runs()
    assert restored.seqs() == []
    assert restored.verified() == [("epoch 1: 1-5, of which 5 were ended; good", True)]
    restored.engine.dispose()
    restored.close()
    archive.close()


def test_numbers_go_on_after_a_backup_of_a_centre_all_of_whose_records_have_gone(
    engine: Engine, engine_name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    archive = Archive(engine)
    archive.comes(Growing(), 5)
    highest = archive.newest_number()
    archive.passes(DAYS + 1)
    folder = make_backup(archive.reader, tmp_path / "backups", datetime(2027, 6, 1, tzinfo=UTC), None)
    url = f"sqlite:///{tmp_path / 'restored.sqlite'}"
    if engine_name == "postgresql":
        url = request.getfixturevalue("postgres").new_database()
    restore(folder, url, None)
    restored = Archive(open_writer(url))
    restored.now_us = archive.now_us
    restored.comes(Growing("west-1"), 1)
    assert restored.newest_number() > highest
    restored.engine.dispose()
    restored.close()
    archive.close()


def test_what_is_ended_while_somebody_asks_is_told(
    on_postgresql: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the centre looked how complete a door is, and before it reads the entries."""
    archive, chain = Archive(on_postgresql), Growing()
    archive.comes(chain, 3)
    archive.passes(DAYS - 1)
    question = Question("maple-court", chain.name, "front", Window(NOON_US - DAY_US, NOON_US + DAY_US), 10)
    asks = Who(1, Role.OFFICER, frozenset({COMMUNITY}))

    def a_moment_later(connection: Connection, asked: Question) -> Page:
        archive.passes(2)
        return entries_of_door(connection, asked)

    monkeypatch.setattr(api, "entries_of_door", a_moment_later)
    with reading(archive.reader) as connection:
        page, (known,) = api._of_door(connection, question, asks)
    assert page.entries == []
    assert known.ended_within(NOON_US - DAY_US) is not None
    archive.close()
    on_postgresql.dispose()


def test_a_round_that_is_ended_while_somebody_asks_is_not_called_missed(
    on_postgresql: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its reads were looked for: what has gone by then counts as well."""
    archive = Archive(on_postgresql)
    archive.comes(Growing(), 3)
    archive.passes(DAYS - 1)
    passed: list[bool] = []

    def a_moment_later(*_asked: Any) -> dict[int, list[int]]:
        archive.passes(2)
        return {}

    def noted(_round: Round, _reads: Any, known: Any, _now_us: int) -> Any:
        passed.append(bool(known))

    monkeypatch.setattr(walked, "reads_at", a_moment_later)
    monkeypatch.setattr(walked, "judged", noted)
    plan = SimpleNamespace(id=1, route=SimpleNamespace(stops=[]))
    round_: Any = SimpleNamespace(plan=plan, opens_us=NOON_US - HOUR_US, ends_us=NOON_US)
    with reading(archive.reader) as connection:
        list(walked.judged_of(connection, [round_], {}, {1: NOON_US}, archive.now_us, some_ended=True))
    assert passed == [False]
    archive.close()
    on_postgresql.dispose()
