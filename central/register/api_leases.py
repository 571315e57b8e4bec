"""API: leases, and those that somebody has to ask about."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from central.given import In
from central.register.api_words import (
    ANSWERS,
    MAX_ID,
    CommunityId,
    Day,
    Id,
    Made,
    Reason,
    RowId,
    Words,
    Worker,
    text_of,
)
from central.register.lease_states import LeaseState
from central.register.leases import (
    GRACE_DAYS,
    NOTICE_DAYS,
    Lease,
    end_lease,
    extend_lease,
    leases,
    make_lease,
    void_lease,
)
from central.register.office import Office
from central.register.place_tree import path_text, paths


class LeaseOut(BaseModel):
    id: int
    room: int
    path: str
    landlord: int | None
    from_: str | None = Field(alias="from")
    until: str | None
    notice_days: int
    grace_days: int
    ended_early: str | None
    state: LeaseState
    doors_until: str | None = Field(description="the end of the grace period")


class LeaseIn(In):
    room: Id
    landlord: Id | None = None
    from_: Day = Field(alias="from")
    until: Day | None = Field(None, description="the first day after it; without one it has no end")
    notice_days: Annotated[int, Field(ge=0, le=366)] = NOTICE_DAYS
    grace_days: Annotated[int, Field(ge=0, le=92)] = GRACE_DAYS


class ExtensionIn(In):
    until: Day | None = None
    grace_days: Annotated[int, Field(ge=0, le=92)] | None = None
    reason: Words | None = None


class LeaseEndIn(Reason):
    on: Day | None = Field(None, description="without one: now; the grace period follows")


def router(office: Office) -> APIRouter:
    api = APIRouter(tags=["register: leases"], responses=ANSWERS)
    here = "/communities/{community}"

    @api.get(here + "/leases", summary="Leases of a state or of a room; what ends first comes first")
    async def list_leases(
        who: Worker,
        community: CommunityId,
        state: Annotated[LeaseState | None, Query()] = None,
        room: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
        limit: Annotated[int, Query(ge=1, le=2_000)] = 500,
    ) -> list[LeaseOut]:
        """`in_notice` and `in_grace` are those that somebody has to ask about."""
        now = office.now_us()

        def question(db: Connection) -> list[LeaseOut]:
            return _leases(db, leases(db, community, now, state=state, room=room, limit=limit))

        return await office.ask(who, community, question)

    @api.post(here + "/leases", status_code=201, summary="A lease")
    async def new_lease(who: Worker, community: CommunityId, wanted: LeaseIn) -> Made:
        made = await office.act(
            who,
            community,
            lambda desk: make_lease(
                desk,
                wanted.room,
                from_us=office.begins(wanted.from_),
                until_us=office.end(wanted.until),
                landlord=wanted.landlord,
                notice_days=wanted.notice_days,
                grace_days=wanted.grace_days,
            ),
        )
        return Made(id=made)

    @api.post(here + "/leases/{lease}/extend", status_code=204, summary="Extend a lease")
    async def extension(who: Worker, community: CommunityId, lease: RowId, wanted: ExtensionIn) -> None:
        await office.act(
            who,
            community,
            lambda desk: extend_lease(
                desk,
                lease,
                until_us=office.end(wanted.until),
                reason=wanted.reason,
                grace_days=wanted.grace_days,
            ),
        )

    @api.post(here + "/leases/{lease}/end", status_code=204, summary="End a lease early")
    async def lease_end(who: Worker, community: CommunityId, lease: RowId, wanted: LeaseEndIn) -> None:
        at = office.moment(wanted.on)
        await office.act(who, community, lambda desk: end_lease(desk, lease, at_us=at, reason=wanted.reason))

    @api.post(here + "/leases/{lease}/void", status_code=204, summary="A lease was never made")
    async def lease_void(who: Worker, community: CommunityId, lease: RowId, why: Reason) -> None:
        await office.act(who, community, lambda desk: void_lease(desk, lease, reason=why.reason))

    return api


def _leases(db: Connection, found: list[Lease]) -> list[LeaseOut]:
    named = paths(db, [each.place_id for each in found])
    return [
        LeaseOut.model_validate(
            {
                "id": each.id,
                "room": each.place_id,
                "path": path_text(named[each.place_id]),
                "landlord": each.landlord_id,
                "from": text_of(each.dates.from_us),
                "until": text_of(each.dates.until_us),
                "notice_days": each.dates.notice_days,
                "grace_days": each.dates.grace_days,
                "ended_early": text_of(each.dates.ended_us),
                "state": each.state,
                "doors_until": text_of(each.dates.rights_until_us),
            }
        )
        for each in found
    ]
