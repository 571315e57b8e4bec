"""API: gateways, how complete they are, and whether the centre itself is well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Response
from fastapi import Path as InPath
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from central.accounts.book import sites_of
from central.accounts.guard import open_to_all, requires
from central.accounts.who import Role, Who
from central.errors import NotThere, StoreUnavailable
from central.fleet.completeness import Completeness, completeness
from central.ingest.service import IngestStatus
from central.problems import RESPONSES, documented
from central.store.questions import Questions
from central.times import utc_text

WATCHERS = (Role.OPERATOR, Role.INSTALLER, Role.OFFICER, Role.SUPERVISOR)
"""Who may see how gateways and readers are, and whether their records are complete. No person is in it."""

Watcher = Annotated[Who, requires(*WATCHERS)]
_NAME = r"^[a-z0-9][a-z0-9-]{0,31}$"
SiteName = Annotated[str, InPath(pattern=_NAME, examples=["riverside"])]
GatewayName = Annotated[str, InPath(pattern=_NAME, examples=["east"])]


class MissingRange(BaseModel):
    """Records that are not here; `lost`: the gateway no longer has them either."""

    epoch: int
    first: int
    last: int
    lost: bool


class DoorOut(BaseModel):
    door: str
    label: str


class GatewayOut(BaseModel):
    """One gateway and how complete its records are here."""

    site: str
    gateway: str
    label: str
    online: bool
    heard_at: str | None = Field(None, description="when it last spoke, by the centre's clock, UTC")
    complete: bool = Field(
        description="nothing is missing that the gateway has told of, nor set aside, in conflict, lost or"
        " said in its name by somebody else"
    )
    complete_until: str | None = Field(
        None, description="everything recorded by then is here; by the gateway's clock, UTC"
    )
    epoch: int | None
    through: int = Field(description="records 1 to this one of the newest epoch are committed")
    head: int = Field(description="the newest record that the gateway has told of")
    behind: int = Field(description="how many records are still to come")
    missing: list[MissingRange] = Field(description="the first 20 of them")
    missing_ranges: int = Field(description="how many there are")
    findings: dict[str, int] = Field(description="integrity findings by kind")
    signs_as: str | None = Field(
        description="the key by which it signs what it holds, in hex; none: it signs nothing"
    )
    unbelieved_since: str | None = Field(
        description="since when what is said in its name is not signed by that key and not believed; UTC"
    )
    replayed_at: str | None = Field(
        description="when an old state of it was played again and not taken, and nothing new came since; UTC"
    )
    doors: list[DoorOut]
    devices: dict[str, str] = Field(description="readers and lock boards: ok, degraded, lost, recovering")
    journal: str | None
    list_version: int | None
    software: str | None

    @classmethod
    def of(cls, found: Completeness) -> GatewayOut:
        return cls(
            site=found.site,
            gateway=found.name,
            label=found.label,
            online=found.online,
            heard_at=_text(found.heard_us),
            complete=found.complete,
            complete_until=_text(found.complete_until_us),
            epoch=found.epoch,
            through=found.through,
            head=found.head,
            behind=found.behind,
            missing=[
                MissingRange(epoch=hole.epoch, first=hole.first, last=hole.last, lost=hole.lost)
                for hole in found.missing
            ],
            missing_ranges=found.missing_ranges,
            findings=found.findings,
            signs_as=found.device_key.hex() if found.device_key else None,
            unbelieved_since=_text(found.unbelieved_us),
            replayed_at=_text(found.replayed_us),
            doors=[DoorOut(door=door.name, label=door.label) for door in found.doors],
            devices=found.devices,
            journal=found.journal,
            list_version=found.list_version,
            software=found.software,
        )


class Health(BaseModel):
    """`ready` is false while records cannot be taken in; they wait at the gateways, nothing is lost."""

    ready: bool
    broker_connected: bool
    database: str = Field(description="ok, or what is wrong with it")
    waiting_messages: int
    records_stored: int = Field(description="since this process started")


_NOT_READY: dict[str, Any] = {
    "model": Health,
    "description": "Records cannot be taken in just now",
    "content": {
        "application/json": {
            "example": {
                "ready": False,
                "broker_connected": False,
                "database": "ok",
                "waiting_messages": 0,
                "records_stored": 120_000,
            }
        }
    },
}


def router(questions: Questions, ingest_status: Callable[[], IngestStatus]) -> APIRouter:
    api = APIRouter(tags=["gateways"])

    @api.get("/gateways", responses=RESPONSES, summary="All gateways and how complete their records are")
    async def gateways(who: Watcher) -> list[GatewayOut]:
        return [GatewayOut.of(found) for found in await questions.ask(lambda db: _seen(db, who))]

    @api.get(
        "/gateways/{site}/{gateway}",
        responses={**RESPONSES, 404: documented("No such gateway has ever spoken")},
        summary="One gateway and how complete its records are",
    )
    async def gateway(site: SiteName, gateway: GatewayName, who: Watcher) -> GatewayOut:
        found = await questions.ask(lambda db: _seen(db, who, site, gateway))
        if not found:
            raise NotThere("no such gateway has spoken yet; /api/v1/gateways lists those that have")
        return GatewayOut.of(found[0])

    @api.get(
        "/health",
        responses={503: _NOT_READY},
        summary="Whether the centre takes records in; for whoever watches over the service",
        tags=["centre"],
        dependencies=[open_to_all()],
    )
    async def health(response: Response) -> Health:
        state = await _health(questions, ingest_status())
        response.status_code = 200 if state.ready else 503
        return state

    return api


def _seen(
    connection: Connection, who: Who, site: str | None = None, name: str | None = None
) -> list[Completeness]:
    return completeness(connection, site=site, name=name, sites=sites_of(connection, who.communities))


async def _health(questions: Questions, ingest: IngestStatus) -> Health:
    database = ingest.database_trouble or "ok"
    try:
        await questions.ask(lambda db: db.exec_driver_sql("SELECT 1").scalar())
    except StoreUnavailable as error:
        database = str(error)
    return Health(
        ready=ingest.broker_connected and database == "ok",
        broker_connected=ingest.broker_connected,
        database=database,
        waiting_messages=ingest.queue_depth,
        records_stored=ingest.records_stored,
    )


def _text(at_us: int | None) -> str | None:
    return None if at_us is None else utc_text(at_us)
