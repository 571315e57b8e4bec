"""The access list of a gateway as the register has it: who may pass its doors now. Reads only.

A handful of questions about sets, whatever the number of people; what they come to in one entry is decided in
`grants`. Whoever lives behind a door may pass it, and every door on the way; groups of doors come on top.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import CompoundSelect, Connection, Select, func, select, union

from central.register import rights_questions as questions
from central.register.credential_life import CredentialState
from central.register.grants import Grant, Merged, merge, within
from central.register.lease_states import LeaseDates
from central.register.place_tree import below
from central.register.rights_questions import Whose
from central.register.words import category_of
from central.store.register_tables import (
    access_right,
    credential,
    credential_token,
    door_group,
    door_group_door,
    door_place,
    person,
    place,
    residency,
    site,
)
from messages.access_list import Entry


@dataclass(frozen=True, slots=True)
class Rights:
    """`changes_us`: when the list is to be made anew though nobody changes anything; None: never.
    `withheld`: rights that could not be put in, as their schedule is not the rest's.
    """

    entries: list[Entry]
    changes_us: int | None
    withheld: frozenset[int]


@dataclass(slots=True)
class _Doors:
    """Of one gateway. `by_place`: of those behind which people live; `by_group`: group -> doors."""

    by_place: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    by_group: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))


@dataclass(frozen=True, slots=True)
class _Known:
    """Rows of the register, about all who may have a right at some of the gateways."""

    starts: Mapping[int, tuple[int, ...]]
    residencies: list[Any]
    people: list[Any]
    credentials: list[Any]
    references: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class _Human:
    """By the row that counts."""

    category: str
    grants: list[Grant]


def rights_of(
    connection: Connection,
    site_name: str,
    gateway: str,
    now_us: int,
    *,
    people: Collection[int] | None = None,
) -> Rights:
    """`people`: the entries of these alone, by ids of `person` (as `rights_changed` names them); what of
    theirs is not among the entries is to be taken from the list: `tokens_of`."""
    return rights_at(connection, site_name, [gateway], now_us, people=people)[gateway]


def rights_at(
    connection: Connection,
    site_name: str,
    gateways: Collection[str],
    now_us: int,
    *,
    people: Collection[int] | None = None,
) -> dict[str, Rights]:
    """`rights_of` each of several gateways, with as few questions as for one: who may pass many doors is
    asked for once."""
    community = _community(connection, site_name)
    if community is None:
        return {gateway: Rights([], None, frozenset()) for gateway in gateways}
    doors = _doors(connection, site_name, gateways, now_us)
    rights = _rights(connection, doors.values(), now_us)
    whose = _whose(connection, community, doors.values(), rights, people)
    known = _known(connection, community, site_name, whose, now_us)
    found = {}
    for gateway, own in doors.items():
        here = [right for right in rights if right.group_id in own.by_group]
        found[gateway] = _entries(known, _humans(known, own, here, now_us), now_us)
    return found


def tokens_of(connection: Connection, site_name: str, people: Collection[int]) -> list[str]:
    """Every token that a site's gateways may know somebody by, returned cards too; in hex."""
    same = person.c.id.in_(list(people)) | person.c.merged_into.in_(list(people))
    asked = (
        select(credential_token.c.token)
        .join(credential, credential.c.id == credential_token.c.credential_id)
        .join(person, person.c.id == credential.c.person_id)
        .where(credential_token.c.site == site_name, same)
        .distinct()
    )
    return sorted(token.hex() for token in connection.execute(asked).scalars())


def _community(connection: Connection, site_name: str) -> int | None:
    found = connection.execute(select(site.c.community_id).where(site.c.name == site_name)).scalar()
    return None if found is None else int(found)


def _doors(
    connection: Connection, site_name: str, gateways: Collection[str], now_us: int
) -> dict[str, _Doors]:
    """By gateway."""
    found = {gateway: _Doors() for gateway in gateways}
    own = select(door_place.c.gateway, door_place.c.place_id, door_place.c.door).where(
        door_place.c.site == site_name,
        door_place.c.gateway.in_(gateways),
        door_place.c.residents == 1,
        questions.on(door_place, now_us),
    )
    for gateway, place_id, door in connection.execute(own.order_by(door_place.c.door)):
        found[gateway].by_place[place_id].append(door)
    grouped = (
        select(door_group_door.c.gateway, door_group_door.c.group_id, door_group_door.c.door)
        .join(door_group, door_group.c.id == door_group_door.c.group_id)
        .where(
            door_group_door.c.site == site_name,
            door_group_door.c.gateway.in_(gateways),
            questions.on(door_group_door, now_us),
            questions.on(door_group, now_us),
        )
    )
    for gateway, group_id, door in connection.execute(grouped.order_by(door_group_door.c.door)):
        found[gateway].by_group[group_id].append(door)
    return found


def _rights(connection: Connection, doors: Iterable[_Doors], now_us: int) -> list[Any]:
    """Rows of `access_right` at these doors: lasting, to come, and over since a short while."""
    mine = access_right.c.group_id.in_(sorted({group for each in doors for group in each.by_group}))
    asked = select(access_right).where(mine, questions.lasting_or_recent(access_right, now_us))
    return list(connection.execute(asked.order_by(access_right.c.id)))


