"""Two indexes more for look-ups of persons: envelopes that wait, and people who were merged into others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    waits, merged = sa.text("waits = 1"), sa.text("state = 'merged'")
    columns = ["community_id", "at"]
    op.create_index("envelope_waiting", "envelope", columns, sqlite_where=waits, postgresql_where=waits)
    op.create_index(
        "person_merged_by_number",
        "person",
        ["community_id", "number_index"],
        sqlite_where=merged,
        postgresql_where=merged,
    )
