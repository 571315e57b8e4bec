"""API: undoing what one did at the register a moment ago, while all of it still stands."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from central.register.api_words import ANSWERS, CommunityId, RowId, Worker
from central.register.office import Office
from central.register.taking_back import Deed, deeds_to_take_back, take_back
from central.register.words import RegisterAct
from central.times import utc_text
from central.undo import WITHIN_US


class DeedOut(BaseModel):
    """All that was done at one moment: a family that moved in is people, a lease, residencies, cards."""

    id: int
    at: str = Field(description="UTC")
    until: str = Field(description="so long it can be undone, UTC")
    acts: list[RegisterAct] = Field(examples=[["moved_in", "credential_issued"]])

    @classmethod
    def of(cls, deed: Deed) -> DeedOut:
        return cls(
            id=deed.id,
            at=utc_text(deed.at_us),
            until=utc_text(deed.at_us + WITHIN_US),
            acts=[event.act for event in deed.events],
        )


def router(office: Office) -> APIRouter:
    api = APIRouter(tags=["register: undo"], responses=ANSWERS)
    here = "/communities/{community}/undo"

    @api.get(here, summary="What one did a moment ago and can undo, the newest first")
    async def undoable(who: Worker, community: CommunityId) -> list[DeedOut]:
        now_us = office.now_us()
        found = await office.ask(
            who,
            community,
            lambda db: deeds_to_take_back(db, community, account=who.account, now_us=now_us),
        )
        return [DeedOut.of(each) for each in found]

    @api.post(here + "/{deed}", status_code=204, summary="Undo it, all that was done with it")
    async def undone(who: Worker, community: CommunityId, deed: RowId) -> None:
        """Within a quarter of an hour, by acts of its own: what was done stays in the history. 409 where it
        is somebody else's, too long ago, or something was built on it since."""
        await office.act(who, community, lambda desk: take_back(desk, deed))

    return api
