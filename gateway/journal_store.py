"""One journal file, for writing: whatever failed once is closed, checked and opened again, never trusted.

`Journal` decides which file takes the records; here is what holds of each of them.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import IO, Any

from gateway import journal_file
from gateway.clock import Clock
from gateway.errors import JournalRefused, JournalUnavailable
from gateway.facts import Fact, record_of
from gateway.journal_head import LEFT_AT, Head, came_of_a_failed_commit, holds, newest_record, row_of
from gateway.journal_salvage import salvage
from gateway.sqlite_file import parts
from gateway.storage_space import space_of
from messages.chain import GENESIS, record_hash
from messages.model import Kind, Reason, Record
from messages.wire import decode_record, encode_record

log = logging.getLogger(__name__)

_REST_PER_REOPENING = 9
"""After a failure the file is checked before it is written to again, and doors wait for that: of the deciding
thread's time at most a tenth goes into trying."""

_LONGEST_REST_US = 30_000_000

_INSERT = "INSERT INTO records VALUES (?, ?, ?)"
_IN_ONE_STATEMENT = 64
"""Records. Between two statements, and between two rows of executemany, other threads get their turn first;
a door waits for the commit."""

Work = Sequence[tuple[str, Sequence[tuple[object, ...]]]]
"""Statements, each with the rows that it is carried out for."""


