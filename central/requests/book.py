"""Requests about one's own data in the database: received, answered, counted; in the caller's transaction.

What was asked and what was answered lie sealed with the community's register key.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, case, func, select, update

from central.errors import BadQuestion, Clash, NotThere
from central.identity.periods import DAY_US
from central.identity.vault import Vault
from central.receipts import as_made, new_receipt
from central.register.desk import Desk, row_of
from central.register.people import same_person
from central.register.words import RegisterAct
from central.requests.words import (
    DUE_US,
    LATEST_US,
    Decision,
    RequestKind,
    RequestState,
    is_overdue,
    state_of,
)
from central.store.register_tables import person
from central.store.request_tables import own_request
from central.store.visitor_tables import visitor_pass

MOST_WAITING: Final = 10
"""Of one person at a time. What was withdrawn within a day of its coming counts too: else there is no end."""

MAX_TEXT: Final = 500
MAX_PAGE: Final = 200
_UNSEALED_YET: Final = b""

NewReceipt = Callable[[], str]


@dataclass(frozen=True, slots=True)
class OwnRequest:
    """One as it is kept, without what it says. `person` or `given`, a visitor's pass, is whose data it is
    about. `decided_us`, `decided_by`: answered or withdrawn; of a withdrawn one that is whose
    it is. Times are UTC microseconds."""

    id: int
    community: int
    person: int | None
    given: int | None
    receipt: str
    kind: RequestKind
    at_desk: bool
    received_us: int
    received_by: int
    due_us: int
    state: RequestState
    decided_us: int | None
    decided_by: int | None

    @property
    def latest_us(self) -> int:
        return self.received_us + LATEST_US

    def is_overdue(self, now_us: int) -> bool:
        return is_overdue(self.due_us, self.decided_us, now_us)


@dataclass(frozen=True, slots=True)
class Texts:
    """What was asked, and what was answered. Shows nothing of itself."""

    asked: str
    answer: str | None

    def __repr__(self) -> str:
        return "Texts(...)"


@dataclass(frozen=True, slots=True)
class Counts:
    """`overdue` of those that wait; `too_late` of these beyond the law's own end; `answered_late` of those
    that were `answered`, `withdrawn_late` of those that were `withdrawn`: after their date."""

    waiting: int
    overdue: int
    too_late: int
    answered: int
    answered_late: int
    withdrawn: int
    withdrawn_late: int


def receive(
    desk: Desk,
    kind: RequestKind,
    text: str,
    *,
    person_id: int | None = None,
    given: int | None = None,
    at_desk: bool,
    receipt: NewReceipt = new_receipt,
) -> OwnRequest:
    """About the data of one person of the register, or of the visitor whom a pass was `given` to. Raises
    BadQuestion, NotThere, and Clash where too many of theirs wait."""
    if (person_id is None) == (given is None):
        raise BadQuestion(
            "person", "whose data it is: one person's of the register, or one visitor's by pass"
        )
    if person_id is not None:
        desk.row(person, person_id, "person")
        desk.met.add(person_id)
    if given is not None:
        desk.row(visitor_pass, given, "pass")
    _refuse_too_many(desk, person_id, given)
    said = _said("text", text)
    made = desk.add(
        own_request,
        person_id=person_id,
        pass_id=given,
        receipt=receipt(),
        kind=kind.value,
        sealed=_UNSEALED_YET,
        at_desk=int(at_desk),
        received_at=desk.now_us,
        received_by=desk.account,
        due_at=desk.now_us + DUE_US,
    )
    sealed = desk.vault.seal_register(desk.community, f"own_request:{made}", said.encode())
    _write(desk, made, sealed=sealed)
    desk.note(RegisterAct.REQUEST_RECEIVED, own_request, made, body={"kind": kind})
    return one_request(desk.connection, desk.community, made)


def answer(desk: Desk, number: int, decision: Decision, text: str) -> OwnRequest:
    """`text`: what was done, or why it is refused. Raises NotThere, BadQuestion, and Clash for one that is
    answered, or that the same account took down."""
    found = one_request(desk.connection, desk.community, number)
    _refuse_decided(found)
    if found.received_by == desk.account:
        raise Clash("nobody answers what they took down themselves: a colleague has to")
    said = _said("text", text)
    sealed = desk.vault.seal_register(desk.community, f"own_request_answer:{number}", said.encode())
    _write(
        desk,
        number,
        decision=decision.value,
        decided_at=desk.now_us,
        decided_by=desk.account,
        answer=sealed,
    )
    desk.note(RegisterAct.REQUEST_ANSWERED, own_request, number, body={"decision": decision})
    return one_request(desk.connection, desk.community, number)


def withdraw(desk: Desk, number: int, *, of_person: int) -> OwnRequest:
    """By whose it is, while nobody has answered it: nothing is due any more, and what was asked stays on
    record. Raises NotThere, also where it is not theirs; Clash for one that is answered or withdrawn."""
    found = one_request(desk.connection, desk.community, number)
    theirs = set(desk.connection.execute(same_person(of_person)).scalars())
    if found.person not in theirs:
        raise NotThere("no such request")
    _refuse_decided(found)
    _write(
        desk,
        number,
        decision=RequestState.WITHDRAWN.value,
        decided_at=desk.now_us,
        decided_by=desk.account,
    )
    desk.note(RegisterAct.REQUEST_WITHDRAWN, own_request, number, body={"kind": found.kind})
    return one_request(desk.connection, desk.community, number)


def people_of(found: OwnRequest) -> list[int]:
    """Whose it is, by id in the register; a visitor has none there."""
    return [] if found.person is None else [found.person]


def one_request(connection: Connection, community: int, number: int) -> OwnRequest:
    """Raises NotThere."""
    return _request(row_of(connection, own_request, community, number, "request"))


def by_receipt(connection: Connection, communities: Collection[int], receipt: str) -> OwnRequest:
    """As somebody wrote it down, in small letters and without its dashes too. Raises NotThere."""
    here = (own_request.c.receipt == as_made(receipt)) & own_request.c.community_id.in_(communities)
    row = connection.execute(select(own_request).where(here)).one_or_none()
    if row is None:
        raise NotThere("no request has this receipt")
    return _request(row)


def requests(
    connection: Connection,
    communities: Collection[int],
    *,
    waiting: bool,
    after: int | None = None,
    limit: int = MAX_PAGE,
) -> list[OwnRequest]:
    """Those that wait, what is due first at the head; or those that are answered or withdrawn, the newest
    first. `after`: beyond that one alone. Raises NotThere."""
    columns = own_request.c
    here: list[ColumnElement[bool]] = [columns.community_id.in_(communities)]
    if after is not None:
        last = connection.execute(select(own_request).where(*here, columns.id == after)).one_or_none()
        if last is None:
            raise NotThere("no such request")
        later = (columns.due_at == last.due_at) & (columns.id > after)
        here.append((columns.due_at > last.due_at) | later if waiting else columns.id < after)
    here.append(columns.decision.is_(None) if waiting else columns.decision.is_not(None))
    order = (columns.due_at, columns.id) if waiting else (columns.id.desc(),)
    query = select(own_request).where(*here).order_by(*order).limit(limit)
    return [_request(row) for row in connection.execute(query)]


def requests_of_person(connection: Connection, community: int, number: int) -> list[OwnRequest]:
    """All of somebody's, the newest first."""
    columns = own_request.c
    here = (columns.community_id == community) & columns.person_id.in_(same_person(number))
    query = select(own_request).where(here).order_by(columns.id.desc()).limit(MAX_PAGE)
    return [_request(row) for row in connection.execute(query)]


