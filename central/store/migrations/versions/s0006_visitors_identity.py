"""Visitors' identity, sealed, and the certificates of what was deleted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "envelope",
        sa.Column("id", _WHOLE, primary_key=True),
        sa.Column("gateway_id", _WHOLE, sa.ForeignKey("gateway.id"), nullable=False),
        sa.Column("epoch", _WHOLE, nullable=False),
        sa.Column("seq", _WHOLE, nullable=False),
        sa.Column("community_id", _WHOLE, nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("at", _WHOLE, nullable=False),
        sa.Column("sealing_key", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("number_index", sa.LargeBinary()),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("waits", sa.Integer(), nullable=False),
        sa.UniqueConstraint("gateway_id", "epoch", "seq", name="envelope_by_place"),
        sqlite_strict=True,
    )
    op.create_index("envelope_by_number", "envelope", ["community_id", "period", "number_index"])
    op.create_table(
        "deletion_certificate",
        sa.Column("id", _WHOLE, primary_key=True),
        sa.Column("community_id", _WHOLE, nullable=False),
        sa.Column("data_class", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("made_at", _WHOLE, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("signer", sa.Text(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sqlite_strict=True,
    )
    op.create_index("deletion_certificate_of", "deletion_certificate", ["community_id", "period"])
