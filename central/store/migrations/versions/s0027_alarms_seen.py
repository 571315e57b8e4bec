"""Who saw to an alarm, and who took that back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "alarm_event",
        sa.Column("id", _WHOLE, primary_key=True),
        sa.Column("alarm_id", _WHOLE, sa.ForeignKey("alarm.id"), nullable=False),
        sa.Column("at", _WHOLE, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sqlite_strict=True,
    )
    op.create_index("alarm_event_of", "alarm_event", ["alarm_id", "id"])
