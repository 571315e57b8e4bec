"""Files that are imported into the register."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _whole(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, _WHOLE, nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _own() -> list[sa.Column[int]]:
    return [
        sa.Column("id", _WHOLE, primary_key=True),
        sa.Column("community_id", _WHOLE, sa.ForeignKey("community.id"), nullable=False),
    ]


def _import() -> sa.Column[int]:
    return sa.Column("import_id", _WHOLE, sa.ForeignKey("register_import.id"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "register_import",
        *_own(),
        _whole("account"),
        _whole("created_at"),
        _text("state"),
        _text("format"),
        sa.Column("file", sa.LargeBinary()),
        sa.Column("sealed", sa.LargeBinary()),
        _text("trouble", nullable=True),
        _whole("rows"),
        _whole("new_rows"),
        _whole("changed_rows"),
        _whole("same_rows"),
        _whole("wrong_rows"),
        _whole("through"),
        _whole("steps"),
        _whole("steps_done"),
        _whole("consented_at", nullable=True),
        _whole("consented_by", nullable=True),
        _whole("ended_at", nullable=True),
        _whole("undone_by", nullable=True),
        _text("undo_reason", nullable=True),
        _text("worker", nullable=True),
        _whole("worker_at", nullable=True),
        sqlite_strict=True,
    )
    op.create_index("register_import_of", "register_import", ["community_id", "id"])
    op.create_index("register_import_by_state", "register_import", ["state", "id"])
    op.create_table(
        "import_row",
        *_own(),
        _import(),
        _whole("number"),
        _text("outcome"),
        _text("faults", nullable=True),
        sa.Column("sealed", sa.LargeBinary()),
        _whole("done_at", nullable=True),
        _text("kept_because", nullable=True),
        sa.UniqueConstraint("import_id", "number", name="import_row_once"),
        sqlite_strict=True,
    )
    op.create_index("import_row_by_outcome", "import_row", ["import_id", "outcome", "number"])
    op.create_table(
        "import_effect",
        *_own(),
        _import(),
        _whole("row_number"),
        _text("kind"),
        _whole("subject_id"),
        _whole("at"),
        _text("body"),
        _text("undone", nullable=True),
        sqlite_strict=True,
    )
    op.create_index("import_effect_of", "import_effect", ["import_id", "id"])
    op.create_table(
        "import_gateway",
        *_own(),
        _import(),
        _text("site"),
        _text("gateway"),
        sa.UniqueConstraint("import_id", "site", "gateway", name="import_gateway_once"),
        sqlite_strict=True,
    )
