"""One gateway: doors, readers, what is missing, whether it has what was sent to it, and commands to it."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from central.accounts.who import Role, Who
from central.alarms.book import Alarm
from central.console.centre import Centre
from central.console.door_marks import Places, marks_of
from central.console.forms import Done, status_of
from central.console.pages.operations.fleet import Looking, Standing, lasting_at, standing_of
from central.console.pages.operations.given import form_values, late_values
from central.console.views import Language
from central.errors import BrokerUnavailable, CentralError, NotThere
from central.fleet.completeness import Completeness

Name = Annotated[str, InPath(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
_UNAVAILABLE = 503
SENT: Final = "command"
"""A word of `words.DONE`."""


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/operations/{site}/{name}", response_class=HTMLResponse, summary="One gateway")
    async def gateway_page(
        who: Looking, site: Name, name: Name, done: Done = None, lang: Language = None
    ) -> HTMLResponse:
        return await shown(centre, who, site, name, lang, done=done)

    return pages


async def shown(  # noqa: PLR0917  as the routes take them
    centre: Centre,
    who: Who,
    site: str,
    name: str,
    lang: str | None,
    error: CentralError | None = None,
    said: dict[str, Any] | None = None,
    done: str | None = None,
) -> HTMLResponse:
    """`error`, `said`: of a command that was not sent. Raises NotThere."""
    values = await seen(centre, who, site, name)
    gateway: Completeness = values["gateway"]
    # Of a command it is said above the list that one is led to, not above the window.
    values |= {"just_done": None if done == SENT else done, "sent": done == SENT}
    values |= form_values(error, said) | await late_values(centre, who, gateway)
    values["doors"] = [("", "–"), *((each.name, each.label) for each in gateway.doors)]
    values["commands_seen"] = who.role in {Role.OPERATOR, Role.SUPERVISOR}
    status = _UNAVAILABLE if isinstance(error, BrokerUnavailable) else status_of(error)
    return centre.show(who, lang, "operations/gateway.html", "gateways", status=status, **values)


async def seen(centre: Centre, who: Who, site: str, name: str) -> dict[str, Any]:
    """How a gateway and its doors stand. Raises NotThere."""

    def asked(db: Connection) -> tuple[Standing, list[Alarm], Places]:
        found = standing_of(centre, db, who, site, name)
        if not found:
            raise NotThere("no such gateway has spoken yet")
        stands = marks_of(db, [found[0].gateway], centre.now_us())
        return found[0], lasting_at(centre, db, [site], name), stands

    standing, alarms, stands = await centre.questions.ask(asked)
    return {"standing": standing, "gateway": standing.gateway, "alarms": alarms, "stands": stands}
