"""One journal file, for reading: never writes, never checkpoints, follows the file when it is replaced."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.errors import JournalRefused, JournalUnavailable
from gateway.journal_chain import ChainWalk, EpochSpan, Flaw
from gateway.journal_file import beside, open_for_reading, sync_folder
from gateway.journal_head import LEFT_AT, came_of_a_failed_commit
from messages.chain import record_hash
from messages.errors import MessageError
from messages.model import Record
from messages.wire import EpochHead, decode_record


@dataclass(frozen=True, slots=True)
class Holdings:
    """What is held of each epoch, the oldest first; `whole` if nothing is held beside that."""

    heads: list[EpochHead]
    whole: bool


_PAGE = 1_000
NO_END = 2**62
_FLAWS_NAMED = 5
_PRIVATE = 0o600


class FileView:
    """Every method raises JournalUnavailable when the file cannot be read; the next call opens it anew."""

    def __init__(self, path: Path, *, one_of_two: bool = False) -> None:
        """`one_of_two`: a file without tables holds nothing; alone it is no journal."""
        self.path = path
        self._name = str(path)
        self._one_of_two = one_of_two
        self.heads: list[EpochHead] = []  # as read last
        self.end_id = NO_END  # what stands from here on does not count
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._held: set[int] = set()  # epochs that were found here
        self._keeps_envelopes = False  # as was found, too

    def close(self) -> None:
        self._held.clear()
        self._keeps_envelopes = False
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def refresh_heads(self) -> None:
        """Oldest and newest record held of each epoch that has any."""
        heads = []
        for epoch in self._epochs():
            span = (epoch.first_id, epoch.end_id)
            oldest = self._one("SELECT id FROM records WHERE id >= ? AND id < ? ORDER BY id LIMIT 1", *span)
            newest = self._one(
                "SELECT id, body FROM records WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1", *span
            )
            if oldest and newest:
                before = epoch.first_id - 1
                head = EpochHead(epoch.epoch, oldest[0] - before, newest[0] - before, record_hash(newest[1]))
                heads.append(head)
        self.heads = heads

    def acknowledged(self) -> dict[int, int]:
        if not self._has("acknowledgements"):
            return {}
        return dict(self._all("SELECT epoch, max(through) FROM acknowledgements GROUP BY epoch"))

    def holds(self, epoch: int) -> bool:
        """Found once, it is not looked for again until the file is opened anew: a drain asks each time."""
        if self._connection is not None and epoch in self._held:
            return True
        if not self._has("epochs") or self._one("SELECT 1 FROM epochs WHERE epoch = ?", epoch) is None:
            return False
        self._held.add(epoch)
        return True

    def joined(self, epoch: int, first: int, last: int) -> tuple[bytes, int]:
        first_id, end_id = self._span(epoch)
        count, bodies = self._one(
            "SELECT count(*), CAST(group_concat(body, ',') AS BLOB) FROM"
            " (SELECT CAST(body AS TEXT) AS body FROM records WHERE id BETWEEN ? AND ? ORDER BY id)",
            first_id + first - 1,
            min(first_id + last, end_id) - 1,
        )
        return bodies or b"", count

    def envelopes(self, epoch: int, first: int, last: int) -> dict[int, bytes]:
        if not self._keeps_envelopes:
            if not self._all("SELECT 1 FROM sqlite_master WHERE name = 'envelopes'"):
                return {}  # a start brings former tables up to date
            self._keeps_envelopes = True
        first_id, end_id = self._span(epoch)
        rows = self._all(
            "SELECT id, body FROM envelopes WHERE id BETWEEN ? AND ?",
            first_id + first - 1,
            min(first_id + last, end_id) - 1,
        )
        return {record_id - first_id + 1: body for record_id, body in rows}

    def held(self, epoch: int) -> list[tuple[int, int]]:
        first_id, end_id = self._span(epoch)
        runs = self._all(
            "SELECT min(id), max(id) FROM"
            " (SELECT id, id - row_number() OVER (ORDER BY id) AS run FROM records WHERE id >= ? AND id < ?)"
            " GROUP BY run ORDER BY 1",
            first_id,
            end_id,
        )
        return [(first - first_id + 1, last - first_id + 1) for first, last in runs]

    def hash_of(self, epoch: int, seq: int) -> str | None:
        first_id, end_id = self._span(epoch)
        row = self._one("SELECT body FROM records WHERE id = ? AND id < ?", first_id + seq - 1, end_id)
        return None if row is None else record_hash(row[0])

    def newest(self, count: int) -> list[Record]:
        if not self._has("records"):
            return []
        rows = self._all(
            "SELECT id, body FROM records WHERE id < ? ORDER BY id DESC LIMIT ?", self.end_id, count
        )
        return list(_readable(reversed(rows)))

    def after(self, record_id: int) -> tuple[list[Record], int]:
        if not self._has("records"):
            return [], record_id
        rows = self._all(
            "SELECT id, body FROM records WHERE id > ? AND id < ? ORDER BY id LIMIT ?",
            record_id,
            self.end_id,
            _PAGE,
        )
        return list(_readable(rows)), rows[-1][0] if rows else record_id

    def before(self, record_id: int) -> tuple[list[Record], int]:
        """Readable records stored before `record_id`, the newest first, and the id to go on from."""
        if not self._has("records"):
            return [], 0
        rows = self._all(
            "SELECT id, body FROM records WHERE id < ? ORDER BY id DESC LIMIT ?", record_id, _PAGE
        )
        return list(_readable(rows)), rows[-1][0] if rows else 0

    def newest_id(self) -> int:
        if not self._has("records"):
            return 0
        return int(self._one("SELECT coalesce(max(id), 0) FROM records WHERE id < ?", self.end_id)[0])

    def left_at(self) -> list[tuple[int, int, Record]]:
        """See LEFT_AT. A start brings former tables up to date; until then nothing is known of that."""
        if not self._has("epochs") or not self._one(
            "SELECT 1 FROM pragma_table_info('epochs') WHERE name = 'former_seq'"
        ):
            return []
        return [(epoch, seq, decode_record(body)) for epoch, seq, body in self._all(LEFT_AT)]

    def ends_at(self, epoch: int, seq: int, opened: Record) -> None:
        """Another file had gone on after record `seq` of `epoch` with `opened`: what a failed commit left
        here does not count; the next start takes it out."""
        newest = self._one("SELECT epoch, first_id FROM epochs ORDER BY first_id DESC, epoch DESC LIMIT 1")
        if newest is None or newest[0] != epoch:
            return
        beyond = newest[1] + seq
        rows = self._all("SELECT body FROM records WHERE id >= ? ORDER BY id LIMIT ?", beyond, _PAGE)
        if rows and came_of_a_failed_commit((row[0] for row in rows), opened):
            self.end_id = beyond

    def size(self) -> tuple[int, int]:
        """Bytes of the file that hold something, and bytes in it that are free for new records."""
        page, pages, free = self._one(
            "SELECT * FROM pragma_page_size, pragma_page_count, pragma_freelist_count"
        )
        return (pages - free) * page, free * page

    def count(self) -> int:
        return int(self._one("SELECT count(*) FROM records")[0]) if self._has("records") else 0

    def verify(self) -> tuple[int, list[Flaw]]:
        checked, flaws = 0, []
        found = self._all(f"PRAGMA integrity_check({_FLAWS_NAMED})")
        flaws += [Flaw(0, 0, f"{self.path}: {row[0]}") for row in found if row[0] != "ok"]
        for epoch in self._epochs():
            walk = ChainWalk(epoch)
            for record_id, body in self._walk(epoch):
                walk.take(record_id, body)
                checked += 1
            flaws += walk.ended()
        return checked, flaws

    def backup(self, into: Path) -> Path:
        """Written beside `into`, checked, and only then given its name. The writer is not kept waiting.

        Raises JournalRefused.
        """
        if into.exists():
            raise JournalRefused(f"{into}: is there already; name a file that is not")
        half_made = beside(into)
        try:
            half_made.unlink(missing_ok=True)
            os.close(os.open(half_made, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _PRIVATE))
            self._copy_to(half_made)
            half_made.rename(into)
            sync_folder(into)
        except OSError as error:
            raise JournalRefused(f"{into}: cannot be written ({error.strerror})") from error
        return into

    def _copy_to(self, target: Path) -> None:
        """In one step: in several it would begin again with each record that is written meanwhile."""
        try:
            with closing(sqlite3.connect(target, isolation_level=None)) as copy:
                self._open().backup(copy)
                found = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
        except sqlite3.Error as error:
            target.unlink(missing_ok=True)
            raise JournalUnavailable(f"{target}: the copy failed ({error})") from error
        if found != "ok":
            target.unlink(missing_ok=True)
            raise JournalUnavailable(f"{self.path}: is damaged, a copy would be, too ({found})")

    def _walk(self, epoch: EpochSpan) -> Iterator[tuple[int, bytes]]:
        at = epoch.first_id
        while rows := self._all(
            "SELECT id, body FROM records WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
            at,
            epoch.end_id,
            _PAGE,
        ):
            yield from rows
            at = rows[-1][0] + 1

    def _epochs(self) -> list[EpochSpan]:
        if not self._has("epochs"):
            return []
        rows = self._all("SELECT epoch, first_id FROM epochs ORDER BY first_id, epoch")
        ends = [row[1] for row in rows[1:]] + [self.end_id]
        return [
            EpochSpan(row[0], row[1], end) for row, end in zip(rows, ends, strict=False)
        ]  # no epoch yet: no end

    def _span(self, epoch: int) -> tuple[int, int]:
        """The ids of an epoch's first record and of the next epoch's."""
        row = self._one(
            "SELECT e.first_id, coalesce(min(n.first_id), ?) FROM epochs e"
            " LEFT JOIN epochs n ON n.first_id > e.first_id WHERE e.epoch = ? GROUP BY e.epoch",
            NO_END,
            epoch,
        )
        if row is None:
            self._held.discard(epoch)
            raise JournalUnavailable(f"{self.path}: there is no epoch {epoch} in this journal")
        return row[0], min(row[1], self.end_id)

    def _has(self, table: str) -> bool:
        """A gateway that fell, or whose disk failed, while it made the file left no table in it."""
        return not self._one_of_two or bool(self._all(f"SELECT 1 FROM sqlite_master WHERE name = '{table}'"))  # noqa: S608  our names

    def _one(self, sql: str, *values: int) -> Any:
        """The first row, None where there is none."""
        rows = self._all(sql, *values)
        return rows[0] if rows else None

    def _all(self, sql: str, *values: int) -> list[Any]:
        try:
            return self._open().execute(sql, values).fetchall()
        except (sqlite3.Error, UnicodeDecodeError) as error:  # the second: a damaged file, quoted by SQLite
            self.close()
            raise JournalUnavailable(f"{self.path}: cannot be read ({error})") from error

    def _open(self) -> sqlite3.Connection:
        """A salvaged journal takes the name of the damaged one: the name counts, not the file."""
        try:
            inode = os.stat(self._name).st_ino  # noqa: PTH116  a tenth of the time, and it is asked each time
        except OSError as error:
            self.close()
            raise JournalUnavailable(f"{self.path}: cannot be opened ({error.strerror})") from error
        if inode != self._inode:
            self.close()
        if self._connection is None:
            self._connection = open_for_reading(self.path)
            self._inode = inode
        return self._connection


def _readable(rows: Iterable[tuple[int, bytes]]) -> Iterator[Record]:
    for _, body in rows:
        try:
            yield decode_record(body)
        except MessageError:
            continue  # `verify` is where damage is shown
