"""Alarms: rules, what they found, and who is told of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "alarm_rule",
        sa.Column("id", _WHOLE, primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("urgency", sa.Text(), nullable=False),
        sa.Column("limits", sa.Text(), nullable=False),
        sa.Column("from_at", _WHOLE, nullable=False),
        sa.Column("until_at", _WHOLE),
        sa.Column("made_by", sa.Text(), nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "alarm",
        sa.Column("id", _WHOLE, primary_key=True),
        sa.Column("rule_id", _WHOLE, sa.ForeignKey("alarm_rule.id"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("urgency", sa.Text(), nullable=False),
        sa.Column("gateway_id", _WHOLE, sa.ForeignKey("gateway.id"), nullable=False),
        sa.Column("door", sa.Text()),
        sa.Column("device", sa.Text()),
        sa.Column("began_at", _WHOLE, nullable=False),
        sa.Column("last_at", _WHOLE, nullable=False),
        sa.Column("counts_from", _WHOLE, nullable=False),
        sa.Column("noticed_at", _WHOLE, nullable=False),
        sa.Column("times", _WHOLE, nullable=False),
        sa.Column("over_at", _WHOLE),
        sa.Column("seen_at", _WHOLE),
        sa.Column("seen_by", sa.Text()),
        sa.Column("note", sa.Text()),
        sqlite_strict=True,
    )
    op.create_index("alarm_lasting", "alarm", ["gateway_id", "kind", "door", "device", "over_at"])
    op.create_index("alarm_unseen", "alarm", ["seen_at", "id"])
    op.create_table(
        "alarm_record",
        sa.Column("alarm_id", _WHOLE, sa.ForeignKey("alarm.id"), nullable=False),
        sa.Column("epoch", _WHOLE, nullable=False),
        sa.Column("seq", _WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("alarm_id", "epoch", "seq"),
        sqlite_with_rowid=False,
        sqlite_strict=True,
    )
    op.create_table(
        "alarm_cursor",
        sa.Column("id", _WHOLE, primary_key=True),
        sa.Column("record_id", _WHOLE, nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "webhook",
        sa.Column("id", _WHOLE, primary_key=True),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("kinds", sa.Text(), nullable=False),
        sa.Column("from_at", _WHOLE, nullable=False),
        sa.Column("until_at", _WHOLE),
        sa.Column("made_by", sa.Text(), nullable=False),
        sqlite_strict=True,
    )
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
        sa.UniqueConstraint("webhook_id", "alarm_id", "event", name="webhook_message_once"),
        sqlite_strict=True,
    )
    op.create_index("webhook_message_due", "webhook_message", ["next_try_at"])
