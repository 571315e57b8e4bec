"""The journal: what it promises about sequence, chain, durability, refusals, damage, failure and deletion."""

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from gateway_support import DAY_US, EPOCH_S, TurnedClock, a_fact, files_limited_to, opened

from gateway import journal_file
from gateway.errors import JournalRefused, JournalUnavailable
from gateway.journal import Journal
from gateway.journal_reader import JournalReader
from gateway.sqlite_file import parts
from messages.chain import GENESIS, record_hash
from messages.model import ClockQuality, Kind, Reason, Record
from messages.wire import decode_record

TESTS = Path(__file__).resolve().parent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def bodies(path: Path) -> list[bytes]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT body FROM records ORDER BY id")]


def records(path: Path) -> list[Record]:
    return [decode_record(body) for body in bodies(path)]


def verified(path: Path) -> int:
    """How many records there are, after their chain was found whole."""
    with closing(JournalReader(path)) as reader:
        checked, flaws = reader.verify()
    assert flaws == []
    return checked


# Sequence and chain.


def test_a_new_journal_begins_with_a_record_that_says_so(path: Path) -> None:
    with opened(path):
        (record,) = records(path)
    assert (record.kind, record.reason, record.seq, record.prev) == (
        Kind.JOURNAL_OPENED,
        Reason.NEW_JOURNAL,
        1,
        GENESIS,
    )
    assert record.epoch == EPOCH_S


def test_append_numbers_without_a_gap_and_chains_each_record_to_the_one_before(path: Path) -> None:
    with opened(path) as journal:
        assert journal.append([a_fact()]) == [2]
        assert journal.append([a_fact(), a_fact(), a_fact()]) == [3, 4, 5]
        assert journal.append([]) == []
        assert journal.append([a_fact()]) == [6]
        stored = bodies(path)
        assert journal.head.hash == record_hash(stored[-1])
    prev = GENESIS
    for seq, body in enumerate(stored, start=1):
        record = decode_record(body)
        assert (record.seq, record.prev) == (seq, prev)
        prev = record_hash(body)


def test_a_rehearsal_stores_nothing_and_the_next_record_stands_where_it_would_have(path: Path) -> None:
    with opened(path) as journal:
        journal.append([a_fact()])
        before = bodies(path)
        journal.rehearse(a_fact())
        assert bodies(path) == before
        assert journal.append([a_fact()]) == [3]
    assert verified(path) == 3


def test_what_append_returned_stays_when_the_journal_is_opened_again(path: Path) -> None:
    with opened(path) as journal:
        journal.append([a_fact()])
        head = journal.head
    clock = TurnedClock(EPOCH_S + 5)
    with opened(path, clock) as journal:
        assert journal.head == head
        assert journal.append([a_fact()]) == [3]
    assert verified(path) == 3


def test_a_clock_that_jumps_changes_neither_order_nor_chain(path: Path) -> None:
    clock = TurnedClock()
    with opened(path, clock) as journal:
        for now_s in (EPOCH_S, 0, EPOCH_S + 3 * 86_400, 3_124_224_000, EPOCH_S - 50 * 31_557_600, EPOCH_S):
            clock.now = now_s * 1_000_000
            journal.append([a_fact()])
        assert journal.head.seq == 7
    with opened(path, TurnedClock(0)) as journal:
        assert journal.append([a_fact()]) == [8]
    assert verified(path) == 8


# Durability is read back, not believed.


def test_the_storage_is_wal_with_full_synchronous(path: Path) -> None:
    with opened(path), closing(journal_file.open_for_writing(path, "east-1")) as second:
        assert second.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert second.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_storage_that_cannot_keep_wal_is_refused() -> None:
    """SQLite in memory answers `memory` to every wish, as a network mount can."""
    with (
        closing(sqlite3.connect(":memory:", isolation_level=None)) as memory,
        pytest.raises(JournalRefused, match=r"journal_mode=memory and synchronous=2 instead of wal"),
    ):
        journal_file._make_durable(memory, Path("journal.db"))


# Refusals.


def test_the_journal_of_another_gateway_is_refused_with_what_to_do(path: Path) -> None:
    with opened(path, gateway="east-1"):
        pass
    with (
        pytest.raises(JournalRefused, match=r"journal of gateway 'east-1', the settings say 'west-2'"),
        opened(path, gateway="west-2"),
    ):
        pass
    with opened(path, gateway="east-1"):
        assert verified(path) == 1


