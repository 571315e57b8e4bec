"""Who lives where, from when to when: moving in and out, corrections, and the answer for any day.

A residency lasts from `from_us` until `until_us` (exclusive); what was wrong from the beginning is voided,
and its correction is a row of its own that names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, or_, select, update

from central.errors import BadQuestion, Clash, NotThere
from central.register.affected import gateways_of_person
from central.register.desk import Desk
from central.register.people import same_person, the_person
from central.register.place_tree import below
from central.register.places import the_room
from central.register.words import RegisterAct, Relation
from central.store.register_tables import person, place, residency, tenancy


@dataclass(frozen=True, slots=True)
class Residency:
    """`person_id`: of the row that counts, where somebody was registered twice."""

    id: int
    person_id: int
    place_id: int
    relation: str
    tenancy_id: int | None
    from_us: int
    until_us: int | None
    corrects: int | None
    voided_us: int | None
    void_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    person: int
    room: int
    relation: Relation
    tenancy: int | None = None
    until_us: int | None = None


def move_in(desk: Desk, arrival: Arrival, *, since_us: int, corrects: int | None = None) -> int:
    """The id of the new residency. Raises NotThere, BadQuestion; Clash where they live there at that time
    already, or the lease is of another room or over."""
    the_person(desk, arrival.person)
    the_room(desk, arrival.room)
    if arrival.until_us is not None and arrival.until_us <= since_us:
        raise BadQuestion("until", "it ends before it begins")
    _refuse_overlap(desk, arrival, since_us)
    if arrival.tenancy is not None:
        _refuse_lease(desk, arrival, corrects)
    made = desk.add(
        residency,
        person_id=arrival.person,
        place_id=arrival.room,
        relation=arrival.relation.value,
        tenancy_id=arrival.tenancy,
        from_at=since_us,
        until_at=arrival.until_us,
        registered_at=desk.now_us,
        registered_by=desk.account,
        corrects=corrects,
    )
    body = {
        "person": arrival.person,
        "room": arrival.room,
        "relation": arrival.relation,
        "lease": arrival.tenancy,
        "from": since_us,
        "until": arrival.until_us,
    }
    changed = gateways_of_person(desk.connection, arrival.person, desk.now_us)
    desk.note(RegisterAct.MOVED_IN, residency, made, body=body, changed=changed, person=arrival.person)
    return made


def move_out(desk: Desk, residency_id: int, *, at_us: int, reason: str) -> None:
    """Raises NotThere; BadQuestion before it began; Clash where it ended already or was voided."""
    row = _lasting(desk, residency_id)
    if at_us <= row.from_at:
        raise BadQuestion("at", "they moved in later than that; correct the residency instead")
    changed = gateways_of_person(desk.connection, row.person_id, desk.now_us)
    ended = {"until_at": at_us, "ended_by": desk.account, "end_reason": reason}
    desk.connection.execute(update(residency).where(residency.c.id == residency_id).values(ended))
    body = {"person": row.person_id, "room": row.place_id, "until": at_us, "former": row.until_at}
    desk.note(
        RegisterAct.MOVED_OUT,
        residency,
        residency_id,
        reason=reason,
        body=body,
        changed=changed,
        person=row.person_id,
    )


def move(desk: Desk, out: Sequence[int], into: Sequence[Arrival], *, at_us: int, reason: str) -> list[int]:
    """A household's move in one act: residencies that end, and those that begin, at the same moment."""
    for residency_id in out:
        move_out(desk, residency_id, at_us=at_us, reason=reason)
    return [move_in(desk, arrival, since_us=at_us) for arrival in into]


def correct_residency(
    desk: Desk,
    residency_id: int,
    *,
    reason: str,
    instead: Arrival | None,
    since_us: int | None = None,
) -> int | None:
    """What was never so is voided; `instead` is what was, from `since_us`, or from when the wrong one began.
    The id of the row that stands in its place. Raises as `move_in`, Clash where it was voided already."""
    row = desk.row(residency, residency_id, "residency")
    desk.met.add(row.person_id)
    if row.voided_at is not None:
        raise Clash("it was corrected already")
    changed = gateways_of_person(desk.connection, row.person_id, desk.now_us)
    void = {"voided_at": desk.now_us, "voided_by": desk.account, "void_reason": reason}
    desk.connection.execute(update(residency).where(residency.c.id == residency_id).values(void))
    since = row.from_at if since_us is None else since_us
    made = None if instead is None else move_in(desk, instead, since_us=since, corrects=residency_id)
    desk.note(
        RegisterAct.RESIDENCY_CORRECTED,
        residency,
        residency_id,
        reason=reason,
        body={"instead": made},
        changed=changed,
        person=row.person_id,
    )
    return made


