"""What the templates of Look up are given: choices of the form, and an answer in its three views."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from sqlalchemy import Connection, select, tuple_

from central.accounts.book import sites_of
from central.accounts.who import Who
from central.console.centre import Centre
from central.console.labels import sites_called
from central.console.pages.homes.sentences import DOCUMENTS as DOCUMENT_WORDS
from central.console.pages.look_up.answer import (
    NOTES,
    Blind,
    blind_of,
    by_day,
    by_place,
    complete_to,
    covers,
    known_of,
)
from central.console.pages.look_up.form import DOCUMENTS, OF_DOORS, OWN, SPANS, USUAL_BASIS, Form
from central.console.words import BASES, PURPOSES
from central.errors import NotAllowed
from central.fleet.completeness import Completeness, completeness
from central.fleet.coverage import coverage
from central.lookup import questions
from central.lookup.rules import OF_A_PLACE, Asker
from central.lookup.service import Answer
from central.lookup.states import own_row, state_of
from central.lookup.words import Act, Asked, Shown
from central.register.credentials import CredentialKind
from central.register.place_tree import is_room, path_text, paths, rooms_written, search
from central.register.words import DocumentType, PlaceKind
from central.store.register_tables import community
from central.store.tables import gateway
from central.times import local

MOST_ROOMS = 8
MOST_BLIND = 12
"""Gaps that are told one by one, the latest first."""

_MOST_DIGITS: Final = 18

FEW: Final = 4
"""Gateways of which it is told with the answer; for more of them nobody waits."""


def typed_of(sent: Mapping[str, Any], who: Who) -> Form:
    """From the posted form; what is too long was typed by nobody."""

    def text(name: str, most: int = 80) -> str:
        return str(sent.get(name, ""))[:most]

    return Form(
        question=text("question") or Asked.PERSON,
        community=community_of(sent, who),
        purpose=text("purpose"),
        basis=text("basis"),
        case_number=text("case_number"),
        span=text("span") or "week",
        from_=text("from"),
        until=text("until"),
        number=text("number"),
        document=text("document") or DocumentType.RESIDENT_ID,
        card_kind=text("card_kind") or CredentialKind.CARD_UID,
        room=_id(sent, "room") if text("room_for") == text("room_name") else "",
        room_name=text("room_name"),
        place=text("place", 120),
        emergency=text("emergency", 301) if sent.get("urgent") else "",
    )


def community_of(sent: Mapping[str, Any], who: Who) -> int:
    """The one that was chosen, or the only one; 0: none of one's own."""
    if "community" not in sent:
        return min(who.communities, default=0)
    chosen = int(_id(sent, "community") or 0)
    return chosen if chosen in who.communities else 0


def _id(sent: Mapping[str, Any], name: str) -> str:
    """As the databases can hold it; empty where it is none."""
    text = str(sent.get(name, ""))
    return text if text.isdecimal() and len(text) <= _MOST_DIGITS else ""


def form_values(connection: Connection, who: Who, typed: Form) -> dict[str, Any]:
    columns = community.c
    rows = connection.execute(
        select(columns.id, columns.name).where(columns.id.in_(who.communities)).order_by(columns.name)
    )
    named = [(str(row.id), row.name) for row in rows]
    rooms = _rooms(connection, who, typed)
    return {
        "communities": named,
        "gateways": completeness(connection, sites=sites_of(connection, who.communities)),
        "sites": sites_called(connection, who.communities),
        "purposes": list(PURPOSES),
        "bases": list(BASES),
        "usual": {str(purpose): str(basis) for purpose, basis in USUAL_BASIS.items()},
        "of_doors": [str(each) for each in OF_DOORS],
        "spans": [*SPANS, OWN],
        "documents": DOCUMENTS,
        "document_words": DOCUMENT_WORDS,
        "card_kinds": list(CredentialKind),
        "rooms": rooms,
        "most_rooms": MOST_ROOMS,
        "meant": typed.room or meant(rooms, typed.room_name),
    }


def _rooms(connection: Connection, who: Who, typed: Form) -> list[tuple[str, str]]:
    """The one that was chosen, or those of the name that was written."""
    if typed.seeks_room:
        return rooms_called(connection, who, typed.community, typed.room_name)
    if not typed.room.isdecimal() or typed.community not in who.communities:
        return []
    name = _called(connection, typed.community, int(typed.room))
    return [] if name is None else [(typed.room, name)]


def only_room(connection: Connection, who: Who, typed: Form) -> str:
    """Where its name says which one is meant: its number. Nothing is chosen for anybody among several."""
    return meant(rooms_called(connection, who, typed.community, typed.room_name), typed.room_name)


def meant(rooms: Sequence[tuple[str, str]], name: str) -> str:
    """The number of the only one, or of the only one that is called just so: of 101 and 1010 the first."""
    words, written = name.split(), "".join(name.split()).casefold()
    whole = [room for room, path in rooms if "".join(path.split()).casefold() == written]
    if len(whole) == 1:
        return whole[0]
    exact = [room for room, path in rooms if words and path.split()[-1].casefold() == words[-1].casefold()]
    found = exact or [room for room, _ in rooms]
    return found[0] if len(found) == 1 else ""


