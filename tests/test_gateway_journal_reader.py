"""Reading the journal: stored bytes as they are, and a verification that locates each flaw once."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from gateway_support import EPOCH_S, TurnedClock, a_fact, opened

from gateway.errors import JournalUnavailable
from gateway.journal_file import open_for_writing
from gateway.journal_reader import Flaw, JournalReader
from messages.chain import record_hash
from messages.model import Reason
from messages.wire import EpochHead, decode_block, join_block

RECORDS = 10


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of ten records."""
    with opened(tmp_path / "journal.db") as journal:
        journal.append([a_fact()] * (RECORDS - 1))
    return tmp_path / "journal.db"


@pytest.fixture
def reader(path: Path) -> Iterator[JournalReader]:
    with closing(JournalReader(path)) as reader:
        yield reader


def change(path: Path, statement: str, *values: bytes | int) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, values)


def put(path: Path, seq: int, body: bytes) -> None:
    change(path, "UPDATE records SET body = ? WHERE id = ?", body, seq)


def move(path: Path, seq: int, to: int) -> None:
    change(path, "UPDATE records SET id = ? WHERE id = ?", to, seq)


def stored(path: Path) -> list[bytes]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT body FROM records ORDER BY id")]


def add_epoch(path: Path) -> int:
    """A second epoch of three records in the same file, as a salvaged journal has."""
    with opened(path, TurnedClock(EPOCH_S + 100)) as journal:
        journal._first.begin_epoch(Reason.DAMAGED_JOURNAL, journal.head.epoch)
        journal._use(journal._first)
        journal.append([a_fact()] * 2)
        return journal.head.epoch


# Bytes as they are.


@pytest.mark.parametrize(("first", "last"), [(1, 10), (4, 4), (9, 10)], ids=str)
def test_joined_records_are_the_stored_bytes_joined(
    path: Path, reader: JournalReader, first: int, last: int
) -> None:
    expected = stored(path)[first - 1 : last]
    assert reader.joined(EPOCH_S, first, last) == (b",".join(expected), len(expected))


def test_joined_records_make_a_block_that_the_centre_can_take_apart(
    path: Path, reader: JournalReader
) -> None:
    bodies, count = reader.joined(EPOCH_S, 3, 7)
    block = decode_block(join_block(EPOCH_S, 3, count, bodies))
    assert [bytes(raw) for raw in block.records] == stored(path)[2:7]


def test_joined_records_are_as_many_as_there_are(path: Path, reader: JournalReader) -> None:
    change(path, "DELETE FROM records WHERE id IN (1, 2, 6)")
    bodies, count = reader.joined(EPOCH_S, 1, 20)
    assert count == RECORDS - 3
    assert bodies == b",".join(stored(path))
    assert reader.joined(EPOCH_S, 1, 2) == (b"", 0)


def test_bytes_that_are_no_text_are_joined_as_they_are(path: Path, reader: JournalReader) -> None:
    put(path, 2, b"{\x00\xff\x80")
    assert reader.joined(EPOCH_S, 2, 2) == (b"{\x00\xff\x80", 1)


def test_the_hash_of_a_record_is_that_of_its_bytes(path: Path, reader: JournalReader) -> None:
    assert reader.hash_of(EPOCH_S, 5) == record_hash(stored(path)[4])
    assert reader.hash_of(EPOCH_S, 11) is None


def test_the_heads_tell_what_is_held(path: Path, reader: JournalReader) -> None:
    change(path, "DELETE FROM records WHERE id < 4")
    assert reader.epoch_heads() == [EpochHead(EPOCH_S, 4, 10, record_hash(stored(path)[-1]))]


def test_an_epoch_ends_where_the_next_one_begins(path: Path, reader: JournalReader) -> None:
    second = add_epoch(path)
    bodies = stored(path)
    assert [(h.epoch, h.oldest, h.head) for h in reader.epoch_heads()] == [(EPOCH_S, 1, 10), (second, 1, 3)]
    assert reader.hash_of(EPOCH_S, 11) is None
    assert reader.joined(EPOCH_S, 9, 13) == (b",".join(bodies[8:10]), 2)
    assert reader.joined(second, 1, 3) == (b",".join(bodies[10:]), 3)
    assert reader.verify() == (13, [])


