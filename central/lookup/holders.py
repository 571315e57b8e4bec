"""Whose entries they are, as the register says for then: of a number, of a room, of a card. Reads only.

What records name is a holder. One human may have had several, also under persons that were registered twice
and merged; a visitor with a pass has the pass's own. Each question is one statement where nobody was merged:
every one more is a way to the database and back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Text,
    and_,
    bindparam,
    cast,
    exists,
    false,
    literal_column,
    null,
    or_,
    select,
    union,
    union_all,
)

from central.lookup.paging import Window
from central.store.identity_tables import envelope
from central.store.register_tables import (
    credential,
    credential_token,
    holder,
    person,
    person_former,
    residency,
)
from central.store.tables import Whole
from central.store.visitor_tables import visitor_pass


@dataclass(frozen=True, slots=True)
class Held:
    """A holder, and the part of the window in which it was theirs."""

    reference: str
    window: Window


@dataclass(frozen=True, slots=True)
class Numbered:
    """`known`: the register has the number, or a pass was given to it. `came`: some envelope bears it, so
    that whoever did not come as a visitor costs nothing more. `waiting`: some visitor's identity of that
    time is here and could not be opened yet; who that was cannot be found by a number."""

    held: Sequence[Held]
    known: bool
    came: bool
    waiting: bool


def of_number(
    connection: Connection,
    community: int,
    *,
    index: bytes,
    tokens: Collection[bytes],
    indexes: Mapping[str, bytes],
    window: Window,
) -> Numbered:
    """`index`: blind, of the register; also of a number that was corrected since. `tokens`: of the number as
    a card, at each site. `indexes`: blind ones by day, of visitors."""
    asked = {"community": community, "number": index, "tokens": list(tokens)}
    within = {"from_us": window.from_us, "until_us": window.until_us}
    days: dict[str, Any] = {f"day_{n}": day for n, day in enumerate(indexes)}
    days |= {f"index_{n}": each for n, each in enumerate(indexes.values())}
    rows = connection.execute(_of_number(len(indexes)), {**asked, **within, **days}).all()
    people = [row for row in rows if row.what == _HOLDER]
    held = list(_all_of(connection, community, people, window))
    held += [Held(row.reference, window) for row in rows if row.what == _PASS]
    words = {row.what for row in rows}
    return Numbered(held, bool(words & {_HOLDER, _PASS}), _CAME in words, _WAITS in words)


def of_room(connection: Connection, community: int, room: int, window: Window) -> list[Held]:
    """Of those who lived there then, each for as long as they did."""
    asked = {"community": community, "room": room, "from_us": window.from_us, "until_us": window.until_us}
    lived: dict[Window, list[Any]] = defaultdict(list)
    for row in connection.execute(_OF_ROOM, asked).all():
        if part := window.cut(row.lived_from, row.lived_until):
            lived[part].append(row)
    return [held for part, rows in lived.items() for held in _all_of(connection, community, rows, part)]


def same_as(connection: Connection, number: int) -> set[int]:
    """All under whom that person of the register was registered, itself among them."""
    return set().union(*_merged_with(connection, [number]).values())


def of_persons(connection: Connection, community: int, persons: Iterable[int], window: Window) -> list[Held]:
    """All that was ever theirs, each for as long as it was."""
    return [
        Held(row.reference, part)
        for row in _holders(connection, community, persons)
        if (part := window.cut(row.from_at, row.until_at))
    ]


def of_card(connection: Connection, tokens: Mapping[str, bytes]) -> dict[str, list[str]]:
    """By site: all that the credential with that token, or one of the same number after it was returned,
    ever had; and the passes that it was lent for."""
    found: dict[str, list[str]] = defaultdict(list)
    asked = {"sites": list(tokens), "tokens": list(tokens.values())}
    for row in connection.execute(_OF_CARD, asked):
        found[row.site].append(row.reference)
    return found


def _all_of(connection: Connection, community: int, rows: Sequence[Any], window: Window) -> Iterator[Held]:
    """Rows with a person each and one of its holders, if any."""
    if tied := {row.person_id for row in rows if row.merged_into is not None or row.took_in}:
        tied |= {row.person_id for row in rows}
        same = _merged_with(connection, tied)
        rows = _holders(connection, community, set().union(*same.values()))
    for row in rows:
        if row.reference is not None and (part := window.cut(row.from_at, row.until_at)):
            yield Held(row.reference, part)


def _merged_with(connection: Connection, persons: Collection[int]) -> dict[int, set[int]]:
    """For each of them all under whom the same human was registered: their entries are under all of these."""
    same = {each: {each} for each in persons}
    asked: set[int] = set()
    while new := same.keys() - asked:
        asked |= new
        columns = person.c
        tied = or_(and_(columns.id.in_(new), columns.merged_into.is_not(None)), columns.merged_into.in_(new))
        for row in connection.execute(select(columns.id, columns.merged_into).where(tied)):
            both = same.get(row.id, {row.id}) | same.get(row.merged_into, {row.merged_into})
            same |= dict.fromkeys(both, both)
    return same


def _holders(connection: Connection, community: int, persons: Iterable[int]) -> Sequence[Any]:
    columns = holder.c
    query = select(columns.person_id, columns.reference, columns.from_at, columns.until_at)
    mine = (columns.person_id.in_(sorted(persons)), columns.community_id == community)
    return connection.execute(query.where(*mine).order_by(columns.id)).all()


# --- the statements, made once: what is asked for is bound to them


_HOLDER, _PASS, _CAME, _WAITS = "holder", "pass", "came", "waits"
_MERGED: Final[BindParameter[str]] = bindparam(None, "merged", literal_execute=True)
_COMMUNITY: Final[BindParameter[int]] = bindparam("community")
_FROM: Final[BindParameter[int]] = bindparam("from_us")
_UNTIL: Final[BindParameter[int]] = bindparam("until_us")
_WAITING: Final[BindParameter[int]] = bindparam(None, 1, literal_execute=True)
_NO_TIME: Final = cast(null(), Whole)


def _several(name: str) -> BindParameter[Any]:
    return bindparam(name, expanding=True)


def _word(word: str) -> ColumnElement[str]:
    return literal_column(f"'{word}'", Text).label("what")


def _took_in() -> ColumnElement[bool]:
    """Whether others were merged into a person."""
    other = person.alias("other")
    return exists().where(other.c.merged_into == person.c.id).label("took_in")


def _with_holders(of: Any) -> Any:
    mine = and_(holder.c.person_id == person.c.id, holder.c.community_id == _COMMUNITY)
    return of.outerjoin(holder, mine)


@lru_cache  # as many as a window has days
def _of_number(days_asked: int) -> Any:
    here = (person.c.community_id == _COMMUNITY, person.c.number_index == bindparam("number"))
    former, days = person_former.c, envelope.c
    known = union_all(
        select(person.c.id).where(*here, person.c.state != _MERGED),  # each of the three has its index
        select(person.c.id).where(*here, person.c.state == _MERGED),
        select(former.person_id).where(
            former.community_id == _COMMUNITY, former.number_index == bindparam("number")
        ),
    ).subquery("known")
    of_a_day = [
        and_(
            days.community_id == _COMMUNITY,  # in each of them: else SQLite walks all of the community
            days.period == bindparam(f"day_{n}"),
            days.number_index == bindparam(f"index_{n}"),
        )
        for n in range(days_asked)
    ]
    came = exists(select(days.id).where(or_(*of_a_day) if of_a_day else false()))
    waits = exists().where(
        days.community_id == _COMMUNITY, days.waits == _WAITING, days.at >= _FROM, days.at < _UNTIL
    )
    nobody = (_NO_TIME, _NO_TIME, false())
    passes = visitor_pass.c
    return union_all(
        select(
            _word(_HOLDER),
            person.c.id.label("person_id"),
            person.c.merged_into,
            _took_in(),
            holder.c.reference,
            holder.c.from_at,
            holder.c.until_at,
        ).select_from(_with_holders(known.join(person, person.c.id == known.c.id))),
        select(_word(_PASS), *nobody, passes.reference, _NO_TIME, _NO_TIME).where(
            passes.community_id == _COMMUNITY, passes.token.in_(_several("tokens"))
        ),
        *(
            select(_word(word), *nobody, cast(null(), Text), _NO_TIME, _NO_TIME).where(is_so)
            for word, is_so in ((_CAME, came), (_WAITS, waits))
        ),
    )


def _of_room() -> Any:
    lived = residency.c
    there = (
        lived.community_id == _COMMUNITY,
        lived.place_id == bindparam("room"),
        lived.from_at < _UNTIL,
        lived.until_at.is_(None) | (lived.until_at > _FROM),
        lived.voided_at.is_(None),
    )
    return (
        select(
            lived.person_id,
            lived.from_at.label("lived_from"),
            lived.until_at.label("lived_until"),
            person.c.merged_into,
            _took_in(),
            holder.c.reference,
            holder.c.from_at,
            holder.c.until_at,
        )
        .select_from(_with_holders(residency.join(person, person.c.id == lived.person_id)))
        .where(*there)
        .order_by(lived.id, holder.c.id)
    )


def _of_card() -> Any:
    token, lent = credential_token.c, visitor_pass.c
    owned = credential_token.join(credential, credential.c.id == token.credential_id)
    return union(
        select(token.site, holder.c.reference)
        .select_from(owned.join(holder, holder.c.person_id == credential.c.person_id))
        .where(token.site.in_(_several("sites")), token.token.in_(_several("tokens"))),
        select(lent.site, lent.reference).where(lent.token.in_(_several("tokens"))),
    ).order_by("reference")


_OF_ROOM: Final = _of_room()
_OF_CARD: Final = _of_card()
