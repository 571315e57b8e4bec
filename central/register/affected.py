"""Whose access lists a change makes old: the gateways whose doors somebody may pass, or might before it.

Reads only.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Select, or_, select, union

from central.register.desk import GatewayOf
from central.register.place_tree import above
from central.store.engine import among
from central.store.register_tables import access_right, door_group_door, door_place, person, place, residency


def gateways_of_places(connection: Connection, places: Collection[int], now_us: int) -> set[GatewayOf]:
    """Of doors that open for whoever lives in one of these."""
    return _asked(connection, _doors_of(select(place.c.id).where(place.c.id.in_(sorted(places))), now_us))


def gateways_of_person(connection: Connection, person_id: int, now_us: int) -> set[GatewayOf]:
    """Of doors that open for somebody by where they live, by name, or by a category; by rows that were
    merged into this one too."""
    return gateways_of_people(connection, [person_id], now_us)


def gateways_of_people(connection: Connection, people: Collection[int], now_us: int) -> set[GatewayOf]:
    """Of doors that open for any of them, in two questions for all; `people` are of one community."""
    ids = sorted(people)
    them = among(connection, person.c.id, ids)
    same = select(person.c.id).where(them | among(connection, person.c.merged_into, ids))
    homes = select(residency.c.place_id).where(
        residency.c.person_id.in_(same),
        residency.c.voided_at.is_(None),
        _lasting(residency, now_us),
    )
    home_of = select(person.c.community_id).where(them)
    named = _doors_of_rights(
        or_(
            access_right.c.person_id.in_(same),
            access_right.c.category.is_not(None) & access_right.c.community_id.in_(home_of),
        ),
        now_us,
    )
    return _asked(connection, _doors_of(homes, now_us)) | _asked(connection, [named])


def gateways_of_group(connection: Connection, group_id: int, now_us: int) -> set[GatewayOf]:
    mine = (door_group_door.c.group_id == group_id) & _lasting(door_group_door, now_us)
    return _asked(connection, [select(door_group_door.c.site, door_group_door.c.gateway).where(mine)])


def _doors_of(starts: Select[Any], now_us: int) -> list[Select[Any]]:
    chain = above(starts)
    around = select(chain.c.id)
    own = select(door_place.c.site, door_place.c.gateway).where(
        door_place.c.place_id.in_(around), door_place.c.residents == 1, _lasting(door_place, now_us)
    )
    return [own, _doors_of_rights(access_right.c.place_id.in_(around), now_us)]


def _doors_of_rights(whose: Any, now_us: int) -> Select[Any]:
    return (
        select(door_group_door.c.site, door_group_door.c.gateway)
        .join(access_right, access_right.c.group_id == door_group_door.c.group_id)
        .where(whose, _lasting(access_right, now_us), _lasting(door_group_door, now_us))
    )


def _lasting(table: Any, now_us: int) -> Any:
    return table.c.until_at.is_(None) | (table.c.until_at > now_us)


def _asked(connection: Connection, selects: list[Select[Any]]) -> set[GatewayOf]:
    asked = union(*selects) if len(selects) > 1 else selects[0]
    return {GatewayOf(*row) for row in connection.execute(asked)}
