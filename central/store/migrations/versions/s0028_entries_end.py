"""Entries end: up to which record what arrived by when, what has gone, and what is still to be certified."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _whole(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, _WHOLE, nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "record_mark",
        sa.Column("noted_at", _WHOLE, primary_key=True),
        sa.Column("day", sa.Text(), nullable=False),
        _whole("last_id"),
        _whole("begun_at", nullable=True),
        sqlite_strict=True,
    )
    op.create_index("record_mark_by_last", "record_mark", ["last_id"])
    op.create_table(
        "ended_range",
        _whole("gateway_id"),
        _whole("epoch"),
        _whole("first"),
        _whole("last"),
        sa.Column("first_prev", sa.LargeBinary(), nullable=False),
        sa.Column("last_hash", sa.LargeBinary(), nullable=False),
        _whole("arrived_by"),
        sa.Column("signer", sa.Text(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("gateway_id", "epoch", "first"),
        sqlite_with_rowid=False,
        sqlite_strict=True,
    )
    op.create_table(
        "ended_count",
        sa.Column("day", sa.Text(), nullable=False),
        _whole("community_id"),
        _whole("entries"),
        sa.PrimaryKeyConstraint("day", "community_id"),
        sqlite_with_rowid=False,
        sqlite_strict=True,
    )
