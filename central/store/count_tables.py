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

month_told = Table(
    "month_told",
    metadata,
    Column("community_id", Whole, ForeignKey("community.id"), nullable=False),
    Column("month", Text, nullable=False),  # such as 2026-10, by the community's clock
    Column("told_at", Whole, nullable=False),  # from then on
    Column("entries", Whole, nullable=False),
    Column("cells", Text, nullable=False),  # JSON array of [building or null, 24 counts by hour of the day]
    PrimaryKeyConstraint("community_id", "month"),
    sqlite_with_rowid=False,
    sqlite_strict=True,
)
"""A month's counts as they are told from then on: never changed, so that no two readings differ."""

entry_tally = Table(
    "entry_tally",
    metadata,
    Column("id", Whole, primary_key=True),  # one row: 1
    Column("record_id", Whole, nullable=False),  # all up to this one are counted
    sqlite_strict=True,
)
