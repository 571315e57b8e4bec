"""Indexes of what doors' contacts said and of what was made of doors, in the order in which it happened: not
buried by what came since, and not put out of order by a clock that was wrong."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"

_INDEXES = {
    "record_of_turns": "kind IN ('door_freed', 'door_locked_down', 'door_secured')",
    "record_of_leaves": "kind IN ('door_closed', 'door_opened', 'door_held', 'door_forced')",
}


def upgrade() -> None:
    op.drop_index("record_of_turns", "record")
    for name, kinds in _INDEXES.items():
        where = sa.text(kinds)
        columns = ["gateway_id", "door", "epoch", "seq"]
        op.create_index(name, "record", columns, sqlite_where=where, postgresql_where=where)
