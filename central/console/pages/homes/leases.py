"""Leases, first those that somebody has to ask about: they end soon, or are over while doors still open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from central.accounts.who import Who
from central.console.centre import Centre
from central.console.chosen import CommunityAsked, chosen
from central.console.forms import Done, RowId, Text, day_of, led_to, reason_of
from central.console.pages.homes.common import Worker, show
from central.console.pages.homes.sentences import WORDS
from central.console.pages.homes.undoing import told_of_deed, undoable_of_leases
from central.console.views import Language
from central.errors import BadQuestion, CentralError, Clash
from central.register.lease_list import (
    URGENT_FIRST,
    Mark,
    lease_buildings,
    lease_counts,
    listed_leases,
    mark_of,
)
from central.register.lease_states import LeaseState
from central.register.leases import Lease, end_lease, extend_lease
from central.register.place_names import sort_key
from central.register.place_tree import path_text, paths

_PAGE: Final = 40


@dataclass(frozen=True, slots=True)
class Listed:
    """What of the list is asked for. `state`: none of its words is all; `building` 0: all of them; `after`:
    where the page begins, None: at the head."""

    state: str = ""
    building: int = 0
    after: Mark | None = None

    def address(self, community: int, after: Mark | None = None) -> str:
        """Of a page of it; without a mark: the first one."""
        return f"/homes/leases?{self._said(after, community=community)}"

    @property
    def query(self) -> str:
        """What the forms of the list carry, so that whoever used one comes back to it."""
        return self._said(self.after)

    def _said(self, after: Mark | None, **more: int) -> str:
        said = {**more, "state": self.state, "building": self.building, "after": after}
        return urlencode({name: value for name, value in said.items() if value})


def listed(
    state: Annotated[str, Query(max_length=20)] = "",
    building: Annotated[str, Query(pattern=r"^[0-9]{0,15}$")] = "",
    after: Annotated[str, Query(max_length=64)] = "",
) -> Listed:
    """As the address or the form has it; an empty choice is none. A mark that somebody typed: the first page
    is what was meant."""
    try:
        mark = mark_of(after) if after else None
    except BadQuestion:
        mark = None
    return Listed(state if state in list(URGENT_FIRST) else "", int(building or 0), mark)


Asked = Annotated[Listed, Depends(listed)]


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/homes/leases", response_class=HTMLResponse, summary="Leases, those to ask about first")
    async def leases_page(
        who: Worker,
        asked: Asked,
        community: CommunityAsked = None,
        *,
        done: Done = None,
        lang: Language = None,
    ) -> HTMLResponse:
        return await shown(who, community, lang, asked, done=done)

    @pages.post("/homes/{community}/leases/{lease}/extend", summary="A lease goes on")
    async def extended(  # noqa: PLR0917  FastAPI passes them by name
        who: Worker, community: RowId, lease: RowId, asked: Asked, until: Text = "", lang: Language = None
    ) -> Response:
        try:
            last = centre.office.end(day_of(until, "until"))
            await centre.office.act(who, community, lambda desk: extend_lease(desk, lease, until_us=last))
        except (BadQuestion, Clash) as error:
            return await shown(who, community, lang, asked, error, at=lease)
        return led_to(asked.address(community, asked.after))

    @pages.post("/homes/{community}/leases/{lease}/end", summary="A lease ends early")
    async def ended(  # noqa: PLR0917  FastAPI passes them by name
        who: Worker,
        community: RowId,
        lease: RowId,
        asked: Asked,
        reason: Text = "",
        on: Text = "",
        lang: Language = None,
    ) -> Response:
        try:
            why = reason_of(reason)
            at = centre.office.moment(day_of(on, "on"))
            await centre.office.act(who, community, lambda desk: end_lease(desk, lease, at_us=at, reason=why))
        except (BadQuestion, Clash) as error:
            return await shown(who, community, lang, asked, error, at=lease)
        return led_to(asked.address(community, asked.after))

    async def shown(  # noqa: PLR0917  as the routes take them
        who: Who,
        community: int | None,
        lang: str | None,
        asked: Listed,
        error: CentralError | None = None,
        at: int | None = None,
        *,
        done: str | None = None,
    ) -> HTMLResponse:
        here, all_mine = await chosen(centre, who, community)
        found = await centre.office.ask(who, here.id, lambda db: _leases(centre, db, here.id, asked))
        deed = await centre.office.ask(who, here.id, lambda db: undoable_of_leases(centre, db, who, here.id))
        values: dict[str, Any] = {
            "here_id": here.id,
            "all_mine": all_mine,
            "words": WORDS,
            "at": at,
            "asked": asked,
            "states": URGENT_FIRST,
            "just_done": done,
            **found,
            "deed": deed,
            "told_of_deed": told_of_deed,
        }
        return show(centre, who, lang, "leases.html", here="leases", error=error, **values)

    return pages


def _leases(centre: Centre, db: Connection, community: int, asked: Listed) -> dict[str, Any]:
    """One page; how many leases each state has; and the buildings in which there are any, as pairs for a
    choice."""
    now_us = centre.now_us()
    state, building = LeaseState(asked.state) if asked.state else None, asked.building or None
    found, further = listed_leases(
        db, community, now_us, state=state, building=building, after=asked.after, limit=_PAGE
    )
    counts = lease_counts(db, community, now_us, building)
    buildings = _called(db, lease_buildings(db, community, now_us))
    return {
        "groups": _by_state(db, found),
        "counts": {each: counts.get(each, 0) for each in URGENT_FIRST},
        "buildings": buildings,
        "further": further,
        "any_at_all": bool(counts or buildings),
    }


def _by_state(db: Connection, found: Sequence[Lease]) -> list[tuple[LeaseState, list[tuple[Lease, str]]]]:
    named = paths(db, [each.place_id for each in found])
    return [
        (state, [(each, path_text(named[each.place_id])) for each in found if each.state is state])
        for state in URGENT_FIRST
    ]


def _called(db: Connection, buildings: Sequence[int]) -> list[tuple[int, str]]:
    named = paths(db, buildings)
    return sorted(((each, path_text(way)) for each, way in named.items()), key=lambda pair: sort_key(pair[1]))
