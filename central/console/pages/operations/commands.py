"""Commands: given at a gateway's page, and all that were given, with what became of each."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query
from fastapi.responses import HTMLResponse, Response

from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.forms import Text, led_to
from central.console.guard import page_for
from central.console.pages.operations.given import USUAL_MINUTES, late_values, names, order_of
from central.console.pages.operations.one_gateway import SENT, Name, seen, shown
from central.console.views import Language
from central.errors import BadQuestion, BrokerUnavailable, Clash, ProveAgain
from messages.commands import Action, Why

Operator = Annotated[Who, page_for(Role.OPERATOR)]
Reader = Annotated[Who, page_for(Role.OPERATOR, Role.SUPERVISOR)]


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/operations/commands", response_class=HTMLResponse, summary="Commands")
    async def commands_page(
        who: Reader, before: Annotated[int | None, Query(ge=1, le=2**53)] = None, lang: Language = None
    ) -> HTMLResponse:
        found, further = await centre.commands.newest(who, before=before)
        values: dict[str, Any] = {"commands": found, "further": further, "newest": before is None}
        values |= await centre.questions.ask(lambda db: names(db, who, found))
        return centre.show(who, lang, "operations/commands.html", "commands", **values)

    @pages.get("/parts/operations/{site}/{name}", response_class=HTMLResponse, summary="Commands of late")
    async def of_late(who: Reader, site: Name, name: Name, lang: Language = None) -> Response:
        """Parts of the gateway's page, while one is not answered: these, and how its doors stand."""
        values = await seen(centre, who, site, name)
        values |= await late_values(centre, who, values["gateway"]) | {"part": True}
        return centre.part(lang, "operations/of_late.html", who=who, **values)

    @pages.post("/operations/{site}/{name}/commands", summary="Give a command")
    async def give(  # noqa: PLR0917  FastAPI passes them by name
        who: Operator,
        site: Name,
        name: Name,
        action: Annotated[Action, Form()],
        why: Annotated[Why, Form()],
        door: Text = "",
        minutes: Text = USUAL_MINUTES,
        lang: Language = None,
    ) -> Response:
        """Who proved themselves too long ago finds what they chose here again, and is told that it was not
        sent: led away, they would come back to an empty form."""
        said = {"action": action, "why": why, "door": door, "minutes": minutes}
        if not who.fresh:
            stale = ProveAgain("give the second factor again: a command takes a fresh one")
            return await shown(centre, who, site, name, lang, stale, said)
        try:
            await centre.commands.give(who, site, name, order_of(action, why, door, minutes))
        except (BadQuestion, Clash, BrokerUnavailable) as error:
            return await shown(centre, who, site, name, lang, error, said)
        return led_to(f"/operations/{site}/{name}#commands", SENT)

    return pages
