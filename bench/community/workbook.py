"""The list with which the register began: every home, and who lived there, as rows of an import. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from enum import StrEnum
from random import Random
from typing import Final

from bench.community.people import Household, Member, Population
from bench.community.places import Estate, Room, rooms_of
from central.register.imports.columns import CARD_KINDS, DOCUMENTS, HEADINGS, RELATIONS, Field
from central.register.words import DocumentType, Relation

BEGAN_DAYS: Final = 300
"""So long before the first of the days the register was begun."""

FIELDS: Final = (
    *(Field.ESTATE, Field.BUILDING, Field.UNIT, Field.ROOM, Field.USE, Field.NAME, Field.DOCUMENT),
    *(Field.NUMBER, Field.PHONE, Field.RELATION, Field.SINCE, Field.LEASE_FROM, Field.LEASE_UNTIL),
    *(Field.CARD_KIND, Field.CARD),
)
_LEASE_DAYS: Final = (365, 730, 730, 1_095)


def workbook(estates: Sequence[Estate], population: Population, first: date) -> bytes:
    """CSV, without whoever is written by hand, such as children who have no document: the list is held
    against the register by numbers. `first`: of the days."""
    text = io.StringIO()
    rows = csv.DictWriter(text, FIELDS)
    rows.writerow({each: HEADINGS[each].zh for each in FIELDS})
    lived = {each.room: each for each in population.households if not each.by_hand}
    drawn = Random("workbook")
    began = first - timedelta(days=BEGAN_DAYS)
    for estate in estates:
        for house in estate.houses:
            for room in rooms_of(house):
                rows.writerows(_of_home(estate, room, lived.get(room), began, drawn))
    return text.getvalue().encode()


def phone(drawn: Random) -> str:
    """No number of anybody: none begins so."""
    return f"000{drawn.randrange(10**8):08d}"


def _of_home(
    estate: Estate, room: Room, household: Household | None, began: date, drawn: Random
) -> Iterator[dict[Field, str]]:
    home = {
        Field.ESTATE: estate.name,
        Field.BUILDING: room.house.name,
        Field.UNIT: f"{room.unit} 单元",
        Field.ROOM: room.name,
    }
    if household is None:
        yield {**home, Field.USE: "空置"}
        return
    since = began - timedelta(days=drawn.randrange(400, 3_000))
    if household.let:
        since = began - timedelta(days=drawn.randrange(1, 360))
        home[Field.LEASE_FROM] = since.isoformat()
        home[Field.LEASE_UNTIL] = (since + timedelta(days=drawn.choice(_LEASE_DAYS))).isoformat()
    home |= {Field.USE: _use(household), Field.SINCE: since.isoformat()}
    for member in (each for each in household.members if each.document is not DocumentType.NONE):
        yield {**home, **_of_member(member, drawn)}


def _of_member(member: Member, drawn: Random) -> dict[Field, str]:
    assert member.relation is not None
    assert member.kind is not None
    return {
        Field.NAME: member.person.name,
        Field.DOCUMENT: _word(DOCUMENTS, member.document),
        Field.NUMBER: member.person.id_number,
        Field.PHONE: phone(drawn),
        Field.RELATION: _word(RELATIONS, member.relation),
        Field.CARD_KIND: _word(CARD_KINDS, member.kind),
        Field.CARD: member.credential,
    }


def _use(household: Household) -> str:
    if household.members[0].relation is Relation.STAFF:
        return "经营"
    return "出租" if household.let else "自住"


def _word(words: Mapping[str, StrEnum], value: StrEnum) -> str:
    return next(word for word, known in words.items() if known is value)
