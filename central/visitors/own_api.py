"""API: passes that residents give to their own visitors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import Connection

from central.accounts.guard import requires
from central.accounts.who import Role, Who
from central.given import In
from central.problems import RESPONSES
from central.store.changes import Changes
from central.store.questions import Questions
from central.times import Moment
from central.visitors import own
from central.visitors.api import CLASH, NOT_THERE, IssuedOut, Number, PassOut, moment
from central.visitors.passes import MOST_USES, Desk, Pass, the_desk
from central.visitors.visits import states
from central.visitors.words import PassKind, VisitReason

Resident = Annotated[Who, requires(Role.RESIDENT)]
_ANSWERS = {**RESPONSES, **CLASH, **NOT_THERE}


class OwnPassIn(In):
    """Opens the doors on the way to one's own home. No name is asked for."""

    kind: PassKind = Field(PassKind.QR, description="`qr_code` or `pin`")
    reason: VisitReason
    from_: Annotated[Moment, Field(alias="from", examples=["2026-11-26T14:00:00+08:00"])]
    until: Annotated[Moment, Field(examples=["2026-11-26T18:00:00+08:00"])]
    uses: Annotated[int, Field(ge=1, le=MOST_USES)] | None = None
    room: Annotated[int, Field(ge=1, le=2**53)] | None = Field(
        None, description="of several homes of one's own; null: the only one"
    )


def router(questions: Questions, changes: Changes, desk: Desk | None, now_us: Callable[[], int]) -> APIRouter:
    """`desk`: None where the centre has no keys to sign passes with."""
    api = APIRouter(tags=["own"], responses=_ANSWERS)

    @api.post("/own/passes", status_code=201, summary="A pass for a visitor of one's own")
    async def give(asked: OwnPassIn, who: Resident) -> IssuedOut:
        wanted = own.OwnWanted(
            kind=asked.kind,
            reason=asked.reason,
            from_us=moment("from", asked.from_),
            until_us=moment("until", asked.until),
            uses=asked.uses,
            room=asked.room,
        )
        there = the_desk(desk)
        return IssuedOut.of(await changes.make(lambda db: own.give(db, there, who, wanted, now_us())))

    @api.get("/own/passes", summary="The passes that one gave, newest first, and their visits")
    async def given(who: Resident) -> list[PassOut]:
        def ask(db: Connection) -> list[PassOut]:
            return _out(db, own.own_passes(db, who), now_us())

        return await questions.ask(ask)

    @api.post("/own/passes/{number}/revoke", summary="From now on no door opens to it")
    async def revoke(number: Number, who: Resident) -> PassOut:
        def change(db: Connection) -> PassOut:
            return _out(db, [own.revoke(db, who, number, now_us())], now_us())[0]

        return await changes.make(change)

    @api.post("/own/passes/{number}/restore", summary="Undo that one took it back, a moment later")
    async def restore(number: Number, who: Resident) -> PassOut:
        """Within a quarter of an hour, while the home is still one's own for so long."""

        def change(db: Connection) -> PassOut:
            return _out(db, [own.restore(db, who, number, now_us())], now_us())[0]

        return await changes.make(change)

    return api


def _out(connection: Connection, found: list[Pass], now_us: int) -> list[PassOut]:
    by_number = states(connection, found, now_us)
    return [PassOut.of(each, by_number[each.id]) for each in found]
