"""Honey records planted and removed, and which there are. Within the caller's transaction.

Each is somebody of the register like any other, made by the register's own acts; only `honey_record` says
that nobody is behind it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, insert, select, update

from central.errors import BadQuestion, Clash
from central.honey.made_up import Below, MadeUp, made_up
from central.honey.touches import Toucher, made_up_among, made_up_people
from central.identity.vault import Vault
from central.lookup import audit
from central.lookup.words import Happened
from central.register.credentials import CredentialKind, issue
from central.register.desk import Desk, row_of
from central.register.people import deregister_person, register_person
from central.register.person_identity import unseal
from central.register.residencies import Arrival, lived_where, living_in, move_in
from central.register.words import Category, DocumentType, PersonState, Relation
from central.store.honey_tables import honey_record
from central.store.register_tables import credential, person, register_event, tenancy

WITHIN_US: Final = 600_000_000
APART_US: Final = 20_000_000
"""Nobody types the next act sooner."""
FOR_EVER_US: Final = 2**62


@dataclass(frozen=True, slots=True)
class Honey:
    """`row`: its id among the people of the register. `name`, `number`: made up, nobody's; `home`: the room
    that it was given, None without. All three None where the row may be somebody real's: it was corrected,
    merged or removed. `hint`: the end of the number of the card that was made up. `rests`: it is not removed
    yet, but somebody deregistered it, or made somebody real of it."""

    id: int
    row: int
    name: str | None
    number: str | None
    hint: str | None
    home: int | None
    planted_us: int
    planted_by: int
    removed_us: int | None
    removed_by: int | None
    rests: bool


def plant(
    desk: Desk,
    by: Toucher,
    *,
    today: date,
    room: int | None = None,
    card: bool = True,
    below: Below = secrets.randbelow,
) -> int:
    """Its id. The acts are noted at moments of the last ten minutes, apart as if somebody typed them.

    Raises NotThere; Clash for a room where somebody lives or will, about whom there is a reason to ask, and
    where the register was changed so lately that the acts would stand out.
    """
    acts = 1 + (room is not None) + card
    moments = iter(_moments(desk, acts, below))
    if room is not None and _is_anybody_s(desk, room):
        raise Clash("somebody lives in this room, or will: who asks about it may mean them")
    somebody = _nobody_s(desk, below, today)
    row = register_person(
        replace(desk, now_us=next(moments)),
        name=somebody.name,
        document=DocumentType.RESIDENT_ID,
        number=somebody.number,
        category=Category.WORKER if room is None else Category.RESIDENT,
    )
    if room is not None:
        moved_us = next(moments)
        move_in(replace(desk, now_us=moved_us), Arrival(row, room, Relation.OWNER), since_us=moved_us)
    issued = None
    if card:
        at_the_desk = replace(desk, now_us=next(moments))
        issued = issue(at_the_desk, row, CredentialKind.CARD_UID, somebody.card)
    index = desk.vault.register_index(desk.community, "id_number", somebody.number)
    values = {"community_id": desk.community, "person_id": row, "number_index": index}
    values["credential_id"] = issued
    planted = {"planted_at": desk.now_us, "planted_by": desk.account}
    made = desk.connection.execute(insert(honey_record).values({**values, **planted})).inserted_primary_key
    assert made is not None
    _note(desk, Happened.HONEY_PLANTED, int(made[0]), by)
    return int(made[0])


def remove(desk: Desk, by: Toucher, honey: int, *, reason: str) -> None:
    """Deregistered like anybody, unless it is somebody real by now: they stay as they are. Nothing tells
    afterwards that it was one. `reason`: community workers read it. Raises NotThere; Clash where it was
    removed already."""
    if not reason.strip():
        raise BadQuestion("reason", "say why, as of anybody who leaves")
    row = desk.row(honey_record, honey, "honey record")
    if row.removed_at is not None:
        raise Clash("it was removed already")
    here = select(person.c.state).where(person.c.id == row.person_id)
    nobody = bool(made_up_among(desk.connection, desk.community, [row.person_id]))
    if nobody and desk.connection.execute(here).scalar_one() == PersonState.REGISTERED:
        deregister_person(desk, row.person_id, reason=reason.strip())
    removed = {"removed_at": desk.now_us, "removed_by": desk.account}
    desk.connection.execute(update(honey_record).where(honey_record.c.id == honey).values(removed))
    _note(desk, Happened.HONEY_REMOVED, honey, by)


def honey_records(connection: Connection, vault: Vault, community: int) -> list[Honey]:
    """Newest first, removed ones too."""
    columns = honey_record.c
    query = (
        select(honey_record, person.c.sealed, person.c.state)
        .join(person, person.c.id == columns.person_id)
        .where(columns.community_id == community)
        .order_by(columns.id.desc())
    )
    rows = connection.execute(query).all()
    hints = _hints(connection, [row.credential_id for row in rows if row.credential_id is not None])
    nobody = made_up_people(connection, community)
    return [_honey(connection, vault, row, hints, made_up=row.person_id in nobody) for row in rows]


def one_honey_record(connection: Connection, vault: Vault, community: int, honey: int) -> Honey:
    """Raises NotThere."""
    row_of(connection, honey_record, community, honey, "honey record")
    return next(each for each in honey_records(connection, vault, community) if each.id == honey)


def _honey(
    connection: Connection, vault: Vault, row: Any, hints: Mapping[int, str | None], *, made_up: bool
) -> Honey:
    """Who somebody real is stays sealed: oversight reads of them no more than of anybody."""
    sealed_for = f"person:{row.person_id}"
    identity = unseal(vault, row.community_id, sealed_for, row.sealed) if made_up else None
    homes = lived_where(connection, row.community_id, row.person_id) if made_up else []
    return Honey(
        id=row.id,
        row=row.person_id,
        name=None if identity is None else identity.name,
        number=None if identity is None else identity.number,
        hint=hints.get(row.credential_id),
        home=next((each.place_id for each in homes if each.voided_us is None), None),
        planted_us=row.planted_at,
        planted_by=row.planted_by,
        removed_us=row.removed_at,
        removed_by=row.removed_by,
        rests=row.removed_at is None and not (made_up and row.state == PersonState.REGISTERED),
    )


def _hints(connection: Connection, cards: list[int]) -> dict[int, str | None]:
    columns = credential.c
    rows = connection.execute(select(columns.id, columns.hint).where(columns.id.in_(cards)))
    return {row.id: row.hint for row in rows}


def _moments(desk: Desk, acts: int, below: Below) -> list[int]:
    """When each act is noted: one after the other, and none before what was noted last. Raises Clash."""
    columns = register_event.c
    newest = select(columns.at).where(columns.community_id == desk.community).order_by(columns.id.desc())
    last = desk.connection.execute(newest.limit(1)).scalar() or 0
    since = max(last, desk.now_us - WITHIN_US)
    free = desk.now_us - since - (acts - 1) * APART_US
    if free < 0:
        raise Clash("the register was changed within the last minute: plant it a little later")
    drawn = sorted(below(free + 1) for _ in range(acts))
    return [since + moment + turn * APART_US for turn, moment in enumerate(drawn)]


def _is_anybody_s(desk: Desk, room: int) -> bool:
    """Whether anybody lives there or will, or a lease of it runs or is to come."""
    if living_in(desk.connection, desk.community, room, desk.now_us - WITHIN_US, FOR_EVER_US, limit=1):
        return True
    lasting = tenancy.c.until_at.is_(None) | (tenancy.c.until_at > desk.now_us)
    here = (tenancy.c.community_id == desk.community, tenancy.c.place_id == room)
    valid = (tenancy.c.voided_at.is_(None), tenancy.c.ended_at.is_(None), lasting)
    leases = select(tenancy.c.id).where(*here, *valid).limit(1)
    return desk.connection.execute(leases).first() is not None


def _nobody_s(desk: Desk, below: Below, today: date) -> MadeUp:
    """Of a number and a card that the register does not know yet, be it of an earlier honey record."""
    while True:
        found = made_up(below, today)
        number = desk.vault.register_index(desk.community, "id_number", found.number)
        card = desk.vault.register_index(desk.community, "card", found.card)
        there = desk.connection.execute(
            select(person.c.id)
            .where(person.c.community_id == desk.community, person.c.number_index == number)
            .union(
                select(credential.c.id).where(
                    credential.c.community_id == desk.community, credential.c.number_index == card
                )
            )
        )
        if there.first() is None:
            return found


def _note(desk: Desk, kind: Happened, honey: int, by: Toucher) -> None:
    facts = {"honey": honey, "by": by.told()}
    audit.append(
        desk.connection,
        kind,
        look_up=None,
        community=desk.community,
        at_us=desk.now_us,
        account=desk.account,
        facts=facts,
    )
