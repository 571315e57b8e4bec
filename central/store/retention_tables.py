"""The tables by which entries are ended: what had arrived by when, and what has gone. Values only; of
nobody."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, PrimaryKeyConstraint, Table, Text

from central.store.tables import Whole, metadata

record_mark = Table(
    "record_mark",
    metadata,
    Column("noted_at", Whole, primary_key=True),
    Column("day", Text, nullable=False),  # of that time, such as 2026-11-05
    Column("last_id", Whole, nullable=False),  # all records up to this one had arrived by then
    Column("begun_at", Whole),  # from then on they are ended; NULL: not yet
    Index("record_mark_by_last", "last_id"),
    sqlite_strict=True,
)
"""How far arrivals had come, twice a day: the age of records counts from there, not by gateways' clocks."""

ended_range = Table(
    "ended_range",
    metadata,
    # No foreign key: it would have ingest, which locks the rows of its gateways, wait for deletion.
    Column("gateway_id", Whole, nullable=False),
    Column("epoch", Whole, nullable=False),
    Column("first", Whole, nullable=False),
    Column("last", Whole, nullable=False),
    Column(
        "first_prev", LargeBinary, nullable=False
    ),  # of the record before; empty: not known; zero: altered
    Column("last_hash", LargeBinary, nullable=False),
    Column("arrived_by", Whole, nullable=False),  # all of them had arrived by then
    Column("signer", Text, nullable=False),  # id of the centre's key
    Column("signature", LargeBinary, nullable=False),  # Ed25519 over all of the above
    PrimaryKeyConstraint("gateway_id", "epoch", "first"),
    sqlite_with_rowid=False,
    sqlite_strict=True,
)
"""Runs of records that were here and whose time was over: no two of an epoch that the
centre's present key has signed touch each other."""

ended_count = Table(
    "ended_count",
    metadata,
    Column("day", Text, nullable=False),  # of its mark
    Column("community_id", Whole, nullable=False),  # 0: of gateways whose site no community has
    Column("entries", Whole, nullable=False),
    PrimaryKeyConstraint("day", "community_id"),
    sqlite_with_rowid=False,
    sqlite_strict=True,
)
"""How many records have gone that no certificate tells of yet."""
