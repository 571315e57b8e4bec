"""What a writer promised is held against what is there: losses, doubles and alterations are all found."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bench.journal_writer import FILE, GATEWAY, fact
from bench.witness import Batch, batches, doubled_facts, look, missing_facts, told
from gateway.clock import SystemClock
from gateway.journal import Journal

HASH = "ab" * 32


@pytest.fixture
def said(tmp_path: Path) -> list[Batch]:
    """A journal in `tmp_path` that was promised three facts in two commits."""
    clock = SystemClock()
    with closing(Journal(tmp_path / FILE, GATEWAY, clock)) as journal:
        promised = []
        for numbers in ([1, 2], [3]):
            seqs = journal.append([fact(clock, number) for number in numbers])
            head = journal.head
            promised.append(Batch(head.epoch, seqs[0], seqs[-1], head.hash, numbers[0]))
    return promised


def change(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / FILE)) as connection, connection:
        connection.execute(statement)


def test_a_line_counts_only_when_all_of_it_was_read() -> None:
    lines = [
        "ready\n",
        f"stored 9 2 3 {HASH} 1 2\n",
        "refused 3 4\n",
        f"stored 9 4 5 {HASH} 3",  # the power failed here
    ]
    assert batches(lines) == [Batch(9, 2, 3, HASH, 1)]


def test_a_promise_that_was_kept_has_no_findings(tmp_path: Path, said: list[Batch]) -> None:
    assert look(tmp_path, said) == []


def test_a_record_that_is_gone_is_lost(tmp_path: Path, said: list[Batch]) -> None:
    change(tmp_path, "DELETE FROM records WHERE id = (SELECT max(id) FROM records)")
    assert [finding.what for finding in look(tmp_path, said)] == ["lost"]


def test_a_record_in_the_middle_that_is_gone_breaks_the_chain_too(tmp_path: Path, said: list[Batch]) -> None:
    change(tmp_path, "DELETE FROM records WHERE id = 3")
    assert {finding.what for finding in look(tmp_path, said)} == {"lost", "chain"}


def test_another_hash_than_was_said_is_an_alteration(tmp_path: Path, said: list[Batch]) -> None:
    wrong = [said[0], Batch(said[1].epoch, said[1].first, said[1].last, HASH, said[1].first_fact)]
    assert [finding.what for finding in look(tmp_path, wrong)] == ["altered"]


def test_a_fact_that_is_there_twice_is_doubled(tmp_path: Path, said: list[Batch]) -> None:
    clock = SystemClock()
    with closing(Journal(tmp_path / FILE, GATEWAY, clock)) as journal:
        journal.append([fact(clock, 2)])
    assert told(look(tmp_path, said)) == ["doubled: h-000002 is there more than once"]


def test_a_file_that_was_set_aside_is_told(tmp_path: Path, said: list[Batch]) -> None:
    (tmp_path / f"{FILE}.damaged-1").touch()
    assert [finding.what for finding in look(tmp_path, said)] == ["damaged"]


def test_without_a_file_everything_promised_is_lost_and_nothing_else(tmp_path: Path) -> None:
    assert look(tmp_path, []) == []
    findings = look(tmp_path, [Batch(9, 2, 4, HASH, 1)])
    assert [finding.what for finding in findings] == ["lost"] * 3
    assert len(told(findings)) == 1


def test_nothing_is_missing_or_doubled_in_nothing() -> None:
    assert missing_facts([], []) == 0
    assert doubled_facts([]) == []
