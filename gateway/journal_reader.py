"""Reading the journal, for the uplink and for people: stored bytes as they are, and verification."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.errors import JournalUnavailable
from gateway.journal_file import open_for_reading
from messages.chain import GENESIS, record_hash
from messages.errors import MessageError
from messages.model import Record
from messages.wire import MAX_EPOCHS, EpochHead, decode_record

_PAGE = 1_000
_NO_END = 2**62


@dataclass(frozen=True, slots=True)
class Flaw:
    """One place where the stored chain does not hold."""

    epoch: int
    seq: int
    what: str


@dataclass(frozen=True, slots=True)
class _Epoch:
    epoch: int
    first_id: int
    end_id: int  # first id after this epoch


class JournalReader:
    """A read-only view of a journal that may be written meanwhile. Not to be shared between threads.

    Every method raises JournalUnavailable when the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._connection = open_for_reading(path)
        except sqlite3.Error as error:
            raise JournalUnavailable(f"{path}: cannot be opened for reading ({error})") from error

    def close(self) -> None:
        self._connection.close()

    def epoch_heads(self, newest: int = MAX_EPOCHS) -> list[EpochHead]:
        """Oldest and newest record held of each of the `newest` epochs, the newest epoch last."""
        heads = []
        for epoch in self._epochs()[-newest:]:
            span = (epoch.first_id, epoch.end_id)
            oldest = self._one("SELECT id FROM records WHERE id >= ? AND id < ? ORDER BY id LIMIT 1", *span)
            newest = self._one(
                "SELECT id, body FROM records WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1", *span
            )
            if oldest and newest:
                before = epoch.first_id - 1
                head = EpochHead(epoch.epoch, oldest[0] - before, newest[0] - before, record_hash(newest[1]))
                heads.append(head)
        return heads

    def acknowledged(self) -> dict[int, int]:
        """Up to which record the centre has acknowledged each epoch; an epoch without one is left out."""
        return dict(self._all("SELECT epoch, max(through) FROM acknowledgements GROUP BY epoch"))

    def joined(self, epoch: int, first: int, last: int) -> tuple[bytes, int]:
        """Stored records `first`..`last` joined by commas in SQLite, and how many there were."""
        first_id, end_id = self._span(epoch)
        count, bodies = self._one(
            "SELECT count(*), CAST(group_concat(body, ',') AS BLOB) FROM"
            " (SELECT CAST(body AS TEXT) AS body FROM records WHERE id BETWEEN ? AND ? ORDER BY id)",
            first_id + first - 1,
            min(first_id + last, end_id) - 1,
        )
        return bodies or b"", count

    def hash_of(self, epoch: int, seq: int) -> str | None:
        """Hash of a stored record, None when it is not here."""
        first_id, end_id = self._span(epoch)
        row = self._one("SELECT body FROM records WHERE id = ? AND id < ?", first_id + seq - 1, end_id)
        return None if row is None else record_hash(row[0])

    def newest(self, count: int) -> list[Record]:
        """The newest `count` records, oldest first; a body that cannot be read is left out."""
        rows = self._all("SELECT id, body FROM records ORDER BY id DESC LIMIT ?", count)
        return list(_readable(reversed(rows)))

    def after(self, record_id: int) -> tuple[list[Record], int]:
        """Readable records stored after `record_id`, and the id to go on from."""
        rows = self._all("SELECT id, body FROM records WHERE id > ? ORDER BY id LIMIT ?", record_id, _PAGE)
        return list(_readable(rows)), rows[-1][0] if rows else record_id

    def newest_id(self) -> int:
        return int(self._one("SELECT coalesce(max(id), 0) FROM records")[0])

    def verify(self) -> tuple[int, list[Flaw]]:
        """Walks every epoch: how many records, and each place where one is missing, altered or misplaced."""
        checked, flaws = 0, []
        for epoch in self._epochs():
            walk = _ChainWalk(epoch)
            for record_id, body in self._walk(epoch):
                walk.take(record_id, body)
                checked += 1
            flaws += walk.ended()
        return checked, flaws

    def _walk(self, epoch: _Epoch) -> Iterator[tuple[int, bytes]]:
        at = epoch.first_id
        while rows := self._all(
            "SELECT id, body FROM records WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
            at,
            epoch.end_id,
            _PAGE,
        ):
            yield from rows
            at = rows[-1][0] + 1

    def _epochs(self) -> list[_Epoch]:
        rows = self._all("SELECT epoch, first_id FROM epochs ORDER BY first_id")
        ends = [row[1] for row in rows[1:]] + [_NO_END]
        return [_Epoch(*row, end) for row, end in zip(rows, ends, strict=False)]  # no epoch yet: no end

    def _span(self, epoch: int) -> tuple[int, int]:
        """The ids of an epoch's first record and of the next epoch's."""
        row = self._one(
            "SELECT e.first_id, coalesce(min(n.first_id), ?) FROM epochs e"
            " LEFT JOIN epochs n ON n.first_id > e.first_id WHERE e.epoch = ? GROUP BY e.epoch",
            _NO_END,
            epoch,
        )
        if row is None:
            raise JournalUnavailable(f"{self._path}: there is no epoch {epoch} in this journal")
        return row[0], row[1]

    def _one(self, sql: str, *values: int) -> Any:
        """The first row, None where there is none."""
        rows = self._all(sql, *values)
        return rows[0] if rows else None

    def _all(self, sql: str, *values: int) -> list[Any]:
        try:
            return self._connection.execute(sql, values).fetchall()
        except (sqlite3.Error, UnicodeDecodeError) as error:  # the second: a damaged file, quoted by SQLite
            raise JournalUnavailable(f"{self._path}: cannot be read ({error})") from error


