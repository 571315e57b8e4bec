"""What a writing process said of its facts, held against what a fresh look at its journal finds.

The writer's words are those of `journal_writer`; a batch counts when it was read from the pipe, so whatever
was read before a cut had been promised by then.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench.journal_writer import FILE, SECOND_FILE, holder
from bench.oracle import Finding
from gateway.errors import JournalUnavailable
from gateway.journal_reader import JournalReader
from messages.model import Record

_STORED_WORDS = 7


@dataclass(frozen=True, slots=True)
class Batch:
    """Facts `first_fact` and on, said to be durable at `first`..`last` of an epoch, the last with `hash`."""

    epoch: int
    first: int
    last: int
    hash: str
    first_fact: int

    @property
    def records(self) -> int:
        return self.last - self.first + 1


def batches(lines: Iterable[str]) -> list[Batch]:
    """What was said to be stored; a line that was cut in the middle says nothing."""
    found = []
    for line in lines:
        words = line.split()
        if words[:1] == ["stored"] and len(words) == _STORED_WORDS and line.endswith("\n"):
            _, epoch, first, last, digest, fact, _ = words
            found.append(Batch(int(epoch), int(first), int(last), digest, int(fact)))
    return found


def missing_facts(said: Sequence[Batch], records: Sequence[Record]) -> int:
    """How many facts are not at the place at which they were said to be. Pure."""
    at = {(record.epoch, record.seq): record.holder for record in records}
    return sum(
        at.get((batch.epoch, batch.first + offset)) != holder(batch.first_fact + offset)
        for batch in said
        for offset in range(batch.records)
    )


def doubled_facts(records: Sequence[Record]) -> list[str]:
    """Holders of whom more than one record tells. Pure; each fact has a holder of its own."""
    told = Counter(record.holder for record in records if record.holder is not None)
    return sorted(name for name, times in told.items() if times > 1)


def told(findings: Sequence[Finding]) -> list[str]:
    """Each kind of finding once, with how often there is one."""
    counted = Counter((found.what, found.text) for found in findings)
    return [f"{what}: {text}" + (f" ({n} times)" if n > 1 else "") for (what, text), n in counted.items()]


def look(folder: Path, said: Sequence[Batch]) -> list[Finding]:
    """Reads the journal in `folder` with fresh eyes. Nothing at all may be there while nothing was said."""
    findings = [Finding("damaged", f"{aside.name} was set aside") for aside in folder.glob("*.damaged-*")]
    try:
        return [*findings, *_look(folder, said)]
    except (JournalUnavailable, sqlite3.Error) as error:
        if not said:
            return findings
        count = sum(batch.records for batch in said)
        return [*findings, *[Finding("lost", f"the journal cannot be read: {error}")] * count]


def _look(folder: Path, said: Sequence[Batch]) -> list[Finding]:
    with closing(JournalReader(folder / FILE, folder / SECOND_FILE)) as reader:
        _, flaws = reader.verify()
        records = everything(reader)
        hashes = [reader.hash_of(batch.epoch, batch.last) for batch in said if _has_epoch(records, batch)]
    findings = [Finding("chain", f"record {flaw.seq} {flaw.what}") for flaw in flaws]
    gone = missing_facts(said, records)
    findings += [Finding("lost", "a record that was said to be stored is not there")] * gone
    if not gone and hashes != [batch.hash for batch in said]:
        findings.append(Finding("altered", "a record's hash is not the one that was said"))
    findings += [Finding("doubled", f"{name} is there more than once") for name in doubled_facts(records)]
    return [*findings, *(flaw for path in sorted(folder.glob("*.db")) for flaw in _unsound(path))]


def everything(reader: JournalReader) -> list[Record]:
    """All readable records in the order in which they are held."""
    found: list[Record] = []
    at = 0
    while True:
        page, next_at = reader.after(at)
        if next_at == at:
            return found
        found += page
        at = next_at


def _has_epoch(records: Sequence[Record], batch: Batch) -> bool:
    return any(record.epoch == batch.epoch for record in records)


def _unsound(path: Path) -> list[Finding]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        words = [row[0] for row in connection.execute("PRAGMA integrity_check(5)")]
    return [] if words == ["ok"] else [Finding("integrity", word) for word in words]
