"""API: the settings of a site's doors, what a change comes to, and its sending."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi import Path as InPath
from pydantic import BaseModel, Field

from central.accounts.guard import requires
from central.accounts.who import Role, Who
from central.fleet.api import SiteName
from central.fleet.settings_differences import Difference
from central.fleet.site_settings import Former, Noted, Revision, SettingsOffice, written
from central.given import In
from central.problems import RESPONSES, documented
from central.times import utc_text

_NOT_THERE: dict[int | str, dict[str, Any]] = {404: documented("There is no such site")}
_CLASH: dict[int | str, dict[str, Any]] = {
    409: documented("Others were written meanwhile, nothing differs, or there is nothing to sign with")
}

Watcher = Annotated[Who, requires(Role.OPERATOR, Role.INSTALLER, Role.SUPERVISOR)]
Reader = Annotated[Who, requires(Role.OPERATOR, Role.SUPERVISOR)]
Operator = Annotated[Who, requires(Role.OPERATOR)]
Writer = Annotated[Who, requires(Role.OPERATOR, fresh=True)]
RevisionId = Annotated[int, InPath(ge=1, le=2**53, description="`id` of the list of revisions")]
_MAX_PAGE = 500
Written = Annotated[
    dict[str, Any],
    Field(
        description="groups, holidays, schedules, doors, categories, areas and interlocks, as docs/access.md"
        " says; revision, time and keys are the centre's own",
        examples=[{"doors": {"east-unit-1": {"asks_pin": True}}}],
    ),
]


class SettingsIn(In):
    settings: Written


class NewSettingsIn(SettingsIn):
    after: Annotated[int, Field(ge=0, le=2**53, description="the revision that was looked at")]


class SettingsOut(BaseModel):
    """The newest settings for a whole site."""

    site: str
    revision: int = Field(description="0: none were ever written here")
    noted_at: str | None = Field(description="UTC")
    settings: Written
    gateways: dict[str, int | None] = Field(description="the revision that each says it has")
    alone: list[str] = Field(description="gateways with newer settings of their own")

    @classmethod
    def of(cls, found: Revision) -> SettingsOut:
        return cls(
            site=found.site,
            revision=found.number,
            noted_at=None if found.noted_us is None else utc_text(found.noted_us),
            settings=found.written,
            gateways=found.has,
            alone=list(found.alone),
        )


class DifferenceOut(BaseModel):
    place: str = Field(examples=["doors.east-unit-1.asks_pin"])
    before: str | None = Field(description="null: it does not stand there")
    after: str | None

    @classmethod
    def of(cls, found: Difference) -> DifferenceOut:
        return cls(place=found.place, before=found.before, after=found.after)


class PutBackIn(In):
    after: Annotated[int, Field(ge=0, le=2**53, description="the revision in force that was looked at")]


class NotedOut(BaseModel):
    """A revision that was written: for the whole site, or for one of its gateways."""

    id: int = Field(description="in the order in which they were written")
    revision: int
    gateway: str | None = Field(description="null: for all of the site")
    noted_at: str = Field(description="UTC")
    written_by: str | None = Field(
        description="an account or token, `command line`, or `centre` for a new sealing key; null: not noted",
        examples=["account 12"],
    )
    puts_back: int | None = Field(description="the former revision that it says again", examples=[38])
    changed: int | None = Field(
        description="how many places say something else than in the one before; null: not looked at",
        examples=[2],
    )
    in_force: bool

    @classmethod
    def of(cls, found: Noted) -> NotedOut:
        return cls(
            id=found.id,
            revision=found.number,
            gateway=None if found.of_all else found.gateway,
            noted_at=utc_text(found.noted_us),
            written_by=found.by,
            puts_back=found.puts_back,
            changed=found.changed,
            in_force=found.in_force,
        )


class RevisionsOut(BaseModel):
    revisions: list[NotedOut]
    next_before: int | None = Field(description="pass it as `before` for the next page; null: this was all")


class FormerOut(BaseModel):
    """A revision, and what putting it back would change now."""

    noted: NotedOut
    settings: Written | None = Field(description="null: another program wrote them")
    in_force: int = Field(description="the revision to which it is compared: the `after` of putting it back")
    differences: list[DifferenceOut] | None = Field(description="null: it cannot be put back here")

    @classmethod
    def of(cls, found: Former) -> FormerOut:
        settings, differing = found.noted.settings, found.differences
        return cls(
            noted=NotedOut.of(found.noted),
            settings=None if settings is None else written(settings),
            in_force=found.in_force,
            differences=None if differing is None else [DifferenceOut.of(each) for each in differing],
        )


def router(office: SettingsOffice) -> APIRouter:
    api = APIRouter(tags=["gateways"])

    @api.get(
        "/sites/{site}/settings", responses=RESPONSES | _NOT_THERE, summary="The settings of a site's doors"
    )
    async def in_force(site: SiteName, who: Watcher) -> SettingsOut:
        return SettingsOut.of(await office.in_force(who, site))

    @api.post(
        "/sites/{site}/settings/preview",
        responses=RESPONSES | _NOT_THERE,
        summary="What other settings would change",
    )
    async def preview(site: SiteName, said: SettingsIn, who: Operator) -> list[DifferenceOut]:
        return [DifferenceOut.of(each) for each in await office.preview(who, site, said.settings)]

    @api.post(
        "/sites/{site}/settings",
        status_code=201,
        responses=RESPONSES | _NOT_THERE | _CLASH,
        summary="Write a new revision, which all gateways of the site are sent",
    )
    async def write(site: SiteName, said: NewSettingsIn, who: Writer) -> SettingsOut:
        return SettingsOut.of(await office.write(who, site, said.settings, said.after))

    @api.get(
        "/sites/{site}/settings/revisions",
        responses=RESPONSES | _NOT_THERE,
        summary="All revisions of a site's settings, the newest first",
    )
    async def revisions(
        site: SiteName,
        who: Reader,
        before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
        limit: Annotated[int, Query(ge=1, le=_MAX_PAGE)] = 100,
    ) -> RevisionsOut:
        found, further = await office.revisions(who, site, before=before, limit=limit)
        return RevisionsOut(revisions=[NotedOut.of(each) for each in found], next_before=further)

    @api.get(
        "/sites/{site}/settings/revisions/{number}",
        responses=RESPONSES | _NOT_THERE,
        summary="A former revision, and what putting it back would change",
    )
    async def former(site: SiteName, number: RevisionId, who: Reader) -> FormerOut:
        return FormerOut.of(await office.former(who, site, number))

    @api.post(
        "/sites/{site}/settings/revisions/{number}/put-back",
        status_code=201,
        responses=RESPONSES | _NOT_THERE | _CLASH,
        summary="Write what a former revision said as a new one",
    )
    async def put_back(site: SiteName, number: RevisionId, said: PutBackIn, who: Writer) -> SettingsOut:
        """Nothing is taken out of the list: gateways never go back; the new revision names the former one."""
        return SettingsOut.of(await office.put_back(who, site, number, said.after))

    return api
