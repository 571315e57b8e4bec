"""Leases, first those that somebody has to ask about: they end soon, or are over while doors still open."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from central.accounts.who import Who
from central.console.centre import Centre
from central.console.chosen import CommunityAsked, chosen
from central.console.forms import RowId, Text, day_of, led_to, reason_of
from central.console.pages.homes.common import Worker, show
from central.console.pages.homes.sentences import WORDS
from central.console.pages.homes.undoing import told_of_deed, undoable_of_leases
from central.console.paging import ROWS, PageNumber, cut
from central.console.views import Language
from central.errors import BadQuestion, CentralError, Clash
from central.register.lease_states import LeaseState
from central.register.leases import Lease, end_lease, extend_lease, leases
from central.register.place_tree import path_text, paths
from central.register.words import PlaceKind

_SHOWN = (LeaseState.IN_GRACE, LeaseState.IN_NOTICE, LeaseState.RUNNING, LeaseState.UPCOMING)
_MOST = 10_000  # of a state: more than a community of fifty thousand people lets


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/homes/leases", response_class=HTMLResponse, summary="Leases, those to ask about first")
    async def leases_page(
        who: Worker,
        community: CommunityAsked = None,
        building: Annotated[int, Query(ge=0, le=2**53)] = 0,
        page: PageNumber = 1,
        lang: Language = None,
    ) -> HTMLResponse:
        """`building`: of homes in that one alone; 0: of all."""
        return await shown(who, community, lang, building=building, page=page)

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
        *,
        building: int = 0,
        page: int = 1,
    ) -> HTMLResponse:
        """A lease that could not be changed stands on its page."""
        here, all_mine = await chosen(centre, who, community)
        every = await centre.office.ask(who, here.id, lambda db: _leases(centre, db, here.id))
        wanted = [each for each in every if building in {0, each.building}]
        place = next((n for n, each in enumerate(wanted) if each.lease.id == at), None)
        cut_out = cut(wanted, page if place is None else 1 + place // ROWS)
        groups = [(state, [each for each in cut_out.things if each.lease.state is state]) for state in _SHOWN]
        counted = Counter(each.lease.state for each in wanted)
        buildings = dict(sorted({each.building: each.called for each in every}.items()))
        deed = await centre.office.ask(who, here.id, lambda db: undoable_of_leases(centre, db, who, here.id))
        values: dict[str, Any] = {
            "here_id": here.id,
            "all_mine": all_mine,
            "words": WORDS,
            "at": at,
            "counted": counted,
            "buildings": buildings,
            "building": building,
            "shown": cut_out,
            "deed": deed,
            "told_of_deed": told_of_deed,
        }
        return show(centre, who, lang, "leases.html", here="leases", error=error, groups=groups, **values)

    return pages


@dataclass(frozen=True, slots=True)
class _Shown:
    """`path`: of the home; `building`, `called`: where it lies, the estate where it lies in no building."""

    lease: Lease
    path: str
    building: int
    called: str


def _leases(centre: Centre, db: Connection, community: int) -> list[_Shown]:
    """Of each state those that end first, in the order of `_SHOWN`."""
    now_us = centre.now_us()
    found = [each for state in _SHOWN for each in leases(db, community, now_us, state=state, limit=_MOST)]
    ways = paths(db, {each.place_id for each in found})
    shown = []
    for each in found:
        way = ways[each.place_id]
        at = next((n for n, step in enumerate(way) if step.kind == PlaceKind.BUILDING), 0)
        shown.append(_Shown(each, path_text(way), way[at].id, path_text(way[: at + 1])))
    return shown
