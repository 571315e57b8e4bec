"""Whether a hash stands only for records that are here: where a gateway has two records for one place.

A gateway whose disk was put back to an older copy goes on with numbers that it has used before. What comes
then for a place that is taken is set aside for good; what comes behind it is stored, and its `prev` is not
the hash of the record before: a break. The gateway knows one chain, its own. It may delete that on the word
of a hash, so the hash is given only where that chain, followed back through the breaks, is here whole: stored
or set aside. So nobody who can write to the broker ends a deletion either, as a forged record does not stand
in the gateway's chain.

A break whose own record has been ended by retention asks for nothing any more: whatever its gateway made
before it is older than entries are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Final

from msgspec.structs import replace
from sqlalchemy import ColumnElement, Connection, select

from central.ingest.segments import GENESIS_HASH
from central.retention.ranges import EndedRange, ended_ranges, holding
from central.store.tables import quarantine, record
from messages.errors import MessageError
from messages.wire import Ack, EpochAck, decode_block, decode_place, join_block

MOST_FOLLOWED: Final = 2_000
"""Records of a branch, each time that its gateway is acknowledged. A longer one stays at its gateway."""


def aside_body(epoch: int, seq: int, body: bytes, envelope: bytes | None) -> bytes:
    """A record whose place is taken, as it is set aside: with what is sealed, as a block that holds both."""
    return body if envelope is None else join_block(epoch, seq, 1, body, {seq: envelope})


def settled_hashes(
    connection: Connection,
    gateway_id: int,
    epoch: int,
    first: int,
    last: int,
    *,
    ended: Sequence[EndedRange] | None = None,
) -> dict[int, bytes]:
    """Of what is stored, or stands for a record, at these places; of ended runs the last ones. `ended`: the
    runs that reach into there, where they were read already."""
    if ended is None:
        ended = ended_ranges(connection, gateway_id, epoch, first, last)
    known = {each.last: each.last_hash for each in ended if each.last <= last}
    for table in (quarantine, record):
        there = (table.c.gateway_id == gateway_id) & (table.c.epoch == epoch)
        there &= table.c.seq.between(first, last)
        if table is quarantine:
            there &= quarantine.c.settled == 1
        known.update(
            (seq, digest)
            for seq, digest in connection.execute(select(table.c.seq, table.c.hash).where(there))
        )
    return known


def proved(
    connection: Connection, gateway_id: int, ack: Ack, breaks: Mapping[tuple[int, int], Iterable[int]]
) -> Ack:
    """Without the hashes that would stand for something that is not here. `breaks`, by gateway and epoch: the
    places whose `prev` is not the hash of the record before."""
    if not breaks:
        return ack
    return replace(
        ack,
        epochs=[
            _proved(connection, gateway_id, each, sorted(breaks.get((gateway_id, each.epoch), ())))
            for each in ack.epochs
        ],
    )


def _proved(connection: Connection, gateway_id: int, ack: EpochAck, breaks: list[int]) -> EpochAck:
    before = [seq for seq in breaks if seq <= ack.through]
    if before:
        ended = ended_ranges(connection, gateway_id, ack.epoch, 1, ack.through)
        before = [seq for seq in before if holding(ended, seq) is None]
    if ack.hash is None or not before or _Chain(connection, gateway_id, ack.epoch).is_whole(before):
        return ack
    return replace(ack, hash=None)


class _Chain:
    """One epoch as its gateway knows it, followed from the newest record back."""

    def __init__(self, connection: Connection, gateway_id: int, epoch: int) -> None:
        self._connection = connection
        self._gateway_id, self._epoch = gateway_id, epoch
        self._left = MOST_FOLLOWED

    def is_whole(self, breaks: list[int]) -> bool:
        """`breaks`: places in order. Between them what is settled is a chain."""
        while breaks:
            at = breaks[-1]
            wanted = self._prev_of(at)
            back_at = None if wanted is None else self._follow(at - 1, wanted)
            if back_at is None:
                return False
            breaks = [seq for seq in breaks if seq <= back_at]
        return True

    def _follow(self, seq: int, wanted: bytes) -> int | None:
        """From the record `wanted` at `seq` back to where the chain is what is settled; that place, or None
        where something is not here."""
        lowest = max(1, seq - self._left)
        settled = settled_hashes(self._connection, self._gateway_id, self._epoch, lowest, seq)
        aside = self._set_aside(lowest, seq)
        while seq >= lowest:
            if settled.get(seq) == wanted or self._is_unreadable(seq, settled):
                return seq
            prev = aside.get((seq, wanted))
            if prev is None:
                return None
            seq, wanted, self._left = seq - 1, prev, self._left - 1
        return 0 if seq == 0 and wanted == GENESIS_HASH else None

    def _set_aside(self, first: int, last: int) -> dict[tuple[int, bytes], bytes]:
        """By place and hash: the `prev` of what is set aside beside what is settled."""
        there = self._there & quarantine.c.seq.between(first, last) & (quarantine.c.settled == 0)
        found: dict[tuple[int, bytes], bytes] = {}
        for seq, payload in self._connection.execute(
            select(quarantine.c.seq, quarantine.c.payload).where(there)
        ):
            body = _body(payload)
            if (prev := _prev(body)) is not None:
                found[seq, sha256(body).digest()] = prev
        return found

    def _prev_of(self, seq: int) -> bytes | None:
        """What the settled record at a break names as the one before it."""
        here = (record.c.gateway_id == self._gateway_id) & (record.c.epoch == self._epoch)
        stored = self._connection.execute(
            select(record.c.odd_prev).where(here & (record.c.seq == seq))
        ).first()
        if stored is not None:
            odd: bytes | None = stored.odd_prev
            return odd
        payload = self._standing_for(seq)
        return None if payload is None else _prev(payload)

    def _is_unreadable(self, seq: int, settled: dict[int, bytes]) -> bool:
        """Bytes without even a `prev`, which came alone again and again: nobody will ever know more of it."""
        if seq not in settled:
            return False
        payload = self._standing_for(seq)
        return payload is not None and _prev(payload) is None

    def _standing_for(self, seq: int) -> bytes | None:
        there = self._there & (quarantine.c.seq == seq) & (quarantine.c.settled == 1)
        payload: bytes | None = self._connection.execute(select(quarantine.c.payload).where(there)).scalar()
        return payload

    @property
    def _there(self) -> ColumnElement[bool]:
        return (quarantine.c.gateway_id == self._gateway_id) & (quarantine.c.epoch == self._epoch)


def _body(payload: bytes) -> bytes:
    try:
        return bytes(decode_block(payload).records[0])
    except MessageError:
        return payload


def _prev(body: bytes) -> bytes | None:
    try:
        return bytes.fromhex(decode_place(body).prev)
    except MessageError:
        return None
