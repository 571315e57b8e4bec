"""Indexes by which look-ups find records: by holder, by card without one, and of a few kinds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_INDEXES = {
    "record_by_holder": (["holder", "at"], "holder IS NOT NULL"),
    "record_by_token": (["token", "at"], "holder IS NULL AND token IS NOT NULL"),
    "record_unregistered": (["gateway_id", "at"], "kind = 'access_granted' AND holder IS NULL"),
    "record_denied": (["gateway_id", "at"], "kind = 'access_denied'"),
    "record_released": (["gateway_id", "at"], "kind = 'remote_release'"),
}


def upgrade() -> None:
    for name, (columns, rows) in _INDEXES.items():
        where = sa.text(rows)
        op.create_index(name, "record", columns, sqlite_where=where, postgresql_where=where)
