"""An index of what doors' contacts said, so that however much happened since does not bury it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0033"

_OF_LEAVES = "kind IN ('door_closed', 'door_opened', 'door_held', 'door_forced')"


def upgrade() -> None:
    where = sa.text(_OF_LEAVES)
    columns = ["gateway_id", "door", "at"]
    op.create_index("record_of_leaves", "record", columns, sqlite_where=where, postgresql_where=where)
