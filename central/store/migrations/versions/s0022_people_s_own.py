"""What people ask for about their own data, and the passes that each of them gave."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _whole(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, _WHOLE, nullable=nullable)


def _of(name: str, table: str, *, nullable: bool = True) -> sa.Column[int]:
    return sa.Column(name, _WHOLE, sa.ForeignKey(f"{table}.id"), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "own_request",
        sa.Column("id", _WHOLE, primary_key=True),
        _of("community_id", "community", nullable=False),
        _of("person_id", "person"),
        _of("pass_id", "visitor_pass"),
        sa.Column("receipt", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("at_desk", sa.Integer(), nullable=False),
        _whole("received_at"),
        _whole("received_by"),
        _whole("due_at"),
        sa.Column("decision", sa.Text()),
        _whole("decided_at", nullable=True),
        _whole("decided_by", nullable=True),
        sa.Column("answer", sa.LargeBinary()),
        sa.UniqueConstraint("receipt", name="own_request_by_receipt"),
        sqlite_strict=True,
    )
    op.create_index("own_request_of", "own_request", ["community_id", "id"])
    op.create_index("own_request_of_person", "own_request", ["person_id", "id"])
    waits = sa.text("decision IS NULL")
    op.create_index(
        "own_request_waiting",
        "own_request",
        ["community_id", "due_at"],
        sqlite_where=waits,
        postgresql_where=waits,
    )
    op.create_index("visitor_pass_by_issuer", "visitor_pass", ["issued_by", "id"])
