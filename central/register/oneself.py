"""Whom a resident's account is about: its own person, and where that person lives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, select

from central.accounts.who import Who
from central.errors import NotAllowed, NotThere
from central.register.people import same_person
from central.register.rights import rights_end_us
from central.register.rights_questions import Whose, residencies
from central.register.words import Relation
from central.store.register_tables import person

_WORKS: Final = frozenset({Relation.HOUSEHOLD_HELPER, Relation.STAFF})


def person_of(who: Who) -> int:
    """Of the register. Raises NotAllowed."""
    if who.machine or who.person is None:
        raise NotAllowed("this is for residents alone, each with an account of their own")
    return who.person


def community_of(connection: Connection, number: int) -> int:
    """Of a person of the register. Raises NotThere."""
    return int(_row(connection, number).community_id)


def counting(connection: Connection, number: int) -> int:
    """The row of the register that counts, where somebody was registered twice. Raises NotThere."""
    return int(_row(connection, number).merged_into or number)


@dataclass(frozen=True, slots=True)
class OwnHome:
    """`until_us`: when living there gives no right any more; None: no end is known."""

    room: int
    until_us: int | None


def homes_of(connection: Connection, community: int, number: int, now_us: int) -> list[OwnHome]:
    """Where a person lives now, each home once; not where they only work. Raises NotThere."""
    same = list(connection.execute(same_person(counting(connection, number))).scalars())
    rows = connection.execute(residencies(community, Whose([], same), now_us))
    ends: dict[int, int | None] = {}
    for row in rows:
        end_us = rights_end_us(row)
        if row.relation in _WORKS or row.from_at > now_us or (end_us is not None and end_us <= now_us):
            continue
        known = ends.get(row.place_id, 0)
        ends[row.place_id] = None if known is None or end_us is None else max(known, end_us)
    return [OwnHome(room, end_us) for room, end_us in ends.items()]


def _row(connection: Connection, number: int) -> Any:
    columns = person.c
    asked = select(columns.community_id, columns.merged_into).where(columns.id == number)
    found = connection.execute(asked).one_or_none()
    if found is None:
        raise NotThere("the register has you no longer; your community answers for it")
    return found