class Store:
    """`take_up`, then `append`. After JournalUnavailable it is closed until it is taken up again."""

    def __init__(self, path: Path, gateway: str, clock: Clock) -> None:
        """Touches nothing yet."""
        self.path = path
        self.head: Head | None = None  # newest record stored here, as far as it is known
        self.wants: Reason | None = None  # why the next record must begin a new epoch
        self.looks_full = False
        self._gateway = gateway
        self._clock = clock
        self._lock: IO[bytes] | None = None
        self._connection: sqlite3.Connection | None = None
        self._opened_before = False
        self._listed_epoch = 0
        self._reopening_us = 0  # how long the last one took
        self._rest_until_us = 0

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    @property
    def newest_epoch(self) -> int:
        """The newest that is known of here, also where its file cannot be read; 0 where none is."""
        noted = journal_file.noted_epoch(self._lock) if self._lock else 0
        return max(noted, self._listed_epoch, self.head.epoch if self.head else 0)

    def take_up(self, former: int) -> None:
        """Opens the file if it is closed, and checks it. What it has beyond `head` never counted as stored.

        A damaged one is set aside; what could be saved of it is taken over, and a new epoch begun after
        `former`, the newest known anywhere. Raises JournalUnavailable, and JournalRefused where only the
        operator can help.
        """
        if self._connection is not None:
            return
        begun_us = self._clock.uptime_us()
        if begun_us < self._rest_until_us:
            raise JournalUnavailable(f"{self.path}: not stored (tried in vain a moment ago)")
        try:
            self._open(former)
        except JournalUnavailable:
            self._drop()
            self._reopening_us = self._clock.uptime_us() - begun_us
            self._rest()
            raise
        except BaseException:
            self._drop()
            raise
        self._reopening_us = self._clock.uptime_us() - begun_us
        self.looks_full = False
        if self._opened_before:
            log.warning("journal %s: writes again", self.path)
        self._opened_before = True

    def wake(self) -> None:
        """Something has changed: `take_up` is worth trying at once."""
        self._rest_until_us = 0

    def append(self, facts: Iterable[Fact]) -> Head:
        """Stores `facts` after the head in one commit; returns the new head."""
        head, rows, envelopes = self.head, [], []
        assert head is not None, "begin an epoch first"
        gateway, boot = self._gateway, self._clock.boot
        epoch, first_id, seq, prev = head.epoch, head.first_id, head.seq, head.hash
        for fact in facts:
            seq += 1
            body = encode_record(record_of(fact, gateway, boot, epoch=epoch, seq=seq, prev=prev))
            prev = record_hash(body)
            rows.append(row_of(first_id + seq - 1, body))
            if fact.envelope is not None:
                envelopes.append((first_id + seq - 1, fact.envelope))
        head = Head(epoch, seq, prev, first_id)
        work: Work = [(_INSERT, rows)]
        if envelopes:
            work = [*work, ("INSERT INTO envelopes VALUES (?, ?)", envelopes)]
        elif 0 < len(rows) <= _IN_ONE_STATEMENT:
            work = [(_INSERT + ", (?, ?, ?)" * (len(rows) - 1), [tuple(chain.from_iterable(rows))])]
        self.commit(work)
        self.head = head
        return head

    def rehearse(self, fact: Fact) -> None:
        """Does what `append` does before its commit. The file is left alone: what only rehearses must not be
        able to spoil what counts."""
        head = self.head
        assert head is not None, "begin an epoch first"
        body = self._encoded(fact, head.epoch, head.seq + 1, head.hash)
        record_hash(body)
        row_of(head.record_id + 1, body)

    def begin_epoch(self, reason: Reason, former: int, after: Head | None = None) -> Head:
        """An epoch is numbered by the second it was opened in, so that a lost file does not repeat one; and
        after every epoch known here, as the clock may stand in the past. `after` is the newest record, where
        that stands in another file."""
        newest = self.read("SELECT coalesce(max(id), 0) FROM records")[0][0]
        epoch, head, work = self._first_record(reason, former, newest + 1, after)
        self._listed_epoch = epoch  # also if the commit fails: it may stand in the file all the same
        self.commit(work)
        if self._lock is not None:
            journal_file.note_epoch(self._lock, epoch)
        self.head, self.wants = head, None
        return head

    def note_epoch(self, epoch: int) -> None:
        """Epoch `epoch` was begun in another file; this one must not go on with an older one later."""
        if self._lock is not None and epoch > journal_file.noted_epoch(self._lock):
            journal_file.note_epoch(self._lock, epoch)

    def left_at(self) -> list[tuple[int, int, Record]]:
        """See LEFT_AT."""
        return [(epoch, seq, decode_record(body)) for epoch, seq, body in self.read(LEFT_AT)]

    def ends_at(self, epoch: int, seq: int, opened: Record) -> None:
        """Another file had gone on after record `seq` of `epoch` with `opened`: takes out what stands behind
        it from a commit that failed."""
        head = self.head
        if head is None or head.epoch != epoch or head.seq <= seq:
            return
        first = (head.first_id + seq,)
        if came_of_a_failed_commit(
            (row[0] for row in self.read("SELECT body FROM records WHERE id >= ?", first)), opened
        ):
            log.warning("journal %s: what a failed commit left behind record %d is taken out", self.path, seq)
            self.commit([("DELETE FROM records WHERE id >= ?", [first])])
            assert self._connection is not None
            self.head = newest_record(self._connection)

    def commit(self, work: Work) -> None:
        """One transaction. A door may be waiting for it. Raises JournalUnavailable: nothing was stored."""
        connection = self._must_be_open()
        try:
            if len(work) == 1 and len(work[0][1]) == 1:
                sql, rows = work[0]
                connection.execute(sql, rows[0])  # is a transaction by itself
                return
            connection.execute("BEGIN IMMEDIATE")
            for sql, rows in work:
                connection.executemany(sql, rows)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._failed(error) from error
        except BaseException:  # MemoryError, say: within a transaction left open nothing would be durable
            self._drop()
            raise

    def write(self, sql: str, values: tuple[object, ...]) -> int:
        """One statement in its own transaction; how many rows it touched."""
        try:
            return self._must_be_open().execute(sql, values).rowcount
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def read(self, sql: str, values: tuple[object, ...] = ()) -> list[Any]:
        try:
            return self._must_be_open().execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def close(self) -> None:
        self._drop()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _must_be_open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise JournalUnavailable(f"{self.path}: not stored (it could not be opened)")
        return self._connection

    def _failed(self, error: sqlite3.Error) -> JournalUnavailable:
        """After a failed commit nothing about the connection can be trusted: it is closed, never retried."""
        self._drop()
        self._rest()
        self.looks_full = self._is_full(error)
        return JournalUnavailable(f"{self.path}: not stored ({error})")

    def _rest(self) -> None:
        rest_us = min(self._reopening_us * _REST_PER_REOPENING, _LONGEST_REST_US)
        self._rest_until_us = self._clock.uptime_us() + rest_us

    def _drop(self) -> None:
        if self._connection is None:
            return
        try:
            self._connection.close()
        except sqlite3.Error as error:  # it is gone for us all the same
            log.warning("journal %s: closing failed (%s)", self.path, error)
        self._connection = None

    def _open(self, former: int) -> None:
        try:
            if self._lock is None:
                self._lock = journal_file.lock(self.path)
        except JournalUnavailable:
            self.looks_full = self._is_full(None)
            raise
        try:
            self._use(journal_file.open_for_writing(self.path, self._gateway))
        except sqlite3.Error as error:
            self._drop()
            if not journal_file.is_damage(error):
                raise self._not_now(error) from error
            self._salvage(error, max(former, self.newest_epoch))

    def _use(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        newest, known = newest_record(connection), self.head
        self._listed_epoch = connection.execute("SELECT coalesce(max(epoch), 0) FROM epochs").fetchone()[0]
        if known is not None and not holds(connection, known):
            log.error("journal %s: stored records are gone; a new epoch begins", self.path)
            self.wants = Reason.SALVAGED_JOURNAL if newest else Reason.DAMAGED_JOURNAL
            self.head = newest
            return
        if known is not None:
            connection.execute("DELETE FROM records WHERE id > ?", (known.record_id,))
            connection.execute("DELETE FROM epochs WHERE first_id > ?", (known.record_id,))
            return
        self.head = newest
        self.wants = Reason.NEW_JOURNAL if newest is None else None

    def _salvage(self, damage: sqlite3.Error, former: int) -> None:
        """The new file is complete before the damaged one is moved, and takes its name after that."""
        fresh = journal_file.beside(self.path)
        former = max(former, journal_file.highest_epoch(self.path))
        try:
            for part in parts(fresh):
                part.unlink()
            records, epoch = self._make_salvaged(fresh, former)
            aside = journal_file.set_aside(self.path, str(max(self._clock.now_us(), 0) // 1_000_000))
            fresh.rename(self.path)
            journal_file.sync_folder(self.path)
            self.head = None
            self._use(journal_file.open_for_writing(self.path, self._gateway))
        except sqlite3.Error as error:
            raise self._not_now(error) from error
        except OSError as error:
            raise self._cannot_set_aside(damage, error) from error
        assert self._lock is not None
        journal_file.note_epoch(self._lock, epoch)
        log.error(
            "journal %s was damaged (%s); set aside as %s, %d records saved, a new epoch begins",
            self.path,
            damage,
            aside,
            records,
        )

    def _make_salvaged(self, fresh: Path, former: int) -> tuple[int, int]:
        """How many records were taken over, and the number of the new epoch."""
        connection = journal_file.open_for_writing(fresh, self._gateway)
        try:
            connection.execute("BEGIN IMMEDIATE")
            found = salvage(self.path, self._gateway, connection)
            newest = connection.execute("SELECT coalesce(max(id), 0) FROM records").fetchone()[0]
            reason = Reason.SALVAGED_JOURNAL if found.records else Reason.DAMAGED_JOURNAL
            epoch, _, work = self._first_record(reason, max(former, found.highest_epoch), newest + 1)
            for sql, rows in work:
                connection.executemany(sql, rows)
            connection.execute("COMMIT")
        finally:
            connection.close()
        return found.records, epoch

    def _first_record(
        self, reason: Reason, former: int, first_id: int, after: Head | None = None
    ) -> tuple[int, Head, Work]:
        epoch = max(self._clock.now_us() // 1_000_000, former + 1, self.newest_epoch + 1)
        fact = Fact(
            kind=Kind.JOURNAL_OPENED,
            at_us=self._clock.now_us(),
            uptime_us=self._clock.uptime_us(),
            clock=self._clock.quality(),
            reason=reason,
        )
        body = self._encoded(fact, epoch, 1, GENESIS)
        former_place = (after.epoch, after.seq) if after else (None, None)
        opened = (epoch, first_id, decode_record(body).at, reason, *former_place)
        work: Work = [
            ("INSERT INTO epochs VALUES (?, ?, ?, ?, ?, ?)", [opened]),
            ("INSERT INTO records VALUES (?, ?, ?)", [row_of(first_id, body)]),
        ]
        return epoch, Head(epoch, 1, record_hash(body), first_id), work

    def _encoded(self, fact: Fact, epoch: int, seq: int, prev: str) -> bytes:
        return encode_record(
            record_of(fact, self._gateway, self._clock.boot, epoch=epoch, seq=seq, prev=prev)
        )

    def _is_full(self, error: sqlite3.Error | None) -> bool:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            return True
        with suppress(OSError):  # a disk that does not even say so is not full but gone
            return space_of(self.path).is_full
        return False

    def _not_now(self, error: sqlite3.Error) -> JournalUnavailable | JournalRefused:
        """The machine is at fault, not the file. Refused is what only the operator can mend."""
        self.looks_full = self._is_full(error)
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if self.path.is_dir() or (code in _RIGHTS and not self.looks_full and not self._is_read_only()):
            return JournalRefused(
                f"{self.path}: cannot be opened ({error}); check the folder and its rights, and whether"
                " [journal] path names a file"
            )
        return JournalUnavailable(f"{self.path}: cannot be opened ({error})")

    def _is_read_only(self) -> bool:
        """A disk that failed is often left mounted so; that may pass."""
        with suppress(OSError):
            return bool(os.statvfs(self.path.parent).f_flag & os.ST_RDONLY)
        return True

    def _cannot_set_aside(self, damage: sqlite3.Error, error: OSError) -> JournalUnavailable | JournalRefused:
        what = f"{self.path}: damaged ({damage}), and cannot be set aside ({error.strerror})"
        if isinstance(error, PermissionError):
            return JournalRefused(f"{what}; check the folder's rights")
        self.looks_full = self._is_full(None)
        return JournalUnavailable(what)


_RIGHTS = frozenset({sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_READONLY})
