"""API: the settings of a site's doors, what a change comes to, and its sending."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from central.accounts.guard import requires
from central.accounts.who import Role, Who
from central.fleet.api import SiteName
from central.fleet.site_settings import Difference, Revision, SettingsOffice
from central.given import In
from central.problems import RESPONSES, documented
from central.times import utc_text

_NOT_THERE: dict[int | str, dict[str, Any]] = {404: documented("There is no such site")}
_CLASH: dict[int | str, dict[str, Any]] = {
    409: documented("Others were written meanwhile, nothing differs, or there is nothing to sign with")
}

Watcher = Annotated[Who, requires(Role.OPERATOR, Role.INSTALLER, Role.SUPERVISOR)]
Operator = Annotated[Who, requires(Role.OPERATOR)]
Writer = Annotated[Who, requires(Role.OPERATOR, fresh=True)]
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

    return api