def rooms_called(connection: Connection, who: Who, number: int, text: str) -> list[tuple[str, str]]:
    """Number and whole name of the rooms of that community that are called so: one more than are shown where
    there are more."""
    if number not in who.communities:
        return []
    found = rooms_written(connection, number, text)
    if not found:
        begun = search(connection, number, text, limit=60)
        found = [each.id for each in begun if each.kind == PlaceKind.ROOM]
    ways = paths(connection, found[: MOST_ROOMS + 1])
    return [(str(room), path_text(way)) for room, way in ways.items()]


async def answer_values(
    centre: Centre, who: Who, asker: Asker, number: int, cursor: str | None
) -> dict[str, Any]:
    """Raises NotThere, BadQuestion (no such cursor), StoreUnavailable."""
    row, state = await centre.questions.ask(lambda db: (own_row(db, asker, number), state_of(db, number)))
    answer, withheld = Answer(number, row.at), True
    if state.acts.get(Act.WHOLE) not in ("waits", "refused") or state.given or row.emergency:
        try:
            answer, withheld = await centre.look_ups.page(asker, number, cursor), False
        except NotAllowed:
            withheld = True  # the page says what it waits for, or that one's look-ups rest
    own, asked = who.communities & {row.community_id}, json.loads(row.parameters)

    def named(db: Connection) -> tuple[Sequence[Completeness], str | None, Mapping[str, str]]:
        room = _called(db, row.community_id, asked["room"]) if "room" in asked else None
        called = sites_called(db, own) if "site" in asked and "gateway" not in asked else {}
        return completeness(db, sites=sites_of(db, own)), room, called

    gateways, room, sites = await centre.questions.ask(named)
    values = {"row": row, "acts": state.acts, "answer": answer, "withheld": withheld, "room": room}
    values |= {"sites": sites, "exported": state.exported}
    values["where"] = {name: asked.get(name) for name in ("site", "gateway", "door")}
    places = sorted({(each.site, each.gateway) for each in answer.doors})
    values["blind_at"] = urlencode([("at", "/".join(each)) for each in places]) if len(places) > FEW else ""
    if not values["blind_at"]:
        values |= await blind_values(centre, row, places)
    return values | views_of(centre, answer, gateways)


async def blind_values(centre: Centre, row: Any, places: Collection[tuple[str, str]]) -> dict[str, Any]:
    """When the doors of a look-up at these gateways could not record; `whole`: at no time."""
    blind, whole = await centre.questions.ask(lambda db: _blind(db, row, places, centre.now_us()))
    told = {"blind": blind[:MOST_BLIND], "more_blind": max(0, len(blind) - MOST_BLIND)}
    return {**told, "whole": whole, "later": False}


def _called(connection: Connection, community: int, room: int) -> str | None:
    """The whole name of a room of that community."""
    way = paths(connection, [room]).get(room) if is_room(connection, community, room) else None
    return path_text(way) if way else None


def gateways_asked(connection: Connection, who: Who, row: Any) -> set[tuple[str, str]]:
    """Site and name of those that the answer of a look-up is made of."""
    if row.community_id not in who.communities:
        return set()
    if row.question in OF_A_PLACE:
        where = json.loads(row.parameters)
        found = questions.gateways_at(connection, row.community_id, where["site"], where.get("gateway"))
    else:
        found = questions.gateways_of(connection, row.community_id)
    return {(each.site, each.name) for each in found}


def _blind(
    connection: Connection, row: Any, places: Collection[tuple[str, str]], now_us: int
) -> tuple[list[Blind], bool]:
    here = tuple_(gateway.c.site, gateway.c.name).in_(list(places))
    rows = connection.execute(select(gateway).where(here).order_by(gateway.c.id)).all() if places else []
    covered = coverage(connection, rows, row.from_at, row.until_at, now_us)
    door = json.loads(row.parameters).get("door")
    return blind_of(covered, door), covers(covered, places, door, row.from_at, row.until_at)


def views_of(centre: Centre, answer: Answer, gateways: Sequence[Completeness]) -> dict[str, Any]:
    here = {(each.site, each.name): each for each in gateways}

    def label(site: str, name: str) -> str:
        return here[site, name].label if (site, name) in here else name

    def door_label(site: str, name: str, door: str | None) -> str:
        return here[site, name].door_label(door) if door and (site, name) in here else door or ""

    def day(at_us: int) -> str:
        return f"{local(at_us, centre.zone):%Y-%m-%d}"

    known = known_of(answer.doors, label)
    return {
        "days": by_day(answer.entries, day),
        "places": by_place(answer.entries, label, door_label),
        "known": known,
        "to_us": complete_to(known) if not answer.notes else None,
        "complete_to": complete_to,
        "label": label,
        "door_label": door_label,
        "notes": NOTES,
        "fields": list(Shown),
    }
