"""Accounts linked to a provider's sign-in, those begun there, and sessions whose second factor it saw."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "provider_link",
        sa.Column("account_id", _WHOLE, sa.ForeignKey("account.id"), primary_key=True),
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", _WHOLE, nullable=False),
        sa.UniqueConstraint("subject", name="provider_link_by_subject"),
        sqlite_strict=True,
    )
    op.create_table(
        "provider_visit",
        sa.Column("secret", sa.LargeBinary(), primary_key=True),
        sa.Column("session_token", sa.LargeBinary()),
        sa.Column("account_id", _WHOLE),
        sa.Column("until_at", _WHOLE, nullable=False),
        sqlite_strict=True,
    )
    op.add_column("session", sa.Column("vouched_at", _WHOLE))
