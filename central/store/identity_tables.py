"""The tables of visitors' identity: what lies there is sealed, and the keys lie elsewhere. Values only.

A row of `envelope` belongs to one record and goes when its day's retention is over; a row of
`deletion_certificate` says that it went, and stays. A row of `register_key` says which key of the key ring
the register's identity is sealed with: without it, a lost key would look like one that never was.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, Table, Text, UniqueConstraint, text

from central.store.tables import Whole, metadata

envelope = Table(
    "envelope",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("gateway_id", Whole, ForeignKey("gateway.id"), nullable=False),
    Column("epoch", Whole, nullable=False),
    Column("seq", Whole, nullable=False),  # of its record
    Column("community_id", Whole, nullable=False),
    Column("period", Text, nullable=False),  # the day whose keys open it, such as 2026-11-05
    Column("at", Whole, nullable=False),
    Column("sealing_key", Text, nullable=False),  # what the gateway had sealed it for
    Column(
        "hash", LargeBinary, nullable=False
    ),  # SHA-256 of what the gateway sealed: the record's `identity`
    Column("number_index", LargeBinary),  # blind, of that day; NULL while it waits
    Column("sealed", LargeBinary, nullable=False),
    Column("waits", Integer, nullable=False),  # 1: as the gateway sealed it, could not be opened yet
    UniqueConstraint("gateway_id", "epoch", "seq", name="envelope_by_place"),
    Index("envelope_by_number", "community_id", "period", "number_index"),
    Index(
        "envelope_waiting",
        "community_id",
        "at",
        sqlite_where=text("waits = 1"),
        postgresql_where=text("waits = 1"),
    ),
    sqlite_strict=True,
)

deletion_certificate = Table(
    "deletion_certificate",
    metadata,
    Column("id", Whole, primary_key=True),  # gapless, from 1
    Column("community_id", Whole, nullable=False),
    Column("data_class", Text, nullable=False),  # a closed word, see identity.certificates
    Column("period", Text, nullable=False),
    Column("made_at", Whole, nullable=False),
    Column("body", LargeBinary, nullable=False),  # JSON: all of the above and more, as it was signed
    Column("hash", LargeBinary, nullable=False),  # SHA-256 of the one before, and of body
    Column("signer", Text, nullable=False),  # id of the centre's key
    Column("signature", LargeBinary, nullable=False),  # Ed25519 over the hash
    Index("deletion_certificate_of", "community_id", "period"),
    sqlite_strict=True,
)

register_key = Table(
    "register_key",
    metadata,
    Column("community_id", Whole, primary_key=True),
    Column("key_id", Text, primary_key=True),  # hex; says nothing about the key
    Column("begun_at", Whole, nullable=False),
    Column("ended_at", Whole),  # dropped after a rotation, or given up as lost
    sqlite_strict=True,
)
