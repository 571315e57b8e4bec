"""A program to be cut off: appends facts to a real journal and says of each batch what became of it.

`python -m bench.journal_writer FOLDER [--first N] [--facts N] [--second] [--hasty]`. On standard output:
`ready`, `stored EPOCH FIRST LAST HASH FACT FACT` (durable: sequence numbers, the last one's hash, numbers of
the facts), `refused FACT FACT` (not stored; tried again together with the next), and, after N facts, `end`.

`--hasty` is the saboteur: the same program with `synchronous = NORMAL`, put in from outside behind the
journal's back, as no setting of the product makes it so.
"""

from __future__ import annotations

import argparse
import functools
import os
import sqlite3
import sys
import threading
from pathlib import Path
from typing import Any

from gateway.clock import Clock, SystemClock
from gateway.errors import JournalRefused, JournalUnavailable
from gateway.facts import Fact
from gateway.journal import Journal
from messages.model import AssuranceLevel, Credential, Direction, Kind, Reason

GATEWAY = "east"
FILE = "journal.db"
SECOND_FILE = "second.db"
_RESERVE_BYTES = 1 << 20
_MOST_TOGETHER = 5
_MOST_WAITING = 64
_PAUSE_S = 0.005
REFUSED = 3
"""Exit code: the journal did not open."""


class _Hasty(sqlite3.Connection):
    """Answers as it was set, and is slower to reach the disk than it says."""

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql.startswith("BEGIN"):
            super().execute("PRAGMA synchronous = NORMAL")
        return super().execute(sql, *values)


def main() -> int:
    arguments = _arguments()
    if arguments.hasty:
        be_hasty()
    clock = SystemClock()
    try:
        journal = Journal(
            arguments.folder / FILE,
            GATEWAY,
            clock,
            second_path=arguments.folder / SECOND_FILE if arguments.second else None,
            reserve_bytes=_RESERVE_BYTES,
        )
    except JournalRefused as error:
        print(f"not opened: {error}", file=sys.stderr)
        return REFUSED
    _say("ready")
    _write(journal, clock, arguments.first, arguments.facts)
    journal.close()
    _say("end")
    return 0


def be_hasty() -> None:
    """From now on every connection of this process is."""
    setattr(sqlite3, "connect", functools.partial(sqlite3.connect, factory=_Hasty))  # noqa: B010


def _write(journal: Journal, clock: Clock, first: int, facts: int | None) -> None:
    """Until `facts` are stored; without a number until somebody ends us."""
    stored = begun = first - 1
    last, together = (sys.maxsize if facts is None else stored + facts), 1
    pause = threading.Event()
    while stored < last:
        if begun - stored < _MOST_WAITING:
            begun = min(begun + together, last)
        numbers = range(stored + 1, begun + 1)
        try:
            seqs = journal.append([fact(clock, number) for number in numbers])
        except JournalUnavailable:
            _say(f"refused {numbers[0]} {numbers[-1]}")
            pause.wait(_PAUSE_S)
            continue
        head = journal.head
        _say(f"stored {head.epoch} {seqs[0]} {seqs[-1]} {head.hash} {numbers[0]} {numbers[-1]}")
        stored = begun
        together = together % _MOST_TOGETHER + 1


def fact(clock: Clock, number: int) -> Fact:
    """An entry that can be told from every other by its holder."""
    return Fact(
        kind=Kind.ACCESS_GRANTED,
        at_us=clock.now_us(),
        uptime_us=clock.uptime_us(),
        clock=clock.quality(),
        door="unit-1",
        reader="unit-1",
        direction=Direction.IN,
        credential=Credential("id_card", f"{number:032x}", AssuranceLevel.L3),
        holder=holder(number),
        category="resident",
        reason=Reason.LISTED,
        list_version=1,
        list_age_s=60,
    )


def holder(number: int) -> str:
    return f"h-{number:06d}"


def _say(line: str) -> None:
    """Past every buffer: what was said before the cut has to be out."""
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.journal_writer", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--first", type=int, default=1, help="number of the first fact")
    parser.add_argument("--facts", type=int, help="how many; without it until it is ended")
    parser.add_argument("--second", action="store_true", help="keep a second journal beside the first")
    parser.add_argument("--hasty", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
