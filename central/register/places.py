"""The tree of places, what homes are used for, and where doors lead: everything that changes them."""

from __future__ import annotations

import re

from sqlalchemy import func, select, update

from central.errors import BadQuestion, Clash
from central.register.affected import gateways_of_places
from central.register.desk import Desk, GatewayOf
from central.register.place_names import sort_key, spelt, tidy
from central.register.place_tree import Place, ancestors, get_place
from central.register.words import RANK, HomeUse, PlaceKind, RegisterAct
from central.store.register_tables import (
    door_place,
    home_use,
    place,
    place_former,
    residency,
    site,
)
from messages.model import NAME

_LONGEST_NAME = 64


def create_place(desk: Desk, parent: int, kind: PlaceKind, name: str, code: str | None = None) -> int:
    """Raises BadQuestion; NotThere for the parent; Clash where a sibling is called so, or a code is taken."""
    above = get_place(desk.connection, desk.community, parent)
    _refuse_ended(above)
    if RANK[kind] <= RANK[PlaceKind(above.kind)]:
        raise BadQuestion("kind", f"a {kind} does not lie in a {above.kind}")
    name, code = _good_name(name), _good_code(code)
    _refuse_twin(desk, parent, name, None)
    _refuse_code(desk, code, None)
    pinyin, initials = spelt(name)
    made = desk.add(
        place,
        parent_id=parent,
        kind=kind.value,
        name=name,
        code=code,
        sort_key=sort_key(name),
        pinyin=pinyin,
        initials=initials,
        from_at=desk.now_us,
    )
    desk.note(RegisterAct.PLACE_CREATED, place, made, body={"kind": kind, "name": name, "parent": parent})
    return made


def change_place(
    desk: Desk,
    place_id: int,
    *,
    reason: str,
    name: str | None = None,
    code: str | None = None,
    parent: int | None = None,
) -> None:
    """Renames, moves, or gives another code; what is not named stays. What it was stands in its history.

    Raises as `create_place`; Clash where nothing would change, or it would come to lie in itself.
    """
    now = get_place(desk.connection, desk.community, place_id)
    _refuse_ended(now)
    if now.parent_id is None:
        raise Clash("the community's own place is not changed")
    new_name = now.name if name is None else _good_name(name)
    new_code = now.code if code is None else _good_code(code)
    new_parent = now.parent_id if parent is None else parent
    if (new_name, new_code, new_parent) == (now.name, now.code, now.parent_id):
        raise Clash("that is how it is already")
    touched: set[GatewayOf] = set()
    if new_parent != now.parent_id:
        _refuse_parent(desk, now, new_parent)
        touched = gateways_of_places(desk.connection, [now.parent_id, new_parent], desk.now_us)
    _refuse_twin(desk, new_parent, new_name, place_id)
    _refuse_code(desk, new_code, place_id)
    latest = select(func.max(place_former.c.until_at)).where(place_former.c.place_id == place_id)
    since = desk.connection.execute(latest).scalar()
    desk.add(
        place_former,
        place_id=place_id,
        parent_id=now.parent_id,
        name=now.name,
        code=now.code,
        from_at=now.from_us if since is None else since,
        until_at=desk.now_us,
    )
    pinyin, initials = spelt(new_name)
    new = {
        "name": new_name,
        "code": new_code,
        "parent_id": new_parent,
        "sort_key": sort_key(new_name),
        "pinyin": pinyin,
        "initials": initials,
    }
    desk.connection.execute(update(place).where(place.c.id == place_id).values(new))
    body = {"name": new_name, "code": new_code, "parent": new_parent}
    desk.note(RegisterAct.PLACE_CHANGED, place, place_id, reason=reason, body=body, changed=touched)


def end_place(desk: Desk, place_id: int, *, reason: str) -> None:
    """It is there no more: torn down, or joined with another. Raises Clash where something still lies in it,
    somebody lives there or a door leads into it."""
    now = get_place(desk.connection, desk.community, place_id)
    _refuse_ended(now)
    if now.parent_id is None:
        raise Clash("the community's own place does not end")
    if _any(desk, place, place.c.parent_id == place_id):
        raise Clash("something still lies in it: end that first")
    if _any(desk, residency, (residency.c.place_id == place_id) & residency.c.voided_at.is_(None)):
        raise Clash("somebody lives there: move them out first")
    if _any(desk, door_place, door_place.c.place_id == place_id):
        raise Clash("a door leads into it: take that away first")
    desk.connection.execute(update(place).where(place.c.id == place_id).values(until_at=desk.now_us))
    desk.note(RegisterAct.PLACE_ENDED, place, place_id, reason=reason)


def set_use(desk: Desk, room: int, use: HomeUse, *, since_us: int | None = None) -> None:
    """What a home is used for from then on. Raises BadQuestion, NotThere; Clash where it is so already."""
    the_room(desk, room)
    since = desk.now_us if since_us is None else since_us
    mine = (home_use.c.place_id == room) & home_use.c.until_at.is_(None)
    former = desk.connection.execute(select(home_use).where(mine)).one_or_none()
    if former is not None:
        if former.use == use:
            raise Clash("that is how it is already")
        if since <= former.from_at:
            raise BadQuestion("since", "its present use began later")
        desk.connection.execute(update(home_use).where(mine).values(until_at=since))
    made = desk.add(home_use, place_id=room, use=use.value, from_at=since)
    body = {"room": room, "use": use, "since": since, "former": None if former is None else former.use}
    desk.note(RegisterAct.HOME_USE_SET, home_use, made, body=body)


