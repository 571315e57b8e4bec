"""What was set aside is read again after an upgrade: its gateway may be called complete again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from central_support import (
    GATEWAY,
    a_block,
    a_broker,
    a_chain,
    a_gateway,
    a_record,
    a_state,
    topic,
    until,
)
from database_support import forbid
from sqlalchemy import Engine, select

from central.alarms.book import begin_usual_rules, note, rules_in_force
from central.alarms.integrity import declare, flaws_now
from central.alarms.rules import Rules
from central.alarms.states import compared, found_now
from central.fleet.completeness import completeness
from central.ingest import reread as rereading
from central.ingest.intake import examine, examine_unread, take_in
from central.ingest.reread import reread
from central.ingest.service import IngestService
from central.settings import MqttPart
from central.store.alarm_tables import alarm
from central.store.chains import verify_all
from central.store.engine import writing
from central.store.tables import finding, quarantine, record
from messages.chain import record_hash
from messages.model import Kind
from messages.topics import Leaf
from messages.wire import decode_record, encode, encode_record

CHAIN = a_chain(30)
NOW_US = 1_800_000_000_000_000


@pytest.fixture
def before_the_upgrade(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A program that does not know yet that an exit button can be pressed."""

    def an_older_one(body: bytes) -> object:
        if b'"kind":"rex"' in body:
            return decode_record(body.replace(b'"kind":"rex"', b'"kind":"wrx"'))
        return decode_record(body)

    with monkeypatch.context() as older:
        older.setattr("central.ingest.verify.decode_record", an_older_one)
        yield older


def with_an_exit(seqs: set[int], count: int = 30) -> list[bytes]:
    """A chain in which some records are exit buttons."""
    bodies, prev = [], "0" * 64
    for seq in range(1, count + 1):
        changes: dict[str, Any] = {"kind": Kind.REX, "reason": None} if seq in seqs else {}
        bodies.append(encode_record(a_record(seq, prev, **changes)))
        prev = record_hash(bodies[-1])
    return bodies


def taken(engine: Engine, *messages: tuple[str, bytes]) -> None:
    with writing(engine) as connection:
        take_in(connection, [examine(*message) for message in messages], NOW_US)


def rows(engine: Engine, *columns: Any) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return sorted(tuple(row) for row in connection.execute(select(*columns)))


def is_complete(engine: Engine) -> bool:
    with engine.connect() as connection:
        [found] = completeness(connection)
    return found.complete


def good(engine: Engine) -> bool:
    return all(good for _, good in verify_all(engine))


@pytest.mark.parametrize(
    "seqs",
    [{10}, {1}, {30}, {1, 2, 3}, {9, 10, 11, 30}, set(range(1, 31))],
    ids=lambda seqs: str(sorted(seqs)),
)
@pytest.mark.parametrize("page", [500, 2])
def test_records_of_a_kind_that_is_known_now_take_their_places(
    engine: Engine,
    before_the_upgrade: pytest.MonkeyPatch,
    monkeypatch: pytest.MonkeyPatch,
    seqs: set[int],
    page: int,
) -> None:
    monkeypatch.setattr(rereading, "PAGE", page)
    chain = with_an_exit(seqs)
    taken(engine, (topic(Leaf.BACKLOG), a_block(chain)))
    taken(engine, (topic(Leaf.STATE), encode(a_state(30, record_hash(chain[-1])))))
    assert not is_complete(engine)
    before_the_upgrade.undo()
    assert reread(engine, NOW_US) == len(seqs)
    assert [seq for (seq,) in rows(engine, record.c.seq)] == list(range(1, 31))
    assert rows(engine, quarantine.c.id) == rows(engine, finding.c.id) == []
    assert is_complete(engine)
    assert good(engine)


def test_what_is_still_not_understood_stays(engine: Engine) -> None:
    strange = CHAIN[9].replace(b"access_granted", b"door_melted")
    rest = a_chain(20, first=11, prev=record_hash(strange))
    taken(engine, (topic(Leaf.BACKLOG), a_block([*CHAIN[:9], strange, *rest])))
    assert reread(engine, NOW_US) == 0
    assert rows(engine, quarantine.c.seq, quarantine.c.payload) == [(10, strange)]
    assert rows(engine, finding.c.kind, finding.c.seq) == [("poison", 10)]


def test_a_conflict_is_never_written_over(engine: Engine) -> None:
    other = encode_record(a_record(5, record_hash(CHAIN[3]), door="back-door"))
    taken(engine, (topic(Leaf.BACKLOG), a_block(CHAIN)), (topic(Leaf.BACKLOG), a_block([other], 5)))
    assert reread(engine, NOW_US) == 0
    assert rows(engine, quarantine.c.payload) == [(other,)]
    assert ("back-door",) not in rows(engine, record.c.door)


