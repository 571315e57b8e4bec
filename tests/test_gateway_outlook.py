"""How long the disk lasts, and copies of the journal that are whole whatever is written meanwhile."""

import math
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fuzz_support import inputs
from gateway_support import DAY_US, EPOCH_S, TurnedClock, a_fact, install, opened, until
from typer.testing import CliRunner

from gateway.cli_app import app
from gateway.errors import JournalRefused, JournalUnavailable
from gateway.facts import Fact
from gateway.journal import Journal
from gateway.journal_reader import JournalReader
from gateway.outlook import Outlook, outlook, per_day
from gateway.storage_space import MIB, Space
from messages.model import ClockQuality, Kind

NOW_US = EPOCH_S * 1_000_000
BACKUPS = 10


def days_ago(*days: float) -> list[int]:
    return [round(NOW_US - day * DAY_US) for day in days]


# How long.


@pytest.mark.parametrize(
    ("newest_first", "expected"),
    [
        pytest.param([], 0, id="none yet"),
        pytest.param(days_ago(0), 24, id="the first one"),
        pytest.param(days_ago(0, 0.5, 1), 3, id="the first day"),
        pytest.param(days_ago(*range(8), 20, 30), 8 / 7, id="a week of many"),
        pytest.param([*days_ago(0, 1, 2), 0, 1], 3 / 7, id="after a clock that stood in 1970"),
        pytest.param([*days_ago(0, 1, 2), *days_ago(-9_000)], 3 / 7, id="after one that stood ahead"),
    ],
)
def test_the_rate_is_that_of_the_last_week(newest_first: list[int], expected: float) -> None:
    assert per_day(newest_first) == pytest.approx(expected)


def test_days_are_room_by_what_a_day_takes() -> None:
    found = Outlook(records=5, bytes_per_record=500.0, per_day=2_000.0, room=100 * MIB, reserve=10 * MIB)
    assert found.days == pytest.approx(104.8576)
    assert found.reserve_days == pytest.approx(10.48576)
    assert Outlook(0, 0.0, 0.0, 100, 0).days == math.inf


def test_room_that_pruning_left_in_the_file_counts(tmp_path: Path) -> None:
    clock = TurnedClock()
    with opened(tmp_path / "journal.db", clock) as journal, closing(JournalReader(journal.path)) as reader:
        for day in range(10):
            at = NOW_US + day * DAY_US
            fact = Fact(kind=Kind.REX, at_us=at, uptime_us=1, clock=ClockQuality.SYNCED, door="lobby")
            journal.append([fact] * 100)
        full = outlook(reader, Space(100 * MIB, 50 * MIB), 4 * MIB)
        journal.acknowledge(journal.head.epoch, 800)
        while journal.prune(0):
            pass
        pruned = outlook(reader, Space(100 * MIB, 50 * MIB), 4 * MIB)
    assert (full.records, full.reserve) == (1_001, 4 * MIB)
    assert full.per_day == pytest.approx(800 / 7)
    assert 200 < full.bytes_per_record < 500
    assert pruned.records == 201
    assert pruned.room > full.room > 50 * MIB - 1


# Backups.


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Path]:
    """A journal that is written to and pruned the whole time."""
    path, stop, clock = tmp_path / "journal.db", threading.Event(), TurnedClock()
    journal = Journal(path, "east-1", clock)

    def work() -> None:
        while not stop.is_set():
            journal.append([a_fact()] * 10)
            if journal.head.seq % 100 < 10:
                journal.acknowledge(journal.head.epoch, journal.head.seq - 500)
                journal.prune(0)

    writer = threading.Thread(target=work)
    writer.start()
    until(lambda: journal.head.seq > 1_000, "a thousand records")
    yield path
    stop.set()
    writer.join()
    journal.close()


def test_a_backup_under_load_is_whole_each_time(busy: Path) -> None:
    """LIUHEN_FUZZ gives another number of backups."""
    with closing(JournalReader(busy)) as reader:
        for number in range(inputs(BACKUPS)):
            (made,) = reader.backup(busy.with_name(f"backup-{number}.db"))
            assert made.stat().st_mode & 0o777 == 0o600
            with closing(JournalReader(made)) as copy:
                checked, flaws = copy.verify()
            assert (checked > 100, flaws) == (True, [])
            with opened(made) as journal:
                assert journal.append([a_fact()]) == [journal.head.seq]
    assert list(busy.parent.glob("*.salvage*")) == []


def test_a_backup_writes_over_nothing(tmp_path: Path) -> None:
    with opened(tmp_path / "journal.db") as journal, closing(JournalReader(journal.path)) as reader:
        (tmp_path / "kept.db").write_bytes(b"mine")
        with pytest.raises(JournalRefused, match=r"kept\.db: is there already"):
            reader.backup(tmp_path / "kept.db")
        assert (tmp_path / "kept.db").read_bytes() == b"mine"
        with pytest.raises(JournalRefused, match=r"cannot be written \(No such file or directory\)"):
            reader.backup(tmp_path / "none" / "backup.db")


def test_a_second_journal_is_backed_up_beside(tmp_path: Path) -> None:
    first, second = tmp_path / "first.db", tmp_path / "second.db"
    for path in (first, second):
        with opened(path) as journal:
            journal.append([a_fact()])
    with closing(JournalReader(first, second)) as reader:
        assert reader.backup(tmp_path / "b.db") == [tmp_path / "b.db", tmp_path / "b.db.second"]


def test_a_copy_of_a_damaged_journal_is_not_called_a_backup(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with opened(path) as journal:
        journal.append([a_fact()] * 300)
    with closing(sqlite3.connect(path)) as connection:
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'records'").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((page - 1) * 4_096 + 20)
        file.write(b"\xee" * 400)
    with closing(JournalReader(path)) as reader, pytest.raises(JournalUnavailable, match="is damaged"):
        reader.backup(tmp_path / "backup.db")
    assert sorted(each.name for each in tmp_path.glob("backup*")) == []


# The commands.


def test_the_commands_say_how_long_and_make_a_backup(tmp_path: Path) -> None:
    settings = str(install(tmp_path))
    with opened(tmp_path / "data" / "journal.db") as journal:
        journal.append([a_fact()] * 50)
        told = CliRunner().invoke(app, ["journal", "how-long", "--settings", settings])
        assert told.exit_code == 0, told.output
        assert told.output.startswith("51 records of ")
        assert "without the centre it is full in more than ten years" in told.output
        made = CliRunner().invoke(
            app, ["journal", "backup", str(tmp_path / "backup.db"), "--settings", settings]
        )
        assert made.exit_code == 0, made.output
        assert made.output.endswith("MiB, checked\n")
    with closing(JournalReader(tmp_path / "backup.db")) as copy:
        assert copy.verify() == (51, [])
