"""Ingest at a real broker: acknowledged only after the commit, whatever is sent, broken or locked."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from central_support import (
    GATEWAY,
    SITE,
    Broker,
    GatewayEnd,
    a_broker,
    a_chain,
    a_gateway,
    a_state,
    until,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from database_support import new_database
from sqlalchemy import Engine, func, select

from central.ingest import service
from central.ingest.inbox import Delivery, Inbox
from central.ingest.intake import Examined, Outcome
from central.ingest.service import IngestService
from central.settings import MqttPart
from central.store.tables import finding, quarantine, record
from messages.acks import opened_ack
from messages.chain import record_hash
from messages.signing import trusted
from messages.topics import Leaf
from messages.wire import WIRE_VERSION, About, Ack, EpochAck, decode, encode

CHAIN = a_chain(1_000)


def hash_of(seq: int) -> str:
    return record_hash(CHAIN[seq - 1])


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with a_broker(tmp_path) as started:
        yield started


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "central.sqlite"


@pytest.fixture
def engine(database: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr("central.store.engine._BUSY_S", 0.05)
    opened = new_database(database)
    yield opened
    opened.dispose()


@pytest.fixture(params=["5", "3.1.1"])
def ingest(request: pytest.FixtureRequest, broker: Broker, engine: Engine) -> Iterator[IngestService]:
    started = started_service(IngestService, engine, broker, protocol=request.param)
    yield started
    started.stop()


@pytest.fixture
def gateway(broker: Broker) -> Iterator[GatewayEnd]:
    with a_gateway(broker.port) as end:
        yield end


def started_service(
    kind: type[IngestService],
    engine: Engine,
    broker: Broker,
    protocol: str = "5",
    signing: Ed25519PrivateKey | None = None,
) -> IngestService:
    settings = MqttPart.model_validate(
        {"port": broker.port, "protocol": protocol, "client_id": "test-centre"}
    )
    started = kind(engine, settings, signing=signing)
    started.start()
    until(lambda: started.status().broker_connected, "connection of the centre")
    return started


def count(database: Path, table: object = record) -> int:
    with sqlite3.connect(database) as connection:
        found: int = connection.execute(str(select(func.count()).select_from(table))).fetchone()[0]  # type: ignore[arg-type]
    connection.close()
    return found


def test_records_arrive_once_and_are_acknowledged_with_their_hash(
    ingest: IngestService, gateway: GatewayEnd, database: Path
) -> None:
    for _ in range(10):
        gateway.send(CHAIN)
    assert gateway.acknowledged(1_000) == EpochAck(1, 1_000, hash_of(1_000), 1_000, [])
    until(lambda: ingest.status().queue_depth == 0, "empty queue")
    assert count(database) == 1_000
    assert count(database, finding) == 0
    assert ingest.status().records_stored == 1_000


def test_whoever_knows_the_centres_keys_is_acknowledged_by_signature_and_anybody_else_as_ever(
    engine: Engine, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    key = Ed25519PrivateKey.generate()
    wants = About(WIRE_VERSION, "liuhen 0", "East wing", [], signed_acks=True)
    service = started_service(IngestService, engine, broker, signing=key)
    try:
        with a_gateway(broker.port) as knowing, a_gateway(broker.port, "west-1") as older:
            knowing.publish(Leaf.ABOUT, encode(wants), retain=True)
            knowing.send(CHAIN)
            assert knowing.acknowledged(1_000).hash == hash_of(1_000)
            older.send(a_chain(3, gateway="west-1"))
            older.acknowledged(3)
        newest = opened_ack(knowing.payloads[-1], trusted(key.public_key()), SITE, GATEWAY)
        assert newest.epochs == [EpochAck(1, 1_000, hash_of(1_000), 1_000, [])]
        assert older.payloads[-1] == encode(decode(older.payloads[-1], Ack))
    finally:
        service.stop()
    service = started_service(IngestService, engine, broker)
    try:
        with a_gateway(broker.port) as knowing:
            knowing.say(a_state(1_000, hash_of(1_000)))
            until(lambda: "takes signed acknowledgements alone" in caplog.text, "word of the missing keys")
    finally:
        service.stop()


def test_a_gap_is_named_and_closed_by_what_is_sent_again(ingest: IngestService, gateway: GatewayEnd) -> None:
    gateway.send(CHAIN[:100])
    gateway.send(CHAIN[200:300], 201)
    until(lambda: gateway.newest().missing == [(101, 200)], "named gap")
    assert gateway.latest() == EpochAck(1, 100, hash_of(100), 300, [(101, 200)])
    gateway.send(CHAIN[100:200], 101, per_block=1)
    assert gateway.acknowledged(300).missing == []


def test_poison_stalls_neither_its_chain_nor_another_gateway(
    ingest: IngestService, gateway: GatewayEnd, broker: Broker
) -> None:
    strange = CHAIN[49].replace(b"access_granted", b"door_melted")
    rest = a_chain(50, first=51, prev=record_hash(strange))
    with a_gateway(broker.port, "west-2") as other:
        gateway.publish(Leaf.BACKLOG, b"\xff\x00 not even JSON")
        gateway.send([*CHAIN[:49], strange, *rest])
        other.send(a_chain(100, gateway="west-2"))
        gateway.acknowledged(100)
        other.acknowledged(100)


def test_a_state_is_answered_also_when_the_acknowledgement_was_lost(
    ingest: IngestService, gateway: GatewayEnd, broker: Broker
) -> None:
    gateway.send(CHAIN[:100])
    gateway.acknowledged(100)
    broker.kill()
    until(lambda: not ingest.status().broker_connected, "noticed loss of the broker")
    broker.start()
    with a_gateway(broker.port) as again:
        assert again.acks == []
        until(lambda: ingest.status().broker_connected, "new connection of the centre")
        again.say(a_state(100, hash_of(100)))
        assert again.acknowledged(100).hash == hash_of(100)


def test_the_centre_says_that_it_is_there_and_that_it_leaves(
    broker: Broker, engine: Engine, gateway: GatewayEnd
) -> None:
    started = started_service(IngestService, engine, broker)
    until(lambda: gateway.centre[-1:] == [True], "word that the centre is there")
    started.stop()
    until(lambda: gateway.centre[-1:] == [False], "word that the centre has left")


def test_nothing_is_acknowledged_while_another_holds_the_database_and_then_it_heals(
    ingest: IngestService, gateway: GatewayEnd, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    gateway.send(CHAIN)
    until(lambda: ingest.status().database_trouble, "trouble with the database")
    assert gateway.acks == []
    other.execute("ROLLBACK")
    other.close()
    gateway.acknowledged(1_000)
    until(lambda: ingest.status().database_trouble is None, "end of the trouble")
    assert count(database) == 1_000
    assert "nothing is acknowledged" in caplog.text


def limit_pages(engine: Engine, pages: int) -> None:
    """As if the disk were full: SQLite refuses to let the file grow beyond."""
    with engine.connect() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")


def test_a_full_disk_acknowledges_nothing_and_heals(
    ingest: IngestService, gateway: GatewayEnd, database: Path, engine: Engine
) -> None:
    limit_pages(engine, 1)  # SQLite takes the present size instead
    gateway.send(CHAIN)
    until(lambda: "full" in (ingest.status().database_trouble or ""), "failing commit")
    assert (gateway.acks, count(database)) == ([], 0)
    until(lambda: lifted(engine), "free connection")
    gateway.acknowledged(1_000)
    assert (count(database), count(database, quarantine)) == (1_000, 0)


def lifted(engine: Engine) -> bool:
    limit_pages(engine, 1_000_000)
    return True


def reject(database: Path, when: str) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute(
            f"CREATE TRIGGER rejecting BEFORE INSERT ON record WHEN {when}"
            " BEGIN SELECT RAISE(ABORT, 'this row never'); END"
        )
    connection.close()


def test_one_record_that_the_database_rejects_is_set_aside_at_its_place_and_all_others_are_stored(
    ingest: IngestService,
    gateway: GatewayEnd,
    broker: Broker,
    database: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    reject(database, "NEW.seq = 150 AND NEW.gateway_id = 1")
    gateway.send(CHAIN[:300])
    assert gateway.acknowledged(300).hash == hash_of(300)
    with a_gateway(broker.port, "west-2") as other:
        other.send(a_chain(200, gateway="west-2"))
        other.acknowledged(200)
    assert count(database) == 499
    with sqlite3.connect(database) as connection:
        aside = connection.execute("SELECT epoch, seq, settled, payload FROM quarantine").fetchall()
        found = connection.execute("SELECT kind, epoch, seq FROM finding").fetchall()
    connection.close()
    assert (aside, found) == ([(1, 150, 1, CHAIN[149])], [("poison", 1, 150)])
    assert "set aside" in caplog.text
    assert "00000096" not in caplog.text  # the token of record 150


def test_a_row_that_no_segment_covers_is_never_written_over_and_stalls_nobody(
    ingest: IngestService, gateway: GatewayEnd, database: Path
) -> None:
    gateway.send(CHAIN[:100])
    gateway.acknowledged(100)
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE segment SET last = 99, last_hash = ?", (bytes.fromhex(hash_of(99)),))
    connection.close()
    gateway.send(CHAIN[99:300], 100)
    assert gateway.acknowledged(300).hash == hash_of(300)
    assert (count(database), count(database, quarantine)) == (300, 1)


def test_what_can_not_even_be_set_aside_stays_at_its_gateway_and_stalls_nobody(
    ingest: IngestService, gateway: GatewayEnd, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reject(database, "NEW.seq = 2")
    with sqlite3.connect(database) as connection:
        connection.execute(
            "CREATE TRIGGER none BEFORE INSERT ON quarantine BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    connection.close()
    gateway.send(CHAIN[:3])
    until(lambda: gateway.newest().missing == [(2, 2)], "place that stays open")
    assert "neither stored nor set aside" in caplog.text


def test_gateways_beyond_the_limit_are_told_of_once(
    ingest: IngestService,
    broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("central.ingest.ledger.MAX_GATEWAYS", 1)
    with a_gateway(broker.port) as first, a_gateway(broker.port, "west-2") as second:
        first.send(CHAIN[:10])
        first.acknowledged(10)
        second.send(a_chain(3, gateway="west-2"), per_block=1)
        until(lambda: "not taken" in caplog.text, "word of the limit")
        first.send(CHAIN[10:20], 11)
        first.acknowledged(20)
    assert caplog.text.count("not taken") == 1


class _Faulty(IngestService):
    """Has a fault in the program that one message brings out."""

    def _examine(self, delivery: Delivery) -> Examined:
        if delivery.payload == b"brings out the fault" and delivery != self._unread:
            raise ZeroDivisionError
        return super()._examine(delivery)


def test_a_message_on_which_the_program_fails_is_set_aside_and_stops_nobody(
    broker: Broker, engine: Engine, gateway: GatewayEnd, database: Path
) -> None:
    started = started_service(_Faulty, engine, broker)
    gateway.send(CHAIN[:100])
    gateway.publish(Leaf.BACKLOG, b"brings out the fault")
    gateway.send(CHAIN[100:300], 101)
    gateway.acknowledged(300)
    until(lambda: count(database, quarantine) == 1, "message set aside")
    gateway.send(CHAIN[300:400], 301)
    gateway.acknowledged(400)
    started.stop()


class _Watched(IngestService):
    """Notes what is in the database, as another process sees it, when something is acknowledged."""

    database: Path
    seen: list[tuple[int, int]]

    def acknowledge(self, batch: Sequence[Delivery], outcome: Outcome) -> None:
        through = max((e.through for ack in outcome.acks.values() for e in ack.epochs), default=0)
        self.seen.append((through, count(self.database)))
        super().acknowledge(batch, outcome)


def test_what_is_acknowledged_is_committed_before(
    broker: Broker, engine: Engine, gateway: GatewayEnd, database: Path
) -> None:
    _Watched.database, _Watched.seen = database, []
    started = started_service(_Watched, engine, broker)
    gateway.send(CHAIN, per_block=7)
    gateway.acknowledged(1_000)
    started.stop()
    assert _Watched.seen
    assert all(through <= stored for through, stored in _Watched.seen)


def test_more_than_fits_in_memory_waits_at_the_broker(
    broker: Broker, engine: Engine, gateway: GatewayEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks without end while the database stands still: the inbox stays within its bound."""
    released = threading.Event()

    class Held(IngestService):
        def commit(self, batch: Sequence[Delivery]) -> Outcome:
            released.wait(30)
            return super().commit(batch)

    monkeypatch.setattr(service, "RECEIVE_MAXIMUM", 5_000)
    monkeypatch.setattr(service, "Inbox", lambda: Inbox(max_bytes=300_000))
    started = started_service(Held, engine, broker)
    for _ in range(20):
        gateway.send(CHAIN, per_block=100)
    until(lambda: started.status().queue_depth >= 6, "full inbox")
    assert started.status().queue_depth <= 8
    released.set()
    gateway.acknowledged(1_000)
    started.stop()