def place_door(
    desk: Desk, site_name: str, gateway: str, door: str, place_id: int, *, residents: bool = True
) -> int:
    """That a gateway's door leads into a place; with `residents` it opens for whoever lives in there.

    Raises BadQuestion, NotThere for the place or a site that is not the community's.
    """
    _refuse_ended(get_place(desk.connection, desk.community, place_id))
    the_door(desk, site_name, gateway, door)
    here = (door_place.c.site == site_name) & (door_place.c.gateway == gateway) & (door_place.c.door == door)
    ended = here & door_place.c.until_at.is_(None)
    desk.connection.execute(update(door_place).where(ended).values(until_at=desk.now_us))
    made = desk.add(
        door_place,
        site=site_name,
        gateway=gateway,
        door=door,
        place_id=place_id,
        residents=int(residents),
        from_at=desk.now_us,
    )
    body = {"site": site_name, "gateway": gateway, "door": door, "place": place_id, "residents": residents}
    changed = [GatewayOf(site_name, gateway)]
    desk.note(RegisterAct.DOOR_PLACED, door_place, made, body=body, changed=changed)
    return made


def take_door_away(desk: Desk, door_place_id: int, *, reason: str) -> None:
    """Raises NotThere, Clash where it was taken away already."""
    row = desk.row(door_place, door_place_id, "door")
    if row.until_at is not None:
        raise Clash("it was taken away already")
    mine = door_place.c.id == door_place_id
    desk.connection.execute(update(door_place).where(mine).values(until_at=desk.now_us))
    changed = [GatewayOf(row.site, row.gateway)]
    desk.note(RegisterAct.DOOR_TAKEN_AWAY, door_place, door_place_id, reason=reason, changed=changed)


def the_room(desk: Desk, room: int) -> Place:
    """Raises NotThere, BadQuestion where it is no room, Clash where it is there no more."""
    found = get_place(desk.connection, desk.community, room)
    if found.kind != PlaceKind.ROOM:
        raise BadQuestion("room", f"a {found.kind} is no room")
    _refuse_ended(found)
    return found


def the_door(desk: Desk, site_name: str, gateway: str, door: str) -> None:
    """Raises BadQuestion for what is no name, NotThere for a site that is not the community's."""
    for field, value in (("site", site_name), ("gateway", gateway), ("door", door)):
        if not re.fullmatch(NAME, value):
            raise BadQuestion(field, "lower-case letters, digits and hyphens, at most 32")
    desk_site = (site.c.name == site_name) & (site.c.community_id == desk.community)
    if desk.connection.execute(select(site.c.name).where(desk_site)).scalar() is None:
        raise BadQuestion("site", "no such site in this community")


def _good_name(name: str) -> str:
    name = tidy(name)
    if not 0 < len(name) <= _LONGEST_NAME:
        raise BadQuestion("name", f"a name has 1 to {_LONGEST_NAME} characters")
    return name


def _good_code(code: str | None) -> str | None:
    if code is None or not code.strip():
        return None
    code = tidy(code).upper()
    if not re.fullmatch(r"[0-9A-Z.-]{1,40}", code):
        raise BadQuestion("code", "an address code has at most 40 digits, capitals, dots or hyphens")
    return code


def _refuse_ended(found: Place) -> None:
    if found.until_us is not None:
        raise Clash("this place is there no more")


def _refuse_twin(desk: Desk, parent: int, name: str, itself: int | None) -> None:
    twin = (place.c.parent_id == parent) & (place.c.name == name) & place.c.until_at.is_(None)
    found = desk.connection.execute(select(place.c.id).where(twin)).scalar()
    if found is not None and found != itself:
        raise Clash("there is a place of this name already")


def _refuse_code(desk: Desk, code: str | None, itself: int | None) -> None:
    if code is None:
        return
    mine = (place.c.community_id == desk.community) & (place.c.code == code) & place.c.until_at.is_(None)
    found = desk.connection.execute(select(place.c.id).where(mine)).scalar()
    if found is not None and found != itself:
        raise Clash("another place has this address code")


def _refuse_parent(desk: Desk, now: Place, parent: int) -> None:
    above = get_place(desk.connection, desk.community, parent)
    _refuse_ended(above)
    if now.id in ancestors(desk.connection, parent):
        raise Clash("a place cannot lie in itself")
    if RANK[PlaceKind(now.kind)] <= RANK[PlaceKind(above.kind)]:
        raise BadQuestion("parent", f"a {now.kind} does not lie in a {above.kind}")


def _any(desk: Desk, table: object, where: object) -> bool:
    columns = table.c  # type: ignore[attr-defined]
    there = columns.until_at.is_(None) | (columns.until_at > desk.now_us)
    return desk.connection.execute(select(columns.id).where(where, there).limit(1)).scalar() is not None  # type: ignore[arg-type]
