"""A gateway whose journal was put back to an older copy: numbers that the centre knows are not used again."""

import sqlite3
from collections.abc import Container, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from database_support import new_database
from gateway_support import EPOCH_S, GATEWAY, TurnedClock, a_fact, opened
from msgspec.structs import replace
from sqlalchemy import select

from central.ingest.intake import examine, take_in
from central.store.engine import reading, writing
from central.store.tables import quarantine, record
from gateway.ack_check import TELL_AGAIN_S
from gateway.dispatch import Dispatch
from gateway.journal import Journal
from gateway.journal_reader import JournalReader
from messages.chain import record_hash
from messages.model import Kind, Reason
from messages.topics import GatewayTopic, Leaf
from messages.wire import Ack, decode_block, join_block


def in_two_epochs(reader: JournalReader) -> list[tuple[int, int, Kind, Reason | None]]:
    return [(each.epoch, each.seq, each.kind, each.reason) for each in reader.newest(3)]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with opened(tmp_path / "journal.db") as journal:
        journal.append([a_fact()] * 4)
        yield journal


def test_a_new_epoch_begins_at_once_and_says_why(journal: Journal) -> None:
    assert journal.begin_anew(EPOCH_S)
    assert journal.append([a_fact()]) == [2]
    with closing(JournalReader(journal.path)) as reader:
        granted = a_fact()
        assert in_two_epochs(reader) == [
            (EPOCH_S, 5, granted.kind, granted.reason),
            (EPOCH_S + 1, 1, Kind.JOURNAL_OPENED, Reason.OLDER_COPY),
            (EPOCH_S + 1, 2, granted.kind, granted.reason),
        ]


def test_an_epoch_that_was_left_already_is_not_left_again(journal: Journal) -> None:
    assert journal.begin_anew(EPOCH_S)
    head = journal.head
    assert not journal.begin_anew(EPOCH_S)
    assert journal.head == head


def test_the_new_epoch_is_gone_on_with_after_a_restart(tmp_path: Path) -> None:
    clock = TurnedClock()
    with opened(tmp_path / "journal.db", clock) as journal:
        journal.begin_anew(EPOCH_S)
    with closing(Journal(tmp_path / "journal.db", GATEWAY, clock)) as journal:
        assert (journal.head.epoch, journal.head.seq) == (EPOCH_S + 1, 1)


# --- with a centre: it has 1..40, the copy ends at 25, and 26..45 are recorded before the line is back


class Centre:
    """Takes every block into a database, and acknowledges."""

    def __init__(self, folder: Path) -> None:
        self.engine = new_database(folder / "central.sqlite")

    def take(self, payload: bytes) -> Ack:
        topic = str(GatewayTopic("north", GATEWAY, Leaf.BACKLOG))
        with writing(self.engine) as connection:
            outcome = take_in(connection, [examine(topic, payload)], EPOCH_S * 1_000_000)
        [ack] = outcome.acks.values()
        return ack

    def hashes(self) -> set[bytes]:
        with reading(self.engine) as connection:
            return {
                digest
                for table in (record, quarantine)
                for digest in connection.execute(select(table.c.hash)).scalars()
            }


class Line:
    """Between a journal and the centre; blocks that begin with a `lost` record never arrive."""

    def __init__(self, reader: JournalReader, centre: Centre) -> None:
        self.licensed: dict[int, int] = {}
        self.disputed: set[int] = set()
        self._centre = centre
        self.dispatch = Dispatch(reader, self.licensed.__setitem__, None, self.disputed.add)

    def drain(self, now_s: float = 0.0, lost: Container[int] = ()) -> None:
        while block := self.dispatch.next_fresh(now_s) or self.dispatch.next_block(now_s):
            if decode_block(block).first not in lost:
                self.dispatch.acknowledged(self._centre.take(block), now_s)


def bodies(path: Path) -> set[bytes]:
    with closing(sqlite3.connect(path)) as connection:
        return {row[0] for row in connection.execute("SELECT body FROM records")}


def test_of_both_branches_nothing_is_lost_and_nothing_is_deleted_before_it_is_there(tmp_path: Path) -> None:
    path, clock, centre = tmp_path / "journal.db", TurnedClock(), Centre(tmp_path)
    with opened(path, clock) as journal, closing(JournalReader(path)) as reader:
        journal.append([a_fact()] * 24)
        reader.backup(tmp_path / "copy.db")
        journal.append([a_fact()] * 15)
        kept = centre.take(join_block(EPOCH_S, 1, 40, reader.joined(EPOCH_S, 1, 40)[0]))
        former = bodies(path)
    for part in tmp_path.glob("journal.db*"):
        part.unlink()
    (tmp_path / "copy.db").rename(path)
    clock.passes(60_000_000)
    with opened(path, clock) as journal, closing(JournalReader(path)) as reader:
        journal.append([replace(a_fact(), door="back-door")] * 20)
        line = Line(reader, centre)
        line.dispatch.acknowledged(kept, 0.0)  # what the broker kept
        assert (line.disputed, line.licensed) == ({EPOCH_S}, {EPOCH_S: 0})
        line.drain(lost=[31])
        assert line.licensed == {EPOCH_S: 0}  # 31..40 are nowhere else
        assert journal.begin_anew(EPOCH_S)
        line.dispatch.appended(journal.head)
        line.drain(TELL_AGAIN_S)
        assert line.licensed == {EPOCH_S: 45, journal.head.epoch: 1}
        assert {bytes.fromhex(record_hash(body)) for body in former | bodies(path)} == centre.hashes()
