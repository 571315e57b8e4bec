"""People of the register who are made up: whoever looks one of them up is browsing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "honey_record",
        sa.Column("id", _WHOLE, primary_key=True),
        sa.Column("community_id", _WHOLE, sa.ForeignKey("community.id"), nullable=False),
        sa.Column("person_id", _WHOLE, sa.ForeignKey("person.id"), nullable=False),
        sa.Column("number_index", sa.LargeBinary(), nullable=False),
        sa.Column("credential_id", _WHOLE, sa.ForeignKey("credential.id")),
        sa.Column("planted_at", _WHOLE, nullable=False),
        sa.Column("planted_by", _WHOLE, nullable=False),
        sa.Column("removed_at", _WHOLE),
        sa.Column("removed_by", _WHOLE),
        sa.UniqueConstraint("person_id", name="honey_record_once"),
        sqlite_strict=True,
    )
    op.create_index("honey_record_of", "honey_record", ["community_id"])
