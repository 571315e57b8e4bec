"""Certificates of deletion: what was deleted, when, which keys were destroyed for it (trust.md R-88, R-89).

Each is signed with the centre's key and chained to the one before it, so that none can be altered, made up or
left out later without being noticed. They say nothing of anybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct
from sqlalchemy import Connection, insert, select

from central.store.identity_tables import deletion_certificate
from messages.signing import key_id

CERTIFICATE_VERSION: Final = 1
FIRST_PREV: Final = "0" * 64
_PAGE: Final = 500


class DataClass(StrEnum):
    """What was deleted: closed words, as they stand in every certificate."""

    VISITOR_IDENTITY = "visitor_identity"  # of one day: rows, index and the keys that opened them
    VISITOR_KEY_PAIR = "visitor_key_pair"  # of one month: what gateways had sealed for
    ENTRIES = "entries"  # that arrived on one day, or before it and under its mark: rows alone


class Certificate(Struct, frozen=True, forbid_unknown_fields=True):
    """`due`: from when on it had to be deleted. `keys`: names in the key ring of what is destroyed, none
    where there never was a key. `rows`: how many were deleted with it. `stragglers`: gateways that still
    sealed for the key when it was destroyed."""

    v: int
    number: int  # gapless, from 1
    community: int
    data_class: DataClass
    period: str
    due: int
    made_at: int
    keys: tuple[str, ...]
    rows: int
    stragglers: tuple[str, ...]
    prev: str  # hash of the one before


def certify(
    connection: Connection,
    signing: Ed25519PrivateKey,
    *,
    community: int,
    data_class: DataClass,
    period: str,
    due_us: int,
    now_us: int,
    keys: tuple[str, ...],
    rows: int,
    stragglers: tuple[str, ...] = (),
) -> Certificate:
    """Written within the caller's transaction, in which the rows are deleted. One writer at a time: on
    PostgreSQL the table is locked against another one until the transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE deletion_certificate IN SHARE ROW EXCLUSIVE MODE")
    columns = deletion_certificate.c
    newest = connection.execute(
        select(columns.id, columns.hash).order_by(columns.id.desc()).limit(1)
    ).one_or_none()
    certificate = Certificate(
        v=CERTIFICATE_VERSION,
        number=newest.id + 1 if newest else 1,
        community=community,
        data_class=data_class,
        period=period,
        due=due_us,
        made_at=now_us,
        keys=keys,
        rows=rows,
        stragglers=stragglers,
        prev=newest.hash.hex() if newest else FIRST_PREV,
    )
    body = msgspec.json.encode(certificate)
    digest = _digest(certificate.prev, body)
    connection.execute(
        insert(deletion_certificate).values(
            id=certificate.number,
            community_id=community,
            data_class=data_class,
            period=period,
            made_at=now_us,
            body=body,
            hash=digest,
            signer=key_id(signing.public_key()),
            signature=signing.sign(_what_is_signed(digest)),
        )
    )
    return certificate


def verify_certificates(
    connection: Connection, signers: Mapping[str, Ed25519PublicKey]
) -> Iterator[tuple[Certificate | None, str | None]]:
    """Each certificate in its order, with what is wrong with it; None for one that cannot be read.

    `signers`: the centre's keys by their ids, former ones too (`messages.signing.trusted`).
    """
    columns = deletion_certificate.c
    number, prev = 0, FIRST_PREV
    while rows := connection.execute(
        select(deletion_certificate).where(columns.id > number).order_by(columns.id).limit(_PAGE)
    ).all():
        for row in rows:
            certificate = _read(row.body)
            yield certificate, _wrong(row, certificate, number + 1, prev, signers)
            number, prev = row.id, row.hash.hex()


def _wrong(
    row: Any, found: Certificate | None, number: int, prev: str, signers: Mapping[str, Ed25519PublicKey]
) -> str | None:
    if found is None:
        return "cannot be read"
    stands = (row.id, row.community_id, row.data_class, row.period, row.made_at)
    if stands != (found.number, found.community, found.data_class, found.period, found.made_at):
        return "its row says something else than what was signed"
    if found.number != number:
        return "one is missing before it"
    digest = _digest(found.prev, row.body)
    if found.prev != prev or digest != row.hash:
        return "it does not follow from the one before it"
    signer = signers.get(row.signer)
    if signer is None:
        return "signed by a key that is not known here"
    try:
        signer.verify(row.signature, _what_is_signed(digest))
    except InvalidSignature:
        return "the signature does not fit"
    return None


def _read(body: bytes) -> Certificate | None:
    try:
        return msgspec.json.decode(body, type=Certificate)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _digest(prev: str, body: bytes) -> bytes:
    return sha256(bytes.fromhex(prev) + body).digest()


def _what_is_signed(digest: bytes) -> bytes:
    """No other message of the centre begins so (`messages.signing`)."""
    return b"liuhen/v1\0deletion-certificate\0" + digest
