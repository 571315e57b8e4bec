"""Leases (tenancies): made, extended, ended early. Access rights follow their dates: see `lease_states`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, select, update

from central.errors import BadQuestion, Clash
from central.register.affected import gateways_of_person
from central.register.desk import Desk, row_of
from central.register.lease_states import DAY_US, LeaseDates, LeaseState, lease_state
from central.register.people import the_person
from central.register.places import the_room
from central.register.words import RegisterAct
from central.store.register_tables import residency, tenancy

NOTICE_DAYS: Final = 30
GRACE_DAYS: Final = 7
_MOST_NOTICE: Final = 366
_MOST_GRACE: Final = 92


@dataclass(frozen=True, slots=True)
class Lease:
    id: int
    place_id: int
    landlord_id: int | None
    dates: LeaseDates
    state: LeaseState


def make_lease(
    desk: Desk,
    room: int,
    *,
    from_us: int,
    until_us: int | None,
    landlord: int | None = None,
    notice_days: int = NOTICE_DAYS,
    grace_days: int = GRACE_DAYS,
) -> int:
    """Raises NotThere, BadQuestion."""
    the_room(desk, room)
    if landlord is not None:
        the_person(desk, landlord)
    if until_us is not None and until_us <= from_us:
        raise BadQuestion("until", "it ends before it begins")
    _refuse_days(notice_days, grace_days)
    made = desk.add(
        tenancy,
        place_id=room,
        landlord_id=landlord,
        from_at=from_us,
        until_at=until_us,
        notice_days=notice_days,
        grace_days=grace_days,
    )
    body = {
        "room": room,
        "landlord": landlord,
        "from": from_us,
        "until": until_us,
        "notice_days": notice_days,
        "grace_days": grace_days,
    }
    desk.note(RegisterAct.LEASE_MADE, tenancy, made, body=body)
    return made


def extend_lease(
    desk: Desk,
    lease_id: int,
    *,
    until_us: int | None,
    reason: str | None = None,
    grace_days: int | None = None,
    restores: bool = False,
) -> None:
    """Until when it is agreed now; its former end stands in the events. Also once it is over, as long as it
    was not ended early. `restores`: an extension is taken back, so its end may be past, as it was. Raises
    NotThere, BadQuestion, Clash."""
    row = _lasting(desk, lease_id)
    if not restores and until_us is not None and until_us <= max(row.from_at, desk.now_us):
        raise BadQuestion("until", "an extension ends in the future; to end a lease is another act")
    grace = row.grace_days if grace_days is None else grace_days
    _refuse_days(row.notice_days, grace)
    if (until_us, grace) == (row.until_at, row.grace_days):
        raise Clash("that is how it is already")
    new = {"until_at": until_us, "grace_days": grace}
    desk.connection.execute(update(tenancy).where(tenancy.c.id == lease_id).values(new))
    former = {"until": row.until_at, "grace_days": row.grace_days}
    body = {"until": until_us, "grace_days": grace, "former": former}
    _note(desk, RegisterAct.LEASE_EXTENDED, lease_id, reason, body)


def end_lease(desk: Desk, lease_id: int, *, at_us: int, reason: str) -> None:
    """Ends it early; the grace period follows, so that nobody stands before a closed door unprepared. Whoever
    must not come in any longer at once is moved out. Raises NotThere, BadQuestion, Clash."""
    row = _lasting(desk, lease_id)
    if at_us < row.from_at or (row.until_at is not None and at_us >= row.until_at):
        raise BadQuestion("at", "an early end lies within the lease")
    desk.connection.execute(update(tenancy).where(tenancy.c.id == lease_id).values(ended_at=at_us))
    _note(desk, RegisterAct.LEASE_ENDED, lease_id, reason, {"ended": at_us})


def void_lease(desk: Desk, lease_id: int, *, reason: str) -> None:
    """It was never made. Raises NotThere; Clash where somebody lives there by it: correct that first."""
    _lasting(desk, lease_id)
    by_it = (residency.c.tenancy_id == lease_id) & residency.c.voided_at.is_(None)
    if desk.connection.execute(select(residency.c.id).where(by_it).limit(1)).scalar() is not None:
        raise Clash("somebody lives there by this lease: correct the residency first")
    desk.connection.execute(update(tenancy).where(tenancy.c.id == lease_id).values(voided_at=desk.now_us))
    _note(desk, RegisterAct.LEASE_VOIDED, lease_id, reason, {})


def get_lease(connection: Connection, community: int, lease_id: int, now_us: int) -> Lease:
    """Raises NotThere."""
    return lease_of(row_of(connection, tenancy, community, lease_id, "lease"), now_us)


def leases(
    connection: Connection,
    community: int,
    now_us: int,
    *,
    state: LeaseState | None = None,
    room: int | None = None,
    limit: int = 500,
) -> list[Lease]:
    """Those that end first come first; of one state, or of one room."""
    there = [tenancy.c.community_id == community, tenancy.c.voided_at.is_(None)]
    if room is not None:
        there.append(tenancy.c.place_id == room)
    elif state in {LeaseState.IN_NOTICE, LeaseState.IN_GRACE}:
        # what cannot be in that state by the longest periods that there may be
        soon = now_us + _MOST_NOTICE * DAY_US
        ends_soon = (tenancy.c.until_at <= soon) | (tenancy.c.ended_at <= soon)
        past = now_us - _MOST_GRACE * DAY_US
        there += [ends_soon, tenancy.c.until_at.is_(None) | (tenancy.c.until_at > past)]
    order = (tenancy.c.until_at.is_(None), tenancy.c.until_at, tenancy.c.id)
    rows = connection.execute(select(tenancy).where(*there).order_by(*order))
    found: list[Lease] = []
    for row in rows:
        lease = lease_of(row, now_us)
        if state is None or lease.state is state:
            found.append(lease)
        if len(found) == limit:
            break
    return found


def dates_of(row: Any) -> LeaseDates:
    return LeaseDates(row.from_at, row.until_at, row.notice_days, row.grace_days, row.ended_at)


def lease_of(row: Any, now_us: int) -> Lease:
    dates = dates_of(row)
    return Lease(row.id, row.place_id, row.landlord_id, dates, lease_state(dates, now_us))


def _lasting(desk: Desk, lease_id: int) -> Any:
    row = desk.row(tenancy, lease_id, "lease")
    if row.voided_at is not None:
        raise Clash("this lease was voided")
    if row.ended_at is not None:
        raise Clash("this lease was ended early")
    return row


def _note(desk: Desk, act: RegisterAct, lease_id: int, reason: str | None, body: dict[str, object]) -> None:
    by_it = (residency.c.tenancy_id == lease_id) & residency.c.voided_at.is_(None)
    people = set(desk.connection.execute(select(residency.c.person_id).where(by_it)).scalars())
    event = desk.note(act, tenancy, lease_id, reason=reason, body=body)
    for person in sorted(people):
        desk.mark(event, gateways_of_person(desk.connection, person, desk.now_us), person)


def _refuse_days(notice: int, grace: int) -> None:
    if not 0 <= notice <= _MOST_NOTICE:
        raise BadQuestion("notice_days", f"0 to {_MOST_NOTICE} days")
    if not 0 <= grace <= _MOST_GRACE:
        raise BadQuestion("grace_days", f"0 to {_MOST_GRACE} days")
