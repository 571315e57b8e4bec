"""What goes to the centre next, over a real journal of one or two epochs; no connection here."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from gateway_support import EPOCH_S, TurnedClock, a_fact, begin_epoch, opened

from gateway.ack_check import TELL_AGAIN_S
from gateway.delivery import RESEND_AFTER_S
from gateway.dispatch import Dispatch
from gateway.journal import Head, Journal
from gateway.journal_reader import JournalReader
from gateway.pace import Pace
from messages.model import Kind, Reason
from messages.wire import WIRE_VERSION, Ack, Block, EpochAck, decode_block

SECOND = EPOCH_S + 100


class Office:
    """A journal of 150 records in a first epoch and 30 in a second, and the dispatch over it."""

    def __init__(self, journal: Journal, reader: JournalReader) -> None:
        self.journal = journal
        self.reader = reader
        self.licensed: list[tuple[int, int]] = []
        self.dispatch = Dispatch(reader, lambda epoch, through: self.licensed.append((epoch, through)))

    def blocks(self, now_s: float = 0.0) -> list[tuple[int, int, int]]:
        return _spans(lambda: self.dispatch.next_block(now_s))

    def fresh(self, now_s: float = 0.0) -> list[tuple[int, int, int]]:
        return _spans(lambda: self.dispatch.next_fresh(now_s))

    def acknowledge(self, *epochs: tuple[int, int, str | None]) -> None:
        acks = [EpochAck(epoch, through, digest, through, []) for epoch, through, digest in epochs]
        self.dispatch.acknowledged(Ack(WIRE_VERSION, acks), 0.0)

    def delete(self, first_id: int, last_id: int) -> None:
        with closing(sqlite3.connect(self.journal.path)) as connection, connection:
            connection.execute("DELETE FROM records WHERE id BETWEEN ? AND ?", (first_id, last_id))


def _spans(take: Callable[[], bytes | None]) -> list[tuple[int, int, int]]:
    blocks: list[Block] = [decode_block(payload) for payload in iter(take, None)]
    return [(block.epoch, block.first, block.first + block.count - 1) for block in blocks]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    clock = TurnedClock()
    with opened(tmp_path / "journal.db", clock) as journal:
        journal.append([a_fact()] * 149)
        clock.now = SECOND * 1_000_000
        begin_epoch(journal)
        journal.append([a_fact()] * 29)
        with closing(JournalReader(journal.path)) as reader:
            yield Office(journal, reader)


def test_the_older_epoch_goes_first_and_each_block_stays_in_its_epoch(office: Office) -> None:
    assert office.blocks() == [(EPOCH_S, 1, 100), (EPOCH_S, 101, 150), (SECOND, 1, 30)]
    assert office.fresh() == []


def test_new_records_belong_to_the_newest_epoch(office: Office) -> None:
    office.journal.append([a_fact()] * 2)
    office.dispatch.appended(office.journal.head)
    assert office.fresh() == [(SECOND, 31, 32)]


def test_an_epoch_that_begins_while_we_run_is_delivered_too(office: Office) -> None:
    office.journal._clock.now += 9_000_000  # type: ignore[attr-defined]
    begin_epoch(office.journal)
    office.journal.append([a_fact()])
    office.dispatch.appended(office.journal.head)
    assert office.blocks()[-1] == (SECOND + 9, 1, 2)


def test_what_the_state_says_as_acknowledged_is_the_newest_epochs(office: Office) -> None:
    assert office.dispatch.acked == 0
    office.acknowledge((EPOCH_S, 150, None), (SECOND, 12, None))
    assert office.dispatch.acked == 12


def test_each_epoch_is_licensed_by_its_own_hash(office: Office) -> None:
    hashes = {epoch: office.reader.hash_of(epoch, 20) for epoch in (EPOCH_S, SECOND)}
    office.acknowledge((EPOCH_S, 20, hashes[SECOND]), (SECOND, 20, hashes[SECOND]))
    assert office.licensed == [(EPOCH_S, 0), (SECOND, 20)]


def test_a_number_beyond_an_epoch_does_not_reach_into_the_next_one(office: Office) -> None:
    """Record 160 of the first epoch would lie where the tenth of the second does."""
    office.acknowledge((EPOCH_S, 160, office.reader.hash_of(SECOND, 10)))
    assert office.licensed == [(EPOCH_S, 0)]


def test_an_acknowledgement_without_a_hash_takes_the_licence_back(office: Office) -> None:
    office.acknowledge((EPOCH_S, 20, None))
    assert office.licensed == [(EPOCH_S, 0)]


def test_a_centre_that_has_less_than_was_pruned_here_takes_the_licence_back(office: Office) -> None:
    """Restored from a backup that is older than what is still held: nothing more may go."""
    office.acknowledge((EPOCH_S, 100, office.reader.hash_of(EPOCH_S, 100)))
    digest = office.reader.hash_of(EPOCH_S, 20)
    office.delete(1, 40)
    office.acknowledge((EPOCH_S, 20, digest))
    assert office.licensed == [(EPOCH_S, 100), (EPOCH_S, 0)]


def test_a_foreign_hash_takes_the_licence_back(office: Office) -> None:
    office.acknowledge((EPOCH_S, 100, office.reader.hash_of(EPOCH_S, 100)))
    office.acknowledge((EPOCH_S, 101, "a" * 64))
    assert office.licensed == [(EPOCH_S, 100), (EPOCH_S, 0)]


def test_an_epoch_that_was_pruned_away_is_not_asked_for_any_more(office: Office) -> None:
    office.delete(1, 150)
    assert office.blocks() == [(SECOND, 1, 30)]
    assert [head.epoch for head in office.dispatch.listing().heads] == [SECOND]
    assert office.blocks(RESEND_AFTER_S) == [(SECOND, 1, 30)]


def test_a_partly_pruned_block_leaves_its_rest_to_be_sent(office: Office) -> None:
    office.delete(1, 40)
    assert (EPOCH_S, 1, 100) not in office.blocks()
    sent = {span[1:] for span in office.blocks(RESEND_AFTER_S) if span[0] == EPOCH_S}
    assert min(sent)[0] == 41


def test_a_record_missing_in_the_middle_holds_up_no_other(office: Office) -> None:
    office.delete(50, 50)
    got: set[int] = set()
    for round_ in range(30):
        now_s = round_ * RESEND_AFTER_S
        got |= {seq for epoch, a, b in office.blocks(now_s) if epoch == EPOCH_S for seq in range(a, b + 1)}
        seen = max(got, default=0)
        missing = [(seq, seq) for seq in range(1, seen) if seq not in got]
        through = missing[0][0] - 1 if missing else seen
        ack = EpochAck(EPOCH_S, through, None, seen, missing[:64])
        office.dispatch.acknowledged(Ack(WIRE_VERSION, [ack]), now_s)
    assert got == set(range(1, 151)) - {50}


def test_a_journal_that_cannot_be_read_gives_nothing_and_is_tried_again(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(sqlite3.connect(office.journal.path)) as connection:
        connection.execute("ALTER TABLE records RENAME TO elsewhere")
        assert office.blocks() == []
        assert office.dispatch.listing().heads == []
        office.acknowledge((EPOCH_S, 20, "a" * 64))
        connection.execute("ALTER TABLE elsewhere RENAME TO records")
    assert "cannot be read" in caplog.text
    assert office.blocks(RESEND_AFTER_S)[0][0] == EPOCH_S
    assert office.licensed == [(EPOCH_S, 0)]


def test_what_was_on_its_way_is_recalled_from_every_epoch(office: Office) -> None:
    first = office.blocks()
    assert office.blocks() == []
    office.dispatch.recall()
    assert {span[0] for span in office.blocks()} == {span[0] for span in first}


def test_a_head_of_an_epoch_that_was_not_known_is_taken(office: Office) -> None:
    office.dispatch.appended(Head(SECOND + 50, 7, "a" * 64, 900))
    assert office.dispatch.acked == 0


def test_alarms_of_every_epoch_overtake_the_backlog_the_newest_first(tmp_path: Path) -> None:
    clock = TurnedClock()
    forced, tamper = a_fact(Kind.DOOR_FORCED, Reason.NO_RELEASE), a_fact(Kind.TAMPER, None)
    with opened(tmp_path / "journal.db", clock) as journal:
        journal.append([a_fact()] * 300 + [tamper] + [a_fact()] * 200)
        clock.now = SECOND * 1_000_000
        begin_epoch(journal)
        journal.append([a_fact()] * 50 + [forced] + [a_fact()] * 450)
        with closing(JournalReader(journal.path)) as reader:
            office = Office(journal, reader)
            assert office.dispatch.backlog == 502 + 502
            while office.dispatch.look_for_alarms():
                pass
            assert _spans(lambda: office.dispatch.next_urgent(0.0)) == [(SECOND, 52, 52), (EPOCH_S, 302, 302)]
            assert (EPOCH_S, 1, 100) in office.blocks()


def test_blocks_shrink_to_what_the_broker_takes(office: Office) -> None:
    office.dispatch.payload_limit = 10_000
    spans = office.blocks()
    covered = {(epoch, seq) for epoch, a, b in spans for seq in range(a, b + 1)}
    assert covered == {(EPOCH_S, n) for n in range(1, 151)} | {(SECOND, n) for n in range(1, 31)}
    assert max(b - a + 1 for _, a, b in spans) < 100


def test_each_shrunken_block_keeps_to_the_limit(office: Office) -> None:
    office.dispatch.payload_limit = 3_000
    payloads = list(iter(lambda: office.dispatch.next_block(0.0), None))
    assert payloads
    assert all(len(payload) <= 3_000 for payload in payloads)


def test_a_record_that_no_message_can_hold_is_told_of_once_and_stands_in_nobody_elses_way(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    office.dispatch.payload_limit = 50
    assert office.dispatch.next_block(0.0) is None
    assert office.dispatch.next_block(0.0) is None
    assert caplog.text.count("max_packet_size") == 1
    office.dispatch.payload_limit = None
    assert office.dispatch.next_block(0.0) is not None


def test_nothing_acknowledged_for_long_makes_the_pace_patient(office: Office) -> None:
    pace = Pace(50_000)
    dispatch = Dispatch(office.reader, lambda *_: None, pace)  # its window is of all epochs together
    assert _spans(lambda: dispatch.next_block(0.0)) == [
        (EPOCH_S, 1, 100),
        (EPOCH_S, 101, 150),
        (SECOND, 1, 30),
    ]
    assert dispatch.next_block(RESEND_AFTER_S) is not None
    assert (pace.patience, pace.window) == (2, 1)
    assert dispatch.next_block(2 * RESEND_AFTER_S) is None
    assert dispatch.next_block(3 * RESEND_AFTER_S) is not None
    assert pace.patience == 4


def test_what_was_carried_by_hand_only_adds_to_what_is_known(office: Office) -> None:
    def carried(through: int, digest: str | None) -> dict[int, int]:
        return office.dispatch.carried(
            Ack(WIRE_VERSION, [EpochAck(EPOCH_S, through, digest, through, [])]), 0.0
        )

    def digest(seq: int) -> str | None:
        return office.reader.hash_of(EPOCH_S, seq)

    assert carried(20, digest(20)) == {EPOCH_S: 20}
    office.acknowledge((EPOCH_S, 100, digest(100)))
    assert carried(60, digest(60)) == {}
    assert office.licensed == [(EPOCH_S, 20), (EPOCH_S, 100)]
    assert carried(120, digest(119)) == {}  # not our record
    assert office.licensed[-1] == (EPOCH_S, 0)


# --- the centre has other records than we


class Disputing(Office):
    def __init__(self, journal: Journal, reader: JournalReader) -> None:
        super().__init__(journal, reader)
        self.disputed: list[int] = []
        self.dispatch = Dispatch(
            reader, lambda epoch, through: self.licensed.append((epoch, through)), None, self.disputed.append
        )


def test_a_number_beyond_our_newest_and_a_foreign_hash_are_disputed_and_nothing_else_is(
    office: Office,
) -> None:
    office = Disputing(office.journal, office.reader)
    digest = office.reader.hash_of(SECOND, 20)
    office.acknowledge(
        (SECOND, 20, digest), (SECOND, 20, None), (SECOND, 0, None), (SECOND + 7, 90, "a" * 64)
    )
    assert office.disputed == []
    office.acknowledge((SECOND, 31, "a" * 64))
    office.acknowledge((SECOND, 20, "a" * 64))
    assert office.disputed == [SECOND, SECOND]
    assert office.licensed[-2:] == [(SECOND, 0)] * 2


def test_a_record_of_which_word_has_not_come_yet_is_no_dispute(office: Office) -> None:
    office = Disputing(office.journal, office.reader)
    office.journal.append([a_fact()] * 2)
    office.acknowledge((SECOND, 32, office.reader.hash_of(SECOND, 32)))
    assert (office.disputed, office.licensed) == ([], [(SECOND, 32)])


def test_a_journal_that_cannot_be_read_disputes_nothing(office: Office) -> None:
    office = Disputing(office.journal, office.reader)
    with closing(sqlite3.connect(office.journal.path)) as connection:
        connection.execute("ALTER TABLE records RENAME TO elsewhere")
        office.acknowledge((SECOND, 31, "a" * 64), (EPOCH_S, 20, "a" * 64))
        connection.execute("ALTER TABLE elsewhere RENAME TO records")
    assert (office.disputed, office.licensed) == ([], [(SECOND, 0), (EPOCH_S, 0)])


@pytest.mark.parametrize("digest", [None, "a" * 64], ids=["no hash", "a foreign one"])
def test_what_the_centre_may_have_other_records_of_goes_once_more_and_each_day(
    office: Office, digest: str | None
) -> None:
    """By its count it has all of the first epoch: that may be another's."""

    def told(now_s: float) -> list[tuple[int, int, int]]:
        ack = EpochAck(EPOCH_S, 150, digest, 150, [])
        office.dispatch.acknowledged(Ack(WIRE_VERSION, [ack]), now_s)
        return [span for span in office.blocks(now_s) if span[0] == EPOCH_S]

    office.blocks()
    in_tens = [(EPOCH_S, first, first + 9) for first in range(1, 150, 10)]
    assert told(1.0) == in_tens
    assert told(2.0) == []
    assert told(1.0 + TELL_AGAIN_S) == in_tens


def test_disagreement_is_logged_once_for_each_epoch(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        office.acknowledge((EPOCH_S, 20, "a" * 64), (SECOND, 20, office.reader.hash_of(SECOND, 20)))
    assert caplog.text.count("the centre's hash is not ours") == 1
