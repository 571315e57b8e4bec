"""Batches of messages into a real database: each record once, gaps named, nothing written over."""

from pathlib import Path
from typing import Any

import pytest
from central_support import GATEWAY, SESSION, a_block, a_chain, a_record, a_state, topic
from database_support import forbid
from msgspec.structs import replace
from sqlalchemy import Engine, func, select

from central.ingest import branches, ledger, setaside
from central.ingest.intake import examine, take_in
from central.store.engine import writing
from central.store.tables import finding, gateway, lost_range, quarantine, record, segment
from messages.chain import record_hash
from messages.topics import Leaf
from messages.wire import (
    MAX_EPOCHS,
    MAX_RANGES,
    About,
    Ack,
    DoorAbout,
    EpochAck,
    EpochHead,
    State,
    decode,
    encode,
    encode_record,
)

CHAIN = a_chain(300)
NOW_US = 1_800_000_000_000_000
Message = tuple[str, bytes]


def taken(engine: Engine, *messages: Message, times: int = 1) -> Ack:
    """The same batch so many times; the last acknowledgement of its last gateway."""
    for _ in range(times - 1):
        taken(engine, *messages)
    with writing(engine) as connection:
        outcome = take_in(connection, [examine(*message) for message in messages], NOW_US)
    return list(outcome.acks.values())[-1] if outcome.acks else Ack(v=1, epochs=[])


def block(first: int, last: int) -> Message:
    return topic(Leaf.BACKLOG), a_block(CHAIN[first - 1 : last], first)


def state(message: State) -> Message:
    return topic(Leaf.STATE), encode(message)


def rows(engine: Engine, *columns: Any) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return sorted(tuple(row) for row in connection.execute(select(*columns)))


def findings(engine: Engine) -> list[tuple[Any, ...]]:
    return rows(engine, finding.c.kind, finding.c.epoch, finding.c.seq)


def hash_of(seq: int) -> str:
    return record_hash(CHAIN[seq - 1])


def test_records_are_stored_once_and_acknowledged_through_with_their_hash(engine: Engine) -> None:
    ack = taken(engine, block(1, 100))
    assert ack.epochs == [EpochAck(1, 100, hash_of(100), 100, [])]
    assert [seq for (seq,) in rows(engine, record.c.seq)] == list(range(1, 101))


def test_ten_times_redelivered_nothing_is_added(engine: Engine) -> None:
    ack = taken(engine, block(1, 50), block(20, 80), block(1, 50), times=10)
    assert ack.epochs == [EpochAck(1, 80, hash_of(80), 80, [])]
    assert [seq for (seq,) in rows(engine, record.c.seq)] == list(range(1, 81))
    assert findings(engine) == []
    assert rows(engine, quarantine.c.id) == []


def test_a_gap_is_named_until_it_is_filled(engine: Engine) -> None:
    ack = taken(engine, block(1, 10), block(21, 30), block(41, 50))
    assert ack.epochs == [EpochAck(1, 10, hash_of(10), 50, [(11, 20), (31, 40)])]
    ack = taken(engine, block(31, 40))
    assert ack.epochs == [EpochAck(1, 10, hash_of(10), 50, [(11, 20)])]
    ack = taken(engine, block(11, 20))
    assert ack.epochs == [EpochAck(1, 50, hash_of(50), 50, [])]
    assert findings(engine) == []


def test_with_more_gaps_than_fit_nothing_beyond_them_is_spoken_of(engine: Engine) -> None:
    ack = taken(engine, *[block(seq, seq) for seq in range(1, 300, 2)])
    [epoch] = ack.epochs
    assert len(epoch.missing) == MAX_RANGES
    assert epoch.missing[-1] == (2 * MAX_RANGES, 2 * MAX_RANGES)
    assert epoch.seen == 2 * MAX_RANGES + 1
    assert decode(encode(ack), Ack) == ack


