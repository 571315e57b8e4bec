"""The page Now 实时: alarms, entries as they arrive, a map of the estate, and how complete each gateway is.

It stands at the beginning: whoever may not see it is led to the first page that they may.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from sqlalchemy import Connection

from central.accounts.book import sites_of
from central.accounts.who import Role, Who
from central.alarms import book as alarms
from central.alarms import webhooks
from central.alarms.kinds import Urgency
from central.console.centre import Centre
from central.console.door_marks import marks_of
from central.console.forms import status_of
from central.console.frame import first_path
from central.console.guard import Anybody, page_for
from central.console.labels import Labels, labels_of
from central.console.pages.now.choices import Group, choices_of, doors_at, home_doors
from central.console.pages.now.estate_map import MapEstate, estate_map
from central.console.registry import Found, Page, Section
from central.console.views import Language
from central.console.words import N_, TROUBLES
from central.errors import Clash
from central.fleet.api import WATCHERS
from central.fleet.completeness import Completeness, completeness
from central.lookup.api import READERS
from central.lookup.entries import Entry, Wanted, newest
from central.lookup.feed import Follower, as_events, follow, page_goes_on_after, still_there
from messages.model import Kind

ROWS = 100
MOST_ALARMS = 20
CARDS = 8
"""Of so many gateways each has a card, whether it is well or not."""

STAYS: Final = N_("It was changed since, or is too long ago: somebody has seen to it.")

_SEE_OTHER = 303

PAGES = [Page("now", "/", N_("Now"), Section.NOW, frozenset({*READERS, *WATCHERS}))]

Watcher = Annotated[Who, page_for(*WATCHERS)]
Reader = Annotated[Who, page_for(*READERS)]
SeesTo = Annotated[Who, page_for(Role.OPERATOR, Role.OFFICER)]

_KINDS: Final[Mapping[str, frozenset[str]]] = {
    "refused": frozenset({Kind.ACCESS_DENIED}),
    "trouble": frozenset(TROUBLES),
}
_MOST_FOUND: Final = 8
_ORDER: Final = tuple(Urgency)  # the most urgent ones first
_NAME = r"[a-z0-9][a-z0-9-]{0,31}"
_PLACE = rf"^{_NAME}(/{_NAME}){{1,2}}$"


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the feed is shown, as the address says it. `at`: a place of the tree by its number, a gateway
    as site/gateway, a door as site/gateway/door, or everywhere."""

    at: str
    only: str

    def wanted(self, connection: Connection, who: Who) -> Wanted:
        kinds = _KINDS.get(self.only)
        if self.at.isdecimal() or self.at.count("/") > 1:
            return Wanted(kinds=kinds, doors=doors_at(connection, who.communities, self.at))
        if not self.at:
            return Wanted(kinds=kinds)
        site, gateway = self.at.split("/")
        homes = home_doors(connection, who.communities)
        return Wanted(
            site, gateway, kinds, but=frozenset(each for each in homes if each[:2] == (site, gateway))
        )


EVERYTHING: Final = Asked("", "")


def filter_of(
    at: Annotated[
        str,
        Query(pattern=rf"^$|^\d{{1,15}}$|{_PLACE}", description="place, site/gateway or site/gateway/door"),
    ] = "",
    only: Literal["", "refused", "trouble"] = "",
) -> Asked:
    return Asked(at, only)


Filter = Annotated[Asked, Depends(filter_of)]


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()
    _now(pages, centre)
    _parts(pages, centre)
    _alarms(pages, centre)
    return pages


async def find(centre: Centre, who: Who, text: str) -> list[Found]:
    """What happens at a building, for who reads entries: by a part of what it is called. A gateway at whose
    doors nobody may watch, as they lead into homes, is none."""
    if who.role not in READERS:
        return []

    def asked(db: Connection) -> tuple[Labels, frozenset[tuple[str, str, str]]]:
        return labels_of(db, who.communities), home_doors(db, who.communities)

    labels, homes = await centre.questions.ask(asked)
    shared = {door[:2] for door in labels.doors if door not in homes}
    closed = {door[:2] for door in homes} - shared
    return [
        Found(label, "", f"/?at={site}/{name}")
        for (site, name), label in labels.called(text)
        if (site, name) not in closed
    ][:_MOST_FOUND]


