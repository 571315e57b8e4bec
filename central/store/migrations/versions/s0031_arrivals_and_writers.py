"""How far arrivals had come every half minute; who wrote settings, and which former ones they put back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "arrival_mark",
        sa.Column("noted_at", _WHOLE, primary_key=True),
        sa.Column("last_id", _WHOLE, nullable=False),
        sqlite_strict=True,
    )
    op.create_index("arrival_mark_by_last", "arrival_mark", ["last_id", "noted_at"])
    op.add_column("sent_settings", sa.Column("written_by", sa.Text()))
    op.add_column("sent_settings", sa.Column("puts_back", _WHOLE))
