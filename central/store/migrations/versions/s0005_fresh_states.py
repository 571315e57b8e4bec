"""Which state of a gateway is its newest, which settings it has, whether it wants acknowledgements signed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("gateway", sa.Column("settings_revision", _WHOLE))
    op.add_column("gateway", sa.Column("signed_acks", sa.Integer()))
    op.add_column("gateway", sa.Column("replayed_at", _WHOLE))
    op.create_table(
        "gateway_boot",
        sa.Column("gateway_id", _WHOLE, sa.ForeignKey("gateway.id"), nullable=False),
        sa.Column("turn", _WHOLE, nullable=False),
        sa.Column("boot", sa.Text(), nullable=False),
        sa.Column("uptime_us", _WHOLE),
        sa.Column("at", _WHOLE),
        sa.Column("epoch", _WHOLE),
        sa.Column("head", _WHOLE),
        sa.PrimaryKeyConstraint("gateway_id", "turn"),
        sa.UniqueConstraint("gateway_id", "boot", name="gateway_boot_once"),
        sqlite_with_rowid=False,
        sqlite_strict=True,
    )