def test_an_unknown_kind_is_set_aside_and_does_not_stall_the_chain(engine: Engine) -> None:
    strange = CHAIN[9].replace(b"access_granted", b"door_melted")
    after = a_chain(10, first=11, prev=record_hash(strange))
    ack = taken(engine, block(1, 9), (topic(Leaf.JOURNAL), a_block([strange, *after], 10)))
    assert ack.epochs == [EpochAck(1, 20, record_hash(after[-1]), 20, [])]
    assert rows(engine, quarantine.c.epoch, quarantine.c.seq, quarantine.c.settled, quarantine.c.payload) == [
        (1, 10, 1, strange)
    ]
    assert findings(engine) == [("poison", 1, 10)]


def test_bytes_without_a_place_are_set_aside_and_their_gap_is_asked_for_again(engine: Engine) -> None:
    broken = a_block(CHAIN[10:20], 11).replace(b'"door"', b"'door'", 1)
    ack = taken(engine, block(1, 10), (topic(Leaf.BACKLOG), broken), block(21, 30))
    assert ack.epochs == [EpochAck(1, 10, hash_of(10), 30, [(11, 20)])]
    assert rows(engine, quarantine.c.epoch, quarantine.c.settled) == [(None, 0)]
    singles = [block(seq, seq) for seq in range(11, 21) if seq != 15]
    unreadable = (topic(Leaf.BACKLOG), a_block([CHAIN[14].replace(b'"door"', b"'door'")], 15))
    ack = taken(engine, *singles, unreadable)
    assert ack.epochs == [EpochAck(1, 30, hash_of(30), 30, [])]
    assert findings(engine) == [("chain_break", 1, 16), ("poison", 0, 0), ("poison", 1, 15)]


def test_a_second_record_for_one_place_is_a_conflict_and_never_written_over(engine: Engine) -> None:
    taken(engine, block(1, 10))
    other = encode_record(a_record(5, record_hash(CHAIN[3]), door="back-door"))
    ack = taken(engine, (topic(Leaf.BACKLOG), a_block([other], 5)), times=3)
    assert ack.epochs == [EpochAck(1, 10, hash_of(10), 10, [])]
    assert findings(engine) == [("conflict", 1, 5)]
    assert rows(engine, quarantine.c.seq, quarantine.c.settled, quarantine.c.payload, quarantine.c.count) == [
        (5, 0, other, 3)
    ]
    assert ("back-door",) not in rows(engine, record.c.door)


def test_a_conflict_within_one_batch_is_found_too(engine: Engine) -> None:
    other = encode_record(a_record(5, record_hash(CHAIN[3]), door="back-door"))
    taken(engine, block(1, 10), (topic(Leaf.JOURNAL), a_block([other], 5)))
    assert findings(engine) == [("conflict", 1, 5)]


@pytest.mark.parametrize("order", [[0, 1], [1, 0]], ids=["in order", "later part first"])
@pytest.mark.parametrize("batches", [1, 2])
def test_a_chain_that_does_not_meet_is_located(engine: Engine, order: list[int], batches: int) -> None:
    torn = a_chain(5, first=6, prev="ab" * 32)
    parts = [block(1, 5), (topic(Leaf.BACKLOG), a_block(torn, 6))]
    messages = [parts[at] for at in order]
    if batches == 2:
        taken(engine, messages.pop(0))
    ack = taken(engine, *messages)
    assert ack.epochs == [EpochAck(1, 10, None, 10, [])]
    assert findings(engine) == [("chain_break", 1, 6)]
    assert rows(engine, record.c.seq, record.c.odd_prev)[5] == (6, bytes.fromhex("ab" * 32))


def test_a_break_inside_a_block_is_located(engine: Engine) -> None:
    taken(engine, (topic(Leaf.BACKLOG), a_block([*CHAIN[:5], *a_chain(5, first=6, prev="ab" * 32)])))
    assert findings(engine) == [("chain_break", 1, 6)]


def test_another_gateways_records_are_not_taken_under_this_name(engine: Engine) -> None:
    ack = taken(engine, (topic(Leaf.BACKLOG, "west-9"), a_block(CHAIN[:3])))
    assert ack.epochs == []
    assert rows(engine, record.c.id) == []
    assert findings(engine) == [("wrong_gateway", 0, 0)]