def test_a_journal_that_another_process_has_is_refused(path: Path) -> None:
    with opened(path):
        asked = "from gateway_support import *; opened(Path(sys.argv[1])).__enter__()"
        done = subprocess.run(
            [sys.executable, "-c", f"import sys; from pathlib import Path; {asked}", path],
            cwd=TESTS,
            capture_output=True,
            text=True,
            check=False,
        )
    assert "another gateway process uses this journal; stop it first" in done.stderr
    with opened(path):
        pass


def test_a_journal_of_a_newer_program_is_refused_and_left_as_it_is(path: Path) -> None:
    with opened(path):
        pass
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('journal', 'm099_more', '2030-01-01')"
        )
    with (
        pytest.raises(JournalRefused, match=r"written by a newer version of this program \(m099_more\)"),
        opened(path),
    ):
        pass
    assert len(list(path.parent.glob("*.damaged-*"))) == 0


def test_a_path_where_no_file_can_be_is_refused_with_the_key_to_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(JournalRefused, match=r"no journal can be kept there .*mend \[journal\] path"):
        Journal(tmp_path / "file" / "journal.db", "east-1", TurnedClock())
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(JournalRefused, match=r"folder\.db: cannot be opened"):
        Journal(tmp_path / "folder.db", "east-1", TurnedClock())


def test_a_refused_journal_is_not_held(path: Path) -> None:
    with opened(path, gateway="east-1"):
        pass
    with pytest.raises(JournalRefused):
        Journal(path, "west-2", TurnedClock())
    with opened(path, gateway="east-1"):
        pass


def test_a_disk_that_takes_nothing_at_the_first_start_leaves_a_journal_that_recovers(path: Path) -> None:
    with files_limited_to(8_000):
        journal = Journal(path, "east-1", TurnedClock())
        with pytest.raises(JournalUnavailable, match="could not be opened yet"):
            _ = journal.head
        for _ in range(2):
            with pytest.raises(JournalUnavailable, match="cannot be opened"):
                journal.append([a_fact()])
            with pytest.raises(JournalUnavailable, match="cannot be opened"):
                journal.prune(7)
    assert journal.append([a_fact()]) == [2]
    assert journal.troubles() == [(Kind.STORAGE_FAULT, Reason.WRITE_FAILED), (Kind.STORAGE_RESTORED, None)]
    assert journal.troubles() == []
    journal.close()
    assert list(path.parent.glob("*.damaged-*")) == []
    assert verified(path) == 2


# Damage is set aside, and nothing is deleted.


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def test_a_damaged_journal_is_set_aside_whole_and_a_new_epoch_says_why(path: Path) -> None:
    with opened(path) as journal:
        journal.append([a_fact()] * 50)
        former = journal.head.epoch
    overwrite(path, 0, b"garbage!" * 10)
    before = path.read_bytes()
    with opened(path) as journal:
        assert journal.head.epoch > former
        record = records(path)[-1]
    assert (record.kind, record.reason) == (Kind.JOURNAL_OPENED, Reason.SALVAGED_JOURNAL)
    (aside,) = path.parent.glob("journal.db.damaged-*")
    assert aside.read_bytes() == before


def test_two_damaged_journals_of_one_second_are_both_kept(path: Path) -> None:
    for content in (b"first " * 999, b"second" * 999, b"third " * 999):
        path.write_bytes(content)
        with opened(path):
            pass
    found = sorted(aside.read_bytes()[:6] for aside in path.parent.glob("journal.db.damaged-*"))
    assert found == [b"first ", b"second", b"third "]


def test_an_epoch_after_damage_is_a_new_one_even_where_the_clock_stands_in_the_past(path: Path) -> None:
    with opened(path, TurnedClock(EPOCH_S)) as journal:
        journal.append([a_fact()] * 200)
        former = journal.head.epoch
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE records SET body = x'00' WHERE id = (SELECT max(id) FROM records)")
    with opened(path, TurnedClock(12)) as journal:
        assert journal.head.epoch == former + 1
    overwrite(path, 0, b"nothing can be read any more" * 9)
    with opened(path, TurnedClock(12)) as journal:
        assert journal.head.epoch == former + 2
    path.unlink()
    with opened(path, TurnedClock(12)) as journal:
        assert journal.head.epoch == former + 3


