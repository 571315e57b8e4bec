"""Visitors' names go with the keys of a day, visitors hold a receipt, and notices hang at doors."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("visitor_pass", sa.Column("name_day", sa.Text()))
    op.add_column("visitor_pass", sa.Column("name_sealed", sa.LargeBinary()))
    op.add_column("visitor_pass", sa.Column("receipt", sa.Text()))
    named, held = sa.text("name_sealed IS NOT NULL"), sa.text("receipt IS NOT NULL")
    op.create_index(
        "visitor_pass_named",
        "visitor_pass",
        ["community_id", "name_day"],
        sqlite_where=named,
        postgresql_where=named,
    )
    op.create_index(
        "visitor_pass_by_receipt",
        "visitor_pass",
        ["receipt"],
        unique=True,
        sqlite_where=held,
        postgresql_where=held,
    )
    op.create_table(
        "notice_hung",
        sa.Column("id", _WHOLE, primary_key=True),
        sa.Column("community_id", _WHOLE, sa.ForeignKey("community.id"), nullable=False),
        sa.Column("assessment_id", _WHOLE, sa.ForeignKey("impact_assessment.id"), nullable=False),
        sa.Column("site", sa.Text(), sa.ForeignKey("site.name"), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("door", sa.Text(), nullable=False),
        sa.Column("at", _WHOLE, nullable=False),
        sa.Column("account", _WHOLE, nullable=False),
        sqlite_strict=True,
    )
    op.create_index("notice_hung_of", "notice_hung", ["community_id", "id"])
