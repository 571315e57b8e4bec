"""Marks: how far arrivals had come, twice a day; by them the age of a record is known.

A record's own time says when its gateway believes it was made, and that clock may be wrong by decades: what
counts is when it came here. The centre's clock may be wrong as well: it is believed no further than gateways
agree. What comes first is pure and says what may be ended; the rest reads.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from sqlalchemy import Connection, func, select

from central.assessments.document import decoded
from central.assessments.words import DataKind
from central.identity.periods import DAY_US
from central.identity.retention_rules import RetentionRules
from central.store.assessment_tables import community_live, impact_assessment
from central.store.retention_tables import record_mark
from central.store.tables import gateway, record
from messages.model import ClockQuality

EARLIEST_US: Final = 1_735_689_600_000_000
"""2025: a clock that says less was never set, and nothing is noted by it."""

EVERY_US: Final = DAY_US // 2
"""Between two marks: so a record is ended within a day after its time was over, and never before."""

LATE_US: Final = DAY_US
"""All delays together, at the longest."""

APART_US: Final = 2 * DAY_US
"""So far the centre's clock and a gateway's may be apart, and it may be as late as the centre says."""

LOOKED_AT: Final = 5_000
"""Records back from a number: where gateways' clocks are looked for."""


@dataclass(frozen=True, slots=True)
class Mark:
    """All records up to `last_id` had arrived by `noted_us`."""

    last_id: int
    noted_us: int
    day: str
    begun: bool = False

    def due_us(self, days: int) -> int:
        return self.noted_us + days * DAY_US


def believed_us(words: Iterable[int], now_us: int) -> int | None:
    """No later than the clock says, and hardly later than a gateway says. `words`: the last time that each
    gateway told. One that is ahead counts for nothing. None: no gateway says that it can be so late."""
    said = [each for each in words if each <= now_us + APART_US]
    return min(now_us, max(said) + APART_US) if said else None


def to_note(marks: Sequence[Mark], believed_us: int, now_us: int) -> bool:
    """Whether it is time for a mark, and what the clock says is believed. `marks` in the order of their
    numbers, as everywhere here. Of one whose records have gone nothing is to be waited for."""
    if now_us < EARLIEST_US or believed_us < now_us:
        return False
    return all(
        now_us - each.noted_us >= EVERY_US for each in marks if not (each.begun and _ahead(each, now_us))
    )


def without_mistaken(marks: Sequence[Mark], believed_us: int, now_us: int) -> list[Mark]:
    """Without those that a clock noted which was ahead; what lies under them lies under the next one. While
    the clock is not believed all stay: it may be behind, and they right."""
    if believed_us < now_us:
        return list(marks)
    return [each for each in marks if each.begun or not _ahead(each, now_us)]


def dated(marks: Sequence[Mark], newest: Mapping[int, int], believed_us: int) -> list[Mark]:
    """Those that a clock noted which was behind get a later time: none is older than the one before it, nor
    than what gateways told of the records under it. `newest`: that, by the number of the mark."""
    found, before_us = [], 0
    for each in marks:
        if each.noted_us <= believed_us:
            if not each.begun:
                at_us = max(each.noted_us, newest.get(each.last_id, 0), before_us + 1)
                each = replace(each, noted_us=at_us)  # noqa: PLW2901
            before_us = max(before_us, each.noted_us)
        found.append(each)
    return found


def due(marks: Sequence[Mark], days: int, believed_us: int) -> list[Mark]:
    """Those whose records are to be ended."""
    return [each for each in marks if each.due_us(days) <= believed_us]


def mark_of(marks: Sequence[Mark], number: int) -> Mark | None:
    """Under which a record lies; None: it came after the last one."""
    at = bisect_left(marks, number, key=lambda each: each.last_id)
    return marks[at] if at < len(marks) else None


def _ahead(mark: Mark, now_us: int) -> bool:
    return mark.noted_us > now_us + APART_US


# --- what is there


