"""API: places, what homes are used for, and where doors lead."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import Connection, select

from central.errors import BadQuestion
from central.given import In
from central.register.api_words import (
    ANSWERS,
    MAX_ID,
    CommunityId,
    Day,
    Id,
    Made,
    Name,
    Reason,
    RowId,
    Short,
    Worker,
    text_of,
)
from central.register.occupancy import lived_uses
from central.register.office import Office
from central.register.place_tree import (
    Place,
    children,
    formers,
    get_place,
    path_text,
    paths,
    search,
    uses,
)
from central.register.places import change_place, create_place, end_place, place_door, set_use, take_door_away
from central.register.words import HomeUse, PlaceKind
from central.store.register_tables import door_place

_FIRST = 200


class PlaceOut(BaseModel):
    id: int
    parent: int | None
    kind: PlaceKind
    name: str
    code: str | None = Field(description="standard address code")
    path: str = Field(examples=["东湖小区 1 号楼 1 单元 101"])
    use: HomeUse | None = Field(None, description="of a home, as it was written down")
    use_now: HomeUse | None = Field(
        None, description="with who lives there now: nobody does in an empty one, and after the last one left"
    )
    since: str | None
    ended: str | None


class FormerOut(BaseModel):
    """What a place was called, and what it lay in, until then."""

    name: str
    code: str | None
    parent: int | None
    from_: str | None = Field(alias="from")
    until: str | None


class DoorOut(BaseModel):
    id: int
    site: str
    gateway: str
    door: str
    place: int
    residents: bool = Field(description="opens for whoever lives in there; else for groups alone")


class PlaceDetailOut(PlaceOut):
    formers: list[FormerOut]
    doors: list[DoorOut]


class PlaceIn(In):
    parent: Id
    kind: PlaceKind
    name: Short = Field(examples=["1 号楼"])
    code: Short | None = None


class PlaceChangeIn(Reason):
    """What is not named stays."""

    name: Short | None = None
    code: Annotated[str, Field(max_length=64)] | None = Field(None, description="empty: none any more")
    parent: Id | None = None


class UseIn(In):
    use: HomeUse
    since: Day | None = Field(None, description="without one: from now on")


class DoorIn(In):
    site: Name
    gateway: Name
    door: Name
    place: Id
    residents: bool = True


def router(office: Office) -> APIRouter:
    api = APIRouter(tags=["register: places"], responses=ANSWERS)
    here = "/communities/{community}"

    @api.get(here + "/places", summary="What lies directly in a place, a page in its order")
    async def places(
        who: Worker,
        community: CommunityId,
        parent: Annotated[int, Query(ge=1, le=MAX_ID)],
        after: Annotated[int | None, Query(ge=1, le=MAX_ID, description="the last one of a page")] = None,
        limit: Annotated[int, Query(ge=1, le=1_000)] = _FIRST,
    ) -> list[PlaceOut]:
        def asked(db: Connection) -> list[PlaceOut]:
            get_place(db, community, parent)
            last = None if after is None else get_place(db, community, after)
            return _shown(
                db, community, office.now_us(), children(db, community, parent, after=last, limit=limit)
            )

        return await office.ask(who, community, asked)

    @api.get(here + "/places/search", summary="Places by name, pinyin, initials or address code")
    async def search_places(
        who: Worker,
        community: CommunityId,
        text: Annotated[str, Query(min_length=1, max_length=80, examples=["dhxq 1 101"])],
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
    ) -> list[PlaceOut]:
        """Of several words the last is of the place itself, each other of something that it lies in."""
        if "\x00" in text:
            raise BadQuestion("text", "what cannot be typed is in no name")
        return await office.ask(
            who,
            community,
            lambda db: _shown(db, community, office.now_us(), search(db, community, text, limit=limit)),
        )

    @api.get(here + "/places/{place}", summary="A place, its history and its doors")
    async def place(who: Worker, community: CommunityId, place: RowId) -> PlaceDetailOut:
        return await office.ask(who, community, lambda db: _detail(db, community, office.now_us(), place))

    @api.post(here + "/places", status_code=201, summary="A new place")
    async def new_place(who: Worker, community: CommunityId, wanted: PlaceIn) -> Made:
        made = await office.act(
            who,
            community,
            lambda desk: create_place(desk, wanted.parent, wanted.kind, wanted.name, wanted.code),
        )
        return Made(id=made)

    @api.patch(here + "/places/{place}", status_code=204, summary="Rename or move a place")
    async def changed_place(who: Worker, community: CommunityId, place: RowId, to: PlaceChangeIn) -> None:
        await office.act(
            who,
            community,
            lambda desk: change_place(
                desk, place, reason=to.reason, name=to.name, code=to.code, parent=to.parent
            ),
        )

    @api.post(here + "/places/{place}/end", status_code=204, summary="A place is there no more")
    async def ended_place(who: Worker, community: CommunityId, place: RowId, why: Reason) -> None:
        await office.act(who, community, lambda desk: end_place(desk, place, reason=why.reason))

    @api.put(here + "/places/{place}/use", status_code=204, summary="What a home is used for")
    async def use(who: Worker, community: CommunityId, place: RowId, wanted: UseIn) -> None:
        since = office.moment(wanted.since)
        await office.act(who, community, lambda desk: set_use(desk, place, wanted.use, since_us=since))

    return api


def doors_router(office: Office) -> APIRouter:
    """Where doors lead."""
    api = APIRouter(tags=["register: places"], responses=ANSWERS)
    here = "/communities/{community}"

    @api.post(here + "/doors", status_code=201, summary="A gateway's door leads into a place")
    async def new_door(who: Worker, community: CommunityId, wanted: DoorIn) -> Made:
        """In the place of what was said of this door before."""
        made = await office.act(
            who,
            community,
            lambda desk: place_door(
                desk, wanted.site, wanted.gateway, wanted.door, wanted.place, residents=wanted.residents
            ),
        )
        return Made(id=made)

    @api.get(here + "/doors", summary="Where each door leads")
    async def doors(who: Worker, community: CommunityId) -> list[DoorOut]:
        return await office.ask(who, community, lambda db: _doors(db, community, None))

    @api.post(here + "/doors/{door}/end", status_code=204, summary="A door is taken away")
    async def ended_door(who: Worker, community: CommunityId, door: RowId, why: Reason) -> None:
        await office.act(who, community, lambda desk: take_door_away(desk, door, reason=why.reason))

    return api


def _shown(db: Connection, community: int, now_us: int, places: list[Place]) -> list[PlaceOut]:
    named = paths(db, [each.id for each in places])
    rooms = [each.id for each in places if each.kind == PlaceKind.ROOM]
    written, used = uses(db, community, rooms), lived_uses(db, community, rooms, now_us)
    return [
        PlaceOut(
            **_place(each, path_text(named.get(each.id, ()))),
            use=written.get(each.id),
            use_now=used.get(each.id),
        )
        for each in places
    ]


def _detail(db: Connection, community: int, now_us: int, place_id: int) -> PlaceDetailOut:
    found = get_place(db, community, place_id)
    (shown,) = _shown(db, community, now_us, [found])
    return PlaceDetailOut(
        **shown.model_dump(),
        formers=[
            FormerOut.model_validate(
                {
                    "name": row.name,
                    "code": row.code,
                    "parent": row.parent_id,
                    "from": text_of(row.from_at),
                    "until": text_of(row.until_at),
                }
            )
            for row in formers(db, community, place_id)
        ],
        doors=_doors(db, community, place_id),
    )


def _place(found: Place, path: str) -> dict[str, Any]:
    return {
        "id": found.id,
        "parent": found.parent_id,
        "kind": found.kind,
        "name": found.name,
        "code": found.code,
        "path": path,
        "since": text_of(found.from_us),
        "ended": text_of(found.until_us),
    }


def _doors(db: Connection, community: int, place_id: int | None) -> list[DoorOut]:
    mine = (door_place.c.community_id == community) & door_place.c.until_at.is_(None)
    asked = select(door_place).where(mine)
    if place_id is not None:
        asked = asked.where(door_place.c.place_id == place_id)
    rows = db.execute(asked.order_by(door_place.c.site, door_place.c.gateway, door_place.c.door))
    return [
        DoorOut(
            id=row.id,
            site=row.site,
            gateway=row.gateway,
            door=row.door,
            place=row.place_id,
            residents=bool(row.residents),
        )
        for row in rows
    ]
