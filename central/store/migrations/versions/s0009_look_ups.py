"""The register of look-ups: rows that only grow, and what finds them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from central.store.lookup_tables import only_grow_statements

revision = "0009"
down_revision = "0008"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _whole(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, _WHOLE, nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "look_up_event",
        sa.Column("id", _WHOLE, primary_key=True),
        _whole("look_up_id", nullable=True),
        _whole("community_id"),
        _text("kind"),
        _whole("at"),
        _whole("account"),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sqlite_strict=True,
    )
    op.create_index("look_up_event_of", "look_up_event", ["look_up_id", "id"])
    op.create_index("look_up_event_by_kind", "look_up_event", ["community_id", "kind", "id"])
    op.create_table(
        "look_up",
        sa.Column("id", _WHOLE, primary_key=True),
        _whole("event_id"),
        _whole("community_id"),
        _whole("at"),
        _whole("account"),
        _text("role"),
        _text("unit", nullable=True),
        _text("question"),
        _text("purpose"),
        _text("basis"),
        _text("case_number"),
        sa.Column("emergency", sa.Integer(), nullable=False),
        _whole("from_at"),
        _whole("until_at"),
        _text("parameters"),
        sa.Column("subject", sa.LargeBinary()),
        sa.UniqueConstraint("event_id", name="look_up_by_event"),
        sqlite_strict=True,
    )
    op.create_index("look_up_by_account", "look_up", ["account", "at"])
    op.create_index("look_up_by_community", "look_up", ["community_id", "id"])
    op.create_index("look_up_by_subject", "look_up", ["community_id", "subject"])
    op.create_table(
        "look_up_subject",
        sa.Column("id", _WHOLE, primary_key=True),
        _whole("community_id"),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sqlite_strict=True,
    )
    for statement in only_grow_statements(op.get_bind().dialect.name):
        op.execute(statement)
