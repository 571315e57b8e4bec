"""Through which doors a visitor comes to a home, and which door is meant."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from central.errors import BadQuestion
from central.register.place_tree import ancestors
from central.store.register_tables import door_place
from central.store.tables import gateway
from messages.access_list import EVERY_DOOR, GROUP_MARK
from messages.visitor_pass import MAX_PASS_DOORS, door_at


@dataclass(frozen=True, slots=True)
class Way:
    """`doors`: the outermost first, or every one of the site."""

    site: str
    doors: tuple[str, ...]


def way_to(connection: Connection, room: int) -> Way | None:
    """Through the doors that open for whoever lives there; None: no door leads there yet."""
    path = ancestors(connection, room)
    there = door_place.c.place_id.in_(path) & door_place.c.until_at.is_(None)
    asked = select(door_place).where(there, door_place.c.residents == 1).order_by(door_place.c.id)
    rows = sorted(connection.execute(asked), key=lambda row: -path.index(row.place_id))
    if not rows:
        return None
    site = rows[0].site
    names = tuple(dict.fromkeys(door_at(row.gateway, row.door) for row in rows if row.site == site))
    return Way(site, names if len(names) <= MAX_PASS_DOORS else (EVERY_DOOR,))


def meant(connection: Connection, site: str, doors: Sequence[str]) -> tuple[str, ...]:
    """Each door with its gateway before it, where that was left out; groups and every door stay. Raises
    BadQuestion where no gateway of the site has such a door, or several have."""
    bare = {each for each in doors if each != EVERY_DOOR and each[0] != GROUP_MARK and "/" not in each}
    owners = _owners(connection, site) if bare else {}
    return tuple(_meant(each, owners.get(each, set())) if each in bare else each for each in doors)


def _meant(door: str, gateways: set[str]) -> str:
    """Raises BadQuestion."""
    if not gateways:
        raise BadQuestion("doors", f"no gateway of this site has a door {door}")
    if len(gateways) > 1:
        named = ", ".join(door_at(each, door) for each in sorted(gateways))
        raise BadQuestion("doors", f"several doors are called so; write one of {named}")
    (only,) = gateways
    return door_at(only, door)


def _owners(connection: Connection, site: str) -> dict[str, set[str]]:
    """By the name of a door, the gateways that have told of one, or of which the register knows one."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    told = select(gateway.c.name, gateway.c.doors).where(gateway.c.site == site, gateway.c.doors.is_not(None))
    for name, doors in connection.execute(told):
        for each in json.loads(doors):
            found[each["door"]].add(name)
    known = select(door_place.c.gateway, door_place.c.door)
    for name, door in connection.execute(
        known.where(door_place.c.site == site, door_place.c.until_at.is_(None))
    ):
        found[door].add(name)
    return found
