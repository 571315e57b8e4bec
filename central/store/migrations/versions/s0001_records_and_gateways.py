"""Records, how complete they are, and the gateways they come from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _whole(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, _WHOLE, nullable=nullable)


def _text(name: str, *, nullable: bool = True) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _blob(name: str, *, nullable: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(), nullable=nullable)


def _id() -> sa.Column[int]:
    return sa.Column("id", _WHOLE, primary_key=True)


def _gateway_id(*, nullable: bool = False) -> sa.Column[int]:
    return sa.Column("gateway_id", _WHOLE, sa.ForeignKey("gateway.id"), nullable=nullable)


def upgrade() -> None:
    _gateways()
    _records()
    _completeness()
    _what_is_wrong()


def _gateways() -> None:
    op.create_table(
        "gateway",
        _id(),
        _text("site", nullable=False),
        _text("name", nullable=False),
        _whole("first_heard_at"),
        _whole("state_at", nullable=True),
        _whole("state_received_at", nullable=True),
        sa.Column("online", sa.Integer()),
        _text("boot"),
        _text("session"),
        _whole("acked", nullable=True),
        _whole("list_version", nullable=True),
        _text("devices"),
        _text("journal"),
        _whole("about_received_at", nullable=True),
        _text("software"),
        _text("label"),
        _text("doors"),
        sa.UniqueConstraint("site", "name", name="gateway_by_name"),
        sqlite_strict=True,
    )


def _records() -> None:
    op.create_table(
        "record",
        _id(),
        _gateway_id(),
        _whole("epoch"),
        _whole("seq"),
        _text("kind", nullable=False),
        _whole("at"),
        _blob("boot"),
        _whole("uptime_us"),
        _text("clock", nullable=False),
        _text("door"),
        _text("reader"),
        _text("direction"),
        _text("credential"),
        _blob("token", nullable=True),
        _text("assurance"),
        _text("hint"),
        _text("holder"),
        _text("category"),
        _text("reason"),
        _whole("list_version", nullable=True),
        _whole("list_age_s", nullable=True),
        _whole("links", nullable=True),
        _blob("identity", nullable=True),
        _blob("odd_prev", nullable=True),
        _blob("hash"),
        sa.UniqueConstraint("gateway_id", "epoch", "seq", name="record_by_place"),
        sqlite_strict=True,
    )
    op.create_index("record_by_door", "record", ["gateway_id", "door", "at"])


def _completeness() -> None:
    op.create_table(
        "segment",
        _gateway_id(),
        _whole("epoch"),
        _whole("first"),
        _whole("last"),
        _blob("first_prev"),
        _blob("last_hash"),
        sa.PrimaryKeyConstraint("gateway_id", "epoch", "first"),
        sqlite_with_rowid=False,
        sqlite_strict=True,
    )
    op.create_table(
        "epoch_head",
        _gateway_id(),
        _whole("epoch"),
        _whole("oldest"),
        _whole("head"),
        _blob("hash"),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("gateway_id", "epoch"),
        sqlite_with_rowid=False,
        sqlite_strict=True,
    )
    op.create_table(
        "lost_range",
        _gateway_id(),
        _whole("epoch"),
        _whole("first"),
        _whole("last"),
        _whole("declared_at"),
        sa.PrimaryKeyConstraint("gateway_id", "epoch", "first"),
        sqlite_with_rowid=False,
        sqlite_strict=True,
    )


def _what_is_wrong() -> None:
    op.create_table(
        "quarantine",
        _id(),
        _gateway_id(nullable=True),
        _text("topic", nullable=False),
        _whole("received_at"),
        _whole("epoch", nullable=True),
        _whole("seq", nullable=True),
        sa.Column("settled", sa.Integer(), nullable=False),
        _text("reason", nullable=False),
        _blob("payload"),
        _blob("hash"),
        _blob("key"),
        _whole("count"),
        sa.UniqueConstraint("key", name="quarantine_by_key"),
        sqlite_strict=True,
    )
    op.create_index("quarantine_by_place", "quarantine", ["gateway_id", "epoch", "seq"])
    op.create_table(
        "finding",
        _id(),
        _gateway_id(),
        _text("kind", nullable=False),
        _whole("epoch"),
        _whole("seq"),
        _whole("first_seen"),
        _whole("count"),
        sa.UniqueConstraint("gateway_id", "kind", "epoch", "seq", name="finding_once"),
        sqlite_strict=True,
    )
