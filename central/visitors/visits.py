"""What has become of passes, as the records of doors say. A state, and no times: those are entries, and
entries are looked up with a reason."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, func, select

from central.retention.marks import ended_until
from central.store.tables import gateway, record
from central.visitors.passes import Pass, who_stayed
from central.visitors.words import Seen, VisitState, state_of
from messages.model import Direction, Kind

_LOOKED_AT: Final = 2_000
"""Of a site's newest records: whether its doors tell who leaves changes seldom."""


def states(connection: Connection, found: Sequence[Pass], now_us: int) -> Mapping[int, VisitState]:
    """By the numbers of the passes."""
    seen = seen_of(connection, {each.reference: each.uses for each in found})
    ended = [each.id for each in found if each.revoked_us is not None]
    stayed = who_stayed(connection, ended) if ended else set()
    told = {name: exits_are_told(connection, name) for name in {each.site for each in found}}
    ended_us = ended_until(connection) or 0

    def state(each: Pass) -> VisitState:
        if each.id in stayed:
            return VisitState.STAYED
        mine = seen.get(each.reference, Seen())
        is_over = each.revoked_us is not None or now_us >= each.until_us
        if is_over and mine.in_us is None and each.from_us < ended_us:
            return VisitState.NOT_KNOWN
        return state_of(
            each.until_us,
            revoked_us=each.revoked_us,
            seen=mine,
            now_us=now_us,
            exits_are_told=told[each.site],
        )

    return {each.id: state(each) for each in found}


def seen_of(connection: Connection, uses: Mapping[str, int | None]) -> Mapping[str, Seen]:
    """By reference of a pass, of those with which somebody was let in or out; `uses`: how many it has."""
    here = (record.c.holder, record.c.direction, record.c.gateway_id)
    asked = (
        select(*here, func.max(record.c.at).label("at"), func.count().label("times"))
        .where(record.c.holder.in_(list(uses)), record.c.kind == Kind.ACCESS_GRANTED)
        .group_by(*here)
    )
    last: dict[str, dict[str, int]] = defaultdict(dict)
    times: dict[str, Counter[int]] = defaultdict(Counter)
    for row in connection.execute(asked) if uses else ():
        of_way = last[row.holder]
        of_way[row.direction] = max(row.at, of_way.get(row.direction, 0))
        if row.direction == Direction.IN:  # whoever leaves takes none
            times[row.holder][row.gateway_id] += row.times
    return {
        holder: Seen(
            ways.get(Direction.IN), ways.get(Direction.OUT), _is_used_up(uses[holder], times[holder])
        )
        for holder, ways in last.items()
    }


def _is_used_up(uses: int | None, times: Counter[int]) -> bool:
    return uses is not None and max(times.values(), default=0) >= uses


def exits_are_told(connection: Connection, site: str) -> bool:
    """Whether whoever leaves shows the pass again at some door there."""
    ids = list(connection.execute(select(gateway.c.id).where(gateway.c.site == site)).scalars())
    newest = connection.execute(select(func.max(record.c.id))).scalar() or 0
    here = (
        (record.c.id > newest - _LOOKED_AT)
        & record.c.gateway_id.in_(ids)
        & (record.c.direction == Direction.OUT)
    )
    return connection.execute(select(record.c.id).where(here).limit(1)).first() is not None