def _now(pages: APIRouter, centre: Centre) -> None:
    @pages.get("/", response_class=HTMLResponse)
    async def now_page(who: Anybody, asked: Filter, lang: Language = None) -> Response:
        if who.role not in PAGES[0].roles:
            path = first_path(who.role)
            return RedirectResponse(path, _SEE_OTHER) if path else centre.show(who, lang, "nothing.html", "")
        values = await centre.questions.ask(lambda db: _seen(db, who, asked, centre.now_us()))
        return centre.show(who, lang, "now/now.html", "now", **values, rows_kept=ROWS)


def _parts(pages: APIRouter, centre: Centre) -> None:
    questions, views = centre.questions, centre.views

    @pages.get("/parts/gateways", response_class=HTMLResponse)
    async def gateways_part(who: Watcher, lang: Language = None) -> str:
        gateways = await questions.ask(lambda db: _gateways(db, who))
        return views.render(lang, "now/gateways.html", _cards(gateways))

    @pages.get("/parts/map", response_class=HTMLResponse)
    async def map_part(who: Watcher, asked: Filter, lang: Language = None) -> str:
        estates = await questions.ask(lambda db: _map(db, who, _gateways(db, who), centre.now_us()))
        return views.render(
            lang, "now/map.html", {"estates": estates, "reads": who.role in READERS, "at": asked.at}
        )

    @pages.get("/parts/entries")
    async def entries_stream(
        request: Request,
        who: Reader,
        asked: Filter,
        *,
        after: Annotated[int, Query(ge=0, le=2**62)],
        last_event_id: Annotated[str | None, Header(pattern=r"^\d{1,18}$")] = None,
        lang: Language = None,
    ) -> StreamingResponse:
        start = int(last_event_id) if last_event_id is not None else after
        wanted = await questions.ask(lambda db: asked.wanted(db, who))
        follower = Follower(who.communities, still_there(request, who), wanted, newest_alone=True)
        found = follow(questions, start, centre.stopping, follower)

        async def as_rows(entries: Sequence[Entry]) -> list[str]:
            places = _places(await questions.ask(lambda db: _gateways(db, who)))
            return [views.render(lang, "now/row.html", {"entry": each, "places": places}) for each in entries]

        return StreamingResponse(as_events(found, as_rows), media_type="text/event-stream")


def _alarms(pages: APIRouter, centre: Centre) -> None:
    async def shown(who: Who, lang: str | None, wrong: str | None = None) -> str:
        values = await centre.questions.ask(lambda db: _alarms_of(db, who, centre.now_us()))
        return centre.views.render(lang, "now/alarms.html", {**values, "wrong": wrong})

    @pages.get("/parts/alarms", response_class=HTMLResponse)
    async def alarms_part(who: Watcher, lang: Language = None) -> str:
        return await shown(who, lang)

    @pages.post("/alarms/{alarm}/seen", response_class=HTMLResponse)
    async def seen(
        request: Request, who: SeesTo, alarm: Annotated[int, InPath(ge=1, le=2**53)], lang: Language = None
    ) -> Response:
        """What somebody else saw to a moment ago is seen to: that is no error."""

        def change(db: Connection) -> None:
            sites, now_us = sites_of(db, who.communities), centre.now_us()
            alarms.see_to(db, alarm, sites, who=who.by, note_="", now_us=now_us)
            webhooks.announce_seen(db, alarm, now_us)

        with contextlib.suppress(Clash):
            await centre.changes.make(change)
        if "hx-request" in request.headers:
            return HTMLResponse(await shown(who, lang))
        return RedirectResponse("/", _SEE_OTHER)

    @pages.post("/alarms/{alarm}/unseen", response_class=HTMLResponse)
    async def unseen(
        request: Request, who: SeesTo, alarm: Annotated[int, InPath(ge=1, le=2**53)], lang: Language = None
    ) -> Response:
        """What cannot be taken back any more stays, and the page says so."""

        def change(db: Connection) -> None:
            sites, now_us = sites_of(db, who.communities), centre.now_us()
            alarms.take_back_seen(db, alarm, sites, who=who.by, now_us=now_us)
            webhooks.announce_unseen(db, alarm, now_us)

        wrong: Clash | None = None
        try:
            await centre.changes.make(change)
        except Clash as error:
            wrong = error
        if "hx-request" in request.headers:
            return HTMLResponse(await shown(who, lang, None if wrong is None else STAYS))
        if wrong is None:
            return RedirectResponse("/", _SEE_OTHER)
        values = await centre.questions.ask(lambda db: _seen(db, who, EVERYTHING, centre.now_us()))
        values |= {"wrong": STAYS, "rows_kept": ROWS}
        return centre.show(who, lang, "now/now.html", "now", status=status_of(wrong), **values)


