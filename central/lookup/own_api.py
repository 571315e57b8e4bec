"""API: a resident's own entries, and who looked at them."""

from __future__ import annotations

from datetime import tzinfo
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from central.accounts.guard import requires
from central.accounts.identify import address_of
from central.accounts.who import Role, Who
from central.lookup.api import ENDED, EntryOut
from central.lookup.own import Looked, Own, OwnEntries
from central.lookup.rules import moment_us, window_between
from central.lookup.words import Asked, Basis, Purpose, Shown
from central.problems import RESPONSES, documented
from central.times import Moment, utc_text

Resident = Annotated[Who, requires(Role.RESIDENT)]
_ANSWERS: dict[int | str, dict[str, Any]] = {
    **RESPONSES,
    404: documented("The register has this person no longer"),
}


class OwnEntriesOut(BaseModel):
    """One page, newest first."""

    entries: list[EntryOut]
    next_cursor: str | None = Field(description="pass it as `cursor` for the next page; null: this was all")
    complete: bool = Field(description="nothing that these doors recorded in this time is missing here")
    complete_until: str | None = Field(description="what all doors recorded by then is here, UTC")
    ended_until: str | None = Field(description=ENDED)

    @classmethod
    def of(cls, found: OwnEntries, zone: tzinfo) -> OwnEntriesOut:
        return cls(
            entries=[EntryOut.of(each, zone) for each in found.entries],
            next_cursor=found.cursor,
            complete=found.complete,
            complete_until=None if found.until_us is None else utc_text(found.until_us),
            ended_until=None if found.ended_us is None else utc_text(found.ended_us),
        )


class LookedOut(BaseModel):
    """A look-up that concerned one: by number, by a card, by the home, or by a field that was revealed."""

    look_up: int = Field(description="name it where you ask about it, or complain")
    at: str = Field(description="UTC")
    role: str
    unit: str | None = Field(description="who answers for it")
    purpose: Purpose
    basis: Basis
    question: Asked
    revealed: list[Shown] = Field(description="fields of one's own entries that were unmasked")
    exported: bool = Field(description="the answer was taken out as a file")

    @classmethod
    def of(cls, looked: Looked) -> LookedOut:
        return cls(
            look_up=looked.number,
            at=utc_text(looked.at_us),
            role=looked.role,
            unit=looked.unit,
            purpose=Purpose(looked.purpose),
            basis=Basis(looked.basis),
            question=Asked(looked.question),
            revealed=list(looked.revealed),
            exported=looked.exported,
        )


def router(own: Own, zone: tzinfo) -> APIRouter:
    api = APIRouter(tags=["own"])

    @api.get("/own/entries", responses=_ANSWERS, summary="One's own entries, newest first")
    async def entries(
        request: Request,
        who: Resident,
        from_: Annotated[Moment, Query(alias="from", examples=["2026-11-16T00:00:00+08:00"])],
        until: Annotated[Moment, Query(examples=["2026-11-23T00:00:00+08:00"])],
        cursor: Annotated[str | None, Query(max_length=64)] = None,
    ) -> OwnEntriesOut:
        window = window_between(moment_us("from", from_), moment_us("until", until))
        return OwnEntriesOut.of(await own.entries(who, window, cursor, address_of(request)), zone)

    @api.get(
        "/own/who-looked",
        responses=_ANSWERS,
        summary="Look-ups of the last year that concerned one, told from the next day on",
    )
    async def who_looked(request: Request, who: Resident) -> list[LookedOut]:
        return [LookedOut.of(each) for each in await own.who_looked(who, address_of(request))]

    return api
