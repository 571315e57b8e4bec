"""What the centre sends to gateways: access lists, site settings, commands and what became of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _whole(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, _WHOLE, nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _blob(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "sent_list",
        sa.Column("id", _WHOLE, primary_key=True),
        _text("site"),
        _text("gateway"),
        _whole("version"),
        _whole("issued_us"),
        _blob("digest"),
        _whole("entries"),
        _blob("body"),
        _whole("noted_at"),
        sa.UniqueConstraint("site", "gateway", "version", name="sent_list_once"),
        sqlite_strict=True,
    )
    op.create_table(
        "sent_settings",
        sa.Column("id", _WHOLE, primary_key=True),
        _text("site"),
        _text("gateway"),
        _whole("revision"),
        _blob("body"),
        _whole("noted_at"),
        sa.UniqueConstraint("site", "gateway", "revision", name="sent_settings_once"),
        sqlite_strict=True,
    )
    op.create_table(
        "sent_command",
        sa.Column("id", _WHOLE, primary_key=True),
        _text("command"),
        _text("site"),
        _text("gateway"),
        _text("action"),
        _text("door", nullable=True),
        _text("operator"),
        _text("why"),
        _whole("issued_at"),
        _whole("expires_at"),
        _whole("answered_at", nullable=True),
        _text("outcome", nullable=True),
        _text("reason", nullable=True),
        _whole("epoch", nullable=True),
        _whole("seq", nullable=True),
        sa.UniqueConstraint("command", name="sent_command_once"),
        sqlite_strict=True,
    )
