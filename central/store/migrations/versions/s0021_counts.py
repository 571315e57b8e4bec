"""Entries counted by door and hour, and an index of what says whether a door could record."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OF_COVERAGE = (
    "kind IN ('gateway_started', 'gateway_stopped', 'reader_lost', 'reader_restored', 'records_lost')"
)


def upgrade() -> None:
    op.create_table(
        "entry_count",
        sa.Column("gateway_id", _WHOLE, sa.ForeignKey("gateway.id"), nullable=False),
        sa.Column("hour_at", _WHOLE, nullable=False),
        sa.Column("door", sa.Text(), nullable=False),
        sa.Column("entries", _WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("gateway_id", "hour_at", "door"),
        sqlite_with_rowid=False,
        sqlite_strict=True,
    )
    op.create_table(
        "entry_tally",
        sa.Column("id", _WHOLE, primary_key=True),
        sa.Column("record_id", _WHOLE, nullable=False),
        sqlite_strict=True,
    )
    where = sa.text(_OF_COVERAGE)
    op.create_index(
        "record_of_coverage", "record", ["gateway_id", "at"], sqlite_where=where, postgresql_where=where
    )
