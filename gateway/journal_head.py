"""Where a journal file stands: its newest record, and whether it is what its place says."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from msgspec import Struct

from gateway.journal_salvage import crc_of
from messages.chain import record_hash
from messages.errors import MessageError
from messages.model import Record
from messages.wire import decode_record

LEFT_AT = (
    "SELECT e.former_epoch, e.former_seq, r.body FROM epochs e JOIN records r ON r.id = e.first_id"
    " WHERE e.former_seq > 0"
)
"""Epoch and number at which another file was left when an epoch began here, and that one's first record."""


class Head(Struct, frozen=True, gc=False):
    """The newest record: what the next one is chained to. `first_id` places its epoch in the file."""

    epoch: int
    seq: int
    hash: str
    first_id: int

    @property
    def record_id(self) -> int:
        return self.first_id + self.seq - 1


def came_of_a_failed_commit(bodies: Iterable[bytes], opened: Record) -> bool:
    """Whether records that stand in a file behind the place where it was left were never told to be stored.

    Another file went on there with `opened`, and took them itself. What is newer was stored later, when this
    file was gone on with and nothing of the other was known; what cannot be read is not judged.
    """
    try:
        records = [decode_record(body) for body in bodies]
    except MessageError:
        return False
    return all(r.boot == opened.boot and r.uptime_us <= opened.uptime_us for r in records)


def row_of(record_id: int, body: bytes) -> tuple[object, ...]:
    return record_id, body, crc_of(record_id, body)


def holds(connection: sqlite3.Connection, head: Head) -> bool:
    row = connection.execute("SELECT body FROM records WHERE id = ?", (head.record_id,)).fetchone()
    return row is not None and record_hash(row[0]) == head.hash


def newest_record(connection: sqlite3.Connection) -> Head | None:
    """Raises sqlite3.DatabaseError where the newest record is not what its place says."""
    row = connection.execute(
        "SELECT r.id, r.body, e.epoch, e.first_id FROM records r, epochs e"
        " ORDER BY r.id DESC, e.first_id DESC, e.epoch DESC LIMIT 1"
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
