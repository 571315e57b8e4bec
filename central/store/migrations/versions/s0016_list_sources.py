"""What each gateway's access list was last made of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "list_source",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("made_at", _WHOLE, nullable=False),
        sa.Column("pass_event_id", _WHOLE, nullable=False),
        sa.Column("changes_at", _WHOLE),
        sa.PrimaryKeyConstraint("site", "gateway"),
        sqlite_with_rowid=False,
        sqlite_strict=True,
    )