def texts_of(connection: Connection, vault: Vault, found: OwnRequest) -> Texts:
    """Raises NotThere, IdentityGone, IdentityDamaged."""
    row = row_of(connection, own_request, found.community, found.id, "request")
    asked = vault.open_register(found.community, f"own_request:{found.id}", row.sealed)
    if row.answer is None:
        return Texts(asked.decode(), None)
    said = vault.open_register(found.community, f"own_request_answer:{found.id}", row.answer)
    return Texts(asked.decode(), said.decode())


def counts(connection: Connection, communities: Collection[int], since_us: int, now_us: int) -> Counts:
    """All that wait, and those that were answered or withdrawn since a moment."""
    columns = own_request.c
    waits = columns.decision.is_(None)
    late = columns.decided_at > columns.due_at
    answered = columns.decision.in_([each.value for each in Decision]) & (columns.decided_at >= since_us)
    withdrawn = (columns.decision == RequestState.WITHDRAWN.value) & (columns.decided_at >= since_us)
    conditions = (
        waits,
        waits & (columns.due_at < now_us),
        waits & (columns.received_at < now_us - LATEST_US),
        answered,
        answered & late,
        withdrawn,
        withdrawn & late,
    )
    query = select(*(func.sum(case((each, 1), else_=0)) for each in conditions))
    row = connection.execute(query.where(columns.community_id.in_(communities))).one()
    return Counts(*(int(each or 0) for each in row))


def _refuse_too_many(desk: Desk, person_id: int | None, given: int | None) -> None:
    columns = own_request.c
    whose = columns.pass_id == given if person_id is None else columns.person_id == person_id
    withdrawn = columns.decision == RequestState.WITHDRAWN.value
    counts_still = columns.decision.is_(None) | (withdrawn & (columns.received_at > desk.now_us - DAY_US))
    query = select(func.count()).select_from(own_request).where(whose, counts_still)
    if (desk.connection.execute(query).scalar() or 0) >= MOST_WAITING:
        raise Clash(
            "ten requests of theirs wait, or were withdrawn within a day: another one once they are answered"
        )


def _refuse_decided(found: OwnRequest) -> None:
    """Raises Clash."""
    if found.state is RequestState.WITHDRAWN:
        raise Clash("this request was withdrawn")
    if found.state is not RequestState.WAITING:
        raise Clash("this request is answered already")


def _said(field: str, text: str) -> str:
    """Raises BadQuestion."""
    said = text.strip()
    if not said or len(said) > MAX_TEXT:
        raise BadQuestion(field, f"has 1 to {MAX_TEXT} characters: say what it is about, and why")
    return said


def _write(desk: Desk, number: int, **values: object) -> None:
    desk.connection.execute(update(own_request).where(own_request.c.id == number).values(values))


def _request(row: Any) -> OwnRequest:
    return OwnRequest(
        id=row.id,
        community=row.community_id,
        person=row.person_id,
        given=row.pass_id,
        receipt=row.receipt,
        kind=RequestKind(row.kind),
        at_desk=bool(row.at_desk),
        received_us=row.received_at,
        received_by=row.received_by,
        due_us=row.due_at,
        state=state_of(row.decision),
        decided_us=row.decided_at,
        decided_by=row.decided_by,
    )
