"""API: communities, their stock and flow, and who changed what in their registers."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import Connection, select

from central.accounts.who import Who
from central.register.api_words import ANSWERS, MAX_ID, CommunityId, Worker, text_of
from central.register.communities import communities as all_communities
from central.register.office import Office
from central.register.place_tree import path_text, paths, root_of
from central.register.report import as_told_outside, stock_and_flow
from central.store.register_tables import register_event


class CommunityOut(BaseModel):
    id: int
    code: str
    name: str
    sites: list[str]
    place: int = Field(description="the community itself, at the top of the tree of places")


class CountOut(BaseModel):
    """Of one category in one building; `building` null: rooms that lie in no building."""

    building: int | None
    path: str | None
    category: str
    stock: int | str = Field(description="at the end of the month")
    came: int | str
    left: int | str


class EventOut(BaseModel):
    """Who did what, when. `account`: the reader's own; negative: a machine's token; 0: the operator at the
    centre itself; null: another person."""

    id: int
    at: str | None
    account: int | None
    act: str
    subject: str
    subject_id: int
    reason: str | None


def router(office: Office) -> APIRouter:
    api = APIRouter(tags=["register: communities"], responses=ANSWERS)
    here = "/communities/{community}"

    @api.get("/communities", summary="The communities that the caller may see")
    async def communities(who: Worker) -> list[CommunityOut]:
        def asked(db: Connection) -> list[CommunityOut]:
            return [
                CommunityOut(
                    id=each.id,
                    code=each.code,
                    name=each.name,
                    sites=list(each.sites),
                    place=root_of(db, each.id).id,
                )
                for each in all_communities(db, who.communities)
            ]

        return await office.questions.ask(asked)

    @api.get(here + "/report", summary="Stock and flow of a month, by building and category")
    async def report(
        who: Worker,
        community: CommunityId,
        month: Annotated[str, Query(pattern=r"^(19|20|21)\d\d-(0[1-9]|1[0-2])$", examples=["2026-11"])],
        leaving: Annotated[bool, Query(description="for somebody outside the community")] = False,  # noqa: FBT002  FastAPI passes it by name
    ) -> list[CountOut]:
        """What leaves the community says `<10` of counts from one to nine and rounds the others to fives."""
        from_us, until_us = office.month(date.fromisoformat(f"{month}-01"))

        def asked(db: Connection) -> list[CountOut]:
            counts = stock_and_flow(db, community, from_us, until_us)
            named = paths(db, [count.building for count in counts if count.building is not None])
            told = as_told_outside if leaving else int
            return [
                CountOut(
                    building=count.building,
                    path=None if count.building is None else path_text(named[count.building]),
                    category=count.category,
                    stock=told(count.stock),
                    came=told(count.came),
                    left=told(count.left),
                )
                for count in counts
            ]

        return await office.ask(who, community, asked)

    @api.get(here + "/register-events", summary="Who changed what in the register, newest first")
    async def events(
        who: Worker,
        community: CommunityId,
        before: Annotated[int | None, Query(ge=1, le=MAX_ID, description="the last id of a page")] = None,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    ) -> list[EventOut]:
        return await office.ask(who, community, lambda db: _events(db, who, community, before, limit))

    return api


def _events(db: Connection, who: Who, community: int, before: int | None, limit: int) -> list[EventOut]:
    mine = register_event.c.community_id == community
    asked = select(register_event).where(mine).order_by(register_event.c.id.desc()).limit(limit)
    if before is not None:
        asked = asked.where(register_event.c.id < before)
    return [
        EventOut(
            id=row.id,
            at=text_of(row.at),
            account=Office.shown_account(who, row.account),
            act=row.act,
            subject=row.subject,
            subject_id=row.subject_id,
            reason=row.reason,
        )
        for row in db.execute(asked)
    ]
