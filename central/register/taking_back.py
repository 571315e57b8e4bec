"""Taking back what one did at the register a moment ago: each thing by its reverse act, on record itself.

A deed is what one account did at one moment: a family that moves in is people, a lease, residencies, cards.
It is taken back whole, by whoever did it, and only while all of it still stands as it was left.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from sqlalchemy import Connection, Select, Table, select

from central.errors import Clash
from central.register.credential_life import CredentialAct, CredentialState
from central.register.credentials import CredentialKind, change, issue
from central.register.desk import Desk
from central.register.leases import extend_lease, void_lease
from central.register.people import deregister_person, same_person
from central.register.places import set_use
from central.register.residencies import Arrival, correct_residency
from central.register.words import HomeUse, PersonState, RegisterAct, Relation
from central.store.account_tables import account_person
from central.store.register_tables import (
    access_right,
    credential,
    credential_event,
    home_use,
    person,
    register_event,
    residency,
    tenancy,
)
from central.undo import CHANGED_SINCE, TOO_LATE, UNDONE_ALREADY, is_recent

_MOST: Final = 400
"""Of the community's newest events so many are looked through, whoever made them."""

_IMPORT: Final = "import"  # in the body of what an import did


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the register's events."""

    id: int
    at_us: int
    act: RegisterAct
    subject: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Deed:
    """What one account did at one moment, in its order."""

    events: tuple[Event, ...]

    @property
    def id(self) -> int:
        return self.events[0].id

    @property
    def at_us(self) -> int:
        return self.events[0].at_us

    def count(self, act: RegisterAct) -> int:
        return sum(event.act is act for event in self.events)

    def has(self, act: RegisterAct) -> bool:
        return self.count(act) > 0


class Standing(Enum):
    """What an undo of a deed would meet."""

    STANDS = auto()  # all of it as it was left: it can be taken back
    CHANGED = auto()  # somebody changed it since, or built on it
    UNDONE = auto()  # it was taken back already
    NEVER = auto()  # no undo was ever offered: it has an act that has no reverse


Concerns = Callable[[Event], bool]


def newest_deed(
    connection: Connection, community: int, *, account: int, now_us: int, concerns: Concerns
) -> tuple[Deed, Standing] | None:
    """The newest that concerns something, and how it stands; None: that account did nothing of the kind
    of late."""
    for deed in _deeds(connection, community, account, now_us):
        if any(map(concerns, deed.events)):
            return deed, _standing(connection, deed, now_us)
    return None


def last_deed(
    connection: Connection, community: int, *, account: int, now_us: int, concerns: Concerns
) -> Deed | None:
    """The newest that concerns something, if it can be taken back whole by who did it; else None."""
    found = newest_deed(connection, community, account=account, now_us=now_us, concerns=concerns)
    return found[0] if found and found[1] is Standing.STANDS else None


def deeds_to_take_back(connection: Connection, community: int, *, account: int, now_us: int) -> list[Deed]:
    """What that account did of late and can take back, the newest first."""
    deeds = _deeds(connection, community, account, now_us)
    return [each for each in deeds if _standing(connection, each, now_us) is Standing.STANDS]


def take_back(desk: Desk, event_id: int) -> Deed:
    """All that was done with that event. Raises Clash where it is too late, or somebody built on it."""
    deeds = _deeds(desk.connection, desk.community, desk.account, desk.now_us)
    deed = next((each for each in deeds if each.id == event_id), None)
    if deed is None:
        raise Clash(TOO_LATE)
    standing = _standing(desk.connection, deed, desk.now_us)
    if standing is not Standing.STANDS:
        raise Clash(_WHY_NOT[standing])
    reason = f"undo of {event_id}"
    for event in reversed(deed.events):
        _WAYS[event.act].reverse(desk, event, reason)
    body = {"events": [event.id for event in deed.events]}
    desk.note(RegisterAct.UNDONE, register_event, event_id, reason=reason, body=body)
    return deed


def _deeds(connection: Connection, community: int, account: int, now_us: int) -> list[Deed]:
    """The newest first; of what may have begun before the events that were looked through, none."""
    columns = register_event.c
    asked = select(register_event).where(columns.community_id == community)
    rows = connection.execute(asked.order_by(columns.id.desc()).limit(_MOST)).all()
    together: dict[int, list[Event]] = {}
    for row in rows:
        if row.account == account and is_recent(row.at, now_us):
            event = Event(row.id, row.at, RegisterAct(row.act), row.subject_id, json.loads(row.body))
            together.setdefault(row.at, []).append(event)
    if len(rows) == _MOST:
        together.pop(rows[-1].at, None)
    return [Deed(tuple(reversed(events))) for events in together.values()]


_WHY_NOT: Final = {
    Standing.CHANGED: CHANGED_SINCE,
    Standing.UNDONE: UNDONE_ALREADY,
    Standing.NEVER: TOO_LATE,
}


