"""Access lists made of the register and of visitors' passes: which are due, and what is in them.

A gateway's list is made here from the moment on that the register knows one of its doors; until then it has
what was sent by hand. What was noted to be sent is sent by `list_service`, and again by `order_service` to
whoever did not take it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select, union, update

from central.assessments.gate import sites_not_live
from central.fleet.lists import Packed, newest_id, newest_list, next_version, note_packed, packed
from central.register.rights import Rights, rights_at, rights_of, tokens_of
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
    """Those whose rights were changed first, in the order of the changes; of communities that are live."""
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
    closed = sites_not_live(connection)
    return [each for each in found if each.site not in closed]


def make_list(connection: Connection, due: Due, now_us: int) -> Made | None:
    """Notes the list, and that it is made; None where nothing in it differs from the last. Raises
    OrderRefused."""
    return keep(connection, work_out(connection, due, now_us), now_us)


def work_out(connection: Connection, due: Due, now_us: int) -> Worked:
    """What is to be in it: of 50,000 people that takes seconds. Reads only. What is changed meanwhile
    leaves a note later than `due.through`, and makes the list due again. Raises OrderRefused."""
    return work_out_all(connection, [due], now_us)[0]


def work_out_all(connection: Connection, dues: Sequence[Due], now_us: int) -> list[Worked]:
    """`work_out` of each. What is the same for gateways of a site is asked for once, and somebody's rights
    at all of them together. Raises OrderRefused."""
    visits = {site: _Visits.of(connection, site, now_us) for site in {due.site for due in dues}}
    newest = [newest_list(connection, due.site, due.gateway) for due in dues]
    fewer = [due for due, known in zip(dues, newest, strict=True) if known is not None and names_few(due)]
    changed = _rights_of_few(connection, fewer, now_us)
    return [
        _work_out(connection, due, known, visits[due.site], changed.get((due.site, due.gateway)), now_us)
        for due, known in zip(dues, newest, strict=True)
    ]


def names_few(due: Due) -> bool:
    """Whether the entries of some people alone are to be made anew."""
    return due.people is not None and len(due.people) <= MOST_PEOPLE


@dataclass(frozen=True, slots=True)
class _Visits:
    """What visitors' passes put into the lists of one site."""

    entries: dict[str, Entry]
    through: int  # the last event of a pass that is in them
    next_end_us: int | None
    tokens: frozenset[str]  # of all passes, former ones too

    @classmethod
    def of(cls, connection: Connection, site: str, now_us: int) -> _Visits:
        events = _newest_pass_events(connection).get(site, 0)  # before what they led to
        return cls(
            {each.token: each for each in entries_of_passes(connection, site, now_us)},
            events,
            next_end_us(connection, site, now_us),
            frozenset(_tokens_of_passes(connection, site)),
        )


@dataclass(frozen=True, slots=True)
class _OfFew:
    """Rights of some people at one gateway, and every token by which it may know them."""

    rights: Rights
    tokens: Sequence[str]


def _rights_of_few(connection: Connection, dues: Sequence[Due], now_us: int) -> dict[tuple[str, str], _OfFew]:
    """By site and gateway."""
    alike: dict[tuple[str, frozenset[int]], list[str]] = defaultdict(list)
    for due in dues:
        assert due.people is not None
        alike[due.site, due.people].append(due.gateway)
    found: dict[tuple[str, str], _OfFew] = {}
    for (site, people), gateways in alike.items():
        if people:
            tokens = tokens_of(connection, site, people)
            rights = rights_at(connection, site, gateways, now_us, people=people)
        else:
            tokens, rights = [], {gateway: Rights([], None, frozenset()) for gateway in gateways}
        found |= {(site, gateway): _OfFew(rights[gateway], tokens) for gateway in gateways}
    return found


def _work_out(  # noqa: PLR0917  one step of `work_out_all`
    connection: Connection,
    due: Due,
    newest: tuple[int, dict[str, Entry]] | None,
    visits: _Visits,
    of_few: _OfFew | None,
    now_us: int,
) -> Worked:
    before_id, before = (None, None) if newest is None else newest
    if of_few is not None and before is not None:
        entries = _changed_entries(before, visits, of_few)
        changes_us = _first(_changes_at(connection, due), of_few.rights.changes_us)
    else:
        rights = rights_of(connection, due.site, due.gateway, now_us)
        entries, changes_us = {each.token: each for each in rights.entries}, rights.changes_us
    merged = {**visits.entries, **entries}
    made = None if before == merged else packed(merged.values())
    return Worked(due, before_id, made, visits.through, _first(changes_us, visits.next_end_us))


def _changed_entries(before: dict[str, Entry], visits: _Visits, of_few: _OfFew) -> dict[str, Entry]:
    """The residents' entries of the last list, with those of some people anew."""
    gone = set(of_few.tokens)
    kept = {
        token: entry
        for token, entry in before.items()
        if token not in gone and (entry.category != VISITOR or token not in visits.tokens)
    }
    return kept | {each.token: each for each in of_few.rights.entries}


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
