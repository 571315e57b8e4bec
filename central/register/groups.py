"""Groups of doors, and who may pass them beside those who live behind a door."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, select, update

from central.errors import BadQuestion, Clash
from central.register.affected import gateways_of_group
from central.register.desk import Desk, GatewayOf
from central.register.people import the_person
from central.register.place_names import tidy
from central.register.place_tree import get_place
from central.register.places import the_door
from central.register.words import Category, RegisterAct
from central.store.register_tables import access_right, door_group, door_group_door
from central.store.register_tables import site as sites
from messages.model import NAME

_LONGEST_NAME: Final = 64


@dataclass(frozen=True, slots=True)
class Door:
    site: str
    gateway: str
    door: str


@dataclass(frozen=True, slots=True)
class Whose:
    """One of the three: a person, all of a category, or all who live in a place."""

    person: int | None = None
    category: Category | None = None
    place: int | None = None


@dataclass(frozen=True, slots=True)
class Right:
    id: int
    whose: Whose
    schedule: str | None
    from_us: int
    until_us: int | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Group:
    id: int
    name: str
    doors: tuple[Door, ...]
    rights: tuple[Right, ...]


def schedules_of_rights(connection: Connection, site: str, now_us: int) -> frozenset[str]:
    """Schedules of the site's settings by whose hours people have rights, now or from some day on."""
    here = select(sites.c.community_id).where(sites.c.name == site).scalar_subquery()
    columns = access_right.c
    lasts = columns.until_at.is_(None) | (columns.until_at > now_us)
    asked = select(columns.schedule).where(columns.community_id == here, columns.schedule.is_not(None), lasts)
    return frozenset(connection.execute(asked.distinct()).scalars())


def create_group(desk: Desk, name: str) -> int:
    """Raises BadQuestion, Clash where there is one of that name."""
    name = tidy(name)
    if not 0 < len(name) <= _LONGEST_NAME:
        raise BadQuestion("name", f"a name has 1 to {_LONGEST_NAME} characters")
    same = (door_group.c.community_id == desk.community) & (door_group.c.name == name)
    twin = select(door_group.c.id).where(same, door_group.c.until_at.is_(None))
    if desk.connection.execute(twin).scalar() is not None:
        raise Clash("there is a group of this name already")
    made = desk.add(door_group, name=name, from_at=desk.now_us)
    desk.note(RegisterAct.GROUP_CREATED, door_group, made, body={"name": name})
    return made


def set_doors(desk: Desk, group_id: int, doors: frozenset[Door]) -> None:
    """The doors that it has from now on. Raises NotThere, BadQuestion; Clash where they are the same."""
    the_group(desk, group_id)
    for door in doors:
        the_door(desk, door.site, door.gateway, door.door)
    mine = (door_group_door.c.group_id == group_id) & door_group_door.c.until_at.is_(None)
    rows = desk.connection.execute(select(door_group_door).where(mine)).all()
    had = {Door(row.site, row.gateway, row.door): row.id for row in rows}
    new, gone = doors - set(had), [row_id for door, row_id in had.items() if door not in doors]
    if not new and not gone:
        raise Clash("these are its doors already")
    before = gateways_of_group(desk.connection, group_id, desk.now_us)
    ended = update(door_group_door).where(door_group_door.c.id.in_(gone))
    desk.connection.execute(ended.values(until_at=desk.now_us))
    for door in sorted(new, key=lambda each: (each.site, each.gateway, each.door)):
        desk.add(
            door_group_door,
            group_id=group_id,
            site=door.site,
            gateway=door.gateway,
            door=door.door,
            from_at=desk.now_us,
        )
    changed = before | {GatewayOf(door.site, door.gateway) for door in new}
    body = {"added": len(new), "taken_away": len(gone)}
    desk.note(RegisterAct.GROUP_DOORS_CHANGED, door_group, group_id, body=body, changed=changed)


