"""A gateway whose journal was put back to an older copy: numbers that the centre knows are not used again."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from gateway_support import EPOCH_S, GATEWAY, TurnedClock, a_fact, opened

from gateway.journal import Journal
from gateway.journal_reader import JournalReader
from messages.model import Kind, Reason


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
