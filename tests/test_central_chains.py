"""Whoever alters the database is found at the very record."""

import pytest
from central_support import GATEWAY, a_block, a_chain, a_state, topic
from database_support import alter
from sqlalchemy import Engine

from central.ingest.intake import examine, take_in
from central.store.chains import Fault, verify_all, verify_chain
from central.store.engine import writing
from messages.chain import record_hash
from messages.topics import Leaf
from messages.wire import encode

CHAIN = a_chain(30)
STRANGE = a_chain(1)[0].replace(b"access_granted", b"door_melted")


def store(engine: Engine, *payloads: bytes, leaf: Leaf = Leaf.BACKLOG) -> None:
    with writing(engine) as connection:
        take_in(connection, [examine(topic(leaf), payload) for payload in payloads], 1)


def faults(engine: Engine, epoch: int = 1) -> list[tuple[int, Fault]]:
    with engine.connect() as connection:
        return [(fault.seq, fault.fault) for fault in verify_chain(connection, 1, GATEWAY, epoch)]


def lines(engine: Engine) -> list[tuple[str, bool]]:
    return list(verify_all(engine))


def test_an_untouched_chain_is_good_also_with_holes_and_in_several_runs(engine: Engine) -> None:
    store(engine, a_block(CHAIN[:10]), a_block(CHAIN[20:], 21))
    assert lines(engine) == [("maple-court/east-1 epoch 1: 1-10, 21-30; good", True)]
    store(engine, a_block(CHAIN[10:20], 11))
    assert lines(engine) == [("maple-court/east-1 epoch 1: 1-30; good", True)]


@pytest.mark.parametrize(
    "change",
    [
        "door = 'back-door'",
        "at = at + 1",
        "token = x'00000000000000000000000000000000'",
        "holder = NULL",
        "kind = 'access_denied'",
        "kind = 'door_melted'",
        "credential = NULL",
        "odd_prev = x'0000000000000000000000000000000000000000000000000000000000000000'",
    ],
)
@pytest.mark.parametrize("seq", [1, 12, 30])
def test_an_altered_record_is_located_once(engine: Engine, change: str, seq: int) -> None:
    store(engine, a_block(CHAIN))
    alter(engine, "UPDATE record SET change WHERE seq = :seq".replace("change", change), seq=seq)
    if change.startswith("odd_prev") and seq == 1:
        assert faults(engine) == []  # the first one's is zero indeed
    else:
        assert faults(engine) == [(seq, Fault.ALTERED)]


@pytest.mark.parametrize(("seq", "located"), [(12, (13, Fault.ALTERED)), (30, (30, Fault.CUT))])
def test_one_altered_together_with_its_hash_is_located_by_its_neighbour(
    engine: Engine, seq: int, located: tuple[int, Fault]
) -> None:
    store(engine, a_block(CHAIN))
    forged = a_chain(1, first=seq, prev=record_hash(CHAIN[seq - 2]), door="back-door")[0]
    digest = record_hash(forged)
    alter(
        engine,
        "UPDATE record SET door = 'back-door' WHERE seq = :seq",
        "UPDATE record SET hash = x'digest' WHERE seq = :seq".replace("digest", digest),
        seq=seq,
    )
    assert located in faults(engine)


@pytest.mark.parametrize("seq", [1, 12, 30])
def test_a_missing_record_is_located(engine: Engine, seq: int) -> None:
    store(engine, a_block(CHAIN))
    alter(engine, "DELETE FROM record WHERE seq = :seq", seq=seq)
    assert faults(engine) == [(seq, Fault.GONE)]


def test_records_that_changed_places_are_located(engine: Engine) -> None:
    store(engine, a_block(CHAIN))
    alter(
        engine,
        "UPDATE record SET seq = 99 WHERE seq = 7",
        "UPDATE record SET seq = 7 WHERE seq = 8",
        "UPDATE record SET seq = 8 WHERE seq = 99",
    )
    assert [seq for seq, _ in faults(engine)] == [7, 8, 9]


@pytest.mark.parametrize("seq", [15, 31])
def test_an_added_record_is_located(engine: Engine, seq: int) -> None:
    store(engine, a_block(CHAIN[:10]), a_block(CHAIN[20:], 21))
    alter(
        engine,
        "CREATE TEMP TABLE copied AS SELECT * FROM record WHERE seq = 5",
        "UPDATE copied SET id = 1000000, seq = :seq",
        "INSERT INTO record SELECT * FROM copied",
        seq=seq,
    )
    assert faults(engine) == [(seq, Fault.ADDED)]


def test_a_record_set_aside_stands_in_its_place_and_is_held_to_its_hash(engine: Engine) -> None:
    store(engine, a_block([STRANGE]), a_block(a_chain(5, first=2, prev=record_hash(STRANGE)), 2))
    assert faults(engine) == []
    assert lines(engine) == [("maple-court/east-1 epoch 1: 1-6; poison 1", False)]
    alter(engine, "UPDATE quarantine SET payload = x'00'")
    assert faults(engine) == [(1, Fault.ALTERED)]


def test_a_record_that_came_with_a_break_is_a_finding_and_not_an_alteration(engine: Engine) -> None:
    store(engine, a_block(CHAIN[:5]), a_block(a_chain(5, first=6, prev="ab" * 32), 6))
    assert faults(engine) == []
    assert lines(engine) == [("maple-court/east-1 epoch 1: 1-10; chain break 6", False)]


def test_lost_records_and_bytes_without_a_place_are_told(engine: Engine) -> None:
    store(engine, encode(a_state(30, record_hash(CHAIN[-1]), oldest=11)), leaf=Leaf.STATE)
    store(engine, a_block(CHAIN[10:], 11), b"?")
    assert lines(engine) == [
        ("maple-court/east-1 without a place: poison", False),
        ("maple-court/east-1 epoch 1: 11-30; lost 1", False),
    ]
