"""When a command ends what it makes of a door, and an index of what was made of doors."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"

_OF_TURNS = "kind IN ('door_freed', 'door_locked_down', 'door_secured')"


def upgrade() -> None:
    op.add_column("sent_command", sa.Column("until_at", sa.BigInteger().with_variant(sa.Integer(), "sqlite")))
    where = sa.text(_OF_TURNS)
    columns = ["gateway_id", "door", "at"]
    op.create_index("record_of_turns", "record", columns, sqlite_where=where, postgresql_where=where)