def _standing(connection: Connection, deed: Deed, now_us: int) -> Standing:
    """Whether it was not taken back yet, and each of its events has a reverse act and is the last word on its
    subject. An import is taken back on its own page."""
    columns = register_event.c
    undone = select(columns.id).where(
        columns.act == RegisterAct.UNDONE.value,
        columns.subject == register_event.name,
        columns.subject_id == deed.id,
    )
    if _there_is(connection, undone):
        return Standing.UNDONE
    for event in deed.events:
        way = _WAYS.get(event.act)
        if way is None or _IMPORT in event.body or not way.has_reverse(connection, event, now_us):
            return Standing.NEVER
    stands = all(_WAYS[event.act].stands(connection, event, now_us) for event in deed.events)
    return Standing.STANDS if stands else Standing.CHANGED


def _there_is(connection: Connection, asked: Select[Any]) -> bool:
    return connection.execute(asked.limit(1)).first() is not None


def _row(connection: Connection, table: Table, number: int) -> Any:
    return connection.execute(select(table).where(table.c.id == number)).one()


# --- homes -----------------------------------------------------------------------------------------------


def _moved_in_stands(connection: Connection, event: Event, _now_us: int) -> bool:
    row = _row(connection, residency, event.subject)
    return row.voided_at is None and row.until_at == event.body["until"]


def _never_moved_in(desk: Desk, event: Event, reason: str) -> None:
    correct_residency(desk, event.subject, reason=reason, instead=None)


def _says_former(_connection: Connection, event: Event, _now_us: int) -> bool:
    return "former" in event.body


def _lives_on(desk: Desk, event: Event, reason: str) -> None:
    """As before, in a new row that names the one that ended."""
    row = desk.row(residency, event.subject, "residency")
    arrival = Arrival(
        row.person_id, row.place_id, Relation(row.relation), row.tenancy_id, event.body["former"]
    )
    correct_residency(desk, event.subject, reason=reason, instead=arrival)


def _use_stands(connection: Connection, event: Event, _now_us: int) -> bool:
    return bool(_row(connection, home_use, event.subject).until_at is None)


def _was_used(_connection: Connection, event: Event, _now_us: int) -> bool:
    """What a home is used for has a word once it was said: the first one is changed, and not taken away."""
    return event.body.get("former") is not None


def _used_as_before(desk: Desk, event: Event, _reason: str) -> None:
    set_use(desk, event.body["room"], HomeUse(event.body["former"]))


# --- leases ----------------------------------------------------------------------------------------------


def _lease_stands(connection: Connection, event: Event, _now_us: int) -> bool:
    row = _row(connection, tenancy, event.subject)
    same = (row.until_at, row.grace_days) == (event.body["until"], event.body["grace_days"])
    return bool(same and row.voided_at is None and row.ended_at is None)


def _never_made(desk: Desk, event: Event, reason: str) -> None:
    void_lease(desk, event.subject, reason=reason)


def _not_extended(desk: Desk, event: Event, reason: str) -> None:
    """Its former end may be past: it is over again, as it was."""
    former = event.body["former"]
    extend_lease(
        desk,
        event.subject,
        until_us=former["until"],
        grace_days=former["grace_days"],
        reason=reason,
        restores=True,
    )


# --- people ----------------------------------------------------------------------------------------------


def _registered_stands(connection: Connection, event: Event, now_us: int) -> bool:
    """Nobody else's row is theirs by now, and nobody has built on theirs since."""
    row = _row(connection, person, event.subject)
    if row.state != PersonState.REGISTERED or row.changed_at != event.at_us:
        return False
    merged = select(person.c.id).where(person.c.merged_into == event.subject)
    columns = register_event.c
    later = select(columns.id).where(
        columns.subject == person.name, columns.subject_id == event.subject, columns.id > event.id
    )
    built_on = (merged, later.where(columns.at != event.at_us), *_built_on(event, now_us))
    return not any(_there_is(connection, each) for each in built_on)


def _not_registered(desk: Desk, event: Event, reason: str) -> None:
    deregister_person(desk, event.subject, reason=reason)


def _built_on(event: Event, now_us: int) -> tuple[Select[Any], ...]:
    """Homes, cards, rights, leases and accounts of theirs that the same act did not make."""
    same = same_person(event.subject)

    def lasts(column: Any) -> Any:
        return column.is_(None) | (column > now_us)

    return (
        select(residency.c.id).where(
            residency.c.person_id.in_(same),
            residency.c.registered_at > event.at_us,
            residency.c.voided_at.is_(None),
            lasts(residency.c.until_at),
        ),
        select(credential.c.id).where(
            credential.c.person_id.in_(same),
            credential.c.issued_at > event.at_us,
            credential.c.state != CredentialState.RETURNED.value,
        ),
        select(access_right.c.id).where(access_right.c.person_id.in_(same), lasts(access_right.c.until_at)),
        select(tenancy.c.id).where(tenancy.c.landlord_id.in_(same), tenancy.c.voided_at.is_(None)),
        select(account_person.c.account_id).where(account_person.c.person_id.in_(same)),
    )


