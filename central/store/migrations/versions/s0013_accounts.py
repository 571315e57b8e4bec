"""Accounts, sessions, tokens of machines, and what was done with them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", _WHOLE, primary_key=True),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("password", sa.Text()),
        sa.Column("second", sa.LargeBinary()),
        sa.Column("second_step", _WHOLE, nullable=False),
        sa.Column("made_at", _WHOLE, nullable=False),
        sa.Column("disabled_at", _WHOLE),
        sa.UniqueConstraint("login", name="account_by_login"),
        sqlite_strict=True,
    )
    op.create_table(
        "account_community",
        sa.Column("account_id", _WHOLE, sa.ForeignKey("account.id"), nullable=False),
        sa.Column("community_id", _WHOLE, sa.ForeignKey("community.id"), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "community_id"),
        sqlite_with_rowid=False,
        sqlite_strict=True,
    )
    op.create_table(
        "activation",
        sa.Column("account_id", _WHOLE, sa.ForeignKey("account.id"), primary_key=True),
        sa.Column("code", sa.LargeBinary(), nullable=False),
        sa.Column("until_at", _WHOLE, nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "session",
        sa.Column("id", _WHOLE, primary_key=True),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("account_id", _WHOLE, sa.ForeignKey("account.id"), nullable=False),
        sa.Column("begun_at", _WHOLE, nullable=False),
        sa.Column("used_at", _WHOLE, nullable=False),
        sa.Column("proved_at", _WHOLE),
        sa.Column("ended_at", _WHOLE),
        sa.UniqueConstraint("token", name="session_by_token"),
        sqlite_strict=True,
    )
    op.create_index("session_of", "session", ["account_id", "ended_at"])
    op.create_table(
        "machine_token",
        sa.Column("id", _WHOLE, primary_key=True),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("made_at", _WHOLE, nullable=False),
        sa.Column("until_at", _WHOLE, nullable=False),
        sa.Column("ended_at", _WHOLE),
        sa.UniqueConstraint("token", name="machine_token_by_token"),
        sqlite_strict=True,
    )
    op.create_table(
        "machine_token_community",
        sa.Column("machine_token_id", _WHOLE, sa.ForeignKey("machine_token.id"), nullable=False),
        sa.Column("community_id", _WHOLE, sa.ForeignKey("community.id"), nullable=False),
        sa.PrimaryKeyConstraint("machine_token_id", "community_id"),
        sqlite_with_rowid=False,
        sqlite_strict=True,
    )
    op.create_table(
        "account_event",
        sa.Column("id", _WHOLE, primary_key=True),
        sa.Column("at", _WHOLE, nullable=False),
        sa.Column("account_id", _WHOLE),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sqlite_strict=True,
    )
    op.create_index("account_event_of", "account_event", ["account_id", "id"])
