"""One journal file: what a failure leaves unknown counts as possible."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from gateway_support import EPOCH_S, GATEWAY, TurnedClock, a_fact, files_limited_to

from gateway.errors import JournalUnavailable
from gateway.journal_store import Store
from messages.model import Reason


def test_an_epoch_whose_first_commit_failed_is_never_begun_elsewhere(tmp_path: Path) -> None:
    """A failed sync may leave it in the file all the same: another file must not use its number."""
    with closing(Store(tmp_path / "journal.db", GATEWAY, TurnedClock())) as store:
        store.take_up(0)
        written = (tmp_path / "journal.db-wal").stat().st_size
        with files_limited_to(written), pytest.raises(JournalUnavailable):
            store.begin_epoch(Reason.NEW_JOURNAL, 0)
        assert store.newest_epoch == EPOCH_S


class _Torn(list[tuple[object, ...]]):
    """Rows in the middle of which memory ends."""

    def __iter__(self) -> Iterator[tuple[object, ...]]:
        yield from super().__iter__()
        raise MemoryError


def test_nothing_counts_as_stored_within_what_a_failed_commit_left_open(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "journal.db", GATEWAY, TurnedClock())) as store:
        store.take_up(0)
        store.begin_epoch(Reason.NEW_JOURNAL, 0)
        rows = _Torn([(1_000, b"a", 0), (1_001, b"b", 0)])
        with pytest.raises(MemoryError):
            store.commit([("INSERT INTO records VALUES (?, ?, ?)", rows)])
        with pytest.raises(JournalUnavailable):
            store.append([a_fact()])
        store.take_up(0)
        head = store.append([a_fact()])
        with closing(sqlite3.connect(tmp_path / "journal.db")) as another:
            assert another.execute("SELECT max(id) FROM records").fetchone() == (head.record_id,)