def test_a_break_in_the_chain_that_was_hidden_by_unread_bytes_is_found(
    engine: Engine, before_the_upgrade: pytest.MonkeyPatch
) -> None:
    """Set aside as it came, without a look at what it names as the record before it."""
    torn = a_chain(1, first=11, prev="ab" * 32)
    with writing(engine) as connection:
        block = topic(Leaf.BACKLOG), a_block(torn, 11)
        take_in(connection, [examine_unread(*block, "cannot be read")], NOW_US)
    taken(engine, (topic(Leaf.BACKLOG), a_block(CHAIN[:10])))
    assert reread(engine, NOW_US) == 1
    assert rows(engine, finding.c.kind, finding.c.seq) == [("chain_break", 11)]
    assert rows(engine, record.c.seq, record.c.odd_prev)[-1] == (11, bytes.fromhex("ab" * 32))


def test_messages_without_a_place_are_forgiven_once_they_are_understood(
    engine: Engine, before_the_upgrade: pytest.MonkeyPatch
) -> None:
    """A state is of yesterday by now, and is not believed again; records count still."""
    state = encode(a_state(30, record_hash(CHAIN[-1])))
    taken(engine, (topic(Leaf.STATE), state.replace(b'"online":true', b'"online":"yes"')))
    with writing(engine) as connection:
        connection.execute(quarantine.update().values(payload=state))
    taken(engine, (topic(Leaf.STATE), b"not at all"))
    assert rows(engine, finding.c.kind, finding.c.count) == [("poison", 2)]
    assert reread(engine, NOW_US) == 1
    assert rows(engine, quarantine.c.payload) == [(b"not at all",)]
    assert rows(engine, finding.c.kind, finding.c.count) == [("poison", 1)]


def test_what_is_understood_is_declared_no_more_and_covers_nothing_that_is_found_later(
    engine: Engine, before_the_upgrade: pytest.MonkeyPatch
) -> None:
    state = encode(a_state(30, record_hash(CHAIN[-1])))
    taken(engine, (topic(Leaf.BACKLOG), a_block(with_an_exit({5, 6}))))
    taken(engine, (topic(Leaf.STATE), state.replace(b'"online":true', b'"online":"yes"')))
    with writing(engine) as connection:
        connection.execute(quarantine.update().where(quarantine.c.seq.is_(None)).values(payload=state))
        begin_usual_rules(connection, NOW_US)
        [found] = [each for each in found_now(connection, NOW_US) if each.subject[3] == "poison"]
        note(connection, compared(Rules(rules_in_force(connection)), [found], [], NOW_US), NOW_US)
        said = {"count": 3, "found": "损坏", "done": "核对", "by": "account 1", "now_us": NOW_US}
        [number] = connection.execute(select(alarm.c.id)).scalars()
        declare(connection, number, [found.site], **said)  # type: ignore[arg-type]
        assert flaws_now(connection) == {}
    before_the_upgrade.undo()
    assert reread(engine, NOW_US + 1) == 3
    taken(engine, (topic(Leaf.STATE), b"not at all"))
    with engine.connect() as connection:
        assert list(flaws_now(connection).values()) == [1]


def test_what_the_database_rejects_again_stays_and_hinders_no_other(
    engine: Engine, before_the_upgrade: pytest.MonkeyPatch
) -> None:
    taken(engine, (topic(Leaf.BACKLOG), a_block(with_an_exit({5, 6, 7}))))
    before_the_upgrade.undo()
    forbid(engine, "INSERT", "record", "this row never", when="NEW.seq = 6")
    assert reread(engine, NOW_US) == 2
    assert rows(engine, quarantine.c.seq) == [(6,)]
    assert rows(engine, finding.c.kind, finding.c.seq) == [("poison", 6)]


def test_an_upgraded_centre_does_so_at_its_start(
    engine: Engine, before_the_upgrade: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    chain = with_an_exit({10})
    taken(engine, (topic(Leaf.BACKLOG), a_block(chain)))
    before_the_upgrade.undo()
    with a_broker(tmp_path) as broker, a_gateway(broker.port) as gateway:
        settings = MqttPart.model_validate({"port": broker.port, "client_id": "test-centre"})
        service = IngestService(engine, settings)
        service.start()
        try:
            until(lambda: service.status().broker_connected, "connection of the centre")
            gateway.say(a_state(30, record_hash(chain[-1])))
            gateway.acknowledged(30)
        finally:
            service.stop()
    assert is_complete(engine)
    assert gateway.gateway == GATEWAY