@pytest.mark.parametrize("where", ["liuhen/v1/Site/east-1/journal", "liuhen/v1/maple-court/east-1/ack"])
def test_a_topic_that_is_no_gateways_word_is_set_aside(engine: Engine, where: str) -> None:
    taken(engine, (where, b"{}"))
    assert [(t, p) for t, p in rows(engine, quarantine.c.topic, quarantine.c.payload)] == [(where, b"{}")]


def test_a_state_is_answered_and_says_how_far_the_gateway_is(engine: Engine) -> None:
    ack = taken(engine, state(a_state(40, hash_of(40))))
    assert ack.epochs == [EpochAck(1, 0, None, 0, [])]
    taken(engine, block(1, 30))
    ack = taken(engine, state(a_state(40, hash_of(40))))
    assert ack.epochs == [EpochAck(1, 30, hash_of(30), 30, [])]


def test_what_the_gateway_no_longer_has_is_lost_once_and_no_longer_asked_for(engine: Engine) -> None:
    taken(engine, block(1, 10), block(31, 40))
    ack = taken(engine, state(a_state(40, hash_of(40), oldest=21)), times=3)
    assert ack.epochs == [EpochAck(1, 20, None, 40, [(21, 30)])]
    assert rows(engine, lost_range.c.first, lost_range.c.last) == [(11, 20)]
    ack = taken(engine, block(21, 30))
    assert ack.epochs == [EpochAck(1, 40, hash_of(40), 40, [])]
    assert findings(engine) == [("lost", 1, 11)]


def test_nothing_may_be_deleted_on_the_word_of_a_lost_record(engine: Engine) -> None:
    ack = taken(engine, state(a_state(40, hash_of(40), oldest=21)))
    assert ack.epochs == [EpochAck(1, 20, None, 20, [])]


def test_a_lost_record_that_comes_after_all_is_stored_and_no_longer_lost(engine: Engine) -> None:
    taken(engine, state(a_state(40, hash_of(40), oldest=21)), block(21, 40))
    ack = taken(engine, block(5, 10))
    assert rows(engine, lost_range.c.first, lost_range.c.last) == [(1, 4), (11, 20)]
    assert ack.epochs == [EpochAck(1, 40, hash_of(40), 40, [])]


def test_an_older_epoch_that_is_no_longer_held_keeps_its_holes_as_lost(engine: Engine) -> None:
    taken(engine, state(a_state(40, hash_of(40))), block(1, 10), block(21, 30))
    second = a_chain(3, epoch=2)
    ack = taken(engine, state(a_state(3, record_hash(second[-1]), epoch=2)))
    assert rows(engine, lost_range.c.first, lost_range.c.last) == [(11, 20), (31, 40)]
    assert [e.epoch for e in ack.epochs] == [2]
    assert findings(engine) == [("lost", 1, 11), ("lost", 1, 31)]


@pytest.mark.parametrize("named", [1, MAX_EPOCHS])
def test_an_epoch_that_is_not_named_is_not_lost_unless_the_state_names_all(
    engine: Engine, named: int
) -> None:
    """As gateways say it that hold more, cannot read a file just now, or do not know the field."""
    taken(engine, state(a_state(40, hash_of(40))), block(1, 10))
    heads = [EpochHead(epoch, 1, 3, "ab" * 32) for epoch in range(2, 2 + named)]
    partly = replace(a_state(0, ""), epochs=heads, whole=False)
    taken(engine, state(partly), times=3)
    assert rows(engine, lost_range.c.first, lost_range.c.last) == []
    assert findings(engine) == []
    taken(engine, state(replace(partly, whole=True)))
    assert rows(engine, lost_range.c.epoch, lost_range.c.first, lost_range.c.last) == [(1, 11, 40)]


