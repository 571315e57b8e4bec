"""What was set aside is read again: after an upgrade this program may know the words that it did not know.

A record that was set aside under its place becomes a row there; its finding goes with it, so that its gateway
may be called complete again. Whatever is still not understood stays as it is. Nothing that is stored is
written over.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Engine, delete, select, update

from central.errors import RowRefused
from central.identity.opening import UNOPENED
from central.ingest.intake import examine, take_in
from central.ingest.segments import GENESIS_HASH, UNKNOWN_PREV
from central.ingest.setaside import SetAside
from central.ingest.verify import Trouble
from central.retention.ranges import ended_ranges
from central.store.alarm_tables import integrity_declared
from central.store.engine import insert_many, reading, writing
from central.store.records import row_of
from central.store.tables import NO_PLACE, finding, gateway, quarantine, record, segment
from messages.errors import MessageError
from messages.model import Record
from messages.wire import decode_record

log = logging.getLogger(__name__)

PAGE: Final = 500
"""Rows of one transaction; one that the database rejects is left out and the others tried alone."""


def reread(engine: Engine, now_us: int, stopping: Callable[[], bool] = lambda: False) -> int:
    """Reads everything that was set aside again; returns how much of it is understood now.

    Raises StoreUnavailable; what was done by then stays, and the rest is for the next start.
    """
    understood, after = 0, 0
    while not stopping():
        with reading(engine) as connection:
            ids = list(
                connection.execute(
                    select(quarantine.c.id)
                    .where(quarantine.c.id > after)
                    .order_by(quarantine.c.id)
                    .limit(PAGE)
                ).scalars()
            )
        if not ids:
            break
        understood += _settle(engine, ids, now_us)
        after = ids[-1]
    if understood:
        log.warning("ingest: %d messages that were set aside are understood now", understood)
    return understood


def _settle(engine: Engine, ids: Sequence[int], now_us: int) -> int:
    try:
        with writing(engine) as connection:
            return _Reading(connection, now_us).read(ids)
    except RowRefused:
        if len(ids) == 1:
            return 0
        return sum(_settle(engine, [each], now_us) for each in ids)


class _Reading:
    """Some set-aside payloads within one transaction."""

    def __init__(self, connection: Connection, now_us: int) -> None:
        self._connection = connection
        self._now_us = now_us
        self._aside = SetAside(connection, now_us)

    def read(self, ids: Sequence[int]) -> int:
        """In the order of their places: each record is held against the one before it."""
        rows = self._connection.execute(
            select(quarantine, gateway.c.name)
            .join(gateway, gateway.c.id == quarantine.c.gateway_id, isouter=True)
            .where(quarantine.c.id.in_(ids))
            .order_by(quarantine.c.gateway_id, quarantine.c.epoch, quarantine.c.seq)
        ).all()
        placed = [row.id for row in rows if row.settled and self._place(row)]
        loose = [row for row in rows if row.epoch is None and self._is_understood(row)]
        self._connection.execute(delete(quarantine).where(quarantine.c.id.in_([r.id for r in loose])))
        for gateway_id, count in sum((Counter({r.gateway_id: r.count}) for r in loose), Counter()).items():
            self._forget_poison(gateway_id, NO_PLACE, NO_PLACE, count)
        for row in loose:
            self._declared_no_more(row.gateway_id, row.received_at, int(row._mapping["count"]))
        return len(placed) + len(loose)

    def _place(self, row: Any) -> bool:
        """A record at its place, if it is understood now and belongs there."""
        try:
            found = decode_record(row.payload)
        except MessageError:
            return False
        if (found.gateway, found.epoch, found.seq) != (row.name, row.epoch, row.seq):
            return False
        stored = row_of(row.gateway_id, found, row.hash, self._odd_prev(row, found))
        self._connection.execute(delete(quarantine).where(quarantine.c.id == row.id))
        insert_many(self._connection, record, [stored])
        self._forget_poison(row.gateway_id, row.epoch, row.seq, None)
        self._declared_no_more(row.gateway_id, row.received_at, 1)
        return True

    def _odd_prev(self, row: Any, found: Record) -> bytes | None:
        """What the record names as the one before it, where that cannot be made again from what is here."""
        prev, before = bytes.fromhex(found.prev), self._hash_before(row)
        if before is None:
            return prev if self._first_prev(row) == UNKNOWN_PREV else None
        if before == prev:
            return None
        self._aside.find(row.gateway_id, Trouble.CHAIN_BREAK, row.epoch, row.seq)
        return prev

    def _hash_before(self, row: Any) -> bytes | None:
        if row.seq == 1:
            return GENESIS_HASH
        for table in (record, quarantine):
            there = (table.c.gateway_id == row.gateway_id) & (table.c.epoch == row.epoch)
            there &= table.c.seq == row.seq - 1
            if table is quarantine:
                there &= quarantine.c.settled == 1
            digest: bytes | None = self._connection.execute(select(table.c.hash).where(there)).scalar()
            if digest is not None:
                return digest
        ended = ended_ranges(self._connection, row.gateway_id, row.epoch, row.seq - 1, row.seq - 1)
        return next((each.last_hash for each in ended if each.last == row.seq - 1), None)

    def _first_prev(self, row: Any) -> bytes | None:
        here = (segment.c.gateway_id == row.gateway_id) & (segment.c.epoch == row.epoch)
        found: bytes | None = self._connection.execute(
            select(segment.c.first_prev).where(here & (segment.c.first == row.seq))
        ).scalar()
        return found

    def _is_understood(self, row: Any) -> bool:
        """A message without a place. What it said of its gateway is old by now; records count still."""
        examined = examine(row.topic, row.payload, UNOPENED.at(self._now_us))
        if examined.refused or examined.place is None or (examined.taken and examined.taken.refused):
            return False
        if examined.taken:
            if any(arrived.record is None for arrived in examined.taken.arrived):
                return False
            take_in(self._connection, [examined], self._now_us)
        return True

    def _forget_poison(self, gateway_id: int | None, epoch: int, seq: int, count: int | None) -> None:
        """So many of the same finding; None: all of it."""
        there = (finding.c.gateway_id == gateway_id) & (finding.c.kind == Trouble.POISON)
        there &= (finding.c.epoch == epoch) & (finding.c.seq == seq)
        if count is not None:
            self._connection.execute(update(finding).where(there).values(count=finding.c.count - count))
            there &= finding.c.count <= 0
        self._connection.execute(delete(finding).where(there))

    def _declared_no_more(self, gateway_id: int | None, found_us: int, count: int) -> None:
        """So many findings are gone; a declaration that came after them covers as many fewer, or it would
        cover ones that nobody has looked at."""
        columns = integrity_declared.c
        covering = (columns.gateway_id == gateway_id) & (columns.flaw == Trouble.POISON)
        covering &= (columns.declared_at >= found_us) & (columns.findings > 0)
        rows = self._connection.execute(
            select(columns.id, columns.findings).where(covering).order_by(columns.id)
        ).all()
        for row in rows:
            fewer = min(count, row.findings)
            lowered = update(integrity_declared).where(columns.id == row.id)
            self._connection.execute(lowered.values(findings=row.findings - fewer))
            count -= fewer
            if not count:
                return
