"""Passkeys, whom a resident's account is for, and events of accounts that nobody changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from central.store.account_tables import events_only_grow_statements

revision = "0015"
down_revision = "0014"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "account_person",
        sa.Column("account_id", _WHOLE, sa.ForeignKey("account.id"), primary_key=True),
        sa.Column("person_id", _WHOLE, sa.ForeignKey("person.id"), nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "passkey",
        sa.Column("id", _WHOLE, primary_key=True),
        sa.Column("account_id", _WHOLE, sa.ForeignKey("account.id"), nullable=False),
        sa.Column("credential", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("signs", _WHOLE, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("made_at", _WHOLE, nullable=False),
        sa.Column("used_at", _WHOLE),
        sa.UniqueConstraint("credential", name="passkey_by_credential"),
        sqlite_strict=True,
    )
    op.create_index("passkey_of", "passkey", ["account_id"])
    op.create_table(
        "passkey_challenge",
        sa.Column("challenge", sa.LargeBinary(), primary_key=True),
        sa.Column("account_id", _WHOLE),
        sa.Column("until_at", _WHOLE, nullable=False),
        sqlite_strict=True,
    )
    for statement in events_only_grow_statements(op.get_bind().dialect.name):
        op.execute(statement)
