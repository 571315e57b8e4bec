"""The tables of visitors' passes. Values only.

Whether a visitor has come or gone is not kept a second time: it follows from the records. Who a visitor is
lies sealed with the community's register key, and goes with the pass when that is due (trust.md R-84).
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, Table, Text, UniqueConstraint

from central.store.tables import Whole, metadata

visitor_pass = Table(
    "visitor_pass",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("community_id", Whole, ForeignKey("community.id"), nullable=False),
    Column("site", Text, ForeignKey("site.name"), nullable=False),
    Column("reference", Text, nullable=False),  # opaque; stands in records as `holder`
    Column("kind", Text, nullable=False),  # visitors.words.PassKind
    Column("token", LargeBinary),  # 16 bytes: of PIN, card or document; of a QR code's text
    Column("reason", Text, nullable=False),  # visitors.words.VisitReason
    Column("room_id", Whole, ForeignKey("place.id")),  # whom the visit is for
    Column("sealed", LargeBinary, info={"sealed_as": "visitor_pass"}),  # name, phone; NULL: not asked for
    Column("doors", Text, nullable=False),  # JSON array, as in access lists
    Column("from_at", Whole, nullable=False),
    Column("until_at", Whole, nullable=False),
    Column("uses", Whole),  # at each gateway; NULL: as often as wanted
    Column("issued_by", Text, nullable=False),
    Column("issued_at", Whole, nullable=False),
    Column("revoked_at", Whole),
    UniqueConstraint("reference", name="visitor_pass_by_reference"),
    Index("visitor_pass_of_site", "site", "until_at"),
    Index("visitor_pass_of_room", "room_id", "from_at"),
    Index("visitor_pass_by_issuer", "issued_by", "id"),
    sqlite_strict=True,
)

visitor_pass_event = Table(
    "visitor_pass_event",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("pass_id", Whole, ForeignKey("visitor_pass.id"), nullable=False),
    Column("at", Whole, nullable=False),
    Column("event", Text, nullable=False),  # visitors.words.PassEvent
    Column("by", Text, nullable=False),
    Column("until_at", Whole),  # what it was extended to
    Index("visitor_pass_event_of", "pass_id", "id"),
    sqlite_strict=True,
)
"""What was done with a pass. Rows are only ever added."""
