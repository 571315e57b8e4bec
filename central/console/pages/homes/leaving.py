"""Moving out, and what a home is used for."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, Response

from central.accounts.who import Who
from central.console.centre import Centre
from central.console.forms import RowId, Text, day_of, led_to, reason_of
from central.console.pages.homes.common import Worker, show
from central.console.views import Language
from central.errors import BadQuestion, CentralError, Clash
from central.register.desk import Desk
from central.register.place_tree import get_place
from central.register.places import set_use
from central.register.residencies import correct_residency, move
from central.register.words import HomeUse


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()
    address = "/homes/{community}/places/{place}"

    @pages.post(address + "/move-out", summary="Some of a home move out")
    async def moved_out(  # noqa: PLR0917  FastAPI passes them by name
        who: Worker,
        community: RowId,
        place: RowId,
        residency: Annotated[list[int], Form(max_length=50)] = [],  # noqa: B006  FastAPI copies it
        reason: Text = "",
        on: Text = "",
        never: Text = "",
        lang: Language = None,
    ) -> Response:
        """`never`: it was registered wrongly."""
        try:
            why, some = reason_of(reason), _some(residency)
            at = centre.office.moment(day_of(on, "on"))
            await centre.office.act(
                who,
                community,
                lambda desk: (
                    _never_lived(desk, some, why) if never else _move_out(desk, some, at_us=at, reason=why)
                ),
            )
        except (BadQuestion, Clash) as error:
            return await refused(who, community, place, lang, error)
        return led_to(f"/homes/{community}/places/{place}")

    @pages.post(address + "/use", summary="What a home is used for")
    async def used(
        who: Worker, community: RowId, place: RowId, use: Annotated[HomeUse, Form()], lang: Language = None
    ) -> Response:
        try:
            await centre.office.act(who, community, lambda desk: set_use(desk, place, use))
        except (BadQuestion, Clash) as error:
            return await refused(who, community, place, lang, error)
        return led_to(f"/homes/{community}/places/{place}")

    async def refused(
        who: Who, community: int, place: int, lang: str | None, error: CentralError
    ) -> HTMLResponse:
        await centre.office.ask(who, community, lambda db: get_place(db, community, place))
        values = {"community": community, "place": place}
        return show(centre, who, lang, "refused.html", here="homes", error=error, **values)

    return pages


def _move_out(desk: Desk, residencies: list[int], *, at_us: int, reason: str) -> None:
    move(desk, residencies, [], at_us=at_us, reason=reason)


def _never_lived(desk: Desk, residencies: list[int], reason: str) -> None:
    for each in residencies:
        correct_residency(desk, each, reason=reason, instead=None)


def _some(residencies: list[int]) -> list[int]:
    """Raises BadQuestion for none."""
    if not residencies:
        raise BadQuestion("residency", "nobody is on this page")
    return residencies
