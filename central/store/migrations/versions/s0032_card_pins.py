"""The PIN after a card, as each site's gateways compare it, and the one for under duress."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    op.add_column("credential_token", sa.Column("pin", sa.LargeBinary()))
    op.add_column("credential_token", sa.Column("duress_pin", sa.LargeBinary()))