def end_group(desk: Desk, group_id: int, *, reason: str) -> None:
    """Nobody has rights by it any more. Raises NotThere, Clash."""
    the_group(desk, group_id)
    changed = gateways_of_group(desk.connection, group_id, desk.now_us)
    for table in (access_right, door_group_door):
        mine = (table.c.group_id == group_id) & table.c.until_at.is_(None)
        desk.connection.execute(update(table).where(mine).values(until_at=desk.now_us))
    desk.connection.execute(
        update(door_group).where(door_group.c.id == group_id).values(until_at=desk.now_us)
    )
    desk.note(RegisterAct.GROUP_ENDED, door_group, group_id, reason=reason, changed=changed)


def grant(
    desk: Desk,
    group_id: int,
    whose: Whose,
    *,
    schedule: str | None = None,
    from_us: int | None = None,
    until_us: int | None = None,
    reason: str | None = None,
) -> int:
    """Raises NotThere, BadQuestion."""
    the_group(desk, group_id)
    if sum(each is not None for each in (whose.person, whose.category, whose.place)) != 1:
        raise BadQuestion("whose", "a right is of a person, of a category, or of all who live in a place")
    if whose.person is not None:
        the_person(desk, whose.person)
    if whose.place is not None:
        get_place(desk.connection, desk.community, whose.place)
    if schedule is not None and not re.fullmatch(NAME, schedule):
        raise BadQuestion("schedule", "the name of a schedule of the site settings")
    since = desk.now_us if from_us is None else from_us
    if until_us is not None and until_us <= since:
        raise BadQuestion("until", "it ends before it begins")
    made = desk.add(
        access_right,
        group_id=group_id,
        person_id=whose.person,
        category=None if whose.category is None else whose.category.value,
        place_id=whose.place,
        schedule=schedule,
        from_at=since,
        until_at=until_us,
        reason=reason,
    )
    body = {
        "group": group_id,
        "person": whose.person,
        "category": whose.category,
        "place": whose.place,
        "schedule": schedule,
        "from": since,
        "until": until_us,
    }
    changed = gateways_of_group(desk.connection, group_id, desk.now_us)
    desk.note(
        RegisterAct.RIGHT_GRANTED,
        access_right,
        made,
        reason=reason,
        body=body,
        changed=changed,
        person=whose.person,
    )
    return made


def end_right(desk: Desk, right_id: int, *, reason: str) -> None:
    """Raises NotThere, Clash where it ended already."""
    row = desk.row(access_right, right_id, "right")
    if row.until_at is not None and row.until_at <= desk.now_us:
        raise Clash("it ended already")
    desk.connection.execute(
        update(access_right).where(access_right.c.id == right_id).values(until_at=desk.now_us)
    )
    changed = gateways_of_group(desk.connection, row.group_id, desk.now_us)
    desk.note(
        RegisterAct.RIGHT_ENDED, access_right, right_id, reason=reason, changed=changed, person=row.person_id
    )


def groups(connection: Connection, community: int, now_us: int) -> list[Group]:
    """Those there are, with their doors and the rights that last or are to come."""
    mine = (door_group.c.community_id == community) & door_group.c.until_at.is_(None)
    rows = connection.execute(select(door_group).where(mine).order_by(door_group.c.id)).all()
    doors = _by_group(connection, door_group_door, community, now_us)
    rights = _by_group(connection, access_right, community, now_us)
    return [
        Group(
            row.id,
            row.name,
            tuple(Door(each.site, each.gateway, each.door) for each in doors.get(row.id, ())),
            tuple(_right(each) for each in rights.get(row.id, ())),
        )
        for row in rows
    ]


def the_group(desk: Desk, group_id: int) -> Any:
    """Raises NotThere, Clash where it was ended."""
    row = desk.row(door_group, group_id, "group of doors")
    if row.until_at is not None:
        raise Clash("this group was ended")
    return row


def _right(row: Any) -> Right:
    category = None if row.category is None else Category(row.category)
    whose = Whose(row.person_id, category, row.place_id)
    return Right(row.id, whose, row.schedule, row.from_at, row.until_at, row.reason)


def _by_group(connection: Connection, table: Any, community: int, now_us: int) -> dict[int, list[Any]]:
    lasting = table.c.until_at.is_(None) | (table.c.until_at > now_us)
    asked = select(table).where(table.c.community_id == community, lasting).order_by(table.c.id)
    found: dict[int, list[Any]] = {}
    for row in connection.execute(asked):
        found.setdefault(row.group_id, []).append(row)
    return found