def correct_dates(desk: Desk, residency_id: int, *, since_us: int, until_us: int | None, reason: str) -> int:
    """When somebody moved in and out, where home, relation and lease were right: the id of the row that now
    counts. Raises as `correct_residency`; Clash where it says so already."""
    row = residency_of(desk.connection, desk.community, residency_id)
    if (row.from_us, row.until_us) == (since_us, until_us):
        raise Clash("that is how it is already")
    instead = Arrival(row.person_id, row.place_id, Relation(row.relation), row.tenancy_id, until_us)
    made = correct_residency(desk, residency_id, reason=reason, instead=instead, since_us=since_us)
    assert made is not None
    return made


def lived_in(
    connection: Connection, community: int, room: int, from_us: int, until_us: int
) -> list[Residency]:
    """Who lived there at any time from `from_us` until `until_us`, as the register says today."""
    return _residencies(
        connection,
        residency.c.community_id == community,
        residency.c.place_id == room,
        _during(from_us, until_us),
    )


def lived_where(connection: Connection, community: int, person_id: int) -> list[Residency]:
    """All their homes, what was voided included, oldest first."""
    mine = residency.c.person_id.in_(same_person(person_id))
    return _residencies(connection, residency.c.community_id == community, mine)


def living_in(
    connection: Connection,
    community: int,
    place_id: int,
    from_us: int,
    until_us: int,
    *,
    after: int = 0,
    limit: int = 200,
) -> list[Residency]:
    """Who lived anywhere in a place at any time from `from_us` until `until_us`, a page by ids of
    residencies; `after`: the last one's."""
    rooms = below(select(place.c.id).where(place.c.id == place_id))
    return _residencies(
        connection,
        residency.c.community_id == community,
        residency.c.place_id.in_(select(rooms.c.id)),
        _during(from_us, until_us),
        residency.c.id > after,
        limit=limit,
    )


def _residencies(
    connection: Connection, *where: ColumnElement[bool], limit: int | None = None
) -> list[Residency]:
    asked = select(residency, person.c.merged_into).join(person, person.c.id == residency.c.person_id)
    order = (residency.c.id,) if limit else (residency.c.from_at, residency.c.id)
    rows = connection.execute(asked.where(*where).order_by(*order).limit(limit))
    return [
        Residency(
            row.id,
            row.merged_into or row.person_id,
            row.place_id,
            row.relation,
            row.tenancy_id,
            row.from_at,
            row.until_at,
            row.corrects,
            row.voided_at,
            row.void_reason,
        )
        for row in rows
    ]


def _during(from_us: int, until_us: int) -> ColumnElement[bool]:
    return and_(
        residency.c.voided_at.is_(None),
        residency.c.from_at < until_us,
        or_(residency.c.until_at.is_(None), residency.c.until_at > from_us),
    )


def _lasting(desk: Desk, residency_id: int) -> Any:
    row = desk.row(residency, residency_id, "residency")
    desk.met.add(row.person_id)
    if row.voided_at is not None:
        raise Clash("it was corrected: see the row in its place")
    if row.until_at is not None and row.until_at <= desk.now_us:
        raise Clash("it ended already")
    return row


def _refuse_overlap(desk: Desk, arrival: Arrival, since_us: int) -> None:
    same = residency.c.person_id.in_(same_person(arrival.person)) & (residency.c.place_id == arrival.room)
    until = 2**62 if arrival.until_us is None else arrival.until_us
    found = select(residency.c.id).where(same, _during(since_us, until)).limit(1)
    if desk.connection.execute(found).scalar() is not None:
        raise Clash("they live in this room at that time already")


def _refuse_lease(desk: Desk, arrival: Arrival, corrects: int | None) -> None:
    """One that ended is no matter for who lived there by it before a correction."""
    assert arrival.tenancy is not None
    lease = desk.row(tenancy, arrival.tenancy, "lease")
    if lease.place_id != arrival.room:
        raise BadQuestion("lease", "it is of another room")
    by_it = corrects is not None and desk.row(residency, corrects, "residency").tenancy_id == lease.id
    if lease.voided_at is not None or (lease.ended_at is not None and not by_it):
        raise Clash("this lease is over")


def residency_of(connection: Connection, community: int, residency_id: int) -> Residency:
    """Raises NotThere."""
    mine = (residency.c.id == residency_id) & (residency.c.community_id == community)
    found = _residencies(connection, mine)
    if not found:
        raise NotThere("no such residency in this community")
    return found[0]
