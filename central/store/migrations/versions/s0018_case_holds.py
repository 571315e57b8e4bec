"""What a case needs for longer than its retention."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _whole(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, _WHOLE, nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "case_hold",
        sa.Column("id", _WHOLE, primary_key=True),
        _whole("community_id"),
        _whole("look_up_id"),
        sa.Column("case_number", sa.Text(), nullable=False),
        _whole("made_at"),
        _whole("until_at"),
        _whole("ended_at", nullable=True),
        sqlite_strict=True,
    )
    op.create_index("case_hold_of", "case_hold", ["community_id", "case_number"])
    lasts = sa.text("ended_at IS NULL")
    op.create_index("case_hold_by_end", "case_hold", ["until_at"], sqlite_where=lasts, postgresql_where=lasts)
    op.create_table(
        "case_hold_entry",
        sa.Column("id", _WHOLE, primary_key=True),
        _whole("community_id"),
        sa.Column("case_hold_id", _WHOLE, sa.ForeignKey("case_hold.id"), nullable=False),
        sa.Column("gateway_id", _WHOLE, sa.ForeignKey("gateway.id"), nullable=False),
        _whole("epoch"),
        _whole("seq"),
        _whole("at"),
        sa.Column("sealed", sa.LargeBinary()),
        sa.UniqueConstraint("case_hold_id", "gateway_id", "epoch", "seq", name="case_hold_entry_once"),
        sqlite_strict=True,
    )
    op.create_index("case_hold_entry_by_place", "case_hold_entry", ["gateway_id", "epoch", "seq"])
