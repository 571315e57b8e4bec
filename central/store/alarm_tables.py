"""The tables of alarms: what is watched for, what was found, and who is told of it. Values only.

A rule is never changed: it ends, and another one begins, so that each alarm can be explained later by the
rule that raised it. An alarm is about a door, a device or a gateway, and never about a person.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    DDL,
    Column,
    ForeignKey,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    event,
    text,
)

from central.store.tables import Whole, metadata

alarm_rule = Table(
    "alarm_rule",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("kind", Text, nullable=False),  # alarms.kinds.AlarmKind
    Column("site", Text, nullable=False),  # or * for all
    Column("urgency", Text, nullable=False),
    Column("limits", Text, nullable=False),  # JSON object: name -> whole number
    Column("from_at", Whole, nullable=False),
    Column("until_at", Whole),  # NULL: in force
    Column("made_by", Text, nullable=False),
    sqlite_strict=True,
)

alarm = Table(
    "alarm",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("rule_id", Whole, ForeignKey("alarm_rule.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("urgency", Text, nullable=False),
    Column("gateway_id", Whole, ForeignKey("gateway.id"), nullable=False),
    Column("door", Text),
    Column("device", Text),
    Column("began_at", Whole, nullable=False),  # by the gateway's clock
    Column("last_at", Whole, nullable=False),
    Column("counts_from", Whole, nullable=False),  # what is over before that is no alarm
    Column("noticed_at", Whole, nullable=False),  # by ours
    Column("times", Whole, nullable=False),  # how often it happened while it lasted
    Column("over_at", Whole),  # NULL: it lasts
    # who has seen to it
    Column("seen_at", Whole),
    Column("seen_by", Text),
    Column("note", Text),
    Index("alarm_lasting", "gateway_id", "kind", "door", "device", "over_at"),
    Index("alarm_unseen", "seen_at", "id"),
    sqlite_strict=True,
)

alarm_event = Table(
    "alarm_event",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("alarm_id", Whole, ForeignKey("alarm.id"), nullable=False),
    Column("at", Whole, nullable=False),
    Column("by", Text, nullable=False),
    Column("event", Text, nullable=False),  # seen, unseen
    Column("note", Text),  # what was said of it then
    Index("alarm_event_of", "alarm_id", "id"),
    sqlite_strict=True,
)
"""Who saw to it, and who took that back. Rows are only ever added; `alarm` has what holds now."""

_REFUSING: Final = """
CREATE FUNCTION alarm_events_only_grow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'alarm events only grow' USING ERRCODE = 'check_violation'; END $$
"""


def events_only_grow_statements(dialect: str) -> list[str]:
    """What makes a database refuse to change or delete them; also for its migration."""
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER alarm_event_no_{verb.lower()} BEFORE {verb} ON alarm_event"
            " BEGIN SELECT RAISE(ABORT, 'alarm events only grow'); END"
            for verb in ("UPDATE", "DELETE")
        ]
    made = "CREATE TRIGGER alarm_event_only_grows BEFORE UPDATE OR DELETE ON alarm_event"
    return [_REFUSING, f"{made} FOR EACH ROW EXECUTE FUNCTION alarm_events_only_grow()"]


for _dialect in ("sqlite", "postgresql"):
    for _statement in events_only_grow_statements(_dialect):
        _made = DDL(_statement).execute_if(dialect=_dialect)  # type: ignore[no-untyped-call]
        event.listen(metadata, "after_create", _made)

alarm_record = Table(
    "alarm_record",
    metadata,
    Column("alarm_id", Whole, ForeignKey("alarm.id"), nullable=False),
    Column("epoch", Whole, nullable=False),
    Column("seq", Whole, nullable=False),
    PrimaryKeyConstraint("alarm_id", "epoch", "seq"),
    sqlite_with_rowid=False,
    sqlite_strict=True,
)
"""The records that an alarm rests on, the first of them."""

integrity_declared = Table(
    "integrity_declared",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("alarm_id", Whole, ForeignKey("alarm.id"), nullable=False),
    Column("gateway_id", Whole, ForeignKey("gateway.id"), nullable=False),
    Column("flaw", Text, nullable=False),  # the kind of finding
    Column("findings", Whole, nullable=False),  # how many it covers still, beside those of earlier rows
    Column("declared_at", Whole, nullable=False),
    Column("declared_by", Text, nullable=False),
    Column("found", Text, nullable=False),
    Column("done", Text, nullable=False),
    UniqueConstraint("alarm_id", name="integrity_declared_once"),
    sqlite_strict=True,
)
"""What somebody found and did about records that do not fit together. Rows are only ever added; what was
found stays in `finding`, and what a newer program understands goes from there and is covered no more."""

alarm_cursor = Table(
    "alarm_cursor",
    metadata,
    Column("id", Whole, primary_key=True),  # one row: 1
    Column("record_id", Whole, nullable=False),  # all up to this one were looked at
    sqlite_strict=True,
)

webhook = Table(
    "webhook",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("site", Text, nullable=False),  # or *
    Column("url", Text, nullable=False),
    Column("kinds", Text, nullable=False),  # JSON array of AlarmKind; empty: all
    Column("from_at", Whole, nullable=False),
    Column("until_at", Whole),
    Column("made_by", Text, nullable=False),
    sqlite_strict=True,
)

_NOT_TOLD: Final = "delivered_at IS NULL"

webhook_message = Table(
    "webhook_message",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("webhook_id", Whole, ForeignKey("webhook.id"), nullable=False),
    Column("alarm_id", Whole, ForeignKey("alarm.id"), nullable=False),
    Column("event", Text, nullable=False),  # began, over, seen, unseen
    Column("made_at", Whole, nullable=False),
    Column("tries", Whole, nullable=False),
    Column("next_try_at", Whole),  # NULL: delivered, or given up
    Column("delivered_at", Whole),
    Column("last_answer", Text),  # a status code, or why there was none
    Index(
        "webhook_message_once",
        "webhook_id",
        "alarm_id",
        "event",
        unique=True,
        sqlite_where=text(_NOT_TOLD),
        postgresql_where=text(_NOT_TOLD),
    ),
    Index("webhook_message_due", "next_try_at"),
    sqlite_strict=True,
)
"""To be delivered at least once; whoever takes it tells repeats apart by its id."""
