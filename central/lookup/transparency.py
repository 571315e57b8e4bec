"""How often entries of a community were looked up, for what, and what became of it: for everybody to read.

Made of the register of look-ups alone, and of the certificates of deletion. Counts of whole quarters that are
over, so that nobody can subtract yesterday's from today's; small ones are kept back (trust.md R-101, R-108).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from sqlalchemy import Connection, func, select

from central.errors import BadQuestion
from central.lookup.audit import facts_of
from central.lookup.words import Asked, Basis, Happened, Purpose
from central.small_counts import Count, alone, kept_back
from central.store.identity_tables import deletion_certificate
from central.store.lookup_tables import look_up_event
from central.times import micros

FIRST_YEAR: Final = 2020
LAST_YEAR: Final = 2100

_ROLES: Final = ("officer",)
_QUARTERS: Final = 4
_MONTHS: Final = 3


@dataclass(frozen=True, slots=True)
class Report:
    """Of one community and one quarter. `acts`: by what happened, see `lookup.words.Happened`."""

    community: int
    from_us: int
    until_us: int
    look_ups: Count
    by_purpose: Mapping[str, Count]
    by_basis: Mapping[str, Count]
    by_question: Mapping[str, Count]
    by_role: Mapping[str, Count]
    emergencies: Count
    acts: Mapping[str, Count]
    deletions: int
    """Days and months whose keys were destroyed. Of nobody in particular: never kept back."""


def quarter_of(year: int, quarter: int, zone: tzinfo, now_us: int) -> tuple[int, int]:
    """Its begin and end, UTC microseconds. Raises BadQuestion for one that is not over."""
    if not (FIRST_YEAR <= year < LAST_YEAR and 1 <= quarter <= _QUARTERS):
        raise BadQuestion("quarter", f"1 to 4, of a year from {FIRST_YEAR} on")
    following = (year, quarter + 1) if quarter < _QUARTERS else (year + 1, 1)
    begin_us, end_us = (
        micros(datetime(each, (number - 1) * _MONTHS + 1, 1, tzinfo=zone))
        for each, number in ((year, quarter), following)
    )
    if end_us > now_us:
        raise BadQuestion("quarter", "is not over; a report is of a whole quarter")
    return begin_us, end_us


def report(connection: Connection, community: int, from_us: int, until_us: int) -> Report:
    """Reads the whole register of the community for that time."""
    columns = look_up_event.c
    within = (columns.community_id == community, columns.at >= from_us, columns.at < until_us)
    kinds: Counter[str] = Counter(dict.fromkeys(_PUBLIC, 0))
    asked: dict[str, Counter[str]] = {
        "purpose": Counter(dict.fromkeys(Purpose, 0)),
        "basis": Counter(dict.fromkeys(Basis, 0)),
        "question": Counter(dict.fromkeys(Asked, 0)),
        "role": Counter(dict.fromkeys(_ROLES, 0)),
    }
    look_ups = emergencies = 0
    for row in connection.execute(select(look_up_event).where(*within)):
        if row.kind == Happened.ASKED:
            facts = facts_of(row)
            look_ups += 1
            emergencies += facts["emergency"]
            for name, counter in asked.items():
                counter[facts[name]] += 1
        elif row.kind in _PUBLIC:
            kinds[row.kind] += 1
    made = (deletion_certificate.c.community_id == community, deletion_certificate.c.made_at >= from_us)
    gone = select(func.count()).where(*made, deletion_certificate.c.made_at < until_us)
    return Report(
        community=community,
        from_us=from_us,
        until_us=until_us,
        look_ups=alone(look_ups),
        by_purpose=kept_back(asked["purpose"]),
        by_basis=kept_back(asked["basis"]),
        by_question=kept_back(asked["question"]),
        by_role=kept_back(asked["role"]),
        emergencies=alone(emergencies),
        acts={kind: alone(count) for kind, count in kinds.items()},
        deletions=connection.execute(gone).scalar_one(),
    )


def last_asked(connection: Connection, community: int, before_us: int) -> int | None:
    """When the last look-up before then was asked; None: there was none."""
    columns = look_up_event.c
    asked = (columns.community_id == community, columns.kind == Happened.ASKED, columns.at < before_us)
    return connection.execute(select(func.max(columns.at)).where(*asked)).scalar()


_PUBLIC: Final[frozenset[str]] = frozenset(
    {
        Happened.NOT_ASKED,
        Happened.APPROVED,
        Happened.REFUSED,
        Happened.REVEALED,
        Happened.EXPORTED,
        Happened.HELD,
        Happened.EXPLAINED,
        Happened.UNEXPLAINED,
        Happened.LIMIT_RAISED,
    }
)