def test_what_a_gateway_says_that_it_lacks_in_between_is_lost(engine: Engine) -> None:
    taken(engine, block(1, 10), block(31, 40))
    head = EpochHead(1, 1, 40, hash_of(40), holes=((6, 8), (15, 20), (30, 35), (39, 900)))
    ack = taken(engine, state(replace(a_state(0, ""), epochs=[head])), times=3)
    assert rows(engine, lost_range.c.first, lost_range.c.last) == [(15, 20), (30, 30)]
    assert ack.epochs == [EpochAck(1, 10, hash_of(10), 40, [(11, 14), (21, 29)])]
    ack = taken(engine, block(11, 14), block(21, 29))
    assert ack.epochs == [EpochAck(1, 40, hash_of(40), 40, [])]
    assert findings(engine) == [("lost", 1, 15), ("lost", 1, 30)]


def test_an_acknowledgement_answers_what_was_said_however_many_newer_epochs_there_are(engine: Engine) -> None:
    for epoch in range(1, 41):
        taken(engine, (topic(Leaf.BACKLOG), a_block(a_chain(3, epoch=epoch), epoch=epoch)))
    ack = taken(engine, (topic(Leaf.BACKLOG), a_block(a_chain(3, epoch=2), epoch=2)))
    assert [each.epoch for each in ack.epochs] == [2, *range(26, 41)]
    assert {(each.through, each.seen) for each in ack.epochs} == {(3, 3)}


def test_of_more_epochs_than_fit_the_oldest_and_the_newest_are_answered(engine: Engine) -> None:
    every = [(topic(Leaf.BACKLOG), a_block(a_chain(3, epoch=e), epoch=e)) for e in range(1, 41)]
    assert [each.epoch for each in taken(engine, *every).epochs] == [*range(1, MAX_EPOCHS), 40]


def test_what_comes_of_an_epoch_that_was_given_up_is_acknowledged(engine: Engine) -> None:
    """A disk that was away is mounted again: its gateway must hear that the records have arrived."""
    taken(engine, state(a_state(40, hash_of(40))))
    taken(engine, state(a_state(3, record_hash(a_chain(3, epoch=2)[-1]), epoch=2)))
    ack = taken(engine, block(1, 40))
    assert ack.epochs[0] == EpochAck(1, 40, hash_of(40), 40, [])


def test_a_head_with_another_hash_than_the_stored_one_is_a_conflict(engine: Engine) -> None:
    taken(engine, block(1, 10))
    taken(engine, state(a_state(10, "cd" * 32)))
    assert findings(engine) == [("conflict", 1, 10)]


def test_the_will_of_an_older_connection_does_not_darken_a_newer_one(engine: Engine) -> None:
    newer = "00000000000000bb"
    taken(engine, state(a_state(0, "", session=SESSION)), state(a_state(0, "", session=newer)))
    taken(engine, state(a_state(0, "", session=SESSION, online=False)))
    assert rows(engine, gateway.c.online, gateway.c.session) == [(1, newer)]
    taken(engine, state(a_state(0, "", session=newer, online=False)))
    assert rows(engine, gateway.c.online, gateway.c.session) == [(0, newer)]


def test_what_a_gateway_says_of_itself_is_kept(engine: Engine) -> None:
    doors = [DoorAbout("door-1", "Lobby", ["r-1"])]
    about = About(v=1, software="liuhen 0.1.0", label="East wing", doors=doors)
    taken(engine, (topic(Leaf.ABOUT), encode(about)))
    assert rows(engine, gateway.c.name, gateway.c.label, gateway.c.doors) == [
        (GATEWAY, "East wing", '[{"door":"door-1","label":"Lobby","readers":["r-1"]}]')
    ]


def test_an_unreadable_state_is_set_aside_and_harms_nothing(engine: Engine) -> None:
    ack = taken(engine, block(1, 3), (topic(Leaf.STATE), b'{"v":1,"online":"perhaps"}'))
    assert ack.epochs == [EpochAck(1, 3, hash_of(3), 3, [])]
    assert findings(engine) == [("poison", 0, 0)]


