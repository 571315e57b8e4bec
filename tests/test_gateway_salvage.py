"""Salvage: what a damaged journal still holds is taken over unaltered, and nothing else is."""

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from fuzz_support import inputs, mutated
from gateway_support import DAY_US, EPOCH_S, TurnedClock, a_fact, opened

from gateway import journal_file
from gateway.journal import Journal
from gateway.journal_pages import page_size_of, read_wal, rows_of
from gateway.journal_reader import JournalReader
from gateway.journal_salvage import crc_of, salvage
from messages.chain import record_hash
from messages.model import Kind, Reason
from messages.wire import decode_record

PAGE = 4_096
FILES = 40
LATER = EPOCH_S + 9


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def rows(path: Path) -> dict[int, bytes]:
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute("SELECT id, body FROM records"))


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def filled(path: Path, count: int = 400) -> dict[int, bytes]:
    with opened(path) as journal:
        for _ in range(count // 20):
            journal.append([a_fact()] * 20)
    return rows(path)


def killed(path: Path, into: Path, count: int) -> dict[int, bytes]:
    """A journal as it lies there after a power cut: `count` commits still stand in its log alone."""
    journal = Journal(path, "east-1", TurnedClock())
    for _ in range(count):
        journal.append([a_fact()])
    stored = rows(path)
    into.parent.mkdir(parents=True, exist_ok=True)
    for suffix in ("", "-wal"):
        shutil.copyfile(path.with_name(path.name + suffix), into.with_name(into.name + suffix))
    journal.close()
    return stored


def leaf_of(path: Path, record_id: int) -> int:
    """Where in the file the page that holds a record begins."""
    data = path.read_bytes()
    return next(
        at
        for at in range(0, len(data), PAGE)
        if any(row.id == record_id for row in rows_of(data[at : at + PAGE], first=at == 0))
    )


def begun_again(path: Path) -> tuple[dict[int, bytes], Reason | None]:
    """What is there after a start, without the record that this start made; and what that record says."""
    with opened(path, TurnedClock(LATER)) as journal:
        head = journal.head
        with closing(JournalReader(path)) as reader:
            _, flaws = reader.verify()
    assert [flaw for flaw in flaws if "missing" not in flaw.what] == []
    found = rows(path)
    if head.seq != 1:
        return found, None
    return found, decode_record(found.pop(head.record_id)).reason


# What is saved.


def test_a_lost_leaf_costs_its_own_records_only(path: Path) -> None:
    stored = filled(path)
    at = leaf_of(path, 200)
    lost = {row.id for row in rows_of(path.read_bytes()[at : at + PAGE])}
    overwrite(path, at, b"\xee" * PAGE)
    found, reason = begun_again(path)
    assert reason is Reason.SALVAGED_JOURNAL
    assert found == {record_id: body for record_id, body in stored.items() if record_id not in lost}
    assert len(lost) < 20


def test_without_header_tables_and_inner_pages_every_record_is_saved(path: Path) -> None:
    stored = filled(path)
    data = path.read_bytes()
    for at in range(0, len(data), PAGE):
        if data[at] != 0x0D:  # no leaf, or the first page, which holds the tables' descriptions
            overwrite(path, at, b"\x00" * PAGE)
    found, reason = begun_again(path)
    assert reason is Reason.SALVAGED_JOURNAL
    assert found == stored


def test_saved_records_keep_epoch_number_and_bytes_and_reach_the_centre_so(path: Path) -> None:
    stored = filled(path)
    overwrite(path, leaf_of(path, 200), b"\xee" * PAGE)
    with opened(path, TurnedClock(LATER)) as journal, closing(JournalReader(path)) as reader:
        journal.append([a_fact()])
        former, new = reader.epoch_heads()
        assert (former.epoch, former.oldest, former.head) == (EPOCH_S, 1, 401)
        assert (new.epoch, new.oldest, new.head) == (LATER, 1, 2)
        before, after = reader.held(EPOCH_S)
        assert (before[0], after[1]) == (1, 401)
        assert reader.joined(EPOCH_S, *after)[0] == b",".join(stored[n] for n in range(after[0], 402))
        assert reader.hash_of(EPOCH_S, 401) == record_hash(stored[401])


def test_a_saved_epoch_can_be_acknowledged_and_pruned(path: Path) -> None:
    filled(path)
    overwrite(path, leaf_of(path, 200), b"\xee" * PAGE)
    clock = TurnedClock(LATER)
    with opened(path, clock) as journal:
        journal.acknowledge(EPOCH_S, 401)
        clock.passes(8 * DAY_US)
        while journal.prune(7):
            pass
        assert len(rows(path)) == 1


def test_where_nothing_can_be_saved_the_new_epoch_says_so(path: Path) -> None:
    path.write_bytes(b"no journal" * 999)
    assert begun_again(path) == ({}, Reason.DAMAGED_JOURNAL)


def test_an_altered_body_that_still_decodes_is_found_at_the_start_and_left_behind(path: Path) -> None:
    """One digit of a time: for SQLite's own check nothing has happened."""
    stored = filled(path)
    digit = path.read_bytes().index(b'"at":17', leaf_of(path, 200)) + 7
    overwrite(path, digit, b"9")
    found, reason = begun_again(path)
    assert reason is Reason.SALVAGED_JOURNAL
    assert set(stored) - set(found) != set()
    assert len(stored) - len(found) == 1
    assert found.items() <= stored.items()


def test_a_record_of_before_the_checks_needs_its_successors_word(path: Path) -> None:
    stored = filled(path, 40)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE records SET crc = NULL WHERE id <> 41")
        altered = stored[20].replace(b'"at":17', b'"at":27')
        connection.execute("UPDATE records SET body = ? WHERE id = 20", (altered,))
        connection.execute("UPDATE records SET id = 99 WHERE id = 41")  # so that the start finds damage
    found, _ = begun_again(path)
    assert found == {n: stored[n] for n in range(1, 40) if n != 20}


def test_records_of_another_gateway_are_not_taken_over(path: Path) -> None:
    with opened(path, gateway="west-2") as journal:
        journal.append([a_fact()] * 50)
    overwrite(path, 0, b"garbage!" * 10)
    assert begun_again(path) == ({}, Reason.DAMAGED_JOURNAL)


def test_nothing_of_the_damaged_file_is_changed(path: Path) -> None:
    filled(path)
    overwrite(path, leaf_of(path, 200), b"\xee" * PAGE)
    before = path.read_bytes()
    begun_again(path)
    (aside,) = path.parent.glob("journal.db.damaged-*[0-9]")
    assert aside.read_bytes() == before


# The log.


def test_records_that_stand_in_the_log_alone_are_there_whatever_became_of_the_file(
    path: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "cut" / "journal.db"
    stored = killed(path, cut, 60)
    cut.write_bytes(b"garbage!" * 512)
    with closing(journal_file.open_for_writing(tmp_path / "new.db", "east-1")) as into:
        salvage(cut, "east-1", into)
    assert rows(tmp_path / "new.db") == stored
    assert begun_again(cut)[0] == stored


@pytest.mark.parametrize("place", [0, 20, 32, 40, 5_000, 50_000], ids=str)
def test_a_spoilt_log_does_not_take_confirmed_records_with_it_in_silence(
    path: Path, tmp_path: Path, place: int
) -> None:
    """SQLite reads its log up to the first spoilt place and takes the rest for never written."""
    cut = tmp_path / "cut" / "journal.db"
    stored = killed(path, cut, 60)
    wal = cut.with_name("journal.db-wal")
    overwrite(wal, place, bytes([wal.read_bytes()[place] ^ 0x10]))
    found, reason = begun_again(cut)
    assert reason is Reason.SALVAGED_JOURNAL
    assert found.items() <= stored.items()
    assert max(found) == 61
    assert len(stored) - len(found) <= 1


def test_a_torn_last_commit_is_what_a_power_cut_leaves_and_no_damage(path: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut" / "journal.db"
    stored = killed(path, cut, 60)
    wal = cut.with_name("journal.db-wal")
    overwrite(wal, wal.stat().st_size - 100, b"\x00" * 100)
    found, reason = begun_again(cut)
    assert reason is None
    assert found == {record_id: body for record_id, body in stored.items() if record_id < 61}


# A salvage that is interrupted.


class Interrupted(BaseException):
    """As if the process was killed there."""


@pytest.mark.parametrize("step", ["set_aside", "sync_folder"])
def test_a_salvage_that_was_interrupted_is_finished_by_the_next_start(
    path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    stored = filled(path)
    overwrite(path, 0, b"garbage!" * 10)
    real: Callable[..., object] = getattr(journal_file, step)

    def stops(*arguments: object) -> object:
        if step == "sync_folder":
            real(*arguments)
        raise Interrupted

    monkeypatch.setattr(journal_file, step, stops)
    with pytest.raises(Interrupted):
        Journal(path, "east-1", TurnedClock(LATER))
    monkeypatch.undo()
    with opened(path, TurnedClock(LATER + 5)) as journal:
        assert journal.append([a_fact()]) == [2]
    found = rows(path)
    assert stored.items() <= found.items()
    assert len(found) == len(stored) + 2


def test_a_salvaged_file_whose_renaming_was_cut_off_takes_its_place(path: Path) -> None:
    """The damaged one is out of the way, but its log is not: that must not be replayed into another file."""
    stored = filled(path)
    path.rename(journal_file.beside(path))
    path.with_name("journal.db-wal").write_bytes(b"the log of the damaged one")
    with opened(path, TurnedClock(LATER)) as journal:
        assert journal.append([a_fact()]) == [len(stored) + 1]
    assert path.with_name("journal.db.damaged-unfinished-wal").read_bytes() == b"the log of the damaged one"


# Chance.


def test_random_damage_never_crashes_a_start_and_never_makes_a_wrong_record(tmp_path: Path) -> None:
    """Bits are flipped in random pages of the file and its log. LIUHEN_FUZZ gives another number of files."""
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    whole = tmp_path / "whole" / "journal.db"
    first = tmp_path / "first.db"
    filled(first, 600)
    stored = killed(first, whole, 80)
    survived = []
    for number in range(files := inputs(FILES)):
        path = tmp_path / f"{number}" / "journal.db"
        path.parent.mkdir()
        for suffix in ("", "-wal"):
            shutil.copyfile(
                whole.with_name(whole.name + suffix), target := path.with_name(path.name + suffix)
            )
            size = target.stat().st_size
            for _ in range(chance.choice([0, 1, 3, 20])):
                at = chance.randrange(size)
                overwrite(target, at, bytes([target.read_bytes()[at] ^ 1 << chance.randrange(8)]))
        try:
            found, _ = begun_again(path)
            assert found.items() <= stored.items()
            kept = path.parent.glob("journal.db.damaged-*")
            assert len(list(kept)) in (0, 1, 2, 3)
        except Exception as error:
            raise AssertionError(f"seed {seed}, file {number} of {files}") from error
        survived.append(len(found) / len(stored))
        shutil.rmtree(path.parent)
    average = sum(survived) / len(survived)
    print(f"{files} files: {average:.1%} of the records survived on average, {min(survived):.1%} at worst")  # noqa: T201
    assert average > 0.9, f"seed {seed}"


@pytest.mark.parametrize("part", range(4))
def test_no_bytes_hurt_the_readers_of_pages_and_logs(path: Path, tmp_path: Path, part: int) -> None:
    cut = tmp_path / "cut" / "journal.db"
    killed(path, cut, 12)
    data, wal = path.read_bytes(), cut.with_name("journal.db-wal").read_bytes()
    pages = (data[at : at + PAGE] for at in range(PAGE, len(data), PAGE))
    leaf = next(page for page in pages if list(rows_of(page)))
    chance = random.Random(part)
    for _ in range(inputs(400) // 4):
        list(rows_of(mutated(chance, leaf, [b"\x0d", b"\xff" * 9]), first=chance.random() < 0.2))
        page_size_of(mutated(chance, data[:100], [b"\x00"]))
        read_wal(mutated(chance, wal[: 32 + 3 * (PAGE + 24)], [wal[:32], wal[32:56], b"\x37\x7f\x06\x82"]))


def test_a_salvage_of_nothing_is_nothing(tmp_path: Path) -> None:
    with closing(journal_file.open_for_writing(tmp_path / "new.db", "east-1")) as into:
        assert salvage(tmp_path / "no.db", "east-1", into).records == 0


def test_the_check_of_a_body_covers_its_place() -> None:
    """CRC-32 of the nine digits, as everywhere: cbf43926."""
    assert crc_of(0, b"123456789") == 0xCBF43926
    assert crc_of(1, b"123456789") != crc_of(2, b"123456789")


def test_the_first_record_after_a_salvage_is_the_journals_own(path: Path) -> None:
    filled(path)
    overwrite(path, 0, b"garbage!" * 10)
    with opened(path, TurnedClock(LATER)) as journal:
        record = decode_record(rows(path)[journal.head.record_id])
    assert (record.kind, record.epoch, record.seq) == (Kind.JOURNAL_OPENED, LATER, 1)
