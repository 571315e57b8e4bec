"""Who is found in the register, and as how much is shown without a reason on the record. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from central.errors import BadQuestion
from central.identity.vault import Vault
from central.register.credential_forms import as_drivers_write
from central.register.desk import row_of
from central.register.person_identity import masked_name, masked_number, unseal
from central.register.words import PersonState
from central.store.register_tables import credential, credential_token, holder, person

MAX_FOUND = 200


@dataclass(frozen=True, slots=True)
class MaskedPerson:
    id: int
    name: str  # 王**
    number: str | None  # ****1234
    phone: str | None
    document: str
    category: str
    state: str
    merged_into: int | None
    created_us: int
    deregistered_us: int | None


def get_person(connection: Connection, vault: Vault, community: int, person_id: int) -> MaskedPerson:
    """Raises NotThere, IdentityGone, IdentityDamaged."""
    return masked(vault, row_of(connection, person, community, person_id, "person"))


def find_people(
    connection: Connection,
    vault: Vault,
    community: int,
    *,
    number: str | None = None,
    name: str | None = None,
    phone: str | None = None,
    limit: int = 50,
) -> list[MaskedPerson]:
    """By a full number, full name or full telephone number, all that are given together: nothing can be found
    by a part of them, as only blind indexes are here. Rows that were merged lead to the one that counts."""
    if not vault.has_register(community):
        return []
    asked = {"id_number": (person.c.number_index, number), "name": (person.c.name_index, name)}
    asked["phone"] = (person.c.phone_index, phone)
    given = [
        column == vault.register_index(community, kind, " ".join(value.split()))
        for kind, (column, value) in asked.items()
        if value
    ]
    if not given:
        raise BadQuestion("number", "ask by a number, a name or a telephone number")
    return _masked_all(connection, vault, community, given, limit)


def find_by_card(connection: Connection, vault: Vault, community: int, number: str) -> list[MaskedPerson]:
    """Whose card it is, and whose it was; `number` as the reader writes it, be its letters large or small."""
    if not vault.has_register(community):
        return []
    spellings = {number, number.upper(), as_drivers_write("id_card", number)}
    indexes = [vault.register_index(community, "card", text) for text in spellings]
    cards = (credential.c.community_id == community) & credential.c.number_index.in_(indexes)
    owners = select(credential.c.person_id).where(cards)
    return _masked_all(connection, vault, community, [person.c.id.in_(owners)], MAX_FOUND)


def found_by_any(connection: Connection, vault: Vault, community: int, asked: str) -> list[MaskedPerson]:
    """Whom a text means, be it a card, a number, a telephone number or a name: all of one, never a part."""
    if not asked:
        raise BadQuestion("text", "ask by a number, a name or a telephone number")
    every = [
        *find_by_card(connection, vault, community, asked),
        *find_people(connection, vault, community, number=asked),
        *find_people(connection, vault, community, phone=asked),
        *find_people(connection, vault, community, name=asked),
    ]
    return list({each.id: each for each in every}.values())


def meant_alone(
    connection: Connection, vault: Vault, community: int, asked: str, found: Sequence[MaskedPerson]
) -> list[int]:
    """Of those whom a text means, the ones that it means by more than their name: a name is many people's."""
    by_name = {each.id for each in find_people(connection, vault, community, name=asked)}
    return [each.id for each in found if each.id not in by_name]


def person_of_holder(connection: Connection, community: int, reference: str, at_us: int) -> int | None:
    """Whom a record's `holder` was at the time of the record: the id of the row that counts, or None."""
    mine = (holder.c.reference == reference) & (holder.c.community_id == community)
    then = (holder.c.from_at <= at_us) & (holder.c.until_at.is_(None) | (holder.c.until_at > at_us))
    return _counting(connection, select(holder.c.person_id).where(mine, then))


def holders_of(connection: Connection, community: int, person_id: int) -> list[str]:
    """All references under which records may speak of somebody, of merged rows too."""
    same = (person.c.id == person_id) | (person.c.merged_into == person_id)
    ids = select(person.c.id).where(person.c.community_id == community, same)
    asked = select(holder.c.reference).where(holder.c.person_id.in_(ids)).order_by(holder.c.id)
    return list(connection.execute(asked).scalars())


def persons_of_token(connection: Connection, site: str, token: bytes) -> list[int]:
    """Ids of whoever has, or had, a credential that the site's gateways call so, newest credential first."""
    asked = (
        select(credential.c.person_id)
        .join(credential_token, credential_token.c.credential_id == credential.c.id)
        .where(credential_token.c.site == site, credential_token.c.token == token)
        .order_by(credential.c.id.desc())
    )
    return list(dict.fromkeys(connection.execute(asked).scalars()))


def masked(vault: Vault, row: Any) -> MaskedPerson:
    identity = unseal(vault, row.community_id, f"person:{row.id}", row.sealed)
    return MaskedPerson(
        id=row.id,
        name=masked_name(identity.name),
        number=masked_number(identity.number),
        phone=masked_number(identity.phone),
        document=row.document_type,
        category=row.category,
        state=row.state,
        merged_into=row.merged_into,
        created_us=row.created_at,
        deregistered_us=row.deregistered_at,
    )


def masked_by_id(
    connection: Connection, vault: Vault, community: int, ids: Sequence[int]
) -> dict[int, MaskedPerson]:
    mine = (person.c.community_id == community) & person.c.id.in_(sorted(set(ids)))
    rows = connection.execute(select(person).where(mine))
    return {row.id: masked(vault, row) for row in rows}


def _masked_all(
    connection: Connection, vault: Vault, community: int, where: list[ColumnElement[bool]], limit: int
) -> list[MaskedPerson]:
    mine = person.c.community_id == community
    rows = connection.execute(select(person).where(mine, *where).order_by(person.c.id).limit(limit)).all()
    counting = {row.merged_into or row.id for row in rows}
    rows = connection.execute(
        select(person).where(mine, person.c.id.in_(counting)).order_by(person.c.id)
    ).all()
    living = [row for row in rows if row.state != PersonState.MERGED]
    return [masked(vault, row) for row in living]


def _counting(connection: Connection, ids: Any) -> int | None:
    row = connection.execute(select(person.c.id, person.c.merged_into).where(person.c.id.in_(ids))).first()
    return None if row is None else int(row.merged_into or row.id)
