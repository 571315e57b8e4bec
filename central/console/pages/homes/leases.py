"""Leases, first those that somebody has to ask about: they end soon, or are over while doors still open."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from central.accounts.who import Who
from central.console.centre import Centre
from central.console.chosen import CommunityAsked, chosen
from central.console.forms import RowId, Text, day_of, led_to, reason_of
from central.console.pages.homes.common import Worker, show
from central.console.pages.homes.sentences import WORDS
from central.console.pages.homes.undoing import told_of_deed, undoable_of_leases
from central.console.views import Language
from central.errors import BadQuestion, CentralError, Clash
from central.register.lease_states import LeaseState
from central.register.leases import Lease, end_lease, extend_lease, leases
from central.register.place_tree import path_text, paths

_SHOWN = (LeaseState.IN_GRACE, LeaseState.IN_NOTICE, LeaseState.RUNNING, LeaseState.UPCOMING)
_MOST = 300


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/homes/leases", response_class=HTMLResponse, summary="Leases, those to ask about first")
    async def leases_page(
        who: Worker,
        community: CommunityAsked = None,
        lang: Language = None,
    ) -> HTMLResponse:
        return await shown(who, community, lang)

    @pages.post("/homes/{community}/leases/{lease}/extend", summary="A lease goes on")
    async def extended(
        who: Worker, community: RowId, lease: RowId, until: Text = "", lang: Language = None
    ) -> Response:
        try:
            last = centre.office.end(day_of(until, "until"))
            await centre.office.act(who, community, lambda desk: extend_lease(desk, lease, until_us=last))
        except (BadQuestion, Clash) as error:
            return await shown(who, community, lang, error, at=lease)
        return led_to(f"/homes/leases?community={community}")

    @pages.post("/homes/{community}/leases/{lease}/end", summary="A lease ends early")
    async def ended(  # noqa: PLR0917  FastAPI passes them by name
        who: Worker,
        community: RowId,
        lease: RowId,
        reason: Text = "",
        on: Text = "",
        lang: Language = None,
    ) -> Response:
        try:
            why = reason_of(reason)
            at = centre.office.moment(day_of(on, "on"))
            await centre.office.act(who, community, lambda desk: end_lease(desk, lease, at_us=at, reason=why))
        except (BadQuestion, Clash) as error:
            return await shown(who, community, lang, error, at=lease)
        return led_to(f"/homes/leases?community={community}")

    async def shown(
        who: Who,
        community: int | None,
        lang: str | None,
        error: CentralError | None = None,
        at: int | None = None,
    ) -> HTMLResponse:
        here, all_mine = await chosen(centre, who, community)
        found = await centre.office.ask(who, here.id, lambda db: _leases(centre, db, here.id))
        deed = await centre.office.ask(who, here.id, lambda db: undoable_of_leases(centre, db, who, here.id))
        values: dict[str, Any] = {
            "here_id": here.id,
            "all_mine": all_mine,
            "words": WORDS,
            "at": at,
            "most": _MOST,
            "deed": deed,
            "told_of_deed": told_of_deed,
        }
        return show(centre, who, lang, "leases.html", here="leases", error=error, groups=found, **values)

    return pages


def _leases(
    centre: Centre, db: Connection, community: int
) -> list[tuple[LeaseState, list[tuple[Lease, str]]]]:
    groups = []
    for state in _SHOWN:
        found = leases(db, community, centre.now_us(), state=state, limit=_MOST)
        named = paths(db, [each.place_id for each in found])
        groups.append((state, [(each, path_text(named[each.place_id])) for each in found]))
    return groups
