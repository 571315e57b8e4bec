"""Impact assessments, and which communities are live. Those that are there already go on as they are, marked
as live from before the gate."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _whole(name: str) -> sa.Column[int]:
    return sa.Column(name, _WHOLE, nullable=False)


def upgrade() -> None:
    op.create_table(
        "impact_assessment",
        sa.Column("id", _WHOLE, primary_key=True),
        sa.Column("community_id", _WHOLE, sa.ForeignKey("community.id"), nullable=False),
        _whole("version"),
        _whole("written_at"),
        _whole("written_by"),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.UniqueConstraint("community_id", "version", name="impact_assessment_version"),
        sqlite_strict=True,
    )
    op.create_table(
        "community_live",
        sa.Column("id", _WHOLE, primary_key=True),
        sa.Column("community_id", _WHOLE, sa.ForeignKey("community.id"), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        _whole("at"),
        _whole("account"),
        sa.Column("assessment_id", _WHOLE, sa.ForeignKey("impact_assessment.id")),
        sqlite_strict=True,
    )
    op.create_index("community_live_of", "community_live", ["community_id", "id"])
    op.execute(
        "INSERT INTO community_live (community_id, act, at, account)"
        " SELECT id, 'before_the_gate', created_at, 0 FROM community ORDER BY id"
    )
