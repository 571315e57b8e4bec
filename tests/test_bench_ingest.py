"""What `bench ingest` sends and how it judges; that it runs as a whole is seen by running it."""

from bench.ingest import goals_of
from bench.ingest_fleet import InMemory, Member
from bench.ingest_steps import shares
from bench.prefill import entry
from gateway.clock import SystemClock
from messages.chain import GENESIS, record_hash
from messages.topics import Leaf
from messages.wire import decode_block, decode_record


def test_a_member_sends_its_own_chain_in_blocks() -> None:
    clock = SystemClock()
    holding = InMemory.of("live-1", (entry(clock, "unit-1", n) for n in range(5)), clock.boot)
    block = decode_block(Member("live-1", holding, Leaf.JOURNAL).block(2, 4))
    bodies = [bytes(raw) for raw in block.records]
    assert (block.first, block.count) == (2, 3)
    assert [decode_record(body).prev for body in bodies] == [holding.hash_of(seq) for seq in (1, 2, 3)]
    assert decode_record(holding.bodies[0]).prev == GENESIS
    assert holding.hash_of(4) == record_hash(bodies[-1])


def test_each_step_is_told_as_its_share_of_all() -> None:
    assert shares({"decode": 1.0, "insert": 3.0}) == {"decode": 25.0, "insert": 75.0}


def test_a_record_may_take_more_on_postgresql() -> None:
    limits = {engine: [goal.limit for goal in goals_of(engine)] for engine in ("sqlite", "postgresql")}
    assert limits["sqlite"][:4] == limits["postgresql"][:4] == [0.5, 0.6, 25.0, 150.0]
    assert (limits["sqlite"][4], limits["postgresql"][4]) == (350.0, 450.0)
