"""A code for a resident's account is good once somebody else has seen, at the desk, whom it is handed to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("activation", sa.Column("made_by", sa.Text()))
    op.add_column("activation", sa.Column("confirmed_at", _WHOLE))
    op.add_column("activation", sa.Column("confirmed_by", _WHOLE))
