"""API: honey records, and the alarms about whoever touches one. For oversight alone."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from central.accounts.guard import requires
from central.accounts.identify import address_of
from central.accounts.who import Role, Who
from central.given import In
from central.honey import book, touches
from central.honey.book import Honey
from central.honey.touches import Alarm, Toucher
from central.lookup.words import Through
from central.register.api_words import ANSWERS, MAX_ID, CommunityId, Id, Reason, RowId, text_of
from central.register.desk import Desk
from central.register.office import Office
from central.times import local, utc_text

Overseer = Annotated[Who, requires(Role.APPROVER, Role.SUPERVISOR)]
Planter = Annotated[Who, requires(Role.APPROVER, fresh=True)]
Supervisor = Annotated[Who, requires(Role.SUPERVISOR)]
_HERE = "/communities/{community}"


class HoneyOut(BaseModel):
    """Somebody who is nobody: name, number and card were made up."""

    id: int
    row: int = Field(description="its id among the people of the register")
    name: str | None = Field(
        examples=["王明辉"], description="null, and so number and home: its row may be somebody real's by now"
    )
    number: str | None = Field(examples=["000000199001010018"])
    hint: str | None = Field(description="the end of the number of the card that was made up")
    home: int | None = Field(description="the room that it was given")
    planted_at: str
    planted_by: int
    removed_at: str | None
    removed_by: int | None
    rests: bool = Field(description="not removed, but deregistered by somebody else, or somebody real by now")

    @classmethod
    def of(cls, found: Honey) -> HoneyOut:
        return cls(
            id=found.id,
            row=found.row,
            name=found.name,
            number=found.number,
            hint=found.hint,
            home=found.home,
            planted_at=utc_text(found.planted_us),
            planted_by=found.planted_by,
            removed_at=text_of(found.removed_us),
            removed_by=found.removed_by,
            rests=found.rests,
        )


class HoneyIn(In):
    room: Id | None = Field(None, description="where nobody lives; null: it has no home here")
    card: bool = True


class HoneyAlarmOut(BaseModel):
    number: int = Field(description="of its row in the register of look-ups")
    at: str
    account: int = Field(description="who touched it; below 0: a machine's token")
    role: str
    through: Through
    honey: int
    look_up: int | None = Field(description="by which look-up; null: at the register, or it was refused")
    seen_at: str | None
    seen_by: int | None
    note: str | None

    @classmethod
    def of(cls, found: Alarm) -> HoneyAlarmOut:
        return cls(
            number=found.number,
            at=utc_text(found.at_us),
            account=found.account,
            role=found.role,
            through=found.through,
            honey=found.honey,
            look_up=found.look_up,
            seen_at=text_of(found.seen_us),
            seen_by=found.seen_by,
            note=found.note,
        )


class HoneyAlarmsOut(BaseModel):
    alarms: list[HoneyAlarmOut]
    next_before: int | None = Field(description="pass it as `before` for the next page; null: this was all")


class HoneySeenIn(In):
    note: Annotated[
        str, Field(max_length=touches.MAX_NOTE, description="what was found or done; no names")
    ] = ""


def router(office: Office) -> APIRouter:
    api = APIRouter(tags=["honey records"], responses=ANSWERS)

    @api.get(_HERE + "/honey-records", summary="Honey records, newest first")
    async def records(who: Overseer, community: CommunityId) -> list[HoneyOut]:
        found = await office.ask(who, community, lambda db: book.honey_records(db, office.vault, community))
        return [HoneyOut.of(each) for each in found]

    @api.post(_HERE + "/honey-records", status_code=201, summary="Plant a honey record")
    async def planted(who: Planter, community: CommunityId, wanted: HoneyIn, request: Request) -> HoneyOut:
        return HoneyOut.of(await plant(office, who, community, request, room=wanted.room, card=wanted.card))

    @api.post(
        _HERE + "/honey-records/{honey}/removal",
        status_code=204,
        summary="Remove a honey record: it is deregistered like anybody",
    )
    async def removed(
        who: Planter, community: CommunityId, honey: RowId, why: Reason, request: Request
    ) -> None:
        by = overseer(who, request)
        await office.act(who, community, lambda desk: book.remove(desk, by, honey, reason=why.reason))

    @api.get(_HERE + "/honey-alarms", summary="Who touched a honey record, newest first")
    async def alarms(
        who: Overseer,
        community: CommunityId,
        before: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> HoneyAlarmsOut:
        found = await office.ask(
            who, community, lambda db: touches.alarms(db, community, before=before, limit=limit + 1)
        )
        page = found[:limit]
        more = page[-1].number if len(found) > limit else None
        return HoneyAlarmsOut(alarms=[HoneyAlarmOut.of(each) for each in page], next_before=more)

    @api.post(_HERE + "/honey-alarms/{alarm}/seen", summary="A supervisor has seen to it")
    async def seen(
        who: Supervisor, community: CommunityId, alarm: RowId, asked: HoneySeenIn, request: Request
    ) -> HoneyAlarmOut:
        by, said = overseer(who, request), asked.note.strip()
        return HoneyAlarmOut.of(
            await office.act(
                who,
                community,
                lambda desk: touches.see_to(
                    desk.connection, community, alarm, by, said=said, now_us=desk.now_us
                ),
            )
        )

    return api


def overseer(who: Who, request: Request) -> Toucher:
    return Toucher(who.account, who.role, origin=address_of(request))


async def plant(
    office: Office, who: Who, community: int, request: Request, *, room: int | None, card: bool
) -> Honey:
    """For API and pages alike. Raises NotThere, Clash."""
    by, today = overseer(who, request), local(office.now_us(), office.zone).date()

    def planted(desk: Desk) -> int:
        return book.plant(desk, by, today=today, room=room, card=card)

    made = await office.act(who, community, planted)

    def asked(db: Connection) -> Honey:
        return book.one_honey_record(db, office.vault, community, made)

    return await office.ask(who, community, asked)