def test_an_epoch_that_is_not_here_is_an_error(reader: JournalReader) -> None:
    with pytest.raises(JournalUnavailable, match="there is no epoch 7 in this journal"):
        reader.joined(7, 1, 2)
    with pytest.raises(JournalUnavailable, match="there is no epoch 7 in this journal"):
        reader.hash_of(7, 1)


def test_an_epoch_without_records_is_not_held(path: Path, reader: JournalReader) -> None:
    second = add_epoch(path)
    change(path, "DELETE FROM records WHERE id <= 10")
    assert [head.epoch for head in reader.epoch_heads()] == [second]


# For people.


def test_the_newest_records_come_oldest_first(reader: JournalReader) -> None:
    assert [record.seq for record in reader.newest(3)] == [8, 9, 10]
    assert [record.seq for record in reader.newest(99)] == list(range(1, 11))


def test_following_sees_each_record_once_while_the_journal_is_written(path: Path) -> None:
    with opened(path) as journal, closing(JournalReader(path)) as reader:
        at = reader.newest_id()
        assert reader.after(at) == ([], at)
        journal.append([a_fact(), a_fact()])
        found, at = reader.after(at)
        assert [record.seq for record in found] == [11, 12]
        journal.append([a_fact()])
        found, at = reader.after(at)
        assert [record.seq for record in found] == [13]
        assert reader.after(at) == ([], at)


def test_an_unreadable_record_stops_neither_list_nor_follow(path: Path, reader: JournalReader) -> None:
    put(path, 9, b"\x00")
    assert [record.seq for record in reader.newest(3)] == [8, 10]
    assert [record.seq for record in reader.after(7)[0]] == [8, 10]


def test_a_journal_that_was_killed_can_be_read_without_being_written(path: Path) -> None:
    """Reading never checkpoints: what the writer left in its log stays there."""
    with opened(path) as journal:
        journal.append([a_fact()])
        with closing(JournalReader(path)) as reader:
            log = path.with_name("journal.db-wal").read_bytes()
            assert reader.newest_id() == 11
        assert path.with_name("journal.db-wal").read_bytes() == log
        with (
            pytest.raises(sqlite3.OperationalError, match="readonly"),
            closing(JournalReader(path)) as reader,
        ):
            reader._both[0]._open().execute("DELETE FROM records")


@pytest.mark.parametrize("content", [None, b"", b"no database" * 500], ids=["no file", "empty", "garbage"])
def test_what_is_no_journal_is_said_with_its_path(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "other.db"
    if content is not None:
        path.write_bytes(content)
    with (
        pytest.raises(JournalUnavailable, match=r"other\.db: cannot be"),
        closing(JournalReader(path)) as reader,
    ):
        reader.verify()


# Verification.


def alter(path: Path, seq: int, field: str, value: object) -> None:
    """Another value in one field, in canonical form again, as somebody with a tool would do it."""
    row = json.loads(stored(path)[seq - 1])
    row[field] = value
    body = json.dumps(row, separators=(",", ":")).encode()
    put(path, seq, body)


def flip(path: Path, seq: int, at: int) -> None:
    body = bytearray(stored(path)[seq - 1])
    body[at] ^= 1
    put(path, seq, bytes(body))


def swap(path: Path, one: int, other: int) -> None:
    move(path, one, -1)
    move(path, other, one)
    move(path, -1, other)


def test_a_sound_journal_has_no_flaw(reader: JournalReader) -> None:
    assert reader.verify() == (RECORDS, [])


def test_a_pruned_beginning_is_no_flaw(path: Path, reader: JournalReader) -> None:
    change(path, "DELETE FROM records WHERE id < 6")
    assert reader.verify() == (5, [])


@pytest.mark.parametrize("seq", range(1, RECORDS - 1))
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("door", "garage"),
        ("at", 1),
        ("prev", "a" * 64),
        ("seq", 99),
        ("epoch", 5),
        ("kind", "opened"),
        ("v", 2),
    ],
    ids=str,
)
def test_an_altered_record_is_located_exactly_and_once(
    path: Path, reader: JournalReader, seq: int, field: str, value: object
) -> None:
    alter(path, seq, field, value)
    checked, flaws = reader.verify()
    assert checked == RECORDS
    assert [(flaw.epoch, flaw.seq) for flaw in flaws] == [(EPOCH_S, seq)]


