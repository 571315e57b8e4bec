"""Marks: how far arrivals had come, twice a day; by them the age of a record is known.

A record's own time says when its gateway believes it was made, and that clock may be wrong by decades: what
counts is when it came here. `due` is pure and says what may be ended; the rest reads.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select

from central.assessments.book import in_force
from central.assessments.words import DataKind
from central.identity.periods import DAY_US
from central.identity.retention_rules import RetentionRules
from central.store.register_tables import community
from central.store.retention_tables import record_mark

EARLIEST_US: Final = 1_735_689_600_000_000
"""2025: a clock that says less was never set, and nothing is noted by it."""

LONGEST_LEAP_US: Final = 40 * DAY_US
"""Between two marks. More is a clock that was set forward, or a centre that stood still for longer than any
backup is kept (35 days): then nothing is ended until a further mark is noted, half a day in which a wrong
clock may be set right."""

EVERY_US: Final = DAY_US // 2
"""Between two marks: so a record is ended within a day after its time was over, and never before."""

LATE_US: Final = DAY_US
"""All delays together, at the longest."""


@dataclass(frozen=True, slots=True)
class Mark:
    """All records up to `last_id` had arrived by `noted_us`."""

    day: str
    last_id: int
    noted_us: int
    begun: bool

    def due_us(self, days: int) -> int:
        return self.noted_us + days * DAY_US


def to_note(marks: Sequence[Mark], now_us: int) -> bool:
    """Whether it is time for a mark. `marks` in the order of their numbers, as everywhere here."""
    return now_us >= EARLIEST_US and all(now_us - each.noted_us >= EVERY_US for each in marks)


def mistaken(marks: Sequence[Mark], now_us: int) -> Mark | None:
    """The last mark, where a clock that had been set forward noted it, and was set right since."""
    before, last = _last_two(marks)
    if before is None or last is None or last.begun or not before.noted_us <= now_us < last.noted_us:
        return None
    return last if last.noted_us - before.noted_us > LONGEST_LEAP_US else None


def due(marks: Sequence[Mark], days: int, now_us: int) -> list[Mark]:
    """Those whose records are to be ended; none while the clock is not to be believed."""
    before, last = _last_two(marks)
    if before is None or last is None or is_behind(marks, now_us):
        return []
    if max(last.noted_us - before.noted_us, now_us - last.noted_us) > LONGEST_LEAP_US:
        return []
    return [each for each in marks if each.due_us(days) <= now_us]


def mark_of(marks: Sequence[Mark], number: int) -> Mark | None:
    """Under which a record lies; None: it came after the last one."""
    at = bisect_left(marks, number, key=lambda each: each.last_id)
    return marks[at] if at < len(marks) else None


def _last_two(marks: Sequence[Mark]) -> tuple[Mark | None, Mark | None]:
    """By their times."""
    ordered = [None, None, *sorted(marks, key=lambda each: each.noted_us)]
    return ordered[-2], ordered[-1]


def is_behind(marks: Sequence[Mark], now_us: int) -> bool:
    """The clock says less than it did."""
    return any(each.noted_us > now_us for each in marks)


# --- what is there


def marks_of(connection: Connection) -> list[Mark]:
    columns = record_mark.c
    query = select(record_mark).order_by(columns.last_id, columns.noted_at)
    return [
        Mark(row.day, row.last_id, row.noted_at, row.begun_at is not None)
        for row in connection.execute(query)
    ]


def ended_until(connection: Connection) -> int | None:
    """Whatever arrived until then is gone, or goes now; None: nothing was ended yet. Who is asked about a
    time before has to say so."""
    begun = record_mark.c.begun_at.is_not(None)
    found: int | None = connection.execute(select(func.max(record_mark.c.noted_at)).where(begun)).scalar()
    return found


def days_of(connection: Connection, rules: RetentionRules) -> int:
    """As the settings say; longer where the assessment in force of a community here promises so: what two
    people agreed to is not undone by a setting that nobody changed."""
    assessed = [in_force(connection, each) for each in connection.execute(select(community.c.id)).scalars()]
    promised = [
        found[1].data[DataKind.ENTRY_RECORDS].days or 0
        for found in assessed
        if found is not None and DataKind.ENTRY_RECORDS in found[1].data
    ]
    return max(rules.entry_days, *promised, 0)


def until_us(
    connection: Connection, numbers: Sequence[int], rules: RetentionRules, now_us: int
) -> list[int | None]:
    """When the records of these numbers are ended at the latest; None: they are here still, although that is
    over. Why, is not for everybody."""
    marks, days = marks_of(connection), days_of(connection, rules)
    under = [mark_of(marks, each) for each in numbers]
    ends = [(now_us if each is None else each.noted_us) + days * DAY_US + LATE_US for each in under]
    return [end_us if end_us > now_us else None for end_us in ends]
