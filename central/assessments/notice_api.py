"""API: the notice of a community, and at which doors somebody saw it hang."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from central.accounts.guard import requires
from central.accounts.who import Role, Who
from central.assessments import hung
from central.assessments.book import in_force
from central.assessments.document import Assessment
from central.assessments.hung import AtDoor
from central.assessments.notice import notice_of
from central.assessments.words import NoticeLanguage
from central.errors import NotThere
from central.given import In
from central.register.api_words import ANSWERS, CommunityId, Name, text_of
from central.register.office import Office

Told = Annotated[Who, requires(Role.WORKER, Role.SUPERVISOR, Role.RESIDENT, Role.INSTALLER)]
AtTheDoor = Annotated[Who, requires(Role.WORKER, Role.INSTALLER)]
_Sees = Annotated[Who, requires(Role.WORKER, Role.SUPERVISOR, Role.INSTALLER)]
_HERE: Final = "/communities/{community}"


class ParagraphOut(BaseModel):
    heading: str = Field(examples=["保存多久"])
    text: str = Field(examples=["通行记录 180 天；访客姓名 30 天"])


class NoticeOut(BaseModel):
    language: NoticeLanguage
    title: str = Field(examples=["个人信息处理告知书"])
    paragraphs: list[ParagraphOut]


class DoorIn(In):
    site: Name
    gateway: Name
    door: Name


class AtDoorOut(BaseModel):
    """`version`: of the assessment whose notice was last seen there."""

    site: str
    gateway: str
    door: str
    label: str
    version: int | None
    at: str | None = Field(description="UTC")
    account: int | None
    current: bool = Field(description="it is the notice in force")

    @classmethod
    def of(cls, found: AtDoor) -> AtDoorOut:
        return cls(**_line(found))


def router(office: Office) -> APIRouter:
    api = APIRouter(tags=["going live"], responses=ANSWERS)

    @api.get(_HERE + "/notice", summary="What people are told, in each language")
    async def notice(who: Told, community: CommunityId) -> list[NoticeOut]:
        document = await office.ask(who, community, lambda db: _in_force(db, community))
        return [
            NoticeOut(
                language=told.language,
                title=told.title,
                paragraphs=[ParagraphOut(heading=heading, text=text) for heading, text in told.paragraphs],
            )
            for told in notice_of(document)
        ]

    @api.get(_HERE + "/notices-hung", summary="At which doors the notice hangs, and who saw it")
    async def listed(who: _Sees, community: CommunityId) -> list[AtDoorOut]:
        found = await office.ask(who, community, lambda db: hung.at_doors(db, community))
        return [AtDoorOut.of(each) for each in found]

    @api.post(_HERE + "/notices-hung", status_code=201, summary="One sees the notice in force hang at a door")
    async def seen(who: AtTheDoor, community: CommunityId, at: DoorIn) -> AtDoorOut:
        found = await office.act(
            who, community, lambda desk: hung.saw_it_hang(desk, at.site, at.gateway, at.door)
        )
        return AtDoorOut.of(found)

    return api


def _in_force(db: Connection, community: int) -> Assessment:
    found = in_force(db, community)
    if found is None:
        raise NotThere("there is no notice yet: the impact assessment has to be agreed to first")
    return found[1]


def _line(found: AtDoor) -> dict[str, Any]:
    return {
        "site": found.site,
        "gateway": found.gateway,
        "door": found.door,
        "label": found.label,
        "version": found.version,
        "at": text_of(found.at_us),
        "account": found.account,
        "current": found.current,
    }