def marks_of(connection: Connection) -> list[Mark]:
    columns = record_mark.c
    query = select(record_mark).order_by(columns.last_id, columns.noted_at)
    return [
        Mark(row.last_id, row.noted_at, row.day, row.begun_at is not None)
        for row in connection.execute(query)
    ]


def words_of(connection: Connection) -> list[int]:
    """The last time that each gateway told under a clock that was synchronised, among the records that came
    last: in the newest of them; or in its state since, where that is online and believed, and no newer record
    says that the clock is no longer so. States themselves do not say how good their clock is."""
    columns = record.c
    newest = connection.execute(select(func.max(columns.id))).scalar() or 0
    last = (
        select(columns.gateway_id, columns.at, columns.clock)
        .where(columns.id > newest - LOOKED_AT)
        .order_by(columns.id)
    )
    told: dict[int, int] = {}
    synced_now: dict[int, bool] = {}
    for row in connection.execute(last):
        synced_now[row.gateway_id] = row.clock == ClockQuality.SYNCED.value
        if synced_now[row.gateway_id]:
            told[row.gateway_id] = row.at
    states = select(gateway.c.id, gateway.c.state_at).where(
        gateway.c.online == 1,
        gateway.c.state_at.is_not(None),
        gateway.c.unbelieved_at.is_(None),
        gateway.c.replayed_at.is_(None),
    )
    told |= {row.id: row.state_at for row in connection.execute(states) if synced_now.get(row.id)}
    return list(told.values())


def newest_under(connection: Connection, last_id: int, believed_us: int) -> int:
    """The latest time that the last records up to that number tell, under clocks that were synchronised; 0:
    none does. Times to come are none."""
    columns = record.c
    query = select(func.max(columns.at)).where(
        columns.id.between(last_id - LOOKED_AT + 1, last_id),
        columns.clock == ClockQuality.SYNCED.value,
        columns.at <= believed_us,
    )
    return connection.execute(query).scalar() or 0


def ended_until(connection: Connection) -> int | None:
    """Whatever arrived until then is gone, or goes now; None: nothing was ended yet. Who is asked about a
    time before has to say so."""
    begun = record_mark.c.begun_at.is_not(None)
    found: int | None = connection.execute(select(func.max(record_mark.c.noted_at)).where(begun)).scalar()
    return found


def days_of(connection: Connection, rules: RetentionRules) -> int | None:
    """As the settings say; longer where the assessment in force of a community here promises so: what two
    people agreed to is not undone by a setting that nobody changed. None: one of them cannot be read."""
    promised = [0]
    for row in connection.execute(_IN_FORCE):
        try:
            promised.append(_promised(row.body))
        except ValueError:
            return None
    return max(rules.entry_days, *promised)


_AGREED: Final = (
    select(func.max(community_live.c.id))
    .where(community_live.c.assessment_id.is_not(None))
    .group_by(community_live.c.community_id)
)
_IN_FORCE: Final = (
    select(impact_assessment.c.body)
    .join(community_live, community_live.c.assessment_id == impact_assessment.c.id)
    .where(community_live.c.id.in_(_AGREED))
)


@lru_cache(maxsize=256)
def _promised(body: str) -> int:
    """Days; 0: it says nothing of entries. Raises ValueError. A document is never changed, only followed."""
    said = decoded(body).data.get(DataKind.ENTRY_RECORDS)
    return 0 if said is None else said.days or 0


def until_us(
    connection: Connection, numbers: Sequence[int], rules: RetentionRules, now_us: int
) -> list[int | None]:
    """When the records of these numbers are ended at the latest; None: they are here still, although that is
    over, or nobody knows how long. Why, is not for everybody."""
    marks, days = marks_of(connection), days_of(connection, rules)
    if days is None:
        return [None] * len(numbers)
    under = [mark_of(marks, each) for each in numbers]
    ends = [(now_us if each is None else each.noted_us) + days * DAY_US + LATE_US for each in under]
    return [end_us if end_us > now_us else None for end_us in ends]
