"""Access lists made of the register and of visitors' passes: which are due, and what is in them.

A gateway's list is made here from the moment on that the register knows one of its doors; until then it has
what was sent by hand. What was noted to be sent is sent by `list_service`, and again by `order_service` to
whoever did not take it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select, union, update

from central.fleet.lists import Packed, newest_id, newest_list, next_version, note_packed, packed
from central.register.rights import rights_of, tokens_of
from central.store.list_tables import list_source
from central.store.register_tables import door_group_door, door_place, rights_changed
from central.store.visitor_tables import visitor_pass, visitor_pass_event
from central.visitors.passes import entries_of_passes, next_end_us
from messages.access_list import Entry
from messages.site_settings import VISITOR

MOST_PEOPLE: Final = 200
"""Changed at one gateway; of more, the whole list is made anew."""


@dataclass(frozen=True, slots=True)
class Due:
    """A gateway's list that is to be made. `people`: whose entries alone may differ; None: anybody's.
    `through`: the last note of a change that is in it."""

    site: str
    gateway: str
    people: frozenset[int] | None
    through: int


@dataclass(frozen=True, slots=True)
class Worked:
    """A list that is worked out and not noted yet. `before`: the list that was the newest then; `packed`
    None: nothing differs from it."""

    due: Due
    before: int | None
    packed: Packed | None
    pass_event: int
    changes_us: int | None


@dataclass(frozen=True, slots=True)
class Made:
    """A list that was noted, by its id in `sent_list`."""

    site: str
    gateway: str
    list_id: int
    version: int


def due_lists(connection: Connection, now_us: int) -> list[Due]:
    """Those whose rights were changed first, in the order of the changes."""
    changed = _changed(connection)
    known = {(row.site, row.gateway): row for row in connection.execute(select(list_source))}
    events = _newest_pass_events(connection)
    found = list(changed.values())
    for place in _with_doors(connection):
        if place in changed:
            continue
        row = known.get(place)
        over = row is not None and row.changes_at is not None and row.changes_at <= now_us
        if row is None or over or events.get(place[0], 0) > row.pass_event_id:
            visitors_alone = row is not None and not over
            found.append(Due(*place, frozenset() if visitors_alone else None, 0))
    return found


def make_list(connection: Connection, due: Due, now_us: int) -> Made | None:
    """Notes the list, and that it is made; None where nothing in it differs from the last. Raises
    OrderRefused."""
    return keep(connection, work_out(connection, due, now_us), now_us)


def work_out(connection: Connection, due: Due, now_us: int) -> Worked:
    """What is to be in it: of 50,000 people that takes seconds. Reads only. What is changed meanwhile
    leaves a note later than `due.through`, and makes the list due again. Raises OrderRefused."""
    newest = newest_list(connection, due.site, due.gateway)
    before_id, before = (None, None) if newest is None else newest
    events = _newest_pass_events(connection).get(due.site, 0)
    visitors = {each.token: each for each in entries_of_passes(connection, due.site, now_us)}
    if before is not None and due.people is not None and len(due.people) <= MOST_PEOPLE:
        entries, changes_us = _changed_entries(connection, due, before, now_us)
    else:
        rights = rights_of(connection, due.site, due.gateway, now_us)
        entries, changes_us = {each.token: each for each in rights.entries}, rights.changes_us
    merged = {**visitors, **entries}
    soonest = _first(changes_us, next_end_us(connection, due.site, now_us))
    made = None if before == merged else packed(merged.values())
    return Worked(due, before_id, made, events, soonest)


def keep(connection: Connection, worked: Worked, now_us: int) -> Made | None:
    """Notes what was worked out, within the caller's transaction; None where nothing in it differs from the
    last, or another one was noted meanwhile: then it is due again."""
    due = worked.due
    if newest_id(connection, due.site, due.gateway) != worked.before:
        return None
    _settle(connection, due, now_us, worked.pass_event, worked.changes_us)
    if worked.packed is None:
        return None
    version = next_version(connection, due.site, due.gateway)
    number = note_packed(
        connection, due.site, due.gateway, worked.packed, version=version, issued_us=now_us, now_us=now_us
    )
    return Made(due.site, due.gateway, number, version)


def _changed_entries(
    connection: Connection, due: Due, before: dict[str, Entry], now_us: int
) -> tuple[dict[str, Entry], int | None]:
    """The residents' entries of the last list, with those of some people anew."""
    assert due.people is not None
    passes = _tokens_of_passes(connection, due.site)
    kept = {
        token: entry for token, entry in before.items() if entry.category != VISITOR or token not in passes
    }
    soonest = _changes_at(connection, due)
    if not due.people:
        return kept, soonest
    rights = rights_of(connection, due.site, due.gateway, now_us, people=due.people)
    for token in tokens_of(connection, due.site, due.people):
        kept.pop(token, None)
    kept |= {each.token: each for each in rights.entries}
    return kept, _first(soonest, rights.changes_us)


def _changed(connection: Connection) -> dict[tuple[str, str], Due]:
    people: dict[tuple[str, str], set[int] | None] = {}
    through: dict[tuple[str, str], int] = {}
    for row in connection.execute(select(rights_changed).order_by(rights_changed.c.id)):
        place = row.site, row.gateway
        through[place] = row.id
        known = people.setdefault(place, set())
        if row.person_id is None:
            people[place] = None
        elif known is not None:
            known.add(row.person_id)
    return {
        place: Due(*place, None if whose is None else frozenset(whose), through[place])
        for place, whose in people.items()
    }


def _with_doors(connection: Connection) -> list[tuple[str, str]]:
    own = select(door_place.c.site, door_place.c.gateway)
    grouped = select(door_group_door.c.site, door_group_door.c.gateway)
    return [(row.site, row.gateway) for row in connection.execute(union(own, grouped))]


def _newest_pass_events(connection: Connection) -> dict[str, int]:
    """By site."""
    asked = (
        select(visitor_pass.c.site, func.max(visitor_pass_event.c.id))
        .join(visitor_pass, visitor_pass.c.id == visitor_pass_event.c.pass_id)
        .group_by(visitor_pass.c.site)
    )
    return {row[0]: row[1] for row in connection.execute(asked)}


def _tokens_of_passes(connection: Connection, site: str) -> set[str]:
    asked = select(visitor_pass.c.token).where(visitor_pass.c.site == site)
    return {token.hex() for token in connection.execute(asked).scalars() if token is not None}


def _changes_at(connection: Connection, due: Due) -> int | None:
    here = (list_source.c.site == due.site) & (list_source.c.gateway == due.gateway)
    return connection.execute(select(list_source.c.changes_at).where(here)).scalar()


def _settle(connection: Connection, due: Due, now_us: int, pass_event: int, changes_us: int | None) -> None:
    here = (rights_changed.c.site == due.site) & (rights_changed.c.gateway == due.gateway)
    connection.execute(delete(rights_changed).where(here, rights_changed.c.id <= due.through))
    values = {"made_at": now_us, "pass_event_id": pass_event, "changes_at": changes_us}
    known = (list_source.c.site == due.site) & (list_source.c.gateway == due.gateway)
    if connection.execute(update(list_source).where(known).values(values)).rowcount == 0:
        connection.execute(insert(list_source).values(site=due.site, gateway=due.gateway, **values))


def _first(*moments: int | None) -> int | None:
    return min((each for each in moments if each is not None), default=None)
