"""What has become of passes, as the records of doors say. A state, and no times: those are entries, and
entries are looked up with a reason."""

from __future__ import annotations

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
    seen = _seen(connection, [each.reference for each in found])
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
            revoked=each.revoked_us is not None,
            seen=mine,
            now_us=now_us,
            exits_are_told=told[each.site],
        )

    return {each.id: state(each) for each in found}


def _seen(connection: Connection, references: Sequence[str]) -> Mapping[str, Seen]:
    asked = (
        select(record.c.holder, record.c.direction, func.max(record.c.at).label("at"))
        .where(record.c.holder.in_(references), record.c.kind == Kind.ACCESS_GRANTED)
        .group_by(record.c.holder, record.c.direction)
    )
    last: dict[str, dict[str, int]] = {}
    for row in connection.execute(asked) if references else ():
        last.setdefault(row.holder, {})[row.direction] = row.at
    return {
        holder: Seen(directions.get(Direction.IN), directions.get(Direction.OUT))
        for holder, directions in last.items()
    }


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