def test_every_flipped_byte_of_a_record_is_located_exactly_and_once(
    path: Path, reader: JournalReader
) -> None:
    length = len(stored(path)[4])
    for at in range(length):
        flip(path, 5, at)
        assert [flaw.seq for flaw in reader.verify()[1]] == [5], f"byte {at}"
        flip(path, 5, at)
    assert reader.verify() == (RECORDS, [])


@pytest.mark.parametrize(("seq", "field"), [(RECORDS - 1, "at"), (RECORDS, "prev")], ids=str)
def test_at_the_newest_link_nobody_vouches_for_either_record(
    path: Path, reader: JournalReader, seq: int, field: str
) -> None:
    alter(path, seq, field, 1 if field == "at" else "a" * 64)
    assert reader.verify() == (
        RECORDS,
        [Flaw(EPOCH_S, 10, "does not follow the record before it: one of the two was altered")],
    )


@pytest.mark.parametrize(
    ("gone", "flaws"),
    [
        pytest.param([5], [Flaw(EPOCH_S, 5, "is missing")], id="one"),
        pytest.param([5, 6, 7], [Flaw(EPOCH_S, 5, "and 2 after it are missing")], id="three together"),
        pytest.param(
            [3, 9], [Flaw(EPOCH_S, 3, "is missing"), Flaw(EPOCH_S, 9, "is missing")], id="two apart"
        ),
    ],
)
def test_missing_records_are_located_exactly_and_once(
    path: Path, reader: JournalReader, gone: list[int], flaws: list[Flaw]
) -> None:
    for seq in gone:
        change(path, "DELETE FROM records WHERE id = ?", seq)
    assert reader.verify() == (RECORDS - len(gone), flaws)


@pytest.mark.parametrize(("one", "other"), [(4, 5), (2, 9), (1, 10)], ids=str)
def test_two_swapped_records_are_each_located_once(
    path: Path, reader: JournalReader, one: int, other: int
) -> None:
    swap(path, one, other)
    what = "stands at another's place"
    assert reader.verify() == (RECORDS, [Flaw(EPOCH_S, one, what), Flaw(EPOCH_S, other, what)])


def test_flaws_of_every_kind_are_found_together(path: Path, reader: JournalReader) -> None:
    alter(path, 2, "door", "garage")
    change(path, "DELETE FROM records WHERE id = 5")
    put(path, 8, b"\x00")
    assert [flaw.seq for flaw in reader.verify()[1]] == [2, 5, 8]


def test_a_chain_longer_than_a_page_is_walked_whole(tmp_path: Path) -> None:
    with opened(tmp_path / "journal.db") as journal:
        journal.append([a_fact()] * 2_500)
    with closing(JournalReader(tmp_path / "journal.db")) as reader:
        assert reader.verify() == (2_501, [])
        alter(tmp_path / "journal.db", 1_000, "door", "garage")
        assert [flaw.seq for flaw in reader.verify()[1]] == [1_000]


def test_a_journal_whose_gateway_fell_before_its_first_record_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    open_for_writing(path, "east-1").close()
    with closing(JournalReader(path)) as reader:
        assert reader.verify() == (0, [])
        assert reader.epoch_heads() == []


def test_a_first_file_that_was_never_made_whole_does_not_hide_the_second(tmp_path: Path) -> None:
    """A disk that failed from the first write on leaves a file without tables."""
    first, second = tmp_path / "first.db", tmp_path / "second.db"
    first.touch()
    with opened(second) as journal:
        journal.append([a_fact()])
    with closing(JournalReader(first, second)) as reader:
        assert reader.verify() == (2, [])
        assert [record.seq for record in reader.newest(5)] == [1, 2]
        assert [record.seq for record in reader.after(0)[0]] == [1, 2]
        assert reader.after(reader.newest_id())[0] == []
        assert reader.acknowledged() == {}
        assert [(head.epoch, head.head) for head in reader.epoch_heads()] == [(EPOCH_S, 2)]
