"""Which keys the register's identity is sealed with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "register_key",
        sa.Column("community_id", _WHOLE, primary_key=True),
        sa.Column("key_id", sa.Text(), primary_key=True),
        sa.Column("begun_at", _WHOLE, nullable=False),
        sa.Column("ended_at", _WHOLE),
        sqlite_strict=True,
    )
