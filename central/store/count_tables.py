"""The tables of what is counted of records: numbers by door and hour, of nobody. Values only."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, PrimaryKeyConstraint, Table, Text

from central.store.tables import Whole, metadata

entry_count = Table(
    "entry_count",
    metadata,
    Column("gateway_id", Whole, ForeignKey("gateway.id"), nullable=False),
    Column("hour_at", Whole, nullable=False),  # its beginning, UTC
    Column("door", Text, nullable=False),
    Column("entries", Whole, nullable=False),
    PrimaryKeyConstraint("gateway_id", "hour_at", "door"),
    sqlite_with_rowid=False,
    sqlite_strict=True,
)
"""How often somebody was let in at a door within an hour. Whoever reads it keeps small ones back."""

entry_tally = Table(
    "entry_tally",
    metadata,
    Column("id", Whole, primary_key=True),  # one row: 1
    Column("record_id", Whole, nullable=False),  # all up to this one are counted
    sqlite_strict=True,
)