@pytest.mark.parametrize("noted", [b"", b"x", b"-5", b"9" * 99, b"\xff"], ids=repr)
def test_a_spoilt_note_of_the_epoch_does_no_harm(path: Path, noted: bytes) -> None:
    path.with_name("journal.db.lock").write_bytes(noted)
    with opened(path) as journal:
        assert journal.head.epoch == EPOCH_S


def test_a_journal_without_a_record_opens_a_later_epoch(path: Path) -> None:
    with opened(path, TurnedClock(EPOCH_S)) as journal:
        former = journal.head.epoch
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM records")
    with opened(path, TurnedClock(EPOCH_S)) as journal:
        assert journal.head.epoch == former + 1
        assert journal.append([a_fact()]) == [2]
    assert verified(path) == 2


@pytest.mark.parametrize("what", ["another's place", "another epoch"])
def test_a_newest_record_that_is_not_what_its_place_says_is_damage(path: Path, what: str) -> None:
    with opened(path) as journal:
        journal.append([a_fact()] * 3)
    with closing(sqlite3.connect(path)) as connection, connection:
        if what == "another epoch":
            connection.execute("UPDATE epochs SET epoch = epoch + 1")
        else:
            connection.execute(
                "UPDATE records SET body = (SELECT body FROM records WHERE id = 3) WHERE id = 4"
            )
    with opened(path):
        assert records(path)[-1].reason is Reason.SALVAGED_JOURNAL
        assert [record.seq for record in records(path)] == (
            [1, 2, 3, 1] if "place" in what else [1, 2, 3, 4, 1]
        )
    assert verified(path) == len(records(path))


def test_flipped_bits_never_keep_the_gateway_from_starting(tmp_path: Path) -> None:
    """Every byte of the pages may be hit: the journal is used, or it is set aside; nothing else happens."""
    whole = tmp_path / "whole.db"
    with opened(whole) as journal:
        for _ in range(20):
            journal.append([a_fact()] * 20)
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    set_aside = []
    for round_ in range(120):
        path = tmp_path / f"{round_}" / "journal.db"
        path.parent.mkdir()
        shutil.copyfile(whole, path)
        size = path.stat().st_size
        for _ in range(chance.choice([1, 3, 30])):
            header = chance.random() < 0.3
            overwrite(
                path, chance.randrange(100 if header else size), chance.randbytes(chance.choice([1, 16]))
            )
        try:
            with opened(path, TurnedClock(EPOCH_S + 9)) as journal:
                journal.append([a_fact()])
        except Exception as error:
            raise AssertionError(f"seed {seed}, round {round_}") from error
        set_aside.append(sum(1 for aside in path.parent.glob("journal.db.damaged-*[0-9]")))
    assert set(set_aside) == {0, 1}


# Failure: not stored, and made up for.


def test_a_commit_that_fails_counts_as_not_stored_and_the_numbers_are_used_again(path: Path) -> None:
    with opened(path) as journal:
        journal.append([a_fact()])
        head = journal.head
        with files_limited_to(40_000):
            for _ in range(3):
                with pytest.raises(JournalUnavailable, match="not stored"):
                    journal.append([a_fact()] * 300)
                assert journal.head == head
        assert journal.append([a_fact()] * 300) == list(range(3, 303))
    assert verified(path) == 302


def test_a_file_that_may_not_grow_counts_as_a_failure_too(path: Path) -> None:
    with opened(path) as journal:
        first = journal._first._connection
        assert first is not None
        first.execute("PRAGMA max_page_count = 12")
        with pytest.raises(JournalUnavailable, match="full"):
            journal.append([a_fact()] * 300)
        assert journal.append([a_fact()]) == [2]  # a new connection knows nothing of the limit
    assert verified(path) == 2


def test_records_of_a_commit_that_was_reported_as_failed_are_taken_out_again(path: Path) -> None:
    """An ambiguous commit: the file has it, the caller was told that it had not been stored."""
    with opened(path) as journal:
        journal.append([a_fact()])
        before = journal.head
        journal.append([a_fact(reason=Reason.EXPIRED)] * 3)
        journal._first.head = before
        journal._first._drop()
        assert journal.append([a_fact(reason=Reason.BLOCKED)]) == [3]
        assert [record.reason for record in records(path)[1:]] == [Reason.LISTED, Reason.BLOCKED]
    assert verified(path) == 3


