"""Communities and the sites that are theirs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from central.errors import BadQuestion, Clash
from central.identity.registers import begin_register
from central.identity.vault import Vault
from central.register.credentials import complete_tokens
from central.register.desk import Desk
from central.register.place_names import sort_key, spelt, tidy
from central.register.words import PlaceKind, RegisterAct
from central.store.register_tables import community, place, site
from messages.model import NAME


@dataclass(frozen=True, slots=True)
class Community:
    id: int
    code: str
    name: str
    sites: tuple[str, ...]


def create_community(
    connection: Connection, vault: Vault | None, code: str, name: str, *, account: int, now_us: int
) -> int:
    """Its id; with its place at the top of the tree, and its register key where there is a key ring.

    Raises BadQuestion, Clash where the code is taken.
    """
    code, name = tidy(code), tidy(name)
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,32}", code):
        raise BadQuestion("code", "a code has 1 to 32 letters, digits, dots, hyphens or underscores")
    if not name:
        raise BadQuestion("name", "a name has at least one character")
    if connection.execute(select(community.c.id).where(community.c.code == code)).scalar() is not None:
        raise Clash("there is a community with this code already")
    row = {"code": code, "name": name, "created_at": now_us}
    made = connection.execute(insert(community).values(row)).inserted_primary_key
    assert made is not None
    desk = Desk(connection, int(made[0]), account, now_us, vault)
    pinyin, initials = spelt(name)
    desk.add(
        place,
        kind=PlaceKind.COMMUNITY.value,
        name=name,
        sort_key=sort_key(name),
        pinyin=pinyin,
        initials=initials,
        from_at=now_us,
    )
    if vault is not None:
        begin_register(connection, vault, desk.community, now_us)
    desk.note(RegisterAct.COMMUNITY_CREATED, community, desk.community, body={"code": code})
    return desk.community


def add_site(desk: Desk, name: str) -> int:
    """A site is this community's from now on, and for good; how many credentials got their token there.
    May be done again, after the site's key came into the key ring.

    Raises BadQuestion, Clash where it is another community's.
    """
    if not re.fullmatch(NAME, name):
        raise BadQuestion("name", "a site is called as in topics: lower-case letters, digits, hyphens")
    owner = desk.connection.execute(select(site.c.community_id).where(site.c.name == name)).scalar()
    if owner is None:
        row = {"name": name, "community_id": desk.community, "created_at": desk.now_us}
        desk.connection.execute(insert(site).values(row))
        desk.note(RegisterAct.SITE_ADDED, community, desk.community, body={"site": name})
    elif owner != desk.community:
        raise Clash("this site is another community's")
    return complete_tokens(desk, name)


def communities(connection: Connection, chosen: frozenset[int] | None = None) -> list[Community]:
    """By their ids; `chosen`: these alone."""
    sites: dict[int, list[str]] = {}
    for row in connection.execute(select(site).order_by(site.c.name)):
        sites.setdefault(row.community_id, []).append(row.name)
    asked = select(community).order_by(community.c.id)
    if chosen is not None:
        asked = asked.where(community.c.id.in_(sorted(chosen)))
    rows = connection.execute(asked)
    return [Community(row.id, row.code, row.name, tuple(sites.get(row.id, ()))) for row in rows]
