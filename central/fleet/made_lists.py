"""Access lists made of the register and of visitors' passes: which are due, and what is in them.

A gateway's list is made here from the moment on that the register knows one of its doors; until then it has
what was sent by hand. What was noted to be sent is sent by `list_service`, and again by `order_service` to
whoever did not take it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, delete, func, select, union

from central.assessments.gate import sites_not_live
from central.fleet.lists import (
    Changes,
    Newest,
    Packed,
    Sent,
    changes_of,
    newest_ids,
    newest_lists,
    note_packed_all,
    packed,
)
from central.register.rights import Rights, rights_at, rights_of, tokens_of
from central.store.engine import upsert_many
from central.store.list_tables import list_source
from central.store.register_tables import door_group_door, door_place, rights_changed
from central.store.visitor_tables import visitor_pass, visitor_pass_event
from central.visitors.passes import Pass, entries_at, listed_passes, next_end_us
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
    None: nothing differs from it. `changes`: since then, where they are few."""

    due: Due
    before: Newest | None
    changes: Changes | None
    packed: Packed | None
    pass_event: int
    changes_us: int | None


@dataclass(frozen=True, slots=True)
class Made:
    """A list that was noted, by its id in `sent_list`. `changes`: since the version `base`, where they are
    few."""

    site: str
    gateway: str
    list_id: int
    sent: Sent
    base: int | None
    changes: Changes | None

    @property
    def version(self) -> int:
        return self.sent.version


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
    return next(iter(keep_all(connection, [work_out(connection, due, now_us)], now_us)), None)


def work_out(connection: Connection, due: Due, now_us: int) -> Worked:
    """What is to be in it: of 50,000 people that takes seconds. Reads only. What is changed meanwhile
    leaves a note later than `due.through`, and makes the list due again. Raises OrderRefused."""
    return work_out_all(connection, [due], now_us)[0]


def work_out_all(connection: Connection, dues: Sequence[Due], now_us: int) -> list[Worked]:
    """`work_out` of each. What is the same for gateways of a site is asked for once, and somebody's rights
    at all of them together. Raises OrderRefused."""
    visits = {site: _Visits.of(connection, site, now_us) for site in {due.site for due in dues}}
    newest: dict[tuple[str, str], Newest] = {}
    changes_at: dict[tuple[str, str], int | None] = {}
    for site, names in _by_site(dues).items():
        newest |= {(site, name): found for name, found in newest_lists(connection, site, names).items()}
        changes_at |= _changes_at(connection, site, names)
    fewer = [due for due in dues if (due.site, due.gateway) in newest and names_few(due)]
    changed = _rights_of_few(connection, fewer, now_us)
    return [
        _work_out(
            connection,
            due,
            newest.get(place),
            visits[due.site],
            changed.get(place),
            changes_at.get(place),
            now_us,
        )
        for due in dues
        for place in ((due.site, due.gateway),)
    ]


def _by_site(dues: Iterable[Due]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for due in dues:
        found[due.site].append(due.gateway)
    return found


def names_few(due: Due) -> bool:
    """Whether the entries of some people alone are to be made anew."""
    return due.people is not None and len(due.people) <= MOST_PEOPLE


@dataclass(frozen=True, slots=True)
class _Visits:
    """What visitors' passes put into the lists of one site."""

    passes: Sequence[Pass]
    through: int  # the last event of a pass that is in them
    next_end_us: int | None
    tokens: frozenset[str]  # of all passes, former ones too

    @classmethod
    def of(cls, connection: Connection, site: str, now_us: int) -> _Visits:
        events = _newest_pass_events(connection).get(site, 0)  # before what they led to
        return cls(
            listed_passes(connection, site, now_us),
            events,
            next_end_us(connection, site, now_us),
            frozenset(_tokens_of_passes(connection, site)),
        )

    def entries_at(self, gateway: str) -> dict[str, Entry]:
        return {each.token: each for each in entries_at(gateway, self.passes)}


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
    newest: Newest | None,
    visits: _Visits,
    of_few: _OfFew | None,
    changed_us: int | None,
    now_us: int,
) -> Worked:
    before = None if newest is None else newest.entries()
    if of_few is not None and before is not None:
        entries = _changed_entries(before, visits, of_few)
        changes_us = _first(changed_us, of_few.rights.changes_us)
    else:
        rights = rights_of(connection, due.site, due.gateway, now_us)
        entries, changes_us = {each.token: each for each in rights.entries}, rights.changes_us
    merged = {**visits.entries_at(due.gateway), **entries}
    made = None if before == merged else packed(merged.values())
    changes = None if before is None else changes_of(before, merged)
    return Worked(due, newest, changes, made, visits.through, _first(changes_us, visits.next_end_us))


def _changed_entries(before: dict[str, Entry], visits: _Visits, of_few: _OfFew) -> dict[str, Entry]:
    """The residents' entries of the last list, with those of some people anew."""
    gone = set(of_few.tokens)
    kept = {
        token: entry
        for token, entry in before.items()
        if token not in gone and (entry.category != VISITOR or token not in visits.tokens)
    }
    return kept | {each.token: each for each in of_few.rights.entries}


def keep_all(connection: Connection, worked: Sequence[Worked], now_us: int) -> list[Made]:
    """Notes what was worked out, within the caller's transaction, with as few statements as for one; but for
    those in which nothing differs from the last, or of which another was noted meanwhile: they are due
    again."""
    made: list[Made] = []
    for site, names in _by_site(each.due for each in worked).items():
        newest = newest_ids(connection, site, names)
        held = [
            each
            for each in worked
            if each.due.site == site
            and newest.get(each.due.gateway) == (None if each.before is None else each.before.id)
        ]
        _settle(connection, held, now_us)
        lists = {each.due.gateway: each.packed for each in held if each.packed is not None}
        noted = note_packed_all(connection, site, lists, issued_us=now_us, now_us=now_us)
        for each in held:
            if each.packed is not None:
                number, version = noted[each.due.gateway]
                sent = Sent(version, now_us, each.packed.digest, each.packed.entries)
                base = None if each.before is None else each.before.version
                made.append(Made(site, each.due.gateway, number, sent, base, each.changes))
    return made


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


def _changes_at(connection: Connection, site: str, names: Sequence[str]) -> dict[tuple[str, str], int | None]:
    here = (list_source.c.site == site) & list_source.c.gateway.in_(names)
    asked = select(list_source.c.gateway, list_source.c.changes_at).where(here)
    return {(site, row.gateway): row.changes_at for row in connection.execute(asked)}


def _settle(connection: Connection, held: Sequence[Worked], now_us: int) -> None:
    """They are made of all that was changed until then."""
    notes = rights_changed.c
    here = (notes.site == bindparam("of_site")) & (notes.gateway == bindparam("of_gateway"))
    taken = [
        {"of_site": each.due.site, "of_gateway": each.due.gateway, "through": each.due.through}
        for each in held
        if each.due.through
    ]
    if taken:
        connection.execute(delete(rights_changed).where(here, notes.id <= bindparam("through")), taken)
    rows = [(each.due.site, each.due.gateway, now_us, each.pass_event, each.changes_us) for each in held]
    upsert_many(connection, list_source, rows, ["made_at", "pass_event_id", "changes_at"])


def _first(*moments: int | None) -> int | None:
    return min((each for each in moments if each is not None), default=None)
