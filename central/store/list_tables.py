"""What each gateway's access list was last made of. Values only."""

from __future__ import annotations

from sqlalchemy import Column, PrimaryKeyConstraint, Table, Text

from central.store.tables import Whole, metadata

list_source = Table(
    "list_source",
    metadata,
    Column("site", Text, nullable=False),
    Column("gateway", Text, nullable=False),
    Column("made_at", Whole, nullable=False),
    Column("pass_event_id", Whole, nullable=False),  # all visitors' passes up to this event are in it
    Column("changes_at", Whole),  # when it is to be made anew though nobody changes anything; NULL: never
    PrimaryKeyConstraint("site", "gateway"),
    sqlite_with_rowid=False,
    sqlite_strict=True,
)
