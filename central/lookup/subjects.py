"""From what a look-up names to the branches that find its entries, by the register as of then. Reads only.

Whoever asks for a person or a card has written the number in the look-up's row, as a blind index and sealed;
here it is opened again, for each page.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, and_, bindparam, or_, select, union_all

from central.errors import IdentityGone, NotThere
from central.identity.periods import days_between
from central.identity.vault import Vault
from central.lookup import questions
from central.lookup.paging import Branch, Window
from central.lookup.rules import OF_A_PLACE
from central.lookup.words import Asked
from central.store.lookup_tables import look_up_subject
from central.store.register_tables import (
    credential,
    credential_token,
    holder,
    person,
    person_former,
    residency,
    site,
)


@dataclass(frozen=True, slots=True)
class Subject:
    """What the answer is made of: branches, and the gateways whose completeness counts for it.

    `notes`: closed words on what could not be searched.
    """

    branches: Sequence[Branch]
    gateways: Sequence[Any]
    notes: tuple[str, ...] = ()


_MERGED: Final[BindParameter[str]] = bindparam(None, "merged", literal_execute=True)
NOT_IN_REGISTER = "not_in_register"
VISITORS_WAIT = "visitors_not_opened_yet"
DAYS_DESTROYED = "visitors_of_some_days_destroyed"


def sites_of(connection: Connection, community: int) -> list[str]:
    query = select(site.c.name).where(site.c.community_id == community).order_by(site.c.name)
    return list(connection.execute(query).scalars())


def sealed_subject(vault: Vault, community: int, number: int, text: dict[str, str]) -> bytes:
    """`text`: `number`, and `kind` of a card."""
    return vault.seal_register(community, f"look_up_subject:{number}", json.dumps(text).encode())


def index_of(vault: Vault, community: int, asked: Asked, text: dict[str, str]) -> bytes:
    """What stands in the register of look-ups for the number that was asked for."""
    if asked is Asked.CARD:
        return vault.register_index(community, "card", f"{text['kind']}:{text['number']}")
    return vault.register_index(community, "id_number", text["number"])


def subject_of(connection: Connection, vault: Vault | None, zone: tzinfo, row: Any) -> Subject:
    """Of a row of `look_up`. Raises NotThere for a place that is not of its community."""
    window = Window(row.from_at, row.until_at)
    asked, community = Asked(row.question), row.community_id
    if asked in OF_A_PLACE:
        return _of_place(connection, asked, json.loads(row.parameters), community, window)
    gateways = questions.gateways_of(connection, community)
    if asked is Asked.ROOM:
        branches = list(_of_room(connection, community, json.loads(row.parameters)["room"], window))
        return Subject(branches, gateways, () if branches else (NOT_IN_REGISTER,))
    assert vault is not None, "a number can be written only with a vault"
    text = _opened(connection, vault, row)
    if asked is Asked.PERSON:
        branches, notes = _of_person(connection, vault, zone, community=community, text=text, window=window)
    else:
        sites = sites_of(connection, community)
        branches, notes = _of_card(connection, vault, sites=sites, text=text, window=window)
    return Subject(branches, gateways, notes)


def persons_of(connection: Connection, vault: Vault, community: int, number: str) -> list[int]:
    """Those who are, or were before a correction, registered with that number; and into whom they were
    merged, or who into them."""
    index = vault.register_index(community, "id_number", number)
    columns, former = person.c, person_former.c
    here = (columns.community_id == community, columns.number_index == index)
    query = union_all(
        select(columns.id).where(*here, columns.state != _MERGED),  # each of the three has its index
        select(columns.id).where(*here, columns.state == _MERGED),
        select(former.person_id).where(former.community_id == community, former.number_index == index),
    )
    found = set(connection.execute(query).scalars())
    return sorted(set().union(*_merged_with(connection, found).values()))


def _merged_with(connection: Connection, persons: set[int]) -> dict[int, set[int]]:
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


def _of_person(
    connection: Connection,
    vault: Vault,
    zone: tzinfo,
    *,
    community: int,
    text: dict[str, str],
    window: Window,
) -> tuple[list[Branch], tuple[str, ...]]:
    number = text["number"]
    persons = persons_of(connection, vault, community, number)
    branches = list(_of_persons(connection, community, persons, window))
    notes = [] if persons else [NOT_IN_REGISTER]
    destroyed = False
    indexes: dict[str, bytes] = {}
    for day in days_between(window.from_us, window.until_us - 1, zone):
        try:
            indexes[day] = vault.period_index(community, day, number)
        except IdentityGone:
            destroyed |= vault.is_gone(community, day)
    came, waiting = questions.visitors(connection, community, indexes, window)
    if came:
        branches.append(questions.of_visitor(community, indexes, window))
    if destroyed:
        notes.append(DAYS_DESTROYED)
    if waiting:
        notes.append(VISITORS_WAIT)
    return branches, tuple(notes)


def _of_persons(
    connection: Connection, community: int, persons: Sequence[int], window: Window
) -> Iterator[Branch]:
    for row in _holders(connection, community, persons):
        if part := window.cut(row.from_at, row.until_at):
            yield questions.of_holder(row.reference, part)


def _holders(connection: Connection, community: int, persons: Iterable[int]) -> list[Any]:
    columns = holder.c
    query = select(columns.person_id, columns.reference, columns.from_at, columns.until_at)
    mine = (columns.person_id.in_(sorted(persons)), columns.community_id == community)
    return list(connection.execute(query.where(*mine).order_by(columns.id)))


def _of_room(connection: Connection, community: int, room: int, window: Window) -> Iterator[Branch]:
    """Of those who lived there then, each for as long as they did."""
    columns = residency.c
    lived = (
        columns.community_id == community,
        columns.place_id == room,
        columns.from_at < window.until_us,
        columns.until_at.is_(None) | (columns.until_at > window.from_us),
        columns.voided_at.is_(None),
    )
    query = select(columns.person_id, columns.from_at, columns.until_at).where(*lived)
    rows = connection.execute(query.order_by(columns.id)).all()
    same = _merged_with(connection, {row.person_id for row in rows})
    holders = _holders(connection, community, same)
    for row in rows:
        part = window.cut(row.from_at, row.until_at)
        for each in holders:
            if (
                part
                and each.person_id in same[row.person_id]
                and (theirs := part.cut(each.from_at, each.until_at))
            ):
                yield questions.of_holder(each.reference, theirs)


def _of_card(
    connection: Connection,
    vault: Vault,
    *,
    sites: Sequence[str],
    text: dict[str, str],
    window: Window,
) -> tuple[list[Branch], tuple[str, ...]]:
    branches: list[Branch] = []
    known = False
    for name in sites:
        if not vault.has_site(name):
            continue
        token = vault.token(name, text["kind"], text["number"])
        holders = _holders_of(connection, name, token)
        known |= bool(holders)
        branches += questions.of_card(token, holders, window)
    return branches, () if known else (NOT_IN_REGISTER,)


def _holders_of(connection: Connection, name: str, token: bytes) -> list[str]:
    """All that the credential, or one of the same number after it was returned, ever had."""
    query = (
        select(holder.c.reference)
        .distinct()
        .select_from(
            credential_token.join(credential, credential.c.id == credential_token.c.credential_id).join(
                holder, holder.c.person_id == credential.c.person_id
            )
        )
        .where(credential_token.c.site == name, credential_token.c.token == token)
        .order_by(holder.c.reference)
    )
    return list(connection.execute(query).scalars())


def _of_place(
    connection: Connection, asked: Asked, where: dict[str, Any], community: int, window: Window
) -> Subject:
    if where["site"] not in sites_of(connection, community):
        raise NotThere("no such site")
    gateways = questions.gateways_at(connection, where["site"], where.get("gateway"))
    if not gateways:
        raise NotThere("no such gateway has spoken yet")
    door = where.get("door")
    branches: list[Branch] = []
    for each in gateways:
        match asked:
            case Asked.DOOR:
                branches.append(questions.of_door(each.id, door, window))
            case Asked.BUILDING | Asked.SITE:
                branches += questions.of_building(connection, each.id, window)
            case Asked.UNREGISTERED:
                branches.append(questions.unregistered(each.id, door, window))
            case Asked.DENIED:
                branches.append(questions.denied(each.id, door, window))
            case Asked.LOST_CARD:
                branches.append(questions.lost_card(each.id, door, window))
            case _:
                branches.append(questions.remote_releases(each.id, door, window))
    return Subject(branches, gateways)


def _opened(connection: Connection, vault: Vault, row: Any) -> dict[str, str]:
    sealed = connection.execute(
        select(look_up_subject.c.sealed).where(look_up_subject.c.id == row.id)
    ).scalar()
    if sealed is None:
        raise IdentityGone("the number that was asked for is not kept any more; ask again")
    name = f"look_up_subject:{row.id}"
    text: dict[str, str] = json.loads(vault.open_register(row.community_id, name, sealed))
    return text