def test_stored_records_that_vanish_are_not_numbered_again(path: Path) -> None:
    with opened(path) as journal:
        journal.append([a_fact()] * 2)
        former = journal.head.epoch
        journal._first._drop()
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("DELETE FROM records WHERE id = 3")
        assert journal.append([a_fact()]) == [2]
        assert journal.head.epoch == former + 1
        assert [(r.epoch, r.seq, r.reason) for r in records(path)[1:]] == [
            (former, 2, Reason.LISTED),
            (former + 1, 1, Reason.SALVAGED_JOURNAL),
            (former + 1, 2, Reason.LISTED),
        ]
    assert verified(path) == 4


def test_a_journal_that_is_taken_away_while_it_is_in_use_begins_anew(path: Path) -> None:
    with opened(path) as journal:
        journal.append([a_fact()] * 2)
        former = journal.head.epoch
        journal._first._drop()
        for part in parts(path):
            part.unlink()
        assert journal.append([a_fact()]) == [2]
        assert [(r.epoch, r.reason) for r in records(path)] == [
            (former + 1, Reason.DAMAGED_JOURNAL),
            (former + 1, Reason.LISTED),
        ]


def test_a_write_lock_of_somebody_else_is_a_failure_and_not_the_end(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_file, "BUSY_MS", 50)
    with opened(path) as journal:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(JournalUnavailable, match="locked"):
                journal.append([a_fact()])
        assert journal.append([a_fact()]) == [2]


class SlowClock(TurnedClock):
    """Every look at it takes a second, as if checking the file took long."""

    def uptime_us(self) -> int:
        self.uptime += 1_000_000
        return self.uptime


def test_a_long_check_of_the_file_is_not_repeated_for_every_swipe(path: Path) -> None:
    clock = SlowClock()
    with opened(path, clock) as journal:
        with files_limited_to(40_000):
            for _ in range(3):
                with pytest.raises(JournalUnavailable):
                    journal.append([a_fact()] * 300)
        with pytest.raises(JournalUnavailable, match="tried in vain a moment ago"):
            journal.append([a_fact()])
        clock.uptime += 60_000_000
        assert journal.append([a_fact()]) == [2]


# Deletion.


def held(path: Path) -> list[int]:
    return [record.seq for record in records(path)]


def test_nothing_is_deleted_that_was_not_acknowledged_long_enough_ago(path: Path) -> None:
    clock = TurnedClock()
    with opened(path, clock) as journal:
        journal.append([a_fact()] * 9)
        journal.acknowledge(journal.head.epoch, 4)
        clock.passes(7 * DAY_US - 1)
        journal.acknowledge(journal.head.epoch, 8)
        assert journal.prune(7) == 0
        clock.passes(1)
        assert journal.prune(7) == 4
        assert held(path) == [5, 6, 7, 8, 9, 10]
        assert journal.prune(7) == 0
        clock.passes(7 * DAY_US)
        assert journal.prune(7) == 4
        assert held(path) == [9, 10]
    assert verified(path) == 2


def test_the_newest_record_stays_however_long_ago_it_was_acknowledged(path: Path) -> None:
    clock = TurnedClock()
    with opened(path, clock) as journal:
        journal.append([a_fact()] * 3)
        journal.acknowledge(journal.head.epoch, 4)
        clock.passes(400 * DAY_US)
        assert journal.prune(0) == 3
        assert journal.prune(0) == 0
        assert held(path) == [4]
    with opened(path, clock) as journal:
        assert journal.append([a_fact()]) == [5]
    assert verified(path) == 2


def test_a_centre_that_lost_records_takes_the_licence_for_them_back(path: Path) -> None:
    clock = TurnedClock()
    with opened(path, clock) as journal:
        journal.append([a_fact()] * 9)
        journal.acknowledge(journal.head.epoch, 9)
        clock.passes(8 * DAY_US)
        journal.acknowledge(journal.head.epoch, 3)  # restored from a backup
        assert journal.prune(7) == 0
        clock.passes(7 * DAY_US)
        assert journal.prune(7) == 3
        assert held(path) == [4, 5, 6, 7, 8, 9, 10]


