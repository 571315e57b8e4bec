"""How soon alarms of a time were seen to, by kind. Of alarms, never of who saw to them. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from sqlalchemy import Connection, select

from central.alarms.book import counts_now
from central.alarms.kinds import AlarmKind, Urgency
from central.store.alarm_tables import alarm
from central.store.tables import gateway

MINUTE_US: Final = 60_000_000
LIMITS_US: Final = (5 * MINUTE_US, 30 * MINUTE_US, 240 * MINUTE_US)
"""Up to each of them; then later; then not at all."""


@dataclass(frozen=True, slots=True)
class Response:
    """Of alarms of one kind. `within`: how many were seen to within each of LIMITS_US but not within the one
    before, how many later, and how many nobody has seen to. `median_us` None: of none of them."""

    kind: AlarmKind
    urgency: Urgency
    within: Sequence[int]
    median_us: int | None

    @property
    def raised(self) -> int:
        return sum(self.within)

    @property
    def unseen(self) -> int:
        return self.within[-1]


def response(
    connection: Connection, sites: Collection[str], from_us: int, until_us: int, now_us: int
) -> list[Response]:
    """Of alarms that were noticed within the time, the most urgent kinds first; from when the centre noticed
    one until somebody had seen to it."""
    query = (
        select(alarm.c.kind, alarm.c.urgency, alarm.c.noticed_at, alarm.c.seen_at)
        .join_from(alarm, gateway)
        .where(gateway.c.site.in_(sites), counts_now(now_us))
        .where(alarm.c.noticed_at >= from_us, alarm.c.noticed_at < until_us)
    )
    taken: dict[tuple[Urgency, AlarmKind], list[int | None]] = {}
    for row in connection.execute(query):
        took_us = None if row.seen_at is None else row.seen_at - row.noticed_at
        taken.setdefault((Urgency(row.urgency), AlarmKind(row.kind)), []).append(took_us)
    ranks = list(Urgency), list(AlarmKind)
    ordered = sorted(taken, key=lambda each: (ranks[0].index(each[0]), ranks[1].index(each[1])))
    return [_of_kind(kind, urgency, taken[urgency, kind]) for urgency, kind in ordered]


def _of_kind(kind: AlarmKind, urgency: Urgency, taken: Sequence[int | None]) -> Response:
    seen = [each for each in taken if each is not None]
    within = [0] * (len(LIMITS_US) + 2)
    for took_us in taken:
        within[-1 if took_us is None else sum(took_us > limit for limit in LIMITS_US)] += 1
    return Response(kind, urgency, within, int(median(seen)) if seen else None)
