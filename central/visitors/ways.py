"""Through which doors a visitor comes to a home."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from central.register.place_tree import ancestors
from central.store.register_tables import door_place
from messages.access_list import EVERY_DOOR
from messages.visitor_pass import MAX_PASS_DOORS


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
    names = tuple(dict.fromkeys(row.door for row in rows if row.site == site))
    return Way(site, names if len(names) <= MAX_PASS_DOORS else (EVERY_DOOR,))
