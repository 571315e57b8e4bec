"""Passes of visitors, and what was done with them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "visitor_pass",
        sa.Column("id", _WHOLE, primary_key=True),
        sa.Column("community_id", _WHOLE, sa.ForeignKey("community.id"), nullable=False),
        sa.Column("site", sa.Text(), sa.ForeignKey("site.name"), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("token", sa.LargeBinary()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("room_id", _WHOLE, sa.ForeignKey("place.id")),
        sa.Column("sealed", sa.LargeBinary()),
        sa.Column("doors", sa.Text(), nullable=False),
        sa.Column("from_at", _WHOLE, nullable=False),
        sa.Column("until_at", _WHOLE, nullable=False),
        sa.Column("uses", _WHOLE),
        sa.Column("issued_by", sa.Text(), nullable=False),
        sa.Column("issued_at", _WHOLE, nullable=False),
        sa.Column("revoked_at", _WHOLE),
        sa.UniqueConstraint("reference", name="visitor_pass_by_reference"),
        sqlite_strict=True,
    )
    op.create_index("visitor_pass_of_site", "visitor_pass", ["site", "until_at"])
    op.create_index("visitor_pass_of_room", "visitor_pass", ["room_id", "from_at"])
    op.create_table(
        "visitor_pass_event",
        sa.Column("id", _WHOLE, primary_key=True),
        sa.Column("pass_id", _WHOLE, sa.ForeignKey("visitor_pass.id"), nullable=False),
        sa.Column("at", _WHOLE, nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("until_at", _WHOLE),
        sqlite_strict=True,
    )
    op.create_index("visitor_pass_event_of", "visitor_pass_event", ["pass_id", "id"])
