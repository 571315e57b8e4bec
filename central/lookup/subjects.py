"""From what a look-up names to the branches that find its entries, by the register as of then. Reads only.

Whoever asks for a person or a card has written the number in the look-up's row, as a blind index and sealed;
here it is opened again, for each page.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from sqlalchemy import Connection, select

from central.errors import IdentityGone, NotThere
from central.identity.periods import days_between
from central.identity.vault import Vault
from central.lookup import questions
from central.lookup.paging import Branch, Window
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
    sites = sites_of(connection, community)
    gateways = questions.gateways_at(connection, sites)
    if asked is Asked.ROOM:
        branches = list(_of_room(connection, community, json.loads(row.parameters)["room"], window))
        return Subject(branches, gateways, () if branches else (NOT_IN_REGISTER,))
    if asked in (Asked.PERSON, Asked.CARD):
        assert vault is not None, "a number can be written only with a vault"
        text = _opened(connection, vault, row)
        if asked is Asked.PERSON:
            branches, notes = _of_person(
                connection, vault, zone, community=community, text=text, window=window
            )
        else:
            branches, notes = _of_card(connection, vault, sites=sites, text=text, window=window)
        return Subject(branches, gateways, notes)
    return _of_place(connection, asked, json.loads(row.parameters), sites, window)


def persons_of(connection: Connection, vault: Vault, community: int, number: str) -> list[int]:
    """Those who are, or were before a correction, registered with that number; and into whom they were
    merged, or who into them."""
    index = vault.register_index(community, "id_number", number)
    found: set[int] = set()
    for table, column in ((person, person.c.id), (person_former, person_former.c.person_id)):
        here = (table.c.community_id == community, table.c.number_index == index)
        found.update(connection.execute(select(column).where(*here)).scalars())
    return sorted(_merged_with(connection, found))


def _merged_with(connection: Connection, persons: set[int]) -> set[int]:
    """A human who was registered twice has entries under both."""
    found = set(persons)
    while True:
        into = select(person.c.merged_into).where(person.c.id.in_(found), person.c.merged_into.is_not(None))
        from_ = select(person.c.id).where(person.c.merged_into.in_(found))
        more = {*connection.execute(into).scalars(), *connection.execute(from_).scalars()} - found
        if not more:
            return found
        found |= more


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
    for day in days_between(window.from_us, window.until_us - 1, zone):
        try:
            index = vault.period_index(community, day, number)
        except IdentityGone:
            destroyed |= vault.is_gone(community, day)
            continue
        branches.append(questions.of_visitor(community, day, index, window))
    if destroyed:
        notes.append(DAYS_DESTROYED)
    if questions.waiting_visitors(connection, community, window):
        notes.append(VISITORS_WAIT)
    return branches, tuple(notes)


def _of_persons(
    connection: Connection, community: int, persons: Sequence[int], window: Window
) -> Iterator[Branch]:
    columns = holder.c
    rows = select(columns.reference, columns.from_at, columns.until_at).where(
        columns.person_id.in_(persons), columns.community_id == community
    )
    for row in connection.execute(rows):
        if part := window.cut(row.from_at, row.until_at):
            yield questions.of_holder(row.reference, part)


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
    for row in connection.execute(select(columns.person_id, columns.from_at, columns.until_at).where(*lived)):
        if part := window.cut(row.from_at, row.until_at):
            persons = sorted(_merged_with(connection, {row.person_id}))
            yield from _of_persons(connection, community, persons, part)


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
    connection: Connection, asked: Asked, where: dict[str, Any], sites: Sequence[str], window: Window
) -> Subject:
    if where["site"] not in sites:
        raise NotThere("no such site")
    gateways = questions.gateways_at(connection, [where["site"]], where.get("gateway"))
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
