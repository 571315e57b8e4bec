"""A record as a row and back. Pure: no statements.

The row holds every field but `prev`; together with the hash of the record before it gives the canonical bytes
again, because `messages.wire.decode_record` lets nothing in whose bytes are not canonical.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from messages.errors import MessageError
from messages.model import (
    RECORD_VERSION,
    AssuranceLevel,
    ClockQuality,
    Credential,
    Direction,
    Kind,
    Reason,
    Record,
)
from messages.wire import encode_record

Row = tuple[Any, ...]


def row_of(gateway_id: int, record: Record, digest: bytes, odd_prev: bytes | None = None) -> Row:
    """The columns of `tables.record` without `id`, in order."""
    return (gateway_id, *columns_of(record, digest, odd_prev))


def columns_of(record: Record, digest: bytes, odd_prev: bytes | None = None) -> Row:
    """`row_of` without the gateway's number, which a message does not say."""
    credential = record.credential
    return (
        record.epoch,
        record.seq,
        record.kind,
        record.at,
        bytes.fromhex(record.boot),
        record.uptime_us,
        record.clock,
        record.door,
        record.reader,
        record.direction,
        credential and credential.kind,
        credential and bytes.fromhex(credential.token),
        credential and credential.assurance,
        credential and credential.hint,
        record.holder,
        record.category,
        record.reason,
        record.list_version,
        record.list_age_s,
        record.links,
        None if record.identity is None else bytes.fromhex(record.identity),
        odd_prev,
        digest,
    )


def record_of(row: Any, gateway: str, prev: bytes) -> Record:
    """The record of a row of `tables.record`; `prev` is the hash of the record before it.

    Raises ValueError where a column holds a word that this program does not know: the row was altered.
    """
    return Record(
        v=RECORD_VERSION,
        gateway=gateway,
        epoch=row.epoch,
        seq=row.seq,
        kind=Kind(row.kind),
        at=row.at,
        boot=row.boot.hex(),
        uptime_us=row.uptime_us,
        clock=ClockQuality(row.clock),
        prev=prev.hex(),
        door=row.door,
        reader=row.reader,
        direction=row.direction and Direction(row.direction),
        credential=_credential_of(row),
        holder=row.holder,
        category=row.category,
        reason=row.reason and Reason(row.reason),
        list_version=row.list_version,
        list_age_s=row.list_age_s,
        links=row.links,
        identity=None if row.identity is None else row.identity.hex(),
    )


def gives_its_hash(row: Any, gateway: str, prev: bytes) -> bool:
    """Whether the record of a row is the one that came, behind a record with the hash `prev`. A row that was
    altered may be none at all, such as a credential without its token."""
    try:
        return bool(sha256(encode_record(record_of(row, gateway, prev))).digest() == row.hash)
    except (ValueError, TypeError, AttributeError, MessageError):
        return False


def _credential_of(row: Any) -> Credential | None:
    if row.credential is None:
        return None
    return Credential(
        kind=row.credential, token=row.token.hex(), assurance=AssuranceLevel(row.assurance), hint=row.hint
    )