def _seen(connection: Connection, who: Who, asked: Asked, now_us: int) -> dict[str, Any]:
    reads, watches = who.role in READERS, who.role in WATCHERS
    sites = sites_of(connection, who.communities)
    entries = newest(connection, ROWS, sites, asked.wanted(connection, who)) if reads else []
    gateways = _gateways(connection, who) if watches else []
    groups = choices_of(connection, who.communities, gateways) if reads else []
    return {
        "entries": entries,  # in order of arrival, as those that come while it is open
        "newest_id": page_goes_on_after(connection, entries[0].id if entries else 0),
        "places": _places(gateways),
        "gateways": gateways,
        **_cards(gateways),
        "estates": _map(connection, who, gateways, now_us),
        "reads": reads,
        "at": asked.at,
        "groups": groups,
        "chosen": _chosen(asked.at, groups, gateways),
        "only": asked.only,
        **_alarms_of(connection, who, now_us),
    }


def _map(connection: Connection, who: Who, gateways: Sequence[Completeness], now_us: int) -> list[MapEstate]:
    return estate_map(connection, who.communities, gateways, marks_of(connection, gateways, now_us))


def _chosen(at: str, groups: Sequence[Group], gateways: Sequence[Completeness]) -> str | None:
    """What else is chosen than what can be: a gateway's label; empty of what is not there (any more)."""
    if not at or any(choice.value == at for group in groups for choice in group.choices):
        return None
    return next((each.label for each in gateways if f"{each.site}/{each.name}" == at), "")


def _cards(gateways: Sequence[Completeness]) -> dict[str, Any]:
    """Of many gateways those that somebody should look at; the others are counted."""
    troubled = gateways if len(gateways) <= CARDS else [each for each in gateways if _is_troubled(each)]
    return {"cards": troubled, "others": len(gateways) - len(troubled)}


def _is_troubled(found: Completeness) -> bool:
    works = all(condition == "ok" for condition in found.devices.values())
    told = found.replayed_us is None and found.journal in (None, "ok")
    return not (found.online and found.complete and works and told)


def _alarms_of(connection: Connection, who: Who, now_us: int) -> dict[str, Any]:
    sites = sites_of(connection, who.communities)
    found = alarms.alarms(connection, sites, now_us, unseen=True, limit=MOST_ALARMS + 1)
    ordered = sorted(found[:MOST_ALARMS], key=lambda each: _ORDER.index(each.urgency))
    of_late = alarms.seen_of_late(connection, sites, who=who.by, now_us=now_us)
    return {
        "undoable": of_late[0] if of_late else None,
        "wrong": None,
        "alarms": ordered,
        "more_alarms": len(found) > MOST_ALARMS,
        "sees_to": who.role in (Role.OPERATOR, Role.OFFICER),
        "places": _places(_gateways(connection, who)),
    }


def _gateways(connection: Connection, who: Who) -> list[Completeness]:
    return completeness(connection, sites=sites_of(connection, who.communities))


def _places(gateways: Sequence[Completeness]) -> Mapping[tuple[str, str], Completeness]:
    return {(found.site, found.name): found for found in gateways}
