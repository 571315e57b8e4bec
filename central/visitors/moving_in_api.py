"""API: a visitor with a pass becomes somebody who lives here."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field, SecretStr

from central.accounts.book import sites_of
from central.register.api_words import ANSWERS, Day, Id, Reason, Worker
from central.register.office import Office
from central.register.words import DocumentType, Relation
from central.visitors import passes
from central.visitors.api import Number, plain
from central.visitors.moving_in import Moved, Stay, stay


class StayIn(Reason):
    relation: Relation
    room: Id | None = Field(None, description="null: the home that the visit was for")
    from_: Day = Field(alias="from")
    until: Day | None = Field(None, description="the first day on which they do not live there any more")
    document: DocumentType = DocumentType.RESIDENT_ID
    number: SecretStr | None = Field(None, description="none with the document `none`")
    name: SecretStr | None = Field(None, description="null: that of the pass, and the act says so")
    phone: SecretStr | None = None


class StayOut(BaseModel):
    person: int
    residency: int
    lease: int | None = Field(description="null: nothing is rented")
    room: int
    known: bool = Field(
        description="the number was registered already: neither name nor phone were written down"
    )

    @classmethod
    def of(cls, moved: Moved) -> StayOut:
        return cls(
            person=moved.person,
            residency=moved.residency,
            lease=moved.lease,
            room=moved.room,
            known=moved.known,
        )


def router(office: Office) -> APIRouter:
    api = APIRouter(tags=["visitors"], responses=ANSWERS)

    @api.post("/passes/{number}/move-in", status_code=201, summary="A visitor stays, and lives here")
    async def moves_in(number: Number, who: Worker, asked: StayIn) -> StayOut:
        """The person is registered or is who they are already, moves in, by a lease if they rent; the pass
        ends. All of it, or nothing."""
        wanted = Stay(
            relation=asked.relation,
            document=asked.document,
            from_us=office.begins(asked.from_),
            until_us=office.end(asked.until),
            reason=asked.reason,
            room=asked.room,
            name=plain(asked.name),
            number=plain(asked.number),
            phone=plain(asked.phone),
        )
        given = await office.questions.ask(
            lambda db: passes.one_pass(db, number, sites_of(db, who.communities))
        )
        return StayOut.of(
            await office.act(who, given.community, lambda desk: stay(desk, number, wanted, by=who.by))
        )

    return api
