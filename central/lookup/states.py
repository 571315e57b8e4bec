"""How far a look-up has come, as its rows in the register say. Nothing of it is kept a second time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, bindparam, literal_column, select, union_all

from central.errors import NotThere, TooOften
from central.identity.periods import DAY_US
from central.lookup.audit import facts_of
from central.lookup.rules import A_DAY, A_HOUR, HOUR_US, REVIEW_WITHIN_US, Asker
from central.lookup.words import Act, Happened
from central.store.lookup_tables import look_up, look_up_event, look_up_subject
from central.times import utc_text

PAGE: Final = 100
_AT_ONCE: Final = 500
_OF_AN_ACT: Final = {
    Happened.APPROVAL_ASKED: "waits",
    Happened.APPROVED: "approved",
    Happened.REFUSED: "refused",
}


@dataclass(frozen=True, slots=True)
class Taken:
    """One file that was taken out."""

    at_us: int
    format: str
    records: int


@dataclass(slots=True)
class State:
    """`acts`: waits, approved or refused, of each that was asked for."""

    acts: dict[Act, str] = field(default_factory=dict)
    given: set[int] = field(default_factory=set)
    """Numbers of the records that were shown, masked."""
    revealed: set[tuple[int, str]] = field(default_factory=set)
    """(record, what of it)."""
    reviewed: Happened | None = None
    exported: list[Taken] = field(default_factory=list)
    """Files that were made of it, oldest first."""

    def approved(self, act: Act) -> bool:
        return self.acts.get(act) == "approved"


def row_of(connection: Connection, number: int) -> Row[Any]:
    """A row of `look_up`, with `asked_hash`, that of its first row in the register, and `sealed`, the number
    it asks for. Raises NotThere."""
    row = connection.execute(_ROW, {"number": number}).one_or_none()
    if row is None:
        raise NotThere("no such look-up")
    return row


_ROW: Final = (
    select(look_up, look_up_event.c.hash.label("asked_hash"), look_up_subject.c.sealed)
    .join(look_up_event, look_up_event.c.id == look_up.c.event_id)
    .outerjoin(look_up_subject, look_up_subject.c.id == look_up.c.id)
    .where(look_up.c.id == bindparam("number"))
)


def own_row(connection: Connection, asker: Asker, number: int) -> Row[Any]:
    """Of the one who asked it, as long as the community is theirs. Raises NotThere."""
    row = row_of(connection, number)
    if row.account != asker.account or row.community_id not in asker.communities:
        raise NotThere("no such look-up")
    return row


def seen_row(connection: Connection, asker: Asker, number: int) -> Row[Any]:
    """Raises NotThere outside of their communities."""
    row = row_of(connection, number)
    if row.community_id not in asker.communities:
        raise NotThere("no such look-up")
    return row


def look_ups_of(connection: Connection, asker: Asker, before: int | None) -> list[Row[Any]]:
    """Their own, newest first, a page of them."""
    mine = (look_up.c.account == asker.account, look_up.c.community_id.in_(asker.communities))
    earlier = [] if before is None else [look_up.c.id < before]
    query = select(look_up).where(*mine, *earlier).order_by(look_up.c.at.desc(), look_up.c.id.desc())
    return list(connection.execute(query.limit(PAGE)))


def events_page(
    connection: Connection, asker: Asker, before: int | None, number: int | None
) -> tuple[list[dict[str, Any]], int | None]:
    """Rows of the register of their communities, newest first, and where the next page begins."""
    columns = look_up_event.c
    here: list[ColumnElement[bool]] = [columns.community_id.in_(asker.communities)]
    here += [] if before is None else [columns.id < before]
    here += [] if number is None else [columns.look_up_id == number]
    query = select(look_up_event).where(*here).order_by(columns.id.desc())
    rows = connection.execute(query.limit(PAGE + 1)).all()
    shown = [
        {
            "number": row.id,
            "kind": row.kind,
            "look_up": row.look_up_id,
            "at": utc_text(row.at),
            "account": row.account,
            "facts": facts_of(row),
            "hash": row.hash.hex(),
        }
        for row in rows[:PAGE]
    ]
    return shown, rows[PAGE - 1].id if len(rows) > PAGE else None


def state_of(connection: Connection, number: int) -> State:
    return states_of(connection, [number])[number]


def states_of(connection: Connection, numbers: Sequence[int]) -> dict[int, State]:
    """By the numbers of the look-ups."""
    states = {number: State() for number in numbers}
    columns = look_up_event.c
    for first in range(0, len(numbers), _AT_ONCE):
        of_these = columns.look_up_id.in_(numbers[first : first + _AT_ONCE])
        for row in connection.execute(select(look_up_event).where(of_these).order_by(columns.id)):
            _follow(states[row.look_up_id], Happened(row.kind), row)
    return states


def _follow(state: State, kind: Happened, row: Row[Any]) -> None:
    if kind in _OF_AN_ACT:
        state.acts[Act(facts_of(row)["act"])] = _OF_AN_ACT[kind]
    elif kind is Happened.ANSWERED:
        state.given.update(facts_of(row)["records"])
    elif kind is Happened.REVEALED:
        facts = facts_of(row)
        records = (facts["record"], *facts.get("also", ()))
        state.revealed.update((record, facts["shown"]) for record in records)
    elif kind is Happened.EXPORTED:
        facts = facts_of(row)
        state.exported.append(Taken(row.at, facts["format"], facts["records"]))
    elif kind in (Happened.EXPLAINED, Happened.UNEXPLAINED):
        state.reviewed = kind


def check_limits(connection: Connection, asker: Asker, now_us: int) -> None:
    """Within the transaction that writes the look-up. Raises TooOften."""
    an_hour, a_day = _limits(connection, asker, now_us)
    for within_us, limit, words in ((HOUR_US, an_hour, "an hour"), (DAY_US, a_day, "a day")):
        mine = (look_up.c.account == asker.account, look_up.c.at > now_us - within_us)
        newest = select(look_up.c.at).where(*mine).order_by(look_up.c.at.desc())
        earliest = connection.execute(newest.offset(limit - 1).limit(1)).scalar()
        if earliest is not None:
            wait_s = (earliest + within_us - now_us) // 1_000_000 + 1
            raise TooOften(f"{limit} look-ups {words} are the limit, which an approver may raise", wait_s)


def why_resting(connection: Connection, asker: Asker, now_us: int) -> str | None:
    """Why this account's look-ups rest, None where they do not (trust.md R-93, R-95)."""
    columns, said = look_up.c, look_up_event.c
    mine = (columns.account == asker.account, columns.emergency == 1, columns.at <= now_us - REVIEW_WITHIN_US)
    unexplained = (
        select(columns.id)
        .join(look_up_event, said.look_up_id == columns.id)
        .where(
            said.community_id.in_(asker.communities),
            said.kind == Happened.UNEXPLAINED,
            columns.account == asker.account,
        )
    )
    query = union_all(
        select(literal_column("1").label("emergency"), columns.id).where(*mine),
        unexplained.with_only_columns(literal_column("0").label("emergency"), columns.id),
    )
    rows = connection.execute(query).all()
    states = states_of(connection, sorted({row.id for row in rows}))
    for row in rows:
        reviewed = states[row.id].reviewed
        if row.emergency and reviewed is None:
            return f"emergency look-up {row.id} was not reviewed within a day"
        if reviewed is Happened.UNEXPLAINED:
            return f"look-up {row.id} was found unexplained"
    return None


def _limits(connection: Connection, asker: Asker, now_us: int) -> tuple[int, int]:
    """The highest that is in force."""
    columns = look_up_event.c
    raised = (columns.community_id.in_(asker.communities), columns.kind == Happened.LIMIT_RAISED)
    an_hour, a_day = A_HOUR, A_DAY
    for row in connection.execute(select(look_up_event).where(*raised, columns.at > now_us - DAY_US)):
        facts = facts_of(row)
        if facts["account"] == asker.account and facts["until"] > now_us:
            an_hour, a_day = max(an_hour, facts["an_hour"]), max(a_day, facts["a_day"])
    return an_hour, a_day
