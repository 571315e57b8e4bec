"""The list of leases, a page at a time: filtered, ordered, counted and cut in the store. Reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, case, func, literal, or_, select

from central.errors import BadQuestion
from central.register.lease_states import DAY_US, LeaseState
from central.register.leases import Lease, lease_of
from central.register.place_tree import above, below
from central.register.words import PlaceKind
from central.store.register_tables import place, tenancy
from central.store.tables import Whole

URGENT_FIRST: Final = (LeaseState.IN_GRACE, LeaseState.IN_NOTICE, LeaseState.RUNNING, LeaseState.UPCOMING)
"""The states of the list, in its order: first those that somebody has to ask about. What is over is not in
it."""

_NO_END: Final = 10**17  # after every end that there can be
_DIGITS: Final = 18  # so many a column holds, whatever they are


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a page ends: rank of its last lease's state in `URGENT_FIRST`, its end, its id. It holds what the
    list is ordered by, so that the next page begins there also where that lease was extended since."""

    rank: int
    until_us: int
    id: int

    def __str__(self) -> str:
        return f"{self.rank}.{self.until_us}.{self.id}"


def mark_of(text: str) -> Mark:
    """Raises BadQuestion for what is none of ours."""
    parts = text.split(".")
    if len(parts) == len(Mark.__slots__) and all(map(_is_number, parts)):
        mark = Mark(*map(int, parts))
        if mark.rank < len(URGENT_FIRST):
            return mark
    raise BadQuestion("after", "is none of ours; begin again without it")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS


def listed_leases(
    connection: Connection,
    community: int,
    now_us: int,
    *,
    state: LeaseState | None = None,
    building: int | None = None,
    after: Mark | None = None,
    limit: int,
) -> tuple[list[Lease], Mark | None]:
    """One page, by state, those that end first first; and where the next one begins, None: there is none."""
    rank, until = _rank(now_us), func.coalesce(tenancy.c.until_at, literal(_NO_END, Whole))
    there = _there(community, now_us, building)
    if state is not None:
        there.append(rank == URGENT_FIRST.index(state))
    if after is not None:
        same_rank, same_end = rank == after.rank, until == after.until_us
        later = (until > after.until_us) | (same_end & (tenancy.c.id > after.id))
        there.append(or_(rank > after.rank, same_rank & later))
    asked = select(tenancy, rank.label("rank"), until.label("last")).where(*there)
    rows = connection.execute(asked.order_by(rank, until, tenancy.c.id).limit(limit + 1)).all()
    shown = rows[:limit]
    further = Mark(shown[-1].rank, shown[-1].last, shown[-1].id) if len(rows) > limit else None
    return [lease_of(row, now_us) for row in shown], further


def lease_counts(
    connection: Connection, community: int, now_us: int, building: int | None = None
) -> Mapping[LeaseState, int]:
    """How many the list has of each state; one without any is left out."""
    rank = _rank(now_us)
    asked = select(rank, func.count()).where(*_there(community, now_us, building)).group_by(rank)
    return {URGENT_FIRST[place]: count for place, count in connection.execute(asked).all()}


def lease_buildings(connection: Connection, community: int, now_us: int) -> Sequence[int]:
    """Those in which the list has any lease."""
    rooms = select(tenancy.c.place_id).where(*_there(community, now_us, None)).distinct()
    chain = above(rooms)
    asked = (
        select(place.c.id)
        .join(chain, chain.c.id == place.c.id)
        .where(place.c.kind == PlaceKind.BUILDING.value)
        .distinct()
    )
    return list(connection.execute(asked.order_by(place.c.id)).scalars())


def _there(community: int, now_us: int, building: int | None) -> list[ColumnElement[bool]]:
    there = [
        tenancy.c.community_id == community,
        tenancy.c.voided_at.is_(None),
        _rank(now_us) < len(URGENT_FIRST),
    ]
    if building is not None:
        within = below(select(place.c.id).where(place.c.id == building))
        there.append(tenancy.c.place_id.in_(select(within.c.id)))
    return there


def _rank(now_us: int) -> ColumnElement[Any]:
    """`lease_states.lease_state` as the store reckons it: a place in `URGENT_FIRST`, behind it what is
    over."""
    columns = tenancy.c
    over = case(
        (columns.ended_at.is_(None), columns.until_at),
        (columns.until_at.is_(None), columns.ended_at),
        (columns.ended_at < columns.until_at, columns.ended_at),
        else_=columns.until_at,
    )
    day = literal(DAY_US, Whole)
    return case(
        (over + columns.grace_days * day <= now_us, len(URGENT_FIRST)),
        (over <= now_us, URGENT_FIRST.index(LeaseState.IN_GRACE)),
        (columns.from_at > now_us, URGENT_FIRST.index(LeaseState.UPCOMING)),
        (over - columns.notice_days * day <= now_us, URGENT_FIRST.index(LeaseState.IN_NOTICE)),
        else_=URGENT_FIRST.index(LeaseState.RUNNING),
    )
