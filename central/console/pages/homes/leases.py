"""Leases, first those that somebody has to ask about: they end soon, or are over while doors still open."""

from __future__ import annotations

from collections import Counter
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
from central.console.forms import RowId, Text, day_of, led_to, reason_of
from central.console.pages.homes.common import Worker, show
from central.console.pages.homes.sentences import WORDS
from central.console.pages.homes.undoing import told_of_deed, undoable_of_leases
from central.console.views import Language
from central.errors import BadQuestion, CentralError, Clash
from central.register.lease_states import LeaseState
from central.register.leases import Lease, end_lease, extend_lease, leases
from central.register.place_names import sort_key
from central.register.place_tree import path_text, paths
from central.register.report import buildings_of

_SHOWN = (LeaseState.IN_GRACE, LeaseState.IN_NOTICE, LeaseState.RUNNING, LeaseState.UPCOMING)
_PAGE: Final = 40
_EVERY: Final = 1_000_000
"""As many as there may be: what is filtered and turned over is all of them."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What of the list is asked for. `state`: none of its words is all; `building` 0: all of them."""

    state: str = ""
    building: int = 0
    page: int = 1

    def address(self, community: int, page: int) -> str:
        """Of a page of it."""
        said = {"community": community, "state": self.state, "building": self.building, "page": page}
        return f"/homes/leases?{urlencode({name: value for name, value in said.items() if value})}"

    @property
    def query(self) -> str:
        """What the forms of the list carry, so that whoever used one comes back to it."""
        said = {"state": self.state, "building": self.building, "page": self.page}
        return urlencode({name: value for name, value in said.items() if value})


def listed(
    state: Annotated[str, Query(max_length=20)] = "",
    building: Annotated[str, Query(pattern=r"^[0-9]{0,15}$")] = "",
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Listed:
    """As the address or the form has it; an empty choice is none."""
    return Listed(state if state in list(_SHOWN) else "", int(building or 0), page)


Asked = Annotated[Listed, Depends(listed)]


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/homes/leases", response_class=HTMLResponse, summary="Leases, those to ask about first")
    async def leases_page(
        who: Worker,
        asked: Asked,
        community: CommunityAsked = None,
        lang: Language = None,
    ) -> HTMLResponse:
        return await shown(who, community, lang, asked)

    @pages.post("/homes/{community}/leases/{lease}/extend", summary="A lease goes on")
    async def extended(  # noqa: PLR0917  FastAPI passes them by name
        who: Worker, community: RowId, lease: RowId, asked: Asked, until: Text = "", lang: Language = None
    ) -> Response:
        try:
            last = centre.office.end(day_of(until, "until"))
            await centre.office.act(who, community, lambda desk: extend_lease(desk, lease, until_us=last))
        except (BadQuestion, Clash) as error:
            return await shown(who, community, lang, asked, error, at=lease)
        return led_to(asked.address(community, asked.page))

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
        return led_to(asked.address(community, asked.page))

    async def shown(  # noqa: PLR0917  as the routes take them
        who: Who,
        community: int | None,
        lang: str | None,
        asked: Listed,
        error: CentralError | None = None,
        at: int | None = None,
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
            "states": _SHOWN,
            **found,
            "deed": deed,
            "told_of_deed": told_of_deed,
        }
        return show(centre, who, lang, "leases.html", here="leases", error=error, **values)

    return pages


def _leases(centre: Centre, db: Connection, community: int, asked: Listed) -> dict[str, Any]:
    """One page, by state, those that end first first; how many each state has; and the buildings in which
    there are any, as pairs for a choice."""
    every = [each for each in leases(db, community, centre.now_us(), limit=_EVERY) if each.state in _SHOWN]
    building_of = buildings_of(db, community)
    of_building = [each for each in every if asked.building in {0, building_of.get(each.place_id)}]
    found = [each for each in of_building if asked.state in {"", each.state}]
    found.sort(key=lambda each: _SHOWN.index(each.state))  # within a state they stay in their order
    first = (asked.page - 1) * _PAGE
    return {
        "groups": _by_state(db, found[first : first + _PAGE]),
        "counts": Counter(each.state for each in of_building),
        "buildings": _called(db, {building_of.get(each.place_id) for each in every}),
        "further": len(found) > first + _PAGE,
        "any_at_all": bool(every),
    }


def _by_state(db: Connection, found: Sequence[Lease]) -> list[tuple[LeaseState, list[tuple[Lease, str]]]]:
    named = paths(db, [each.place_id for each in found])
    return [
        (state, [(each, path_text(named[each.place_id])) for each in found if each.state is state])
        for state in _SHOWN
    ]


def _called(db: Connection, buildings: set[int | None]) -> list[tuple[int, str]]:
    known = {each for each in buildings if each is not None}
    named = paths(db, sorted(known))
    order = [each for each in dict.fromkeys(named) if each in known]
    return sorted(((each, path_text(named[each])) for each in order), key=lambda pair: sort_key(pair[1]))