def _whose(
    connection: Connection,
    community: int,
    doors: Iterable[_Doors],
    rights: list[Any],
    people: Collection[int] | None,
) -> Whose:
    behind = {place_id for each in doors for place_id in each.by_place}
    places = sorted(behind | {row.place_id for row in rights if row.place_id is not None})
    if people is not None:
        direct: Select[Any] | CompoundSelect[Any] = select(person.c.id).where(person.c.id.in_(list(people)))
    elif any(row.category is not None for row in rights):
        return Whose(places, None)
    else:
        rooms = below(select(place.c.id).where(place.c.id.in_(places)))
        living = select(residency.c.person_id).where(residency.c.place_id.in_(select(rooms.c.id)))
        named = [row.person_id for row in rights if row.person_id is not None]
        direct = union(living, select(person.c.id).where(person.c.id.in_(named)))
    found = list(connection.execute(direct.limit(questions.MOST_NAMED + 1)).scalars())
    if len(found) > questions.MOST_NAMED:
        return Whose(places, None)
    counting = func.coalesce(person.c.merged_into, person.c.id)
    mine = person.c.community_id == community
    chosen = set(connection.execute(select(counting).where(mine, person.c.id.in_(found))).scalars())
    merged = select(person.c.id).where(mine, person.c.merged_into.in_(chosen))
    return Whose(places, sorted({*chosen, *connection.execute(merged).scalars()}))


def _known(connection: Connection, community: int, site_name: str, whose: Whose, now_us: int) -> _Known:
    return _Known(
        questions.starts(connection, whose),
        list(connection.execute(questions.residencies(community, whose, now_us))),
        list(connection.execute(questions.people(community, whose))),
        list(connection.execute(questions.credentials(community, site_name, whose))),
        questions.references(connection, community, whose),
    )


def _humans(known: _Known, doors: _Doors, rights: list[Any], now_us: int) -> dict[int, _Human]:
    """Everybody who may have a right at these doors, by the row that counts."""
    by_place, by_person, by_category = _sorted_rights(rights)
    doors_at = _Remembered(doors)
    relations: dict[int, set[str]] = defaultdict(set)
    grants: dict[int, list[Grant]] = defaultdict(list)
    for row in known.residencies:
        human = row.merged_into or row.person_id
        until = rights_end_us(row)
        if row.from_at <= now_us and (until is None or now_us < until):
            relations[human].add(row.relation)
        starts = known.starts.get(row.place_id, ())
        if own := doors_at.of(starts):
            grants[human].append(Grant(own, row.from_at, until))
        for start in starts:
            for right in by_place.get(start, ()):
                grants[human].append(within(_grant(right, doors), row.from_at, until))
    found: dict[int, _Human] = {}
    for row in known.people:
        human = row.merged_into or row.id
        mine = grants[human]
        for right in by_person.get(row.id, ()):
            mine.append(_grant(right, doors))
        if row.merged_into is None:
            category = category_of(frozenset(relations[human]), row.category)
            mine.extend(_grant(right, doors) for right in by_category.get(category, ()))
            found[human] = _Human(category, mine)
    return found


def _entries(known: _Known, humans: Mapping[int, _Human], now_us: int) -> Rights:
    entries: list[Entry] = []
    changes: set[int] = set()
    withheld: set[int] = set()
    for row in known.credentials:
        number = row.merged_into or row.person_id
        human = humans.get(number)
        if human is None or not human.grants or number not in known.references:
            continue
        merged = merge([within(grant, row.valid_from, row.valid_until) for grant in human.grants], now_us)
        if merged is None:
            continue
        if merged.changes_us is not None:
            changes.add(merged.changes_us)
        withheld.update(merged.withheld)
        entries.append(_entry(row, known.references[number], human.category, merged))
    entries.sort(key=lambda entry: entry.token)
    return Rights(entries, min(changes, default=None), frozenset(withheld))


def _entry(row: Any, reference: str, category: str, merged: Merged) -> Entry:
    token = row.token.hex()
    if row.state == CredentialState.LOST:
        return Entry(token, reference, category, (), lost=True)
    return Entry(
        token,
        reference,
        category,
        merged.doors,
        merged.from_us,
        merged.until_us,
        schedule=merged.schedule,
        pin=None if row.pin is None else row.pin.hex(),
        duress_pin=None if row.duress_pin is None else row.duress_pin.hex(),
    )


# --- what they come to


class _Remembered:
    """The doors of a combination of places, one tuple for all who live alike."""

    def __init__(self, doors: _Doors) -> None:
        self._doors = doors
        self._known: dict[tuple[int, ...], tuple[str, ...]] = {}

    def of(self, starts: tuple[int, ...]) -> tuple[str, ...]:
        if starts not in self._known:
            found = {door for start in starts for door in self._doors.by_place.get(start, ())}
            self._known[starts] = tuple(sorted(found))
        return self._known[starts]


def _sorted_rights(
    rights: list[Any],
) -> tuple[dict[int, list[Any]], dict[int, list[Any]], dict[str, list[Any]]]:
    """By place, by person, by category."""
    by_place: dict[int, list[Any]] = defaultdict(list)
    by_person: dict[int, list[Any]] = defaultdict(list)
    by_category: dict[str, list[Any]] = defaultdict(list)
    for row in rights:
        if row.place_id is not None:
            by_place[row.place_id].append(row)
        elif row.person_id is not None:
            by_person[row.person_id].append(row)
        else:
            by_category[row.category].append(row)
    return by_place, by_person, by_category


def _grant(right: Any, doors: _Doors) -> Grant:
    found = tuple(sorted(set(doors.by_group[right.group_id])))
    return Grant(found, right.from_at, right.until_at, right.schedule, right.id)


def rights_end_us(row: Any) -> int | None:
    """When living there gives no right any more: the residency ends, or the lease with its grace."""
    if row.lease_from is None:
        return None if row.until_at is None else int(row.until_at)
    dates = LeaseDates(row.lease_from, row.lease_until, 0, row.grace_days, row.lease_ended)
    ends = [end for end in (row.until_at, dates.rights_until_us) if end is not None]
    return min(ends, default=None)
