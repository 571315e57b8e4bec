"""By which key each gateway signs what it holds, and since when it was last not believed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("gateway", sa.Column("device_key", sa.LargeBinary()))
    op.add_column("gateway", sa.Column("device_key_at", _WHOLE))
    op.add_column("gateway", sa.Column("unbelieved_at", _WHOLE))
