"""API: commands to gateways, and what became of them (trust.md R-54)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi import Path as InPath
from pydantic import BaseModel, Field

from central.accounts.guard import requires
from central.accounts.who import Role, Who
from central.fleet.api import GatewayName, SiteName
from central.fleet.commanding import MOST_MINUTES, Commands, Given, Order, Standing
from central.given import In
from central.problems import RESPONSES, documented
from central.times import utc_text
from messages.commands import Action, Why
from messages.model import Kind, Reason

_MAX_PAGE = 500
_NOT_THERE: dict[int | str, dict[str, Any]] = {404: documented("No such gateway, door or command")}
_NOT_NOW: dict[int | str, dict[str, Any]] = {
    409: documented("There is nothing to ask for, or nothing to sign with"),
    503: documented("The broker or the database does not answer just now: nothing was sent"),
}

Watcher = Annotated[Who, requires(Role.OPERATOR, Role.SUPERVISOR)]
Commander = Annotated[Who, requires(Role.OPERATOR, fresh=True)]
CommandName = Annotated[str, InPath(pattern=r"^[0-9a-f]{32}$", examples=["6f1d3c5e7a9b0c2d4e6f8a1b3c5d7e9f"])]
Door = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$", examples=["east-unit-1"])]


class CommandIn(In):
    """`door` and `minutes` where the action has them."""

    action: Annotated[Action, Field(description="what is to be done", examples=["release"])]
    why: Annotated[Why, Field(description="stands in the record of both sides", examples=["delivery"])]
    door: Door | None = Field(None, description="for what is done at a door")
    minutes: Annotated[int, Field(ge=1, le=MOST_MINUTES)] | None = Field(
        None, description="for how long a door stays free or locked down"
    )


class CommandOut(BaseModel):
    """A command and what became of it."""

    id: str
    site: str
    gateway: str
    action: Action
    door: str | None
    operator: str = Field(description="who gave it: an opaque reference, as in the gateway's record")
    why: Why
    issued_at: str = Field(description="UTC")
    standing: Standing
    answered_at: str | None
    reason: Reason | None = Field(description="why it was refused")
    epoch: int | None = Field(description="the record in the gateway's journal that tells of it")
    seq: int | None
    until_at: str | None = Field(None, description="when what it makes of a door ends; UTC")
    led_to: Kind | None = Field(None, description="what the gateway recorded of the door; null: nothing yet")

    @classmethod
    def of(cls, found: Given) -> CommandOut:
        return cls(
            id=found.id,
            site=found.site,
            gateway=found.gateway,
            action=found.action,
            door=found.door,
            operator=found.operator,
            why=found.why,
            issued_at=utc_text(found.issued_us),
            standing=found.standing,
            answered_at=None if found.answered_us is None else utc_text(found.answered_us),
            reason=found.reason,
            epoch=found.epoch,
            seq=found.seq,
            until_at=None if found.until_us is None else utc_text(found.until_us),
            led_to=found.led_to,
        )


class CommandsOut(BaseModel):
    commands: list[CommandOut]
    next_before: int | None = Field(description="pass it as `before` for the next page; null: this was all")


def router(commands: Commands) -> APIRouter:
    api = APIRouter(tags=["gateways"])

    @api.post(
        "/gateways/{site}/{gateway}/commands",
        status_code=201,
        responses=RESPONSES | _NOT_THERE | _NOT_NOW,
        summary="Release a door, keep it free or locked, or ask for records again",
    )
    async def give(site: SiteName, gateway: GatewayName, said: CommandIn, who: Commander) -> CommandOut:
        order = Order(said.action, said.why, said.door, said.minutes)
        return CommandOut.of(await commands.give(who, site, gateway, order))

    @api.get("/commands", responses=RESPONSES, summary="Commands, the newest first")
    async def newest(
        who: Watcher,
        before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
        limit: Annotated[int, Query(ge=1, le=_MAX_PAGE)] = 100,
    ) -> CommandsOut:
        found, further = await commands.newest(who, before=before, limit=limit)
        return CommandsOut(commands=[CommandOut.of(each) for each in found], next_before=further)

    @api.get(
        "/commands/{command}", responses=RESPONSES | _NOT_THERE, summary="One command and what became of it"
    )
    async def one(command: CommandName, who: Watcher) -> CommandOut:
        return CommandOut.of(await commands.one(who, command))

    return api
