"""The tables of guard tours: points, routes over them, plans for routes, whose rounds they are. Values only.

Routes and plans are never changed: one ends, and another begins, so that each round can be explained later.
What became of a round is not kept: it follows from the records of the readers, and goes with them.
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from central.store.tables import Whole, metadata


def _community() -> Column[int]:
    return Column("community_id", Whole, ForeignKey("community.id"), nullable=False)


def _whole(name: str) -> Column[int]:
    return Column(name, Whole, nullable=False)


tour_point = Table(
    "tour_point",
    metadata,
    Column("id", Whole, primary_key=True),
    _community(),
    Column("name", Text, nullable=False),
    Column("site", Text, ForeignKey("site.name"), nullable=False),
    Column("gateway", Text, nullable=False),
    Column("door", Text, nullable=False),
    Column("reader", Text),  # NULL: any one of the door
    Column("token", LargeBinary),  # 16 bytes: of a checkpoint tag; NULL: a guard's own credential is read
    _whole("from_at"),
    Column("until_at", Whole),
    Index("tour_point_of", "community_id"),
    sqlite_strict=True,
)

tour_route = Table(
    "tour_route",
    metadata,
    Column("id", Whole, primary_key=True),
    _community(),
    Column("name", Text, nullable=False),
    Column("ordered", Integer, nullable=False),  # 0: in any order
    _whole("within_s"),  # all of it, from its beginning
    _whole("grace_s"),  # what comes so much later is late; after that, it is missed
    _whole("least_s"),  # nobody walks from one point to the next in less
    _whole("from_at"),
    Column("until_at", Whole),
    Index("tour_route_of", "community_id"),
    sqlite_strict=True,
)

tour_stop = Table(
    "tour_stop",
    metadata,
    Column("id", Whole, primary_key=True),
    _community(),
    Column("route_id", Whole, ForeignKey("tour_route.id"), nullable=False),
    _whole("position"),  # from 1
    Column("point_id", Whole, ForeignKey("tour_point.id"), nullable=False),
    Column("due_s", Whole),  # from the round's beginning; NULL: as the route
    Column("least_s", Whole),  # from the stop before; NULL: as the route
    Index("tour_stop_of", "route_id", "position"),
    Index("tour_stop_at", "point_id"),
    sqlite_strict=True,
)

tour_plan = Table(
    "tour_plan",
    metadata,
    Column("id", Whole, primary_key=True),
    _community(),
    Column("route_id", Whole, ForeignKey("tour_route.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("days", Text, nullable=False),  # ISO weekdays, such as 12345
    Column("starts", Text, nullable=False),  # JSON array of HH:MM by the community's clock
    _whole("window_s"),  # a round begins within so long after its start
    Column("holidays", Text, nullable=False),  # tours.words.OnHolidays
    _whole("from_at"),
    Column("until_at", Whole),
    Index("tour_plan_of", "community_id"),
    sqlite_strict=True,
)

tour_guard = Table(
    "tour_guard",
    metadata,
    Column("id", Whole, primary_key=True),
    _community(),
    Column("plan_id", Whole, ForeignKey("tour_plan.id"), nullable=False),
    Column("person_id", Whole, ForeignKey("person.id"), nullable=False),
    _whole("from_at"),
    Column("until_at", Whole),
    Index("tour_guard_of", "plan_id"),
    sqlite_strict=True,
)
"""Whose credentials count for a plan's rounds. Which of them made a round is nowhere said."""

tour_holiday = Table(
    "tour_holiday",
    metadata,
    _community(),
    Column("day", Text, nullable=False),  # such as 2027-01-01
    Column("name", Text, nullable=False),
    PrimaryKeyConstraint("community_id", "day"),
    sqlite_with_rowid=False,
    sqlite_strict=True,
)
