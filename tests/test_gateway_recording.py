"""The deciding thread's side of the journal: acknowledgements until they are noted, facts until recorded."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from gateway_support import TurnedClock, a_fact, begin_epoch, files_limited_to, opened
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.facts import Fact
from gateway.journal import Journal
from gateway.journal_reader import JournalReader
from gateway.metrics import Metrics
from gateway.recording import Recorder
from gateway.unrecorded import Unrecorded
from messages.model import Kind, Reason

DAY_US = 86_400_000_000


def a_recorder(journal: Journal, clock: TurnedClock, metrics: Metrics | None = None) -> Recorder:
    return Recorder(
        journal, clock, metrics or Metrics(), 7, announce=lambda _: None, epoch_began=lambda: None
    )


def cares(recorder: Recorder) -> None:
    recorder.care([], lambda: True)


def licensed(*paths: Path) -> dict[int, int]:
    with closing(JournalReader(*paths)) as reader:
        return reader.acknowledged()


def oldest(path: Path) -> int:
    with closing(JournalReader(path)) as reader:
        return reader.newest(100)[0].seq


# Acknowledgements.


@pytest.mark.parametrize("meanwhile", [0, 4])
def test_a_licence_that_was_taken_back_for_a_moment_begins_to_age_anew(
    tmp_path: Path, meanwhile: int
) -> None:
    """A restored centre has everything again within seconds, and care comes once a minute."""
    clock = TurnedClock()
    with opened(tmp_path / "journal.db", clock) as journal:
        recorder = a_recorder(journal, clock)
        journal.append([a_fact()] * 9)
        epoch = journal.head.epoch
        recorder.acknowledged(epoch, 9)
        cares(recorder)
        clock.passes(7 * DAY_US - 1)
        recorder.acknowledged(epoch, meanwhile)
        recorder.acknowledged(epoch, 9)
        cares(recorder)
        clock.passes(7 * DAY_US - 1)
        cares(recorder)
        assert oldest(journal.path) == 1
        clock.passes(1)
        cares(recorder)
        assert oldest(journal.path) == 10


def test_what_the_centre_says_again_is_not_written_again(tmp_path: Path) -> None:
    clock = TurnedClock()
    with opened(tmp_path / "journal.db", clock) as journal:
        recorder = a_recorder(journal, clock)
        journal.append([a_fact()] * 9)
        recorder.acknowledged(journal.head.epoch, 9)
        cares(recorder)
        clock.passes(DAY_US)
        for _ in range(2):
            recorder.acknowledged(journal.head.epoch, 9)
        cares(recorder)
        clock.passes(6 * DAY_US)
        cares(recorder)
        assert oldest(journal.path) == 10  # seven days after it was said first


@contextmanager
def many_epochs(folder: Path, clock: TurnedClock, count: int) -> Iterator[tuple[Journal, list[int]]]:
    """A journal whose second file holds `count` epochs of two records each, and cannot be written to."""
    second, epochs = folder / "second.db", []
    with opened(second, clock) as former:
        for _ in range(count):
            former.append([a_fact()])
            epochs.append(former.head.epoch)
            begin_epoch(former)
    journal = Journal(folder / "first.db", "east-1", clock, second_path=second)
    journal._stores[1]._drop()
    try:
        yield journal, epochs
    finally:
        journal.close()


def comes_back(journal: Journal) -> None:
    journal._stores[1].take_up(journal.head.epoch)


def test_acknowledgements_that_found_no_room_to_wait_are_noted_all_the_same(tmp_path: Path) -> None:
    clock = TurnedClock()
    with many_epochs(tmp_path, clock, 70) as (journal, epochs):
        recorder = a_recorder(journal, clock)
        for epoch in epochs:
            recorder.acknowledged(epoch, 2)
        cares(recorder)
        comes_back(journal)
        cares(recorder)
        assert licensed(journal.path, tmp_path / "second.db") == dict.fromkeys(epochs, 2)


def test_what_found_no_room_to_wait_is_told_and_what_nobody_holds_needs_none(tmp_path: Path) -> None:
    clock = TurnedClock()
    with many_epochs(tmp_path, clock, 66) as (journal, epochs):
        kept = [journal.acknowledge(epoch, 2) for epoch in epochs]
        assert kept == [True] * 64 + [False] * 2
        assert journal.acknowledge(epochs[0], 0)
        comes_back(journal)
        journal.prune(7)
        assert licensed(journal.path, tmp_path / "second.db") == {epochs[0]: 0} | dict.fromkeys(
            epochs[1:64], 2
        )
        assert all(journal.acknowledge(number, 1) for number in range(1, 100))  # of no file


def test_one_that_was_taken_back_while_its_file_was_away_begins_to_age_anew(tmp_path: Path) -> None:
    clock = TurnedClock()
    with many_epochs(tmp_path, clock, 1) as (journal, [epoch]):
        recorder = a_recorder(journal, clock)
        comes_back(journal)
        recorder.acknowledged(epoch, 2)
        cares(recorder)
        journal._stores[1]._drop()
        clock.passes(7 * DAY_US - 1)
        for through in (0, 2):
            recorder.acknowledged(epoch, through)
            cares(recorder)
        comes_back(journal)
        clock.passes(1)
        cares(recorder)
        with closing(JournalReader(journal.path, tmp_path / "second.db")) as reader:
            assert reader.held(epoch) == [(1, 2)]


# Facts that wait in memory.


def at_second(second: int) -> Fact:
    return replace(a_fact(), at_us=second * 1_000_000)


@given(batches=st.lists(st.integers(0, 9), max_size=12), most=st.integers(1, 7))
def test_the_newest_wait_and_before_them_stands_since_when_others_are_missing(
    batches: list[int], most: int
) -> None:
    waiting, happened, lost = Unrecorded(most), 0, 0
    for count in batches:
        lost += waiting.keep(at_second(happened + number) for number in range(count))
        happened += count
    kept = [at_second(number) for number in range(max(0, happened - most), happened)]
    assert lost == waiting.lost == happened - len(kept)
    told, rest = (waiting.facts[:1], waiting.facts[1:]) if lost else ((), waiting.facts)
    assert [(fact.kind, fact.at_us) for fact in told] == [(Kind.RECORDS_LOST, 0)] * (lost > 0)
    assert list(rest) == kept


def test_each_time_that_records_are_lost_one_record_of_it_goes_first(tmp_path: Path) -> None:
    clock, metrics = TurnedClock(), Metrics()
    with opened(tmp_path / "journal.db", clock) as journal:
        recorder = a_recorder(journal, clock, metrics)
        recorder._unrecorded = Unrecorded(3)
        for _ in range(2):
            with files_limited_to(1):
                for _ in range(5):
                    recorder.settle([a_fact()])
            recorder.settle([])
            cares(recorder)
        with closing(JournalReader(journal.path)) as reader:
            kinds = [record.kind for record in reader.newest(100)]
    assert kinds.count(Kind.RECORDS_LOST) == 2
    first = kinds.index(Kind.RECORDS_LOST)
    assert kinds[first + 1 : first + 4] == [Kind.ACCESS_GRANTED] * 3
    assert metrics.totals().lost == 2 * 3  # two facts, and that the disk failed
    assert metrics.totals().records[Kind.RECORDS_LOST, Reason.WRITE_FAILED] == 2
