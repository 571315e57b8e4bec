"""Failing disks: what is not stored is never called stored; a second journal goes on, the first comes back.

Writes and syncs really fail: inside a process whose C library is told to (failing_disk.c), or on a disk that
is really full.
"""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

import pytest
from gateway_support import EPOCH_S, TurnedClock, a_fact, opened
from mounts_support import can_mount, ext4_image, in_a_namespace, tool
from msgspec.structs import replace

from gateway.errors import JournalRefused, JournalUnavailable
from gateway.journal import Journal
from gateway.journal_reader import JournalReader
from messages.model import Kind, Reason

TESTS = Path(__file__).resolve().parent
FAULT = [Kind.STORAGE_FAULT, Reason.WRITE_FAILED]
RESTORED = [Kind.STORAGE_RESTORED, None]
ERRORS = [errno.EIO, errno.ENOSPC]


@pytest.fixture(scope="module")
def failing_disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("failing") / "failing_disk.so"
    compiler = tool("gcc", "gcc libc6-dev")
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", library, TESTS / "failing_disk.c", "-ldl"], check=True
    )
    return library


class Scripted:
    """A journal in another process, and the disk under it."""

    def __init__(self, folder: Path, library: Path, *, second: bool = True, reserve_mib: int = 0) -> None:
        self.first, self.second = folder / "first.db", folder / "second.db"
        self._rule = folder / "rule"
        self.told: dict[tuple[int, int], str] = {}  # the last record of each append that was called stored
        self.count = 0
        paths = [self.first, self.second] if second else [self.first]
        self._process = subprocess.Popen(
            [sys.executable, TESTS / "gateway_scripted_journal.py", str(reserve_mib), *paths],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "LD_PRELOAD": str(library), "FAILING_DISK": str(self._rule)},
        )
        assert self._answer() == "ready"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def fall(self) -> None:
        self._process.kill()

    def says(self, line: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self._answer()

    def append(self, count: int = 1) -> int | None:
        """The epoch they were stored in, None where they were not."""
        answer = self.says(f"append {count}")
        if isinstance(answer, dict):
            return None
        epoch, _, last, head = answer
        self.told[epoch, last] = head
        self.count += count
        return int(epoch)

    def recovers(self) -> int:
        """A failed file is not tried again at once: time has to pass, a few seconds at most."""
        for _ in range(10):
            if (epoch := self.append()) is not None:
                return epoch
            self.says("passes 60")
        raise AssertionError("it does not recover")

    @contextmanager
    def failing(self, error: int, name: str, calls: str = "all") -> Iterator[None]:
        self._rule.write_text(f"{error} {name} {calls}\n", encoding="ascii")
        yield
        self._rule.unlink()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def held(first: Path, second: Path | None) -> dict[int, list[tuple[int, int]]]:
    """Each epoch's ranges, after every chain was found whole."""
    with closing(JournalReader(first, second)) as reader:
        assert reader.verify()[1] == []
        return {head.epoch: reader.held(head.epoch) for head in reader.epoch_heads()}


def everything_told_is_there(disk: Scripted, second: Path | None) -> None:
    with closing(JournalReader(disk.first, second)) as reader:
        for (epoch, seq), expected in disk.told.items():
            assert reader.hash_of(epoch, seq) == expected
        listed = [record for record in reader.newest(10_000) if record.kind is Kind.ACCESS_GRANTED]
    assert len(listed) == disk.count


# One journal alone.


@pytest.mark.parametrize("error", ERRORS, ids=errno.errorcode.get)
@pytest.mark.parametrize("name", ["first.db", "first.db-wal"])
def test_an_error_of_the_only_disk_is_never_taken_for_success(
    tmp_path: Path, failing_disk: Path, error: int, name: str
) -> None:
    with Scripted(tmp_path, failing_disk, second=False) as disk:
        epoch = disk.append(3)
        assert disk.says("troubles") == []
        with disk.failing(error, name):
            outcomes = [disk.append(2) for _ in range(4)]
        if name.endswith("-wal"):
            assert outcomes == [None] * 4
        assert disk.recovers() == epoch
        if None in outcomes:
            assert disk.says("troubles") == [FAULT, RESTORED]
    everything_told_is_there(disk, None)
    assert list(held(disk.first, None)) == [epoch]


# Two of them.


@pytest.mark.parametrize("error", ERRORS, ids=errno.errorcode.get)
def test_the_second_journal_takes_the_very_records_that_the_first_did_not(
    tmp_path: Path, failing_disk: Path, error: int
) -> None:
    with Scripted(tmp_path, failing_disk) as disk:
        first_epoch = disk.append(3)
        with disk.failing(error, "first.db"):
            second_epoch = disk.append(2)
            assert disk.append(2) == second_epoch
            assert disk.says("troubles") == [FAULT]
            assert disk.says("prune") == 0
            assert disk.append() == second_epoch
        assert disk.says("troubles") == []
        assert second_epoch is not None
        assert first_epoch is not None
        assert second_epoch > first_epoch
    everything_told_is_there(disk, disk.second)
    assert held(disk.first, disk.second) == {first_epoch: [(1, 4)], second_epoch: [(1, 6)]}
    with closing(JournalReader(disk.first, disk.second)) as reader:
        opened_by = [r.reason for r in reader.newest(100) if r.kind is Kind.JOURNAL_OPENED]
    assert opened_by == [Reason.NEW_JOURNAL, Reason.SECOND_JOURNAL]


def test_the_first_journal_comes_back_in_an_epoch_of_its_own_between_events(
    tmp_path: Path, failing_disk: Path
) -> None:
    with Scripted(tmp_path, failing_disk) as disk:
        epochs = [disk.append(3)]
        with disk.failing(errno.EIO, "first.db"):
            epochs.append(disk.append(2))
            disk.says("passes 3600")
            disk.says("prune")
            assert disk.append() == epochs[-1]
        disk.says("prune")
        assert disk.append() == epochs[-1]  # not tried again so soon
        disk.says("passes 3600")
        disk.says("prune")
        epochs.append(disk.append())
        assert disk.says("troubles") == [FAULT, RESTORED]
    everything_told_is_there(disk, disk.second)
    found = held(disk.first, disk.second)
    assert list(found) == epochs
    assert sorted(epochs, key=lambda epoch: epoch or 0) == epochs
    with closing(JournalReader(disk.first)) as reader:
        opened_by = [r.reason for r in reader.newest(100) if r.kind is Kind.JOURNAL_OPENED]
    assert opened_by == [Reason.NEW_JOURNAL, Reason.FIRST_JOURNAL_AGAIN]


def test_when_both_fail_nothing_is_called_stored_and_either_may_recover(
    tmp_path: Path, failing_disk: Path
) -> None:
    with Scripted(tmp_path, failing_disk) as disk:
        disk.append(3)
        with disk.failing(errno.EIO, ".db"):
            assert [disk.append() for _ in range(3)] == [None] * 3
            assert "unavailable" in disk.says("prune")
        disk.recovers()
    everything_told_is_there(disk, disk.second)


def test_acknowledgements_of_the_failed_file_are_kept_until_it_can_take_them(
    tmp_path: Path, failing_disk: Path
) -> None:
    with Scripted(tmp_path, failing_disk) as disk:
        first_epoch = disk.append(10)
        with disk.failing(errno.EIO, "first.db"):
            disk.append()
            disk.says(f"acknowledge {first_epoch} 11")
            assert disk.says("prune") == 0
        disk.says("passes 3600")
        assert disk.says("prune") == 11


# Restarts in between.


def test_a_start_goes_on_in_the_first_journal_with_a_new_epoch_if_the_second_was_in_use(
    tmp_path: Path, failing_disk: Path
) -> None:
    with Scripted(tmp_path, failing_disk) as disk:
        disk.append(3)
        with disk.failing(errno.EIO, "first.db"):
            second_epoch = disk.append(2)
    assert second_epoch is not None
    journal = Journal(disk.first, "east-1", TurnedClock(), second_path=disk.second)
    assert journal.head.epoch == second_epoch + 1
    assert journal.append([a_fact()]) == [2]
    journal.close()
    disk.second.rename(tmp_path / "the second disk is away")
    with opened(disk.first) as alone:
        assert alone.head.epoch == second_epoch + 1
        assert alone.append([a_fact()]) == [3]


def test_a_start_without_the_second_disk_does_not_go_on_with_an_older_epoch(
    tmp_path: Path, failing_disk: Path
) -> None:
    with Scripted(tmp_path, failing_disk) as disk:
        disk.append(3)
        with disk.failing(errno.EIO, "first.db-"):
            second_epoch = disk.append(2)
    assert second_epoch is not None
    with opened(disk.first) as journal:
        assert journal.head.epoch > second_epoch


@pytest.mark.parametrize("away", [False, True], ids=["both are there", "the second was away once"])
def test_what_a_failed_sync_left_in_the_first_file_is_not_there_twice_after_a_fall(
    tmp_path: Path, failing_disk: Path, *, away: bool
) -> None:
    """The write went through, the sync did not: the log may hold the commit all the same."""
    with Scripted(tmp_path, failing_disk) as disk:
        first_epoch = disk.append(3)
        with disk.failing(errno.EIO, "first.db", "sync"):
            second_epoch = disk.append(2)
            disk.fall()
    assert first_epoch is not None
    assert second_epoch is not None
    everything_told_is_there(disk, disk.second)
    if away:  # and nothing says that it ever was there: then the first one goes on, and keeps what it stores
        disk.second.rename(tmp_path / "away")
        disk.first.with_name("first.db.lock").unlink()
        with opened(disk.first, TurnedClock(EPOCH_S + 50)) as alone:
            alone.append([replace(a_fact(), uptime_us=10**9)])
        (tmp_path / "away").rename(disk.second)
        disk.count += 3
    journal = Journal(disk.first, "east-1", TurnedClock(EPOCH_S + 99), second_path=disk.second)
    journal.close()
    found = held(disk.first, disk.second)
    assert found[second_epoch] == [(1, 3)]
    assert found[first_epoch] == ([(1, 7)] if away else [(1, 4)])
    everything_told_is_there(disk, disk.second)


def test_a_start_whose_first_disk_is_gone_uses_the_second_and_says_so(tmp_path: Path) -> None:
    first, second = tmp_path / "one" / "journal.db", tmp_path / "two" / "journal.db"
    journal = Journal(first, "east-1", TurnedClock(), second_path=second)
    journal.append([a_fact()] * 5)
    former = journal.head
    journal.close()
    first.unlink()
    first.symlink_to("/proc/self/mem/nothing")  # neither there nor to be made, as on a dead disk
    with pytest.raises(JournalRefused):
        Journal(first, "east-1", TurnedClock(), second_path=second)
    first.unlink()
    journal = Journal(first, "east-1", TurnedClock(), second_path=second)
    assert journal.head.epoch > former.epoch
    journal.close()


def test_both_files_belong_to_the_same_gateway(tmp_path: Path) -> None:
    with opened(tmp_path / "second.db", gateway="west-2"):
        pass
    with pytest.raises(JournalRefused, match="journal of gateway 'west-2'"):
        Journal(tmp_path / "first.db", "east-1", TurnedClock(), second_path=tmp_path / "second.db")


# Reading both.


def test_one_file_that_cannot_be_read_hides_neither_the_other_nor_what_was_known(tmp_path: Path) -> None:
    first, second = tmp_path / "first.db", tmp_path / "second.db"
    with opened(first) as journal:
        journal.append([a_fact()] * 4)
    with opened(second, TurnedClock(EPOCH_S + 9)) as journal:
        journal.append([a_fact()] * 2)
    with closing(JournalReader(first, second)) as reader:
        known = reader.epoch_heads()
        assert [(head.epoch, head.head) for head in known] == [(EPOCH_S, 5), (EPOCH_S + 9, 3)]
        first.rename(tmp_path / "away")
        assert reader.epoch_heads() == known
        assert reader.joined(EPOCH_S + 9, 1, 3)[1] == 3
        with pytest.raises(JournalUnavailable, match=r"first\.db: cannot be opened"):
            reader.joined(EPOCH_S, 1, 3)
        (tmp_path / "away").rename(first)
        assert reader.joined(EPOCH_S, 1, 3)[1] == 3


def test_following_sees_the_records_of_both_files_once(tmp_path: Path) -> None:
    first, second = tmp_path / "first.db", tmp_path / "second.db"
    with (
        opened(first) as one,
        opened(second, TurnedClock(EPOCH_S + 9)) as two,
        closing(JournalReader(first, second)) as reader,
    ):
        at = reader.newest_id()
        assert reader.after(at) == ([], at)
        one.append([a_fact()])
        two.append([a_fact()] * 2)
        found, at = reader.after(at)
        assert [(record.epoch, record.seq) for record in found] == [
            (EPOCH_S, 2),
            (EPOCH_S + 9, 2),
            (EPOCH_S + 9, 3),
        ]
        assert reader.after(at) == ([], at)
        assert [r.seq for r in reader.newest(3)] == [1, 2, 3]


# A disk that is really full.

_FULL_DISK = """
import sys
from pathlib import Path
sys.path.insert(0, "tests")
from gateway_support import TurnedClock, a_fact
from gateway.journal import Journal
from gateway.errors import JournalUnavailable
from gateway.storage_space import MIB, StorageWatch
from messages.model import ClockQuality, Kind, Reason

folder = Path(sys.argv[1])

def fill(name):
    with (folder / name).open("wb", 0) as file:
        for size in (1 << 16, 512):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue

path, clock = folder / "journal.db", TurnedClock()
"""


def on_a_full_disk(tmp_path: Path, script: str, mount: str) -> None:
    done = in_a_namespace(f'{mount}; exec python -c "$1" "$0"', tmp_path, _FULL_DISK + script)
    assert done.returncode == 0, done.stderr


DISKS = pytest.mark.parametrize("kind", ["memory", "ext4"])


def mount_of(kind: str, tmp_path: Path, mib: int) -> str:
    if kind == "memory":
        return f'mount -t tmpfs -o size={mib}m none "$0"'
    (tmp_path / "image").mkdir()
    image = ext4_image(tmp_path / "image", "-m", "0", mib=mib + 4)
    return f'mount -o loop "{image}" "$0"'


@DISKS
def test_on_a_full_disk_the_reserve_lets_recording_and_pruning_go_on(tmp_path: Path, kind: str) -> None:
    script = """
journal = Journal(path, "east-1", clock, reserve_bytes=4 * MIB)
watch = StorageWatch([path])
assert watch.look() == [], "there is room"
assert (folder / "journal.db.reserve").stat().st_size == 4 * MIB
journal.append([a_fact()] * 500)
epoch = journal.head.epoch
fill("ballast")
assert watch.look() == [(Kind.STORAGE_LOW, Reason.FULL)]
while not journal.troubles():
    journal.append([a_fact()] * 100)
assert not (folder / "journal.db.reserve").exists()
assert journal.head.epoch == epoch
journal.acknowledge(epoch, journal.head.seq - 1)
clock.passes(1)
while journal.prune(0):
    pass
for _ in range(20):
    journal.append([a_fact()] * 10)
assert journal.head.epoch == epoch
assert not (folder / "journal.db.reserve").exists(), "the disk is full still"
(folder / "ballast").unlink()
journal.prune(0)
assert (folder / "journal.db.reserve").stat().st_size == 4 * MIB
assert journal.troubles() == [(Kind.STORAGE_RESTORED, None)]
assert watch.look() == [(Kind.STORAGE_RESTORED, None)]
journal.close()
"""
    if can_mount():
        on_a_full_disk(tmp_path, script, mount_of(kind, tmp_path, 16))


@DISKS
def test_a_gateway_starts_on_a_full_disk_and_records_when_there_is_room(tmp_path: Path, kind: str) -> None:
    script = """
fill("ballast")
journal = Journal(path, "east-1", clock, reserve_bytes=4 * MIB)
try:
    journal.append([a_fact()])
except JournalUnavailable as error:
    print(error)
else:
    raise AssertionError("stored on a full disk")
(folder / "ballast").unlink()
clock.passes(60_000_000)
assert journal.append([a_fact()]) == [2]
assert journal.troubles() == [(Kind.STORAGE_FAULT, Reason.WRITE_FAILED), (Kind.STORAGE_RESTORED, None)]
journal.prune(0)
assert (folder / "journal.db.reserve").exists()
journal.close()
"""
    if can_mount():
        on_a_full_disk(tmp_path, script, mount_of(kind, tmp_path, 16))


@DISKS
def test_a_gateway_restarted_on_a_full_disk_uses_the_reserve_of_before(tmp_path: Path, kind: str) -> None:
    script = """
journal = Journal(path, "east-1", clock, reserve_bytes=4 * MIB)
journal.append([a_fact()] * 50)
journal.close()
(folder / "journal.db").unlink()
fill("ballast")
journal = Journal(path, "east-1", clock, reserve_bytes=4 * MIB)
assert journal.append([a_fact()]) == [2]
assert (Kind.STORAGE_LOW, Reason.FULL) in journal.troubles()
journal.close()
"""
    if can_mount():
        on_a_full_disk(tmp_path, script, mount_of(kind, tmp_path, 16))
