"""What supervisors must review of look-ups, and what they found (trust.md R-93, R-95).

All in an emergency, all that went beyond what somebody may see alone, all that was taken out, and a sample of
the others: one in twenty, and ten of a month where that is more. The sample is drawn by the hash of a
look-up's row, so that nobody can choose.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from central.errors import NotAllowed
from central.identity.periods import DAY_US, month_of
from central.lookup.rules import ALONE_RECORDS, REVIEW_WITHIN_US, Asker, checked_why
from central.lookup.service import append_of
from central.lookup.states import State, seen_row, states_of
from central.lookup.words import Act, Happened
from central.store.lookup_tables import look_up, look_up_event

REVIEWED_SHARE: Final = 20
LEAST_A_MONTH: Final = 10
WITHIN_US: Final = 7 * DAY_US
"""For a review, but of what was asked in an emergency."""

_SMALL: Final = (2**32 // REVIEWED_SHARE).to_bytes(4, "big")
"""Smaller is the hash of one in so many."""

_LONGEST_MONTH_US: Final = 31 * DAY_US


@dataclass(frozen=True, slots=True)
class Due:
    """A look-up to review, why it is one, and by when. `row`: of `look_up`, with `hash`, of its first row in
    the register. `late`: nobody has reviewed it in time."""

    row: Row[Any]
    why: tuple[str, ...]
    reviewed: str | None
    until_us: int
    late: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """Of what is to be reviewed; `unexplained`: was found so, and stays until it is explained."""

    waiting: int
    late: int
    emergencies: int
    unexplained: int


def to_review(
    connection: Connection,
    supervisor: Asker,
    since_us: int,
    *,
    zone: tzinfo,
    now_us: int,
    all_of_them: bool,
) -> list[Due]:
    """Look-ups since then that must be reviewed, oldest first; without `all_of_them` what is left of them."""
    month_us = since_us - _LONGEST_MONTH_US  # a sample is one of a whole month
    query = (
        select(look_up, look_up_event.c.hash)
        .join(look_up_event, look_up_event.c.id == look_up.c.event_id)
        .where(look_up.c.community_id.in_(supervisor.communities), look_up.c.at >= month_us)
        .order_by(look_up.c.id)
    )
    rows = connection.execute(query).all()
    states = states_of(connection, [row.id for row in rows])
    reasons = {row.id: _reasons(row, states[row.id]) for row in rows}
    drawn = sample([row for row in rows if not reasons[row.id]], zone)
    found = []
    for row in rows:
        why = reasons[row.id] or (("sample",) if row.id in drawn else ())
        if why and row.at >= since_us:
            found.append(_due(row, why, states[row.id], now_us))
    return [due for due in found if all_of_them or due.reviewed != Happened.EXPLAINED]


def sample(rows: Iterable[Any], zone: tzinfo) -> set[int]:
    """Of look-ups that nothing else makes one review: the numbers of those that are drawn."""
    of_a_month: dict[tuple[int, str], list[Any]] = defaultdict(list)
    for row in rows:
        of_a_month[row.community_id, month_of(row.at, zone)].append(row)
    drawn = set()
    for month in of_a_month.values():
        least = heapq.nsmallest(LEAST_A_MONTH, month, key=lambda row: row.hash)
        drawn |= {row.id for row in (*least, *(row for row in month if row.hash < _SMALL))}
    return drawn


def counted(due: Sequence[Due]) -> Counts:
    """`due`: what is left to review."""
    waiting = [each for each in due if each.reviewed is None]
    return Counts(
        waiting=len(waiting),
        late=sum(each.late for each in waiting),
        emergencies=sum(bool(each.row.emergency) for each in waiting),
        unexplained=len(due) - len(waiting),
    )


def review(
    connection: Connection, supervisor: Asker, number: int, *, explained: bool, why: str, now_us: int
) -> None:
    """Raises BadQuestion, NotThere, NotAllowed."""
    checked_why(why)
    row = seen_row(connection, supervisor, number)
    if row.account == supervisor.account:
        raise NotAllowed("nobody reviews their own look-ups")
    kind = Happened.EXPLAINED if explained else Happened.UNEXPLAINED
    append_of(connection, row, kind, {"why": why}, asker=supervisor, at_us=now_us)


def _reasons(row: Any, state: State) -> tuple[str, ...]:
    said = {
        "emergency": bool(row.emergency),
        "wide": Act.WHOLE in state.acts or len(state.given) > ALONE_RECORDS,
        "exported or held": bool({Act.EXPORT, Act.HOLD} & state.acts.keys()),
        "told later": Act.DELAY in state.acts,
    }
    return tuple(why for why, is_so in said.items() if is_so)


def _due(row: Any, why: tuple[str, ...], state: State, now_us: int) -> Due:
    until_us = row.at + (REVIEW_WITHIN_US if row.emergency else WITHIN_US)
    return Due(row, why, state.reviewed, until_us, late=state.reviewed is None and now_us > until_us)
