"""A payload that claims to hold records, taken apart: pure, total, never raises.

What is understood becomes an `Arrived` with its record; what is not, but whose place is known, an `Arrived`
without one (it is set aside under its place, so that the chain's head never stalls); the rest is `Refused`,
its place stays open and is asked for again. A gateway sends small holes record by record, so that one bad
record ends up alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256

from msgspec import Struct
from msgspec.structs import replace

from central.identity.opening import OpenVisitor, Unfit, Visitor
from central.ingest.segments import UNKNOWN_PREV
from central.store.records import Row, columns_of
from messages.envelope import envelope_hash
from messages.errors import MessageError
from messages.model import Record
from messages.wire import Block, decode_block, decode_place, decode_record, join_block, unreadable_single

_MAX_EPOCH = 2**40
_MAX_SEQ = 2**48


class Trouble(StrEnum):
    """What a finding says is wrong."""

    CHAIN_BREAK = "chain_break"
    CONFLICT = "conflict"  # two different records for one place
    POISON = "poison"  # not understood
    LOST = "lost"  # the gateway no longer has it
    WRONG_GATEWAY = "wrong_gateway"  # one gateway's topic, another one's record
    WRONG_SIGNATURE = "wrong_signature"  # said in a gateway's name, and not by it
    OLD_STATE = "old_state"  # said by it, and played again after it had said something newer
    ENVELOPE = "envelope"  # not the one that its record names, not to be opened, or for another community


class Arrived(Struct, frozen=True, gc=False):
    """Something that belongs at `seq`. `body` and `reason` are kept where `record` is None.

    `columns`: the record's row but for its gateway; empty where `record` is None.
    `envelope`: came with the record that names it; None once it is known that nothing is to be kept of it.
    `visitor`: what is kept of it. `foreign`: it is not to be kept, and somebody should know.
    """

    seq: int
    prev: bytes
    hash: bytes
    record: Record | None
    body: bytes
    reason: str = ""
    columns: Row = ()
    envelope: bytes | None = None
    visitor: Visitor | None = None
    foreign: bool = False


class Refused(Struct, frozen=True):
    """Bytes without a place in the chain."""

    body: bytes
    reason: str
    trouble: Trouble = Trouble.POISON


@dataclass(slots=True)
class Taken:
    """What a payload holds of `epoch`, in ascending order without repeats, and what of it is refused."""

    epoch: int = 0
    arrived: list[Arrived] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    def continue_with(self, later: Taken) -> bool:
        """Joins what follows without a hole, so that it costs as little as if it had come in one message."""
        fits = self.arrived and later.arrived and self.epoch == later.epoch
        if not fits or self.arrived[-1].seq + 1 != later.arrived[0].seq:
            return False
        self.arrived += later.arrived
        self.refused += later.refused
        return True

    def runs(self) -> list[Sequence[Arrived]]:
        """`arrived` cut where numbers are not adjacent."""
        if not self.arrived or self.arrived[-1].seq - self.arrived[0].seq == len(self.arrived) - 1:
            return [self.arrived] if self.arrived else []
        starts = [i for i, a in enumerate(self.arrived) if i == 0 or self.arrived[i - 1].seq != a.seq - 1]
        return [self.arrived[a:b] for a, b in zip(starts, [*starts[1:], None], strict=True)]


def take_apart(gateway: str, payload: bytes) -> Taken:
    """What a `journal` or `backlog` message of `gateway` holds."""
    try:
        block = decode_block(payload)
    except MessageError as error:
        return unread(payload, str(error))
    taken = Taken(block.epoch)
    for at, raw in enumerate(block.records):
        _take_one(taken, gateway, block, block.first + at, bytes(raw))
    return taken


def open_visitors(taken: Taken, open_visitor: OpenVisitor, site: str) -> None:
    """What is kept of each envelope takes its place. Raises nothing: what is wrong with it is noted there."""
    for at, arrived in enumerate(taken.arrived):
        if arrived.envelope is None or arrived.record is None:
            continue
        visitor, foreign = None, False
        try:
            visitor = open_visitor(site, arrived.record, arrived.envelope)
        except Unfit:
            foreign = True
        sealed = None if visitor is None else arrived.envelope
        taken.arrived[at] = replace(arrived, envelope=sealed, visitor=visitor, foreign=foreign)


def _take_one(taken: Taken, gateway: str, block: Block, seq: int, body: bytes) -> None:
    try:
        record = decode_record(body)
    except MessageError as error:
        taken_as = _unknown(gateway, block, seq, body, str(error))
    else:
        taken_as = _known(gateway, block, seq, body, record)
    if isinstance(taken_as, Arrived):
        taken.arrived.append(taken_as)
    else:
        taken.refused.append(taken_as)


def _known(gateway: str, block: Block, seq: int, body: bytes, record: Record) -> Arrived | Refused:
    if record.gateway != gateway:
        return Refused(body, "record: another gateway's", Trouble.WRONG_GATEWAY)
    if record.epoch == block.epoch and record.seq == seq:
        envelope = block.envelopes.get(seq)
        foreign = envelope is not None and envelope_hash(envelope) != record.identity
        digest = sha256(body).digest()
        return Arrived(
            seq,
            bytes.fromhex(record.prev),
            digest,
            record,
            body,
            columns=columns_of(record, digest),
            envelope=None if foreign else envelope,
            foreign=foreign,
        )
    return _misplaced(block, seq, body, "record: not at the place that its block says")


def _unknown(gateway: str, block: Block, seq: int, body: bytes, reason: str) -> Arrived | Refused:
    try:
        place = decode_place(body)
    except MessageError:
        return _misplaced(block, seq, body, reason)
    if place.gateway != gateway:
        return Refused(body, reason, Trouble.WRONG_GATEWAY)
    if (place.epoch, place.seq) == (block.epoch, seq):
        return Arrived(seq, bytes.fromhex(place.prev), sha256(body).digest(), None, body, reason)
    return _misplaced(block, seq, body, reason)


def _misplaced(block: Block, seq: int, body: bytes, reason: str) -> Arrived | Refused:
    """Alone in its block it is set aside where the block says; among others it is asked for again, alone."""
    if block.count == 1:
        return Arrived(seq, UNKNOWN_PREV, sha256(body).digest(), None, body, reason)
    return Refused(body, reason)


def singly(payload: bytes) -> list[bytes]:
    """A block of several records as blocks of one each; none for anything else."""
    try:
        block = decode_block(payload)
    except MessageError:
        return []
    if block.count == 1:
        return []
    parts = []
    for seq, raw in enumerate(block.records, block.first):
        envelopes = {seq: block.envelopes[seq]} if seq in block.envelopes else None
        parts.append(join_block(block.epoch, seq, 1, bytes(raw), envelopes))
    return parts


def unread(payload: bytes, reason: str) -> Taken:
    """A payload that nobody looks into: at its place where it is a block of one record, else without one."""
    epoch, seq, body = unreadable_single(payload) or (0, 0, payload)
    if not (1 <= epoch <= _MAX_EPOCH and 1 <= seq <= _MAX_SEQ):
        return Taken(refused=[Refused(payload, reason)])
    return Taken(epoch, [Arrived(seq, UNKNOWN_PREV, sha256(body).digest(), None, body, reason)])