# --- cards -----------------------------------------------------------------------------------------------


def _card_stands(connection: Connection, event: Event, _now_us: int) -> bool:
    """Nothing became of it since, and no other is in its place. One that was returned is given again: not to
    somebody who is gone, and not where it is somebody else's by now."""
    columns = credential_event.c
    asked = select(columns.at).where(columns.credential_id == event.subject).order_by(columns.id.desc())
    last, *earlier = connection.execute(asked.limit(2)).scalars()
    if last != event.at_us or last in earlier:
        return False
    row = _row(connection, credential, event.subject)
    replaced = _there_is(connection, select(credential.c.id).where(credential.c.replaces == row.id))
    match event.body.get("act"):
        case CredentialAct.REPORT_LOST:
            return not replaced
        case CredentialAct.RETURN:
            return not replaced and _is_free(connection, row)
        case _:
            return True


def _card_has_reverse(connection: Connection, event: Event, now_us: int) -> bool:
    """One that was returned is given again: not beyond its end, and not where it was lost."""
    if event.body.get("act") != CredentialAct.RETURN:
        return True
    row = _row(connection, credential, event.subject)
    was_lost = _before(connection, event).state == CredentialState.LOST
    return not was_lost and (row.valid_until is None or row.valid_until > now_us)


def _is_free(connection: Connection, row: Any) -> bool:
    """Whose it was is registered, and nobody has it now."""
    same = (credential.c.community_id == row.community_id) & (credential.c.number_index == row.number_index)
    used = same & (credential.c.kind == row.kind) & (credential.c.state != CredentialState.RETURNED.value)
    if _there_is(connection, select(credential.c.id).where(used)):
        return False
    return bool(_row(connection, person, row.person_id).state == PersonState.REGISTERED)


def _before(connection: Connection, event: Event) -> Any:
    """What the card's history said of it before."""
    columns = credential_event.c
    earlier = (columns.credential_id == event.subject) & (columns.at < event.at_us)
    return connection.execute(
        select(credential_event).where(earlier).order_by(columns.id.desc()).limit(1)
    ).one()


def _not_given(desk: Desk, event: Event, reason: str) -> None:
    change(desk, event.subject, CredentialAct.RETURN, reason=reason)


def _card_as_before(desk: Desk, event: Event, reason: str) -> None:
    match CredentialAct(event.body["act"]):
        case CredentialAct.REPORT_LOST:
            change(desk, event.subject, CredentialAct.LIFT_LOSS, reason=reason)
        case CredentialAct.LIFT_LOSS:
            change(desk, event.subject, CredentialAct.REPORT_LOST, reason=reason)
        case CredentialAct.EXTEND:
            until_us = _before(desk.connection, event).valid_until
            change(
                desk,
                event.subject,
                CredentialAct.EXTEND,
                valid_until_us=until_us,
                reason=reason,
                restores=True,
            )
        case _:
            _given_again(desk, event)


def _given_again(desk: Desk, event: Event) -> None:
    """Returned is for good: the same card is issued anew, in the place of itself, and no sooner than it was
    good."""
    row = desk.row(credential, event.subject, "credential")
    number = desk.vault.open_register(desk.community, f"credential:{row.id}", row.sealed).decode()
    kind = CredentialKind(row.kind)
    from_us = max(row.valid_from, desk.now_us)
    issue(
        desk,
        row.person_id,
        kind,
        number,
        valid_from_us=from_us,
        valid_until_us=row.valid_until,
        replaces=row.id,
    )


# --- which reverses which --------------------------------------------------------------------------------


_Asked = Callable[[Connection, Event, int], bool]


def _always(_connection: Connection, _event: Event, _now_us: int) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class _Way:
    """`has_reverse`: it could be reversed if nobody touched it; `stands`: nobody has."""

    stands: _Asked
    reverse: Callable[[Desk, Event, str], None]
    has_reverse: _Asked = _always


_WAYS: Final[Mapping[RegisterAct, _Way]] = {
    RegisterAct.MOVED_IN: _Way(_moved_in_stands, _never_moved_in),
    RegisterAct.MOVED_OUT: _Way(_moved_in_stands, _lives_on, _says_former),
    RegisterAct.HOME_USE_SET: _Way(_use_stands, _used_as_before, _was_used),
    RegisterAct.LEASE_MADE: _Way(_lease_stands, _never_made),
    RegisterAct.LEASE_EXTENDED: _Way(_lease_stands, _not_extended),
    RegisterAct.PERSON_REGISTERED: _Way(_registered_stands, _not_registered),
    RegisterAct.CREDENTIAL_ISSUED: _Way(_card_stands, _not_given),
    RegisterAct.CREDENTIAL_CHANGED: _Way(_card_stands, _card_as_before, _card_has_reverse),
}
"""What is not here cannot be taken back: a correction, a merger, a deregistration, the end of a lease."""