def test_many_gateways_in_one_batch_keep_apart(engine: Engine) -> None:
    names = [f"tower-{n}" for n in range(20)]
    chains = {name: a_chain(30, gateway=name) for name in names}
    messages = [
        (topic(Leaf.BACKLOG, name), a_block(chains[name][at : at + 10], at + 1))
        for at in (0, 10, 20)
        for name in names
    ]
    with writing(engine) as connection:
        outcome = take_in(connection, [examine(*m) for m in messages], NOW_US)
    assert outcome.stored == 600
    assert {address.gateway: ack.epochs for address, ack in outcome.acks.items()} == {
        name: [EpochAck(1, 30, record_hash(chains[name][-1]), 30, [])] for name in names
    }
    assert len(rows(engine, segment.c.gateway_id)) == 20


def test_loose_bytes_are_bounded_and_then_only_counted(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setaside, "MAX_LOOSE", 5)
    taken(engine, *[(topic(Leaf.STATE), b"%d" % n) for n in range(20)])
    assert len(rows(engine, quarantine.c.id)) == 5
    assert rows(engine, finding.c.kind, finding.c.count) == [("poison", 20)]


def test_what_stands_for_a_record_is_kept_beyond_that_bound(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setaside, "MAX_LOOSE", 0)
    strange = CHAIN[0].replace(b"access_granted", b"door_melted")
    ack = taken(engine, (topic(Leaf.JOURNAL), a_block([strange])))
    assert ack.epochs == [EpochAck(1, 1, record_hash(strange), 1, [])]
    assert rows(engine, quarantine.c.payload) == [(strange,)]


def test_names_without_end_do_not_fill_the_database(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "MAX_GATEWAYS", 3)
    for name in ("a", "b", "c", "d", "e"):
        taken(engine, (topic(Leaf.JOURNAL, name), a_block(a_chain(1, gateway=name))))
    assert rows(engine, gateway.c.name) == [("a",), ("b",), ("c",)]
    assert len(rows(engine, record.c.id)) == 3


def test_a_batch_that_fails_half_way_leaves_nothing(engine: Engine) -> None:
    taken(engine, block(1, 10))
    forbid(engine, "UPDATE", "segment", "disk is full")
    with pytest.raises(Exception, match="disk is full"):
        taken(engine, block(11, 20))
    assert len(rows(engine, record.c.id)) == 10


def test_a_record_takes_few_bytes_with_everything(engine: Engine) -> None:
    """Indexes and chain included (performance.md P10)."""
    count = 20_000
    bodies = a_chain(count)
    for at in range(0, count, 500):
        taken(engine, (topic(Leaf.BACKLOG), a_block(bodies[at : at + 500], at + 1)))
    assert rows(engine, func.count(record.c.id)) == [(count,)]
    assert _bytes_taken(engine) / count <= {"sqlite": 350, "postgresql": 450}[engine.dialect.name]


def _bytes_taken(engine: Engine) -> int:
    """Without the partition that holds no record: its indexes have a first page all the same."""
    if engine.dialect.name == "postgresql":
        filled = "isleaf AND pg_relation_size(relid) > 0"
        sizes = f"SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('record') WHERE {filled}"  # noqa: S608
        with engine.connect() as connection:
            return int(connection.exec_driver_sql(sizes).scalar_one())
    engine.dispose()  # the last one to close a SQLite file writes its log into it
    return Path(engine.url.database or "").stat().st_size


def wishes(engine: Engine, *, signed_acks: bool, key: str | None = None) -> bool:
    """Whether the gateway is sent signed acknowledgements after it, or somebody in its name, has said so."""
    about = About(1, "liuhen 0", "East wing", [], key, signed_acks=signed_acks)
    with writing(engine) as connection:
        outcome = take_in(connection, [examine(topic(Leaf.ABOUT), encode(about))], NOW_US)
    return bool(outcome.to_sign)


@pytest.mark.parametrize("key", [None, "ab" * 32], ids=["without a key", "with its key"])
def test_nobody_takes_back_the_wish_for_signed_acknowledgements(engine: Engine, key: str | None) -> None:
    """Then the gateway would take none any more, and delete nothing."""
    assert not wishes(engine, signed_acks=False, key=key)
    assert wishes(engine, signed_acks=True, key=key)
    assert wishes(engine, signed_acks=False)
    assert wishes(engine, signed_acks=False, key="cd" * 32)
    assert rows(engine, gateway.c.signed_acks) == [(1,)]


