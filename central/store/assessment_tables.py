"""The tables of impact assessments and of communities that went live. Values only. Rows are only ever added.

Kept for three years at least (trust.md R-80): nothing here changes or deletes a row.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, Table, Text, UniqueConstraint

from central.store.tables import Whole, metadata

impact_assessment = Table(
    "impact_assessment",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("community_id", Whole, ForeignKey("community.id"), nullable=False),
    Column("version", Whole, nullable=False),  # from 1, without a gap
    Column("written_at", Whole, nullable=False),
    Column("written_by", Whole, nullable=False),  # account
    Column("body", Text, nullable=False),  # JSON, assessments.document.Assessment
    Column("hash", LargeBinary, nullable=False),  # SHA-256 of the body
    UniqueConstraint("community_id", "version", name="impact_assessment_version"),
    sqlite_strict=True,
)

community_live = Table(
    "community_live",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("community_id", Whole, ForeignKey("community.id"), nullable=False),
    Column("act", Text, nullable=False),  # assessments.words.LiveAct
    Column("at", Whole, nullable=False),
    Column("account", Whole, nullable=False),  # who agreed; 0: the step that brought the gate
    Column("assessment_id", Whole, ForeignKey("impact_assessment.id")),  # NULL: from before the gate
    Index("community_live_of", "community_id", "id"),
    sqlite_strict=True,
)
"""A community with a row here is live: it began before there was a gate, or two people let it through."""
notice_hung = Table(
    "notice_hung",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("community_id", Whole, ForeignKey("community.id"), nullable=False),
    Column("assessment_id", Whole, ForeignKey("impact_assessment.id"), nullable=False),  # whose notice it is
    Column("site", Text, ForeignKey("site.name"), nullable=False),
    Column("gateway", Text, nullable=False),
    Column("door", Text, nullable=False),
    Column("at", Whole, nullable=False),
    Column("account", Whole, nullable=False),  # who saw it hang there
    Index("notice_hung_of", "community_id", "id"),
    sqlite_strict=True,
)
"""For the commissioning file: that the notice hung at a door, and who saw it (trust.md R-84)."""
