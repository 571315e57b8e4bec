"""Guard tours: points, routes, plans, and whose rounds they are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _whole(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, _WHOLE, nullable=nullable)


def _of(name: str, table: str) -> sa.Column[int]:
    return sa.Column(name, _WHOLE, sa.ForeignKey(f"{table}.id"), nullable=False)


def _words(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _made(name: str, *columns: sa.Column[int] | sa.Column[str] | sa.Column[bytes]) -> None:
    lasts = (_whole("from_at"), _whole("until_at", nullable=True))
    key = sa.Column("id", _WHOLE, primary_key=True)
    more = () if name == "tour_stop" else lasts
    op.create_table(name, key, _of("community_id", "community"), *columns, *more, sqlite_strict=True)


def upgrade() -> None:
    _made(
        "tour_point",
        _words("name"),
        sa.Column("site", sa.Text(), sa.ForeignKey("site.name"), nullable=False),
        _words("gateway"),
        _words("door"),
        _words("reader", nullable=True),
        sa.Column("token", sa.LargeBinary()),
    )
    op.create_index("tour_point_of", "tour_point", ["community_id"])
    _made(
        "tour_route",
        _words("name"),
        sa.Column("ordered", sa.Integer(), nullable=False),
        _whole("within_s"),
        _whole("grace_s"),
        _whole("least_s"),
    )
    op.create_index("tour_route_of", "tour_route", ["community_id"])
    _made(
        "tour_stop",
        _of("route_id", "tour_route"),
        _whole("position"),
        _of("point_id", "tour_point"),
        _whole("due_s", nullable=True),
        _whole("least_s", nullable=True),
    )
    op.create_index("tour_stop_of", "tour_stop", ["route_id", "position"])
    op.create_index("tour_stop_at", "tour_stop", ["point_id"])
    _made(
        "tour_plan",
        _of("route_id", "tour_route"),
        _words("name"),
        _words("days"),
        _words("starts"),
        _whole("window_s"),
        _words("holidays"),
    )
    op.create_index("tour_plan_of", "tour_plan", ["community_id"])
    _made("tour_guard", _of("plan_id", "tour_plan"), _of("person_id", "person"))
    op.create_index("tour_guard_of", "tour_guard", ["plan_id"])
    op.create_table(
        "tour_holiday",
        _of("community_id", "community"),
        _words("day"),
        _words("name"),
        sa.PrimaryKeyConstraint("community_id", "day"),
        sqlite_with_rowid=False,
        sqlite_strict=True,
    )
