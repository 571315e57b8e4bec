"""The journal: every record of this gateway, durable before anything depends on it.

One writing connection, used by the deciding thread alone. Nothing unacknowledged is ever deleted.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway import journal_file
from gateway.clock import Clock
from gateway.errors import JournalRefused, JournalUnavailable
from gateway.facts import Fact, record_of
from messages.chain import GENESIS, record_hash
from messages.errors import MessageError
from messages.model import ClockQuality, Kind, Reason, Record
from messages.wire import decode_record, encode_record

log = logging.getLogger(__name__)

_ACKNOWLEDGE = "INSERT OR REPLACE INTO acknowledgements VALUES (?, ?, ?, ?, ?, ?, ?)"
_AGED = "(a.boot = ? AND a.uptime_us <= ? OR a.boot <> ? AND a.clock = 'synced' AND a.at_us <= ?)"
_LICENSED = (
    "SELECT e.first_id, e.first_id + max(a.through) - 1 FROM acknowledgements a JOIN epochs e USING (epoch)"
    " WHERE AGED GROUP BY e.epoch ORDER BY e.first_id"
).replace("AGED", _AGED)
_FORGET = (
    (
        "DELETE FROM acknowledgements AS a WHERE AGED AND a.through < (SELECT max(through)"
        " FROM acknowledgements AS n WHERE n.epoch = a.epoch AND ITS_AGE)"
    )
    .replace("AGED", _AGED)
    .replace("ITS_AGE", _AGED.replace("a.", "n."))
)
"""Of those that have long licensed a deletion, the highest of each epoch says it all."""

_PRUNE_RECORDS = 500
"""Deleted in one transaction: a few milliseconds at most between two swipes."""

_REST_PER_REOPENING = 9
"""After a failure the file is checked before it is written to again, and doors wait for that: of the deciding
thread's time at most a tenth goes into trying."""

_LONGEST_REST_US = 30_000_000

_DAY_US = 86_400_000_000
_HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Head:
    """The newest record: what the next one is chained to. `first_id` places its epoch in the file."""

    epoch: int
    seq: int
    hash: str
    first_id: int

    @property
    def record_id(self) -> int:
        return self.first_id + self.seq - 1


