"""What is asked of the database for an access list: each a question about a set. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, or_, select

from central.register.credential_life import CredentialState
from central.register.grants import EXPLAINED_US
from central.register.place_tree import above, below
from central.register.words import PersonState
from central.store.honey_tables import honey_record
from central.store.register_tables import (
    credential,
    credential_token,
    holder,
    person,
    place,
    residency,
    tenancy,
)


@dataclass(frozen=True, slots=True)
class Whose:
    """`places`: where living gives a right here. `ids`: of all rows of `person` that may have one; None: too
    many to be named, or anybody of the community."""

    places: list[int]
    ids: list[int] | None


MOST_NAMED: Final = 5_000
"""People whose ids stand in a question; of more, everybody is asked for, and who has no right is left out."""


def residencies(community: int, whose: Whose, now_us: int) -> Select[Any]:
    asked = (
        select(
            residency.c.person_id,
            person.c.merged_into,
            residency.c.place_id,
            residency.c.relation,
            residency.c.from_at,
            residency.c.until_at,
            tenancy.c.from_at.label("lease_from"),
            tenancy.c.until_at.label("lease_until"),
            tenancy.c.ended_at.label("lease_ended"),
            tenancy.c.grace_days,
        )
        .join(person, person.c.id == residency.c.person_id)
        .outerjoin(tenancy, tenancy.c.id == residency.c.tenancy_id)
        .where(
            residency.c.community_id == community,
            residency.c.voided_at.is_(None),
            lasting_or_recent(residency, now_us),
        )
    )
    return asked if whose.ids is None else asked.where(residency.c.person_id.in_(whose.ids))


def people(community: int, whose: Whose) -> Select[Any]:
    """Nobody who was deregistered has any right."""
    living = person.c.state != PersonState.DEREGISTERED.value
    asked = select(person.c.id, person.c.merged_into, person.c.category).where(
        person.c.community_id == community, living
    )
    return asked if whose.ids is None else asked.where(person.c.id.in_(whose.ids))


def credentials(community: int, site_name: str, whose: Whose) -> Select[Any]:
    """A honey record's made-up card opens nothing: no list ever has it. Others of the same row may be
    somebody real's: a row that was corrected, merged or taken up again is theirs."""
    planted = honey_record.c
    made_up = select(planted.credential_id).where(
        planted.community_id == community, planted.credential_id.is_not(None)
    )
    asked = (
        select(
            credential.c.person_id,
            person.c.merged_into,
            credential_token.c.token,
            credential_token.c.pin,
            credential_token.c.duress_pin,
            credential.c.state,
            credential.c.valid_from,
            credential.c.valid_until,
        )
        .join(credential_token, credential_token.c.credential_id == credential.c.id)
        .join(person, person.c.id == credential.c.person_id)
        .where(
            credential.c.community_id == community,
            credential_token.c.site == site_name,
            credential.c.state != CredentialState.RETURNED.value,
            credential.c.id.not_in(made_up),
        )
    )
    return asked if whose.ids is None else asked.where(credential.c.person_id.in_(whose.ids))


def references(connection: Connection, community: int, whose: Whose) -> dict[int, str]:
    mine = (holder.c.community_id == community) & holder.c.until_at.is_(None)
    asked = select(holder.c.person_id, holder.c.reference).where(mine).order_by(holder.c.id)
    if whose.ids is not None:
        asked = asked.where(holder.c.person_id.in_(whose.ids))
    return {row.person_id: row.reference for row in connection.execute(asked).all()}


def starts(connection: Connection, whose: Whose) -> dict[int, tuple[int, ...]]:
    """Of each place that lies in one of `whose.places`: in which of them."""
    rows: Iterable[Any]
    if whose.ids is not None:  # upwards from their homes
        homes = select(residency.c.place_id).where(residency.c.person_id.in_(whose.ids))
        around = above(homes.distinct())
        here = around.c.id.in_(whose.places)
        rows = connection.execute(select(around.c.id, around.c.start).where(here).order_by(around.c.id)).all()
    else:
        inside = below(select(place.c.id).where(place.c.id.in_(whose.places)))
        rows = connection.execute(select(inside.c.start, inside.c.id).order_by(inside.c.start)).all()
    found: dict[int, tuple[int, ...]] = {}
    for start, place_id in rows:
        found[place_id] = (*found.get(place_id, ()), start)
    return found


def on(table: Any, now_us: int) -> Any:
    return and_(table.c.from_at <= now_us, or_(table.c.until_at.is_(None), table.c.until_at > now_us))


def lasting_or_recent(table: Any, now_us: int) -> Any:
    return or_(table.c.until_at.is_(None), table.c.until_at > now_us - EXPLAINED_US)
