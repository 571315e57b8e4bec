"""The table of what people ask for about their own data: correction, deletion and the like. Values only."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, Table, Text, UniqueConstraint, text

from central.store.tables import Whole, metadata

_WAITS = "decision IS NULL"

own_request = Table(
    "own_request",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("community_id", Whole, ForeignKey("community.id"), nullable=False),
    Column("person_id", Whole, ForeignKey("person.id")),  # whose data; NULL: a visitor's
    Column("pass_id", Whole, ForeignKey("visitor_pass.id")),  # whose visitor's data; NULL: of the register
    Column("receipt", Text, nullable=False),  # chance; whoever holds it is answered by it
    Column("kind", Text, nullable=False),  # requests.words.RequestKind
    Column("sealed", LargeBinary, nullable=False, info={"sealed_as": "own_request"}),  # what was asked
    Column("at_desk", Integer, nullable=False),  # 1: a worker took it down
    Column("received_at", Whole, nullable=False),
    Column("received_by", Whole, nullable=False),  # account
    Column("due_at", Whole, nullable=False),
    Column("decision", Text),  # requests.words.Decision; NULL: waits
    Column("decided_at", Whole),
    Column("decided_by", Whole),  # account
    Column("answer", LargeBinary, info={"sealed_as": "own_request_answer"}),  # what was done, or why not
    UniqueConstraint("receipt", name="own_request_by_receipt"),
    Index("own_request_of", "community_id", "id"),
    Index("own_request_of_person", "person_id", "id"),
    Index(
        "own_request_waiting",
        "community_id",
        "due_at",
        sqlite_where=text(_WAITS),
        postgresql_where=text(_WAITS),
    ),
    sqlite_strict=True,
)