class _ChainWalk:
    """Checks one epoch's records as they come; pruned records at its beginning are no flaw.

    Each flaw is named once, and where it is. A record that was altered spoils its own hash, so the link that
    breaks is the next record's; whether that one is vouched for by its own successor tells the two apart.
    """

    def __init__(self, epoch: _Epoch) -> None:
        self._epoch = epoch
        self._next_id: int | None = None
        self._prev: str | None = None  # None: it is not known what must be followed
        self._broken_at: int | None = None  # does not follow the record before it; whose fault is open
        self._flaws: list[Flaw] = []

    def take(self, record_id: int, body: bytes) -> None:
        seq = record_id - self._epoch.first_id + 1
        if self._next_id not in (None, record_id):
            self._missing(seq, record_id - (self._next_id or 0))
        self._next_id = record_id + 1
        prev = self._prev_of(seq, body)
        if prev is None:
            self._blame_the_link()
            self._prev = None  # flawed itself: what follows it is not blamed
            return
        self._follow(seq, prev)
        self._prev = record_hash(body)

    def ended(self) -> list[Flaw]:
        self._blame_the_link()
        return self._flaws

    def _prev_of(self, seq: int, body: bytes) -> str | None:
        """What the record says it follows; None when it is flawed in itself."""
        try:
            record = decode_record(body)
        except MessageError as error:
            self._flaw(seq, f"cannot be read: {error}")
            return None
        if (record.epoch, record.seq) != (self._epoch.epoch, seq):
            self._flaw(seq, "stands at another's place")
            return None
        return record.prev

    def _follow(self, seq: int, prev: str) -> None:
        expected = GENESIS if seq == 1 else self._prev
        follows = expected is None or prev == expected
        if self._broken_at is not None:
            self._flaw(max(self._broken_at - follows, 1), "was altered")
            self._broken_at = None
        elif not follows:
            self._broken_at = seq

    def _missing(self, seq: int, count: int) -> None:
        self._blame_the_link()
        self._prev = None
        self._flaw(seq - count, "is missing" if count == 1 else f"and {count - 1} after it are missing")

    def _blame_the_link(self) -> None:
        if self._broken_at is not None:
            self._flaw(self._broken_at, "does not follow the record before it: one of the two was altered")
            self._broken_at = None

    def _flaw(self, seq: int, what: str) -> None:
        self._flaws.append(Flaw(self._epoch.epoch, seq, what))


def _readable(rows: Iterable[tuple[int, bytes]]) -> Iterator[Record]:
    for _, body in rows:
        try:
            yield decode_record(body)
        except MessageError:
            continue  # `verify` is where damage is shown
