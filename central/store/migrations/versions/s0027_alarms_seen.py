"""Who saw to an alarm, and who took that back; programs are told of either again each time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from central.store.alarm_tables import events_only_grow_statements

revision = "0027"
down_revision = "0026"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_NOT_TOLD = "delivered_at IS NULL"


def upgrade() -> None:
    op.create_table(
        "alarm_event",
        sa.Column("id", _WHOLE, primary_key=True),
        sa.Column("alarm_id", _WHOLE, sa.ForeignKey("alarm.id"), nullable=False),
        sa.Column("at", _WHOLE, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("note", sa.Text()),
        sqlite_strict=True,
    )
    op.create_index("alarm_event_of", "alarm_event", ["alarm_id", "id"])
    for statement in events_only_grow_statements(op.get_bind().dialect.name):
        op.execute(statement)
    _told_again()


def _told_again() -> None:
    """What was told of an alarm stays; only what still waits is there once."""
    if op.get_bind().dialect.name == "sqlite":
        op.rename_table("webhook_message", "webhook_message_once_each")
        op.drop_index("webhook_message_due", "webhook_message_once_each")
        op.create_table(
            "webhook_message",
            sa.Column("id", _WHOLE, primary_key=True),
            sa.Column("webhook_id", _WHOLE, sa.ForeignKey("webhook.id"), nullable=False),
            sa.Column("alarm_id", _WHOLE, sa.ForeignKey("alarm.id"), nullable=False),
            sa.Column("event", sa.Text(), nullable=False),
            sa.Column("made_at", _WHOLE, nullable=False),
            sa.Column("tries", _WHOLE, nullable=False),
            sa.Column("next_try_at", _WHOLE),
            sa.Column("delivered_at", _WHOLE),
            sa.Column("last_answer", sa.Text()),
            sqlite_strict=True,
        )
        op.execute("INSERT INTO webhook_message SELECT * FROM webhook_message_once_each")
        op.drop_table("webhook_message_once_each")
        op.create_index("webhook_message_due", "webhook_message", ["next_try_at"])
    else:
        op.drop_constraint("webhook_message_once", "webhook_message")
    op.create_index(
        "webhook_message_once",
        "webhook_message",
        ["webhook_id", "alarm_id", "event"],
        unique=True,
        sqlite_where=sa.text(_NOT_TOLD),
        postgresql_where=sa.text(_NOT_TOLD),
    )
