"""Honey records: made-up people whom nobody has a reason to look up, and who looked. For oversight alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from central.accounts.book import staff_names
from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.chosen import CommunityAsked, chosen
from central.console.forms import Done, RowId, Text, led_to, reason_of, status_of
from central.console.guard import page_for
from central.console.views import Language
from central.console.words import N_
from central.errors import BadQuestion, CentralError, Clash
from central.honey import book, touches
from central.honey.api import overseer, plant
from central.honey.book import Honey
from central.honey.touches import Alarm
from central.lookup.words import Through
from central.register.occupancy import rooms_of
from central.register.place_tree import path_text, paths, root_of

Overseer = Annotated[Who, page_for(Role.APPROVER, Role.SUPERVISOR)]
Planter = Annotated[Who, page_for(Role.APPROVER, fresh=True)]
Supervisor = Annotated[Who, page_for(Role.SUPERVISOR)]
Before = Annotated[int | None, Query(ge=1, le=2**53)]
PAGE: Final = 50
MOST_ROOMS: Final = 300
_PATH: Final = "/oversight/honey"

THROUGH: Final[dict[str, str]] = {
    Through.LOOK_UP: N_("looked up"),
    Through.REVEAL: N_("revealed a field"),
    Through.EXPORT: N_("took a file out"),
    Through.HOLD: N_("held for a case"),
    Through.FOUND: N_("searched in the register by number or card"),
    Through.OPENED: N_("opened in the register"),
    Through.CHANGED: N_("changed in the register, or tried to"),
    Through.IMPORT: N_("named in an imported file"),
}
"""By what one was touched."""

_LIVED_IN: Final = N_(
    "Nothing was planted: somebody lives in that room or will, or the register was changed a minute ago."
)
_SAY_WHY: Final = N_("Nothing was changed: say why, as of anybody who leaves; community workers read it.")
_GONE: Final = N_("Nothing was changed: that was done already.")


@dataclass(frozen=True, slots=True)
class _Shown:
    records: list[Honey]
    homes: dict[int, str]
    alarms: list[Alarm]
    rooms: list[tuple[int, str]]
    """Where nobody lives, for who plants."""
    names: dict[int, str]
    unseen: int


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get(_PATH, response_class=HTMLResponse, summary="Honey records, and who touched them")
    async def honey_page(
        who: Overseer,
        community: CommunityAsked = None,
        before: Before = None,
        done: Done = None,
        lang: Language = None,
    ) -> HTMLResponse:
        return await shown(who, community, lang, before=before, done=done)

    @pages.post(_PATH + "/{community}", summary="Plant a honey record")
    async def planted(  # noqa: PLR0917  FastAPI passes them by name
        request: Request,
        who: Planter,
        community: RowId,
        room: Annotated[int, Form(ge=0, le=2**53)] = 0,
        card: Annotated[bool, Form()] = False,  # noqa: FBT002  a form's checkbox
        lang: Language = None,
    ) -> Response:
        """`room` 0: without a home."""
        try:
            await plant(centre.office, who, community, request, room=room or None, card=card)
        except Clash as error:
            return await shown(who, community, lang, error=error, wrong=_LIVED_IN)
        return led_to(f"{_PATH}?community={community}#records", "honey-planted")

    @pages.post(_PATH + "/{community}/{honey}/removal", summary="Remove a honey record")
    async def removed(  # noqa: PLR0917  FastAPI passes them by name
        request: Request,
        who: Planter,
        community: RowId,
        honey: RowId,
        reason: Text = "",
        lang: Language = None,
    ) -> Response:
        by = overseer(who, request)
        try:
            why = reason_of(reason)
            await centre.office.act(who, community, lambda desk: book.remove(desk, by, honey, reason=why))
        except (BadQuestion, Clash) as error:
            wrong = _SAY_WHY if isinstance(error, BadQuestion) else _GONE
            return await shown(who, community, lang, error=error, wrong=wrong)
        return led_to(f"{_PATH}?community={community}#records", "honey-removed")

    @pages.post(_PATH + "/{community}/alarms/{number}/seen", summary="A supervisor has seen to it")
    async def seen(  # noqa: PLR0917  FastAPI passes them by name
        request: Request,
        who: Supervisor,
        community: RowId,
        number: RowId,
        note: Text = "",
        lang: Language = None,
    ) -> Response:
        by, said = overseer(who, request), note.strip()[: touches.MAX_NOTE]
        try:
            await centre.office.act(
                who,
                community,
                lambda desk: touches.see_to(
                    desk.connection, community, number, by, said=said, now_us=desk.now_us
                ),
            )
        except Clash as error:
            return await shown(who, community, lang, error=error, wrong=_GONE)
        return led_to(f"{_PATH}?community={community}", "honey-seen")

    async def shown(
        who: Who,
        community: int | None,
        lang: str | None,
        *,
        before: int | None = None,
        error: CentralError | None = None,
        wrong: str | None = None,
        done: str | None = None,
    ) -> HTMLResponse:
        here, all_mine = await chosen(centre, who, community)
        plants = who.role is Role.APPROVER
        found = await centre.office.ask(
            who, here.id, lambda db: _shown(centre, db, who, here.id, before, plants=plants)
        )
        further = found.alarms[PAGE - 1].number if len(found.alarms) > PAGE else None
        values: dict[str, Any] = {"found": found, "alarms": found.alarms[:PAGE], "further": further}
        values |= {"here_id": here.id, "all_mine": all_mine, "through": THROUGH, "wrong": wrong}
        values |= {"plants": plants, "sees_to": who.role is Role.SUPERVISOR}
        values |= {"names": found.names, "just_done": done}
        values["by_honey"] = {each.id: each for each in found.records}
        status = status_of(error)
        return centre.show(who, lang, "oversight/honey.html", "honey", status=status, **values)

    return pages


def _shown(
    centre: Centre, db: Connection, who: Who, community: int, before: int | None, *, plants: bool
) -> _Shown:
    records = [] if centre.vault is None else book.honey_records(db, centre.vault, community)
    homes = paths(db, [each.home for each in records if each.home is not None])
    rooms = []
    if plants:
        every = rooms_of(db, community, root_of(db, community).id, centre.now_us())
        empty = [each.place.id for each in every if each.people == 0][:MOST_ROOMS]
        named = paths(db, empty)
        rooms = [(each, path_text(named[each])) for each in empty]
    return _Shown(
        records=records,
        homes={number: path_text(path) for number, path in homes.items()},
        alarms=touches.alarms(db, community, before=before, limit=PAGE + 1),
        rooms=rooms,
        names=staff_names(db, who.communities),
        unseen=touches.unseen(db, [community]),
    )
