"""From what a look-up names to the branches that find its entries, by the register as of then. Reads only.

Whoever asks for a person or a card has written the number in the look-up's row, as a blind index and sealed;
here it is opened again, for each page.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Final

from sqlalchemy import Connection, select

from central.errors import IdentityGone, NotThere
from central.identity.periods import days_between
from central.identity.vault import Vault
from central.lookup import holders, questions
from central.lookup.paging import Branch, Window
from central.lookup.rules import OF_A_PLACE
from central.lookup.words import Asked
from central.store.register_tables import (
    site,
)
from central.visitors.visits import exits_are_told


@dataclass(frozen=True, slots=True)
class Subject:
    """What the answer is made of: branches, and the gateways whose completeness counts for it.

    `notes`: closed words on what could not be searched.
    """

    branches: Sequence[Branch]
    gateways: Sequence[Any]
    notes: tuple[str, ...] = ()


_ID_CARD: Final = "id_card"
NOT_IN_REGISTER = "not_in_register"
VISITORS_WAIT = "visitors_not_opened_yet"
EXITS_NOT_TOLD = "exits_not_told"
DAYS_DESTROYED = "visitors_of_some_days_destroyed"
ENTRIES_ENDED = "entries_of_some_days_ended"


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
    """Of a row as `states.row_of` gives it. Raises NotThere for a place that is not of its community."""
    window = Window(row.from_at, row.until_at)
    asked, community = Asked(row.question), row.community_id
    if asked in OF_A_PLACE:
        return _of_place(connection, asked, json.loads(row.parameters), community, window)
    gateways = questions.gateways_of(connection, community)
    if asked is Asked.ROOM:
        room = json.loads(row.parameters)["room"]
        held = holders.of_room(connection, community, room, window)
        branches = [questions.of_holder(each.reference, each.window) for each in held]
        return Subject(branches, gateways, () if branches else (NOT_IN_REGISTER,))
    assert vault is not None, "a number can be written only with a vault"
    sites = dict.fromkeys(each.site for each in gateways)
    if asked is Asked.PERSON:
        branches, notes = _of_person(connection, vault, zone, row, sites=sites, window=window)
    else:
        branches, notes = _of_card(connection, vault, row, sites=sites, window=window)
    return Subject(branches, gateways, notes)


def _of_person(
    connection: Connection, vault: Vault, zone: tzinfo, row: Any, *, sites: Iterable[str], window: Window
) -> tuple[list[Branch], tuple[str, ...]]:
    community, number = row.community_id, subject_text(vault, row)["number"]
    indexes: dict[str, bytes] = {}
    destroyed = False
    for day in days_between(window.from_us, window.until_us - 1, zone):
        try:
            indexes[day] = vault.period_index(community, day, number)
        except IdentityGone:
            destroyed |= vault.is_gone(community, day)
    found = holders.of_number(
        connection,
        community,
        index=vault.register_index(community, "id_number", number),
        tokens=[vault.token(name, _ID_CARD, number.upper()) for name in sites if vault.has_site(name)],
        indexes=indexes,
        window=window,
    )
    branches = [questions.of_holder(each.reference, each.window) for each in found.held]
    if found.came:
        branches.append(questions.of_visitor(community, indexes, window))
    said = ((NOT_IN_REGISTER, not found.known), (DAYS_DESTROYED, destroyed), (VISITORS_WAIT, found.waiting))
    return branches, tuple(note for note, is_so in said if is_so)


def _of_card(
    connection: Connection, vault: Vault, row: Any, *, sites: Iterable[str], window: Window
) -> tuple[list[Branch], tuple[str, ...]]:
    text = subject_text(vault, row)
    kind, number = text["kind"], text["number"]
    tokens = {name: vault.token(name, kind, number) for name in sites if vault.has_site(name)}
    known = holders.of_card(connection, tokens)
    branches = [
        branch
        for name, token in tokens.items()
        for branch in questions.of_card(token, known.get(name, ()), window)
    ]
    return branches, () if known else (NOT_IN_REGISTER,)


def _of_place(
    connection: Connection, asked: Asked, where: dict[str, Any], community: int, window: Window
) -> Subject:
    gateways = questions.gateways_at(connection, community, where["site"], where.get("gateway"))
    if not gateways:
        known = where["site"] in sites_of(connection, community)
        raise NotThere("no such gateway has spoken yet" if known else "no such site")
    if asked is Asked.OVERDUE:
        return _of_overdue(connection, where["site"], gateways, window)
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


def _of_overdue(connection: Connection, place: str, gateways: Sequence[Any], window: Window) -> Subject:
    """With a gateway: of those who came in there."""
    if not exits_are_told(connection, place):
        return Subject([], gateways, (EXITS_NOT_TOLD,))
    return Subject(questions.overdue(connection, place, [each.id for each in gateways], window), gateways)


def subject_text(vault: Vault, row: Any) -> dict[str, str]:
    """The number that was asked for, and of a card its kind. Raises IdentityGone."""
    if row.sealed is None:
        raise IdentityGone("the number that was asked for is not kept any more; ask again")
    name = f"look_up_subject:{row.id}"
    text: dict[str, str] = json.loads(vault.open_register(row.community_id, name, row.sealed))
    return text
