"""Whoever asks about a time whose entries were ended is told so; and what else lives by records bears it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from central_support import a_state
from database_support import alter
from identity_support import COMMUNITY, DAY_US, NOON_US
from lookup_support import APPROVER, HOUR_US, OFFICER, World, run
from retention_support import DAYS, Archive, Growing
from sqlalchemy import Engine, event, select

from central.errors import Clash
from central.fleet.completeness import completeness
from central.fleet.coverage import Gap, coverage
from central.identity.retention_rules import RetentionRules
from central.lookup import acts
from central.lookup.holding import hold
from central.lookup.paging import Window
from central.lookup.subjects import ENTRIES_ENDED
from central.lookup.words import Act, Asked
from central.retention.marks import ended_until, until_us
from central.store.engine import reading, writing
from central.store.identity_tables import envelope
from central.store.tables import gateway, record
from messages.chain import record_hash
from messages.topics import Leaf
from messages.wire import About, DoorAbout, encode


@pytest.fixture
def archive(engine: Engine) -> Iterator[Archive]:
    made = Archive(engine)
    yield made
    made.close()


@pytest.fixture
def world(engine: Engine, tmp_path: Path) -> Iterator[World]:
    made = World(engine, tmp_path)
    made.resident()
    yield made
    made.close()


def ended(world: World, until: int) -> None:
    alter(
        world.engine,
        "INSERT INTO record_mark (noted_at, day, last_id, begun_at) VALUES (:at, '2026-11-03', 1, :at)",
        at=until,
    )


@pytest.mark.parametrize("asked", [Asked.PERSON, Asked.DOOR])
def test_an_answer_about_a_time_that_was_ended_says_so_and_is_not_complete(
    world: World, asked: Asked
) -> None:
    alter(world.engine, "UPDATE gateway SET state_at = :at, state_received_at = :at", at=NOON_US)
    world.enter(NOON_US - HOUR_US)
    world.enter(NOON_US - HOUR_US, gateway_id=2)
    before = run(world.look_ups.ask(OFFICER, world.asking(asked)))
    ended(world, NOON_US - 3 * HOUR_US)
    answer = run(world.look_ups.ask(OFFICER, world.asking(asked)))
    assert ENTRIES_ENDED not in before.notes
    assert ENTRIES_ENDED in answer.notes
    assert not answer.complete
    assert {each.ended_us for each in answer.doors} == {NOON_US - 3 * HOUR_US}
    since = Window(NOON_US - 3 * HOUR_US, NOON_US)
    later = run(world.look_ups.ask(OFFICER, world.asking(asked, window=since)))
    assert (later.notes, {each.ended_us for each in later.doors}) == (before.notes, {None})


def test_nothing_is_held_of_what_was_ended_since_it_was_found(world: World) -> None:
    world.enter(NOON_US - HOUR_US, NOON_US - HOUR_US + 1)
    number = run(world.look_ups.ask(OFFICER, world.asking(Asked.DOOR))).look_up
    with writing(world.engine) as connection:
        acts.ask_for(connection, OFFICER, number, act=Act.HOLD, why="证据保全", now_us=NOON_US)
        acts.decide(connection, APPROVER, number, act=Act.HOLD, agreed=True, why="同意保全", now_us=NOON_US)
    inner = world.look_ups.record

    async def a_moment_later(change):  # type: ignore[no-untyped-def]
        alter(world.engine, "DELETE FROM record WHERE seq = 2")
        return await inner(change)

    world.look_ups.record = a_moment_later  # type: ignore[method-assign]
    with pytest.raises(Clash, match="ask again"):
        run(hold(world.look_ups, OFFICER, number, 10))


def test_a_door_s_time_before_what_was_ended_is_called_ended(archive: Archive) -> None:
    chain = Growing()
    info = DoorAbout(door="front", label="正门", readers=["r-1"])
    archive.take(encode(About(v=1, software="1", label="东门", doors=[info])), leaf=Leaf.ABOUT)
    began_us = archive.now_us
    archive.comes(chain, 3)
    archive.passes(20)
    again_us = archive.now_us
    archive.comes(chain, 2)
    archive.passes(DAYS - 19)
    state = a_state(5, record_hash(chain.bodies[-1]))
    archive.take(encode(state), leaf=Leaf.STATE)
    with reading(archive.engine) as connection:
        rows = connection.execute(select(gateway)).all()
        (door,) = coverage(connection, rows, began_us - DAY_US, again_us + DAY_US, archive.now_us)
        (known,) = completeness(connection)
        ended_us = ended_until(connection)
    assert ended_us is not None
    assert began_us < ended_us < again_us
    assert [(each.from_us, each.until_us, each.why) for each in door.spans] == [
        (began_us, again_us, Gap.ENDED),
        (again_us, again_us + DAY_US, None),
    ]
    assert (door.recorded, door.blind_us) == (1.0, 0)
    assert (known.complete, known.ended_us) == (True, ended_us)
    assert not known.is_complete(ended_us - 1, again_us)
    assert known.ended_within(ended_us) is None


def test_until_when_an_entry_is_kept_is_said_before_and_holds(archive: Archive) -> None:
    rules = RetentionRules()
    archive.comes(Growing(), 1)
    with reading(archive.engine) as connection:
        (said,) = until_us(connection, [1], rules, archive.now_us)
    archive.passes(1)
    with reading(archive.engine) as connection:
        (again,) = until_us(connection, [1], rules, archive.now_us)
    assert said is not None
    assert again is not None
    assert again <= said == NOON_US + (DAYS + 1) * DAY_US
    archive.passes(DAYS - 1)
    archive.now_us = again
    archive.runs()
    assert archive.seqs() == []


def test_an_envelope_that_a_wrong_clock_dated_into_the_future_goes_with_its_record(archive: Archive) -> None:
    archive.comes(Growing(), 2, identity="ab" * 32)
    alter(
        archive.engine,
        "INSERT INTO envelope (gateway_id, epoch, seq, community_id, period, at, sealing_key, hash, sealed,"
        " waits) SELECT gateway_id, epoch, seq, :community, '2056-01-01', at, '', x'00', x'00', 1 FROM record"
        " WHERE seq = 2",
        community=COMMUNITY,
    )
    archive.passes(DAYS + 1)
    assert archive.seqs() == []
    assert archive.values(select(record.c.id)) == []
    with archive.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM envelope").scalar() == 0


def test_envelopes_are_found_by_their_places(archive: Archive) -> None:
    """However many others there are: without looking through them."""
    chain = Growing()
    archive.comes(chain, 3, identity="ab" * 32)
    archive.comes(chain, 2)
    alter(
        archive.engine,
        "INSERT INTO envelope (gateway_id, epoch, seq, community_id, period, at, sealing_key, hash, sealed,"
        " waits) SELECT gateway_id, epoch, seq, :community, '2056-01-01', at, '', x'00', x'00', 1 FROM record"
        " WHERE seq <> 2",
        community=COMMUNITY,
    )
    asked: list[tuple[str, Any]] = []

    def noted(_connection: Any, _cursor: Any, statement: str, values: Any, *_more: Any) -> None:
        asked.append((statement, values))

    event.listen(archive.engine, "before_cursor_execute", noted)
    archive.passes(DAYS + 1)
    event.remove(archive.engine, "before_cursor_execute", noted)
    assert archive.values(select(envelope.c.seq).order_by(envelope.c.seq)) == [4, 5]
    ((statement, values),) = [each for each in asked if "FROM envelope" in each[0]]
    if archive.engine.dialect.name == "sqlite":
        with reading(archive.reader) as connection:
            steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
        plan = [step[-1] for step in steps]
        assert any(step.startswith("SEARCH envelope") and "seq=?" in step for step in plan), plan
        assert not any("SCAN envelope" in step for step in plan), plan
