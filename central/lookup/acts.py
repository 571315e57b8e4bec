"""What others do about look-ups: a second person agrees or refuses, limits are raised.

Within the caller's transaction; each leaves its row in the register (trust.md R-64, R-92).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from central.errors import BadQuestion, Clash, NotAllowed, NotThere
from central.lookup import audit
from central.lookup.audit import facts_of
from central.lookup.rules import HOUR_US, MOST_RAISED, Asker, checked_why
from central.lookup.service import append_of
from central.lookup.states import own_row, seen_row, state_of
from central.lookup.words import Act, Happened
from central.store.lookup_tables import look_up, look_up_event

LONGEST_RAISE_HOURS: Final = 72


@dataclass(frozen=True, slots=True)
class Waiting:
    """Somebody asks for a second person's word. `row`: of `look_up`."""

    row: Row[Any]
    act: Act
    why: str
    at_us: int


def ask_for(connection: Connection, asker: Asker, number: int, *, act: Act, why: str, now_us: int) -> None:
    """Raises NotThere, BadQuestion, Clash."""
    checked_why(why)
    row = own_row(connection, asker, number)
    state = state_of(connection, number)
    if act in state.acts and state.acts[act] != "refused":
        raise Clash(f"this was asked for already: {state.acts[act]}")
    if act not in (Act.WHOLE, Act.DELAY) and state.acts.get(Act.WHOLE) == "waits":
        raise Clash("the look-up itself must be approved first")
    facts = {"act": act, "why": why}
    append_of(connection, row, Happened.APPROVAL_ASKED, facts, asker=asker, at_us=now_us)


def waiting(connection: Connection, approver: Asker) -> list[Waiting]:
    """What this person may decide on: of their communities, not their own or their unit's; oldest first."""
    columns = look_up_event.c
    query = (
        select(columns.look_up_id)
        .where(columns.community_id.in_(approver.communities), columns.kind == Happened.APPROVAL_ASKED)
        .order_by(columns.id)
    )
    return [
        each
        for number in dict.fromkeys(connection.execute(query).scalars())
        for each in _waiting_of(connection, number)
        if _why_not(each.row, approver) is None
    ]


def decide(
    connection: Connection,
    approver: Asker,
    number: int,
    *,
    act: Act,
    agreed: bool,
    why: str,
    now_us: int,
) -> None:
    """Raises NotThere, NotAllowed (their own, or of their unit), Clash (nothing waits)."""
    checked_why(why)
    row = seen_row(connection, approver, number)
    if (not_by_them := _why_not(row, approver)) is not None:
        raise NotAllowed(not_by_them)
    if state_of(connection, number).acts.get(act) != "waits":
        raise Clash("nobody waits for this, or somebody decided already")
    kind = Happened.APPROVED if agreed else Happened.REFUSED
    append_of(connection, row, kind, {"act": act, "why": why}, asker=approver, at_us=now_us)


def raise_limit(
    connection: Connection,
    approver: Asker,
    *,
    community: int,
    account: int,
    an_hour: int,
    a_day: int,
    hours: int,
    why: str,
    now_us: int,
) -> None:
    """For so many hours. Raises BadQuestion, NotThere, NotAllowed."""
    checked_why(why)
    if community not in approver.communities:
        raise NotThere("no such community")
    if account == approver.account:
        raise NotAllowed("nobody raises their own limit")
    if not (1 <= hours <= LONGEST_RAISE_HOURS):
        raise BadQuestion("hours", f"1 to {LONGEST_RAISE_HOURS}")
    if not (1 <= an_hour <= MOST_RAISED and 1 <= a_day <= MOST_RAISED):
        raise BadQuestion("a_day", f"1 to {MOST_RAISED} look-ups")
    until_us = now_us + hours * HOUR_US
    audit.append(
        connection,
        Happened.LIMIT_RAISED,
        look_up=None,
        community=community,
        at_us=now_us,
        account=approver.account,
        facts={"account": account, "an_hour": an_hour, "a_day": a_day, "until": until_us, "why": why},
    )


def _waiting_of(connection: Connection, number: int) -> Iterator[Waiting]:
    columns = look_up_event.c
    row = connection.execute(select(look_up).where(look_up.c.id == number)).one()
    asked = (columns.look_up_id == number, columns.kind == Happened.APPROVAL_ASKED)
    newest = {
        Act(facts["act"]): (facts["why"], event.at)
        for event in connection.execute(select(look_up_event).where(*asked).order_by(columns.id))
        if (facts := facts_of(event))
    }
    acts = state_of(connection, number).acts
    for act, (why, at_us) in newest.items():
        if acts[act] == "waits":
            yield Waiting(row, act, why, at_us)


def _why_not(row: Row[Any], approver: Asker) -> str | None:
    if row.account == approver.account:
        return "nobody approves what they asked themselves"
    if row.unit is None or approver.unit is None or row.unit == approver.unit:
        return "only somebody of another unit may approve this"
    return None
