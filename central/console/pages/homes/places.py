"""Places: the tree from the community down to a home, and one home's page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection, select

from central.accounts.who import Who
from central.console.centre import Centre
from central.console.chosen import CommunityAsked, chosen
from central.console.forms import Done, RowId, day_of, today
from central.console.pages.homes.common import Worker, show
from central.console.pages.homes.sentences import WORDS
from central.console.pages.homes.undoing import told_of_deed, undoable_at_home
from central.console.views import Language
from central.errors import BadQuestion
from central.fleet.completeness import completeness
from central.identity.vault import Vault
from central.register.credentials import credentials_of
from central.register.leases import leases
from central.register.occupancy import Room, lived_uses, parts_of, rooms_of
from central.register.people_found import MaskedPerson, masked_by_id
from central.register.place_tree import ancestors, get_place, paths, root_of, uses
from central.register.residencies import Residency, lived_in
from central.register.words import PlaceKind
from central.store.register_tables import door_place

_BOARDS = frozenset({PlaceKind.BUILDING, PlaceKind.UNIT, PlaceKind.FLOOR})
"""Of these all homes are shown at once; of what is wider, its parts."""


@dataclass(frozen=True, slots=True)
class Living:
    """One line of a home. `cards`: how many are in use or reported lost."""

    who: MaskedPerson
    residency: Residency
    cards: int


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/homes", response_class=HTMLResponse, summary="The community's places")
    async def homes_page(
        who: Worker,
        community: CommunityAsked = None,
        lang: Language = None,
    ) -> HTMLResponse:
        here, all_mine = await chosen(centre, who, community)
        root = await centre.office.ask(who, here.id, lambda db: root_of(db, here.id).id)
        return await shown(who, here.id, root, lang, all_mine=all_mine)

    @pages.get("/homes/{community}/places/{place}", response_class=HTMLResponse, summary="A place or a home")
    async def place_page(
        who: Worker,
        community: RowId,
        place: RowId,
        on: Annotated[str, Query(max_length=10)] = "",
        *,
        done: Done = None,
        lang: Language = None,
    ) -> HTMLResponse:
        """`on`: a day on which somebody lived in that home; without one: now."""
        return await shown(who, community, place, lang, on=on, done=done)

    async def shown(
        who: Who,
        community: int,
        place: int,
        lang: str | None,
        *,
        on: str = "",
        done: str | None = None,
        all_mine: list[Any] | None = None,
    ) -> HTMLResponse:
        found = await centre.office.ask(who, community, lambda db: _place(centre, db, community, place))
        values = {"community": community, "all_mine": all_mine or [], "words": WORDS, **found}
        if found["place"].kind != PlaceKind.ROOM:
            return show(centre, who, lang, "place.html", here="homes", **values)
        error = None
        try:
            day = day_of(on, "on")
        except BadQuestion as wrong:
            day, error = None, wrong
        vault = centre.office.vault
        home = await centre.office.ask(
            who, community, lambda db: home_of(centre, db, vault, community, room=place, day=day)
        )
        home |= {"told_of_deed": told_of_deed, "just_done": done}
        home["deed"] = await centre.office.ask(
            who, community, lambda db: undoable_at_home(centre, db, who, community, place)
        )
        return show(centre, who, lang, "home.html", here="homes", error=error, on=day, **values, **home)

    return pages


def _place(centre: Centre, db: Connection, community: int, place: int) -> dict[str, Any]:
    """What every place shows: the way to it, and what lies in it."""
    found = get_place(db, community, place)
    way = paths(db, [place]).get(place, ())
    root = root_of(db, community)
    values: dict[str, Any] = {
        "place": found,
        "way": way,
        "root": root,
        "parts": [],
        "rooms": [],
        "boards": [],
    }
    if found.kind in _BOARDS:
        rooms = rooms_of(db, community, place, centre.now_us())
        values |= {"rooms": rooms, "boards": _by_way(rooms)}
    elif found.kind != PlaceKind.ROOM:
        values["parts"] = parts_of(db, community, place, centre.now_us())
    return values


def _by_way(rooms: list[Room]) -> list[tuple[str, list[Room]]]:
    """Those that lie side by side: of a unit, of a floor."""
    return [(" ".join(way), list(group)) for way, group in groupby(rooms, key=lambda room: room.way)]


def home_of(
    centre: Centre, db: Connection, vault: Vault, community: int, *, room: int, day: date | None
) -> dict[str, Any]:
    """Who lives there, or lived there on a day; leases; doors that lead there; what it is used for."""
    from_us, until_us = centre.office.day_or_now(day)
    lived = lived_in(db, community, room, from_us, until_us)
    known = masked_by_id(db, vault, community, [each.person_id for each in lived])
    living = [
        Living(known[each.person_id], each, _cards_in_use(db, community, each.person_id)) for each in lived
    ]
    return {
        "living": living,
        "leases": leases(db, community, centre.now_us(), room=room),
        "doors": _doors(db, room),
        "use": lived_uses(db, community, [room], centre.now_us()).get(room),
        "written_use": uses(db, community, [room]).get(room),
        "is_past": day is not None and day != today(centre),
    }


def _doors(db: Connection, room: int) -> list[str]:
    """Those that open for who lives there, called as their gateways call them."""
    there = door_place.c.place_id.in_(ancestors(db, room)) & door_place.c.until_at.is_(None)
    columns = (door_place.c.site, door_place.c.gateway, door_place.c.door)
    rows = db.execute(select(*columns).where(there, door_place.c.residents == 1).order_by(*columns)).all()
    spoke = {(each.site, each.name): each for each in completeness(db, sites={row.site for row in rows})}
    found = []
    for site, name, door in rows:
        known = spoke.get((site, name))
        found.append(f"{known.label} · {known.door_label(door)}" if known else f"{name} / {door}")
    return found


def _cards_in_use(db: Connection, community: int, person: int) -> int:
    return sum(each.state != "returned" for each in credentials_of(db, community, person))