def test_a_centre_with_nothing_takes_every_licence_back(path: Path) -> None:
    clock = TurnedClock()
    with opened(path, clock) as journal:
        journal.append([a_fact()] * 9)
        journal.acknowledge(journal.head.epoch, 9)
        journal.acknowledge(journal.head.epoch, 0)
        clock.passes(100 * DAY_US)
        assert journal.prune(7) == 0


def test_what_the_centre_had_lost_in_the_meantime_is_licensed_anew(path: Path) -> None:
    clock = TurnedClock()
    with opened(path, clock) as journal:
        journal.append([a_fact()] * 9)
        assert journal.acknowledge(journal.head.epoch, 9)
        clock.passes(7 * DAY_US - 1)
        assert journal.acknowledge(journal.head.epoch, 9, least=3)  # restored, and everything sent again
        clock.passes(7 * DAY_US - 1)
        assert journal.prune(7) == 0
        clock.passes(1)
        assert journal.prune(7) == 9


def test_pruning_goes_in_small_steps(path: Path) -> None:
    with opened(path) as journal:
        journal.append([a_fact()] * 1_200)
        journal.acknowledge(journal.head.epoch, 1_201)
        assert [journal.prune(0) for _ in range(4)] == [500, 500, 200, 0]


def test_a_year_of_acknowledgements_is_not_kept(path: Path) -> None:
    clock = TurnedClock()
    with opened(path, clock) as journal:
        for hour in range(24 * 30):
            journal.append([a_fact()])
            journal.acknowledge(journal.head.epoch, journal.head.seq - 1)
            clock.passes(3_600_000_000)
            if hour % 24 == 0:
                while journal.prune(7):
                    pass
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT count(*) FROM acknowledgements").fetchone()[0] < 24 * 9


def test_a_clock_that_jumps_ahead_ages_no_acknowledgement(path: Path) -> None:
    clock = TurnedClock(now_s=0)
    clock.synced = ClockQuality.UNKNOWN
    with opened(path, clock) as journal:
        journal.append([a_fact()] * 9)
        journal.acknowledge(journal.head.epoch, 9)
        clock.passes(60_000_000)
        clock.now, clock.synced = EPOCH_S * 1_000_000, ClockQuality.SYNCED
        assert journal.prune(7) == 0
        clock.passes(7 * DAY_US)
        assert journal.prune(7) == 9


def test_across_a_restart_of_the_machine_only_a_synchronised_clock_tells_an_age(path: Path) -> None:
    clock = TurnedClock()
    with opened(path, clock) as journal:
        journal.append([a_fact()] * 9)
        journal.acknowledge(journal.head.epoch, 9)
    clock.boot, clock.uptime, clock.synced = "f" * 16, 1_000_000, ClockQuality.UNKNOWN
    clock.now += 8 * DAY_US
    with opened(path, clock) as journal:
        assert journal.prune(7) == 0
        clock.synced = ClockQuality.SYNCED
        assert journal.prune(7) == 9


def test_pruning_that_cannot_be_written_is_a_failure(path: Path) -> None:
    with opened(path) as journal:
        journal.append([a_fact()] * 400)
        journal.acknowledge(journal.head.epoch, 400)
        with files_limited_to(4_096), pytest.raises(JournalUnavailable):
            journal.prune(0)
        assert journal.prune(0) == 400


# kill -9.


def test_every_record_that_was_told_is_there_after_a_kill(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    told = 0
    for round_ in range(25):
        child = subprocess.Popen(
            [sys.executable, TESTS / "gateway_appender.py", tmp_path], stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        with child.stdout as said:
            lines = [said.readline()]  # it is under way
            child_has_time = chance.randrange(0, 400)
            lines += [said.readline() for _ in range(child_has_time)]
            child.send_signal(signal.SIGKILL)
            lines += said.readlines()
        child.wait()
        whole = [line.split() for line in lines if line.endswith(b"\n")]
        assert whole, f"seed {seed}, round {round_}"
        told = int(whole[-1][1])
        stored = verified(tmp_path / "journal.db")
        assert stored >= told, f"seed {seed}, round {round_}: {told} was told, {stored} are there"
        assert [record.seq for record in records(tmp_path / "journal.db")] == list(range(1, stored + 1))
    assert told > 25