def test_an_exchanged_device_that_a_person_made_known_may_take_it_back(engine: Engine) -> None:
    assert wishes(engine, signed_acks=True, key="ab" * 32)
    about = About(1, "liuhen 0", "East wing", [], "cd" * 32)
    with writing(engine) as connection:
        examined = [examine(topic(Leaf.ABOUT), encode(about))]
        outcome = take_in(connection, examined, NOW_US, lambda _site, _gateway: bytes.fromhex("cd" * 32))
    assert outcome.to_sign == set()


# --- a gateway whose disk was put back to an older copy: it goes on at 26 where the centre has 1..40

BRANCH = a_chain(20, first=26, prev=hash_of(25), door="back-door")  # 26..45


def branch(first: int, last: int) -> Message:
    return topic(Leaf.BACKLOG), a_block(BRANCH[first - 26 : last - 25], first)


def test_a_hash_stands_for_no_record_of_another_branch_that_is_not_here(engine: Engine) -> None:
    """The gateway has 26..40 twice in the world and once on its disk; it must not delete them for 45."""
    taken(engine, block(1, 40))
    assert taken(engine, branch(41, 45)).epochs == [EpochAck(1, 45, None, 45, [])]
    assert taken(engine, branch(27, 40)).epochs == [EpochAck(1, 45, None, 45, [])]
    assert taken(engine, branch(26, 26)).epochs == [EpochAck(1, 45, record_hash(BRANCH[-1]), 45, [])]


def test_what_came_for_a_place_that_is_taken_is_kept_for_good(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setaside, "MAX_LOOSE", 0)
    taken(engine, block(1, 40))
    ack = taken(engine, branch(26, 45), times=2)
    assert ack.epochs == [EpochAck(1, 45, record_hash(BRANCH[-1]), 45, [])]
    kept = rows(engine, quarantine.c.seq, quarantine.c.settled, quarantine.c.payload)
    assert kept == [(seq, 0, BRANCH[seq - 26]) for seq in range(26, 41)]
    assert findings(engine) == [("chain_break", 1, 41), *(("conflict", 1, seq) for seq in range(26, 41))]


def test_conflicts_leave_room_for_what_has_no_place(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setaside, "MAX_LOOSE", 5)
    taken(engine, block(1, 40), branch(26, 40), (topic(Leaf.STATE), b"{"))
    assert (None, b"{") in set(map(tuple, [(e, p) for e, p in _aside(engine)]))


def _aside(engine: Engine) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(quarantine.c.epoch, quarantine.c.payload))]


def test_a_forged_record_ahead_of_the_gateways_own_ends_no_deletion(engine: Engine) -> None:
    forged = encode_record(a_record(20, "f" * 64, door="back-door"))
    taken(engine, block(1, 10), (topic(Leaf.JOURNAL), a_block([forged], 20)), block(11, 19), block(21, 30))
    assert taken(engine).epochs == []
    assert taken(engine, block(20, 20)).epochs == [EpochAck(1, 30, hash_of(30), 30, [])]
    assert findings(engine) == [("chain_break", 1, 20), ("chain_break", 1, 21), ("conflict", 1, 20)]


def test_two_branches_are_both_followed(engine: Engine) -> None:
    """Put back twice: 1..40, then 26..45 after 25, then 36..50 after 35 of the second one."""
    third = a_chain(15, first=36, prev=record_hash(BRANCH[9]), door="side-door")
    taken(engine, block(1, 40), branch(26, 45))
    late = topic(Leaf.BACKLOG), a_block(third[:10], 36)
    assert taken(engine, (topic(Leaf.BACKLOG), a_block(third[10:], 46))).epochs[0].hash is None
    assert taken(engine, late).epochs == [EpochAck(1, 50, record_hash(third[-1]), 50, [])]


def test_a_branch_that_is_too_long_to_follow_licenses_nothing(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(branches, "MOST_FOLLOWED", 14)
    taken(engine, block(1, 40))
    assert taken(engine, branch(26, 45)).epochs == [EpochAck(1, 45, None, 45, [])]