class Journal:
    """The writing side. `append` returns after the commit, or raises JournalUnavailable: nothing stored."""

    def __init__(self, path: Path, gateway: str, clock: Clock) -> None:
        """Opens or makes the journal at `path`; a damaged file is set aside and a new epoch opened.

        Raises JournalRefused where another process, another gateway or a newer program owns the file, or
        where the storage does not keep WAL and synchronous=FULL.
        """
        self.path = path
        self._gateway = gateway
        self._clock = clock
        self._lock = journal_file.lock(path)
        self._connection: sqlite3.Connection | None = None
        self._reopening_us = 0  # how long the last one took
        self._rest_until_us = 0
        try:
            self.head = self._open()
        except BaseException:
            self.close()
            raise

    def append(self, facts: Sequence[Fact]) -> list[int]:
        """Makes `facts` durable in one commit and returns their sequence numbers."""
        head, rows = self.head, []
        for fact in facts:
            record = self._place(fact, head.epoch, head.seq + 1, head.hash)
            body = encode_record(record)
            head = Head(head.epoch, record.seq, record_hash(body), head.first_id)
            rows.append((head.record_id, body))
        self._commit([("INSERT INTO records VALUES (?, ?)", rows)])
        seqs = list(range(self.head.seq + 1, head.seq + 1))
        self.head = head
        return seqs

    def acknowledge(self, epoch: int, through: int) -> None:
        """Notes that the centre has committed `epoch` up to `through`; one row an hour.

        Called only after the centre's hash was found equal to ours: that is the licence to delete. A centre
        that now has less than it once had (restored from a backup) takes its former licences back.
        """
        now_us, clock = self._clock.now_us(), self._clock
        row = (epoch, now_us // _HOUR_US, through, now_us, clock.boot, clock.uptime_us(), clock.quality())
        self._commit(
            [
                ("DELETE FROM acknowledgements WHERE epoch = ? AND through > ?", [(epoch, through)]),
                (_ACKNOWLEDGE, [row]),
            ]
        )

    def prune(self, keep_acknowledged_days: int) -> int:
        """Deletes some hundred records acknowledged longer ago than that; the newest record always stays.

        Returns how many were deleted; call again until it is none.
        """
        aged = self._aged(keep_acknowledged_days * _DAY_US)
        licensed = self._read(_LICENSED, aged)
        deleted = sum(self._delete(first, min(last, self.head.record_id - 1)) for first, last in licensed)
        if not deleted:
            self._write(_FORGET, aged * 2)
        return deleted

    def close(self) -> None:
        self._drop_connection()
        self._lock.close()

    def _place(self, fact: Fact, epoch: int, seq: int, prev: str) -> Record:
        return record_of(fact, self._gateway, self._clock.boot, epoch=epoch, seq=seq, prev=prev)

    def _delete(self, first_id: int, last_id: int) -> int:
        return self._write(
            "DELETE FROM records WHERE id IN"
            " (SELECT id FROM records WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?)",
            (first_id, last_id, _PRUNE_RECORDS),
        )

    def _aged(self, keep_us: int) -> tuple[object, ...]:
        """What `_AGED` asks for: within this boot only the monotonic clock counts; across boots the time of
        day, and only where it was synchronised then and is now. Else an age is not known, and not reached."""
        clock = self._clock
        synced = clock.quality() is ClockQuality.SYNCED
        before_us = clock.now_us() - keep_us if synced else -1
        return (clock.boot, clock.uptime_us() - keep_us, clock.boot, before_us)

    def _commit(self, work: Sequence[tuple[str, Sequence[tuple[object, ...]]]]) -> None:
        """One transaction: each statement for each of its rows. A door may be waiting for it."""
        connection = self._connection or self._reopen_unless_resting()
        try:
            connection.execute("BEGIN IMMEDIATE")
            for sql, rows in work:
                connection.executemany(sql, rows)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    def _write(self, sql: str, values: tuple[object, ...]) -> int:
        """One statement in its own transaction; how many rows it touched."""
        connection = self._connection or self._reopen_unless_resting()
        try:
            return connection.execute(sql, values).rowcount
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    def _read(self, sql: str, values: tuple[object, ...]) -> list[tuple[int, int]]:
        connection = self._connection or self._reopen_unless_resting()
        try:
            return connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: sqlite3.Error) -> JournalUnavailable:
        """After a failed commit nothing about the connection can be trusted: it is closed, never retried."""
        self._drop_connection()
        self._rest()
        return JournalUnavailable(f"{self.path}: not stored ({error})")

    def _rest(self) -> None:
        rest_us = min(self._reopening_us * _REST_PER_REOPENING, _LONGEST_REST_US)
        self._rest_until_us = self._clock.uptime_us() + rest_us

    def _reopen_unless_resting(self) -> sqlite3.Connection:
        begun_us = self._clock.uptime_us()
        if begun_us < self._rest_until_us:
            raise JournalUnavailable(f"{self.path}: not stored (tried in vain a moment ago)")
        try:
            connection = self._reopen()
        except JournalUnavailable:
            self._reopening_us = self._clock.uptime_us() - begun_us
            self._rest()
            raise
        self._reopening_us = self._clock.uptime_us() - begun_us
        return connection

    def _reopen(self) -> sqlite3.Connection:
        """Takes the file up again after a failure; what it has beyond our head never counted as stored."""
        try:
            connection = journal_file.open_for_writing(self.path, self._gateway)
        except (sqlite3.Error, JournalRefused) as error:
            raise JournalUnavailable(f"{self.path}: cannot be opened again ({error})") from error
        try:
            newest = connection.execute("SELECT max(id) FROM records").fetchone()[0]
            if newest is None or newest < self.head.record_id:
                connection.close()
                raise JournalUnavailable(f"{self.path}: stored records are gone; restart the gateway")
            connection.execute("DELETE FROM records WHERE id > ?", (self.head.record_id,))
        except sqlite3.Error as error:
            connection.close()
            raise JournalUnavailable(f"{self.path}: cannot be used again ({error})") from error
        log.warning("journal %s: writes again", self.path)
        self._connection = connection
        return connection

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> Head:
        try:
            return self._open_as_it_is()
        except sqlite3.Error as error:
            self._drop_connection()
            if not journal_file.is_damage(error):
                raise self._refused(error) from error
            damage = error
        try:
            return self._begin_again_beside(damage)
        except sqlite3.Error as error:
            raise self._refused(error) from error

    def _open_as_it_is(self) -> Head:
        self._connection = journal_file.open_for_writing(self.path, self._gateway)
        former = self._connection.execute("SELECT coalesce(max(epoch), 0) FROM epochs").fetchone()[0]
        return self._newest_record() or self._open_epoch(Reason.NEW_JOURNAL, former)

    def _begin_again_beside(self, damage: sqlite3.Error) -> Head:
        former = journal_file.highest_epoch(self.path)
        stamp = str(self._clock.now_us() // 1_000_000)
        try:
            aside = journal_file.set_aside(self.path, stamp)
        except OSError as error:
            raise JournalRefused(
                f"{self.path}: damaged ({damage}), and cannot be set aside ({error.strerror});"
                " check the folder's rights"
            ) from error
        log.error("journal %s is damaged (%s); set aside as %s, a new epoch begins", self.path, damage, aside)
        self._connection = journal_file.open_for_writing(self.path, self._gateway)
        return self._open_epoch(Reason.DAMAGED_JOURNAL, former)

    def _refused(self, error: sqlite3.Error) -> JournalRefused:
        return JournalRefused(
            f"{self.path}: cannot be opened ({error}); check the disk's free space, the folder and its rights"
        )

    def _newest_record(self) -> Head | None:
        """Raises sqlite3.DatabaseError where the newest record is not what its place says."""
        assert self._connection is not None
        row = self._connection.execute(
            "SELECT r.id, r.body, e.epoch, e.first_id FROM records r, epochs e"
            " ORDER BY r.id DESC, e.first_id DESC LIMIT 1"
        ).fetchone()
        if row is None:
            return None
        record_id, body, epoch, first_id = row
        try:
            record = decode_record(body)
        except MessageError as error:
            raise sqlite3.DatabaseError(f"the newest record cannot be read: {error}") from error
        if (record.epoch, record.seq) != (epoch, record_id - first_id + 1):
            raise sqlite3.DatabaseError("the newest record stands at another's place")
        return Head(epoch, record.seq, record_hash(body), first_id)

    def _open_epoch(self, reason: Reason, former: int) -> Head:
        """An epoch is numbered by the second it was opened in, so that a lost file does not repeat one; and
        after every epoch known here, as the clock may stand in the past."""
        connection = self._connection
        assert connection is not None
        former = max(former, journal_file.noted_epoch(self._lock))
        epoch = max(self._clock.now_us() // 1_000_000, former + 1)
        first_id = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM records").fetchone()[0]
        fact = Fact(
            kind=Kind.JOURNAL_OPENED,
            at_us=self._clock.now_us(),
            uptime_us=self._clock.uptime_us(),
            clock=self._clock.quality(),
            reason=reason,
        )
        body = encode_record(self._place(fact, epoch, 1, GENESIS))
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO epochs VALUES (?, ?, ?, ?)", (epoch, first_id, fact.at_us, reason))
        connection.execute("INSERT INTO records VALUES (?, ?)", (first_id, body))
        connection.execute("COMMIT")
        journal_file.note_epoch(self._lock, epoch)
        return Head(epoch, 1, record_hash(body), first_id)
