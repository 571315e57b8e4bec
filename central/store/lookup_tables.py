"""The tables of look-ups: who asked what about whose entries, and all that followed. Values only.

Both tables only grow: the database itself refuses to change or delete a row of them. `look_up_event` is the
register, each row chained to the one before it; every column of `look_up` stands in its event's body too, so
that a look-up is found quickly and can be altered in neither place unnoticed.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    DDL,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    event,
    text,
)

from central.store.tables import Whole, metadata

_LASTS: Final = "ended_at IS NULL"

look_up_event = Table(
    "look_up_event",
    metadata,
    Column("id", Whole, primary_key=True),  # gapless, from 1
    Column("look_up_id", Whole),  # NULL: of what was refused before it became a look-up, and of limits
    Column("community_id", Whole, nullable=False),
    Column("kind", Text, nullable=False),  # a closed word, see lookup.words
    Column("at", Whole, nullable=False),
    Column("account", Whole, nullable=False),  # of whoever did it
    Column("body", LargeBinary, nullable=False),  # JSON: all of the above and more, as it was hashed
    Column("hash", LargeBinary, nullable=False),  # SHA-256 of the hash before it, and of body
    Index("look_up_event_of", "look_up_id", "id"),
    Index("look_up_event_by_kind", "community_id", "kind", "id"),
    sqlite_strict=True,
)

look_up = Table(
    "look_up",
    metadata,
    Column("id", Whole, primary_key=True),  # gapless, from 1: the number that stands on every answer
    Column("event_id", Whole, nullable=False),  # its first row in the register
    Column("community_id", Whole, nullable=False),
    Column("at", Whole, nullable=False),
    Column("account", Whole, nullable=False),
    Column("role", Text, nullable=False),
    Column("unit", Text),
    Column("question", Text, nullable=False),  # closed words, see lookup.words
    Column("purpose", Text, nullable=False),
    Column("basis", Text, nullable=False),
    Column("case_number", Text, nullable=False),
    Column("emergency", Integer, nullable=False),
    Column("from_at", Whole, nullable=False),
    Column("until_at", Whole, nullable=False),
    Column("parameters", Text, nullable=False),  # JSON; places and references, never who somebody is
    Column("subject", LargeBinary),  # blind index of whom it asks about
    UniqueConstraint("event_id", name="look_up_by_event"),
    Index("look_up_by_account", "account", "at"),
    Index("look_up_by_community", "community_id", "id"),
    Index("look_up_by_subject", "community_id", "subject"),
    sqlite_strict=True,
)

look_up_subject = Table(
    "look_up_subject",
    metadata,
    Column("id", Whole, primary_key=True),  # of the look-up
    Column("community_id", Whole, nullable=False),
    Column("sealed", LargeBinary, nullable=False, info={"sealed_as": "look_up_subject"}),
    sqlite_strict=True,
)
"""The number that was asked for, so that its further pages can be found; sealed again when keys change."""

case_hold = Table(
    "case_hold",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("community_id", Whole, nullable=False),
    Column("look_up_id", Whole, nullable=False),
    Column("case_number", Text, nullable=False),
    Column("made_at", Whole, nullable=False),
    Column("until_at", Whole, nullable=False),
    Column("ended_at", Whole),  # its entries are gone
    Index("case_hold_of", "community_id", "case_number"),
    Index("case_hold_by_end", "until_at", sqlite_where=text(_LASTS), postgresql_where=text(_LASTS)),
    sqlite_strict=True,
)
"""What a case needs for longer than its retention: approved, and for a time."""

case_hold_entry = Table(
    "case_hold_entry",
    metadata,
    Column("id", Whole, primary_key=True),
    Column("community_id", Whole, nullable=False),
    Column("case_hold_id", Whole, ForeignKey("case_hold.id"), nullable=False),
    Column("gateway_id", Whole, ForeignKey("gateway.id"), nullable=False),
    Column("epoch", Whole, nullable=False),
    Column("seq", Whole, nullable=False),  # of its record
    Column("at", Whole, nullable=False),
    Column("sealed", LargeBinary, info={"sealed_as": "case_hold_entry"}),  # a visitor's identity
    UniqueConstraint("case_hold_id", "gateway_id", "epoch", "seq", name="case_hold_entry_once"),
    Index("case_hold_entry_by_place", "gateway_id", "epoch", "seq"),
    sqlite_strict=True,
)

_ONLY_GROW: Final = (look_up_event, look_up)
_REFUSING: Final = """
CREATE FUNCTION look_ups_only_grow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'look-ups only grow' USING ERRCODE = 'check_violation'; END $$
"""


def only_grow_statements(dialect: str) -> list[str]:
    """What makes a database refuse to change or delete what was looked up; also for its migration."""
    verbs = ("UPDATE", "DELETE")
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {table.name}_no_{verb.lower()} BEFORE {verb} ON {table.name}"
            " BEGIN SELECT RAISE(ABORT, 'look-ups only grow'); END"
            for table in _ONLY_GROW
            for verb in verbs
        ]
    made = [
        f"CREATE TRIGGER {table.name}_only_grows BEFORE {' OR '.join(verbs)} ON {table.name}"
        " FOR EACH ROW EXECUTE FUNCTION look_ups_only_grow()"
        for table in _ONLY_GROW
    ]
    return [_REFUSING, *made]


for _dialect in ("sqlite", "postgresql"):
    for _statement in only_grow_statements(_dialect):
        _made = DDL(_statement).execute_if(dialect=_dialect)  # type: ignore[no-untyped-call]
        event.listen(metadata, "after_create", _made)
