"""What somebody declared about records that do not fit together, and a month's counts as they were told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _whole(name: str) -> sa.Column[int]:
    return sa.Column(name, _WHOLE, nullable=False)


def _of(name: str, table: str) -> sa.Column[int]:
    return sa.Column(name, _WHOLE, sa.ForeignKey(f"{table}.id"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "integrity_declared",
        sa.Column("id", _WHOLE, primary_key=True),
        _of("alarm_id", "alarm"),
        _of("gateway_id", "gateway"),
        _text("flaw"),
        _whole("findings"),
        _whole("declared_at"),
        _text("declared_by"),
        _text("found"),
        _text("done"),
        sa.UniqueConstraint("alarm_id", name="integrity_declared_once"),
        sqlite_strict=True,
    )
    op.create_table(
        "month_told",
        _of("community_id", "community"),
        _text("month"),
        _whole("told_at"),
        _whole("entries"),
        _text("cells"),
        sa.PrimaryKeyConstraint("community_id", "month"),
        sqlite_with_rowid=False,
        sqlite_strict=True,
    )
