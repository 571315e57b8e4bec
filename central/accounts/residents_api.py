"""API: residents' accounts that wait for a worker's word at the desk."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import BaseModel, Field

from central.accounts import residents
from central.accounts.residents import Waiting
from central.given import In
from central.register.api_words import ANSWERS, CommunityId, RowId, Worker
from central.register.office import Office
from central.times import utc_text

_HERE: Final = "/communities/{community}/people/{person}/accounts"


class LoginIn(In):
    login: Annotated[str, Field(min_length=1, max_length=32, examples=["resident-2"])]


class WaitingOut(BaseModel):
    login: str = Field(examples=["resident-2"])
    until: str = Field(description="UTC; so long its code is good")
    confirmed: bool = Field(description="its code can be used")

    @classmethod
    def of(cls, found: Waiting) -> WaitingOut:
        return cls(login=found.login, until=utc_text(found.until_us), confirmed=found.confirmed)


def router(office: Office) -> APIRouter:
    api = APIRouter(tags=["accounts"], responses=ANSWERS)

    @api.get(_HERE, summary="Accounts of a person whose code is not used yet")
    async def waiting(who: Worker, community: CommunityId, person: RowId) -> list[WaitingOut]:
        found = await office.ask_about(
            who,
            community,
            lambda db: residents.waiting_of(db, community, person, office.now_us()),
            lambda _: [person],
        )
        return [WaitingOut.of(each) for each in found]

    @api.post(_HERE, summary="Confirm at the desk that this person holds the code of that account")
    async def confirmed(who: Worker, community: CommunityId, person: RowId, asked: LoginIn) -> WaitingOut:
        """Never by whoever made the code."""
        found = await office.act(who, community, lambda desk: residents.confirm(desk, person, asked.login))
        return WaitingOut.of(found)

    return api
