"""One journal file: what a failure leaves unknown counts as possible."""

from contextlib import closing
from pathlib import Path

import pytest
from gateway_support import EPOCH_S, GATEWAY, TurnedClock, files_limited_to

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
