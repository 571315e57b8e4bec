"""API: impact assessments, written by the community's office, agreed to by a supervisor; then it is live."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi import Path as InPath
from pydantic import BaseModel, Field

from central.accounts.guard import requires
from central.accounts.who import Role, Who
from central.assessments import book
from central.assessments.book import MOST_VERSIONS, KeptDays, Standing, Version
from central.assessments.document import Assessment
from central.assessments.words import LiveAct
from central.given import In
from central.register.api_words import ANSWERS, CommunityId, Worker, text_of
from central.register.office import Office
from central.times import utc_text

Sees = Annotated[Who, requires(Role.WORKER, Role.SUPERVISOR)]
Agreeing = Annotated[Who, requires(Role.SUPERVISOR, fresh=True)]
_HERE: Final = "/communities/{community}"
_VersionNumber = Annotated[int, InPath(ge=1, le=MOST_VERSIONS)]
_After = Annotated[
    int | None,
    Query(ge=0, le=MOST_VERSIONS, description="the version it was written from: 409 if a newer one is there"),
]


class AgreeIn(In):
    version: Annotated[int, Field(ge=1, le=MOST_VERSIONS, description="the newest; the one that was read")]


class VersionOut(BaseModel):
    version: int
    written_at: str = Field(description="UTC", examples=["2026-11-23T06:03:05.120000Z"])
    written_by: int = Field(description="account", examples=[3])
    hash: str = Field(description="SHA-256 of the document as it is stored", examples=["5f" * 32])

    @classmethod
    def of(cls, found: Version) -> VersionOut:
        return cls(**_line(found))


class WrittenOut(VersionOut):
    document: Assessment

    @classmethod
    def whole(cls, found: Version, document: Assessment) -> WrittenOut:
        return cls(**_line(found), document=document)


class StandingOut(BaseModel):
    """`live`: lists are made, passes issued and look-ups answered. What is `missing` in the newest version is
    named by its path; while anything is, nobody can agree to it."""

    live: bool
    since: str | None = Field(description="UTC", examples=["2026-11-23T06:03:05.120000Z"])
    before_the_gate: bool = Field(description="it was live before an assessment was asked for")
    agreed: int | None = Field(description="the version in force", examples=[1])
    agreed_at: str | None = Field(description="UTC", examples=["2026-11-23T06:03:05.120000Z"])
    agreed_by: int | None = Field(description="account", examples=[4])
    written: VersionOut | None = Field(description="the newest version")
    missing: list[str] = Field(examples=[["roles.officer", "notice.en.rights"]])

    @classmethod
    def of(cls, found: Standing) -> StandingOut:
        return cls(
            live=found.live_us is not None,
            since=text_of(found.live_us),
            before_the_gate=found.act is LiveAct.BEFORE_THE_GATE,
            agreed=found.agreed,
            agreed_at=text_of(found.agreed_us),
            agreed_by=found.agreed_by,
            written=None if found.written is None else VersionOut.of(found.written),
            missing=list(found.missing),
        )


def router(office: Office, kept_days: KeptDays) -> APIRouter:
    """`kept_days`: what the settings keep, beyond which no assessment may promise less."""
    api = APIRouter(tags=["going live"], responses=ANSWERS)

    @api.get(_HERE + "/live", summary="Whether a community is live, and what is missing")
    async def stands(who: Sees, community: CommunityId) -> StandingOut:
        found = await office.ask(who, community, lambda db: book.standing(db, community, kept_days))
        return StandingOut.of(found)

    @api.post(_HERE + "/live", summary="Agree to the newest version, never one's own: the community is live")
    async def agreed(who: Agreeing, community: CommunityId, wanted: AgreeIn) -> StandingOut:
        """Refused with 409 while anything is missing; the text names it."""
        found = await office.act(who, community, lambda desk: book.agree(desk, wanted.version, kept_days))
        return StandingOut.of(found)

    @api.get(_HERE + "/assessments", summary="All versions of the impact assessment, newest first")
    async def listed(who: Sees, community: CommunityId) -> list[VersionOut]:
        found = await office.ask(who, community, lambda db: book.versions(db, community))
        return [VersionOut.of(each) for each in found]

    @api.post(_HERE + "/assessments", status_code=201, summary="Write a further version, finished or not")
    async def written(
        who: Worker, community: CommunityId, document: Assessment, after: _After = None
    ) -> VersionOut:
        """Versions are kept for three years at least; none is ever changed."""
        return VersionOut.of(await office.act(who, community, lambda desk: book.write(desk, document, after)))

    @api.get(_HERE + "/assessments/{version}", summary="One version of the impact assessment")
    async def one(who: Sees, community: CommunityId, version: _VersionNumber) -> WrittenOut:
        found = await office.ask(who, community, lambda db: book.one_version(db, community, version))
        return WrittenOut.whole(*found)

    return api


def _line(found: Version) -> dict[str, Any]:
    return {
        "version": found.version,
        "written_at": utc_text(found.written_us),
        "written_by": found.written_by,
        "hash": found.hash.hex(),
    }
