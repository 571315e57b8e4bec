"""Undoing what one did a moment ago: what a page says of it, and the act."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response
from sqlalchemy import Connection

from central.accounts.who import Who
from central.console.centre import Centre
from central.console.forms import RowId, led_to
from central.console.pages.homes.common import Worker, show
from central.console.views import Language
from central.console.words import N_
from central.errors import BadQuestion, Clash
from central.register.credential_life import CredentialAct
from central.register.credentials import credentials_of, person_of
from central.register.desk import Desk
from central.register.taking_back import Concerns, Deed, Event, Standing, newest_deed, take_back
from central.register.words import RegisterAct
from central.undo import TOO_LATE

_AT_A_HOME: Final = {
    RegisterAct.MOVED_IN: N_("Moved in a moment ago."),
    RegisterAct.MOVED_OUT: N_("Moved out a moment ago."),
    RegisterAct.HOME_USE_SET: N_("The use of this home was changed a moment ago."),
}
_OF_A_CARD: Final = {
    CredentialAct.REPORT_LOST: N_("A card was reported lost a moment ago."),
    CredentialAct.LIFT_LOSS: N_("A card was found again a moment ago."),
    CredentialAct.RETURN: N_("A card was taken back a moment ago; a PIN that it had is gone."),
    CredentialAct.EXTEND: N_("A card was extended a moment ago."),
}
_OTHER: Final = {
    RegisterAct.CREDENTIAL_ISSUED: N_("A card was given a moment ago."),
    RegisterAct.PERSON_REGISTERED: N_("Registered a moment ago."),
    RegisterAct.LEASE_EXTENDED: N_("A lease was extended a moment ago."),
}


@dataclass(frozen=True, slots=True)
class Recent:
    """What one did a moment ago. `stands`: it can be undone; else somebody changed it since."""

    deed: Deed
    stands: bool


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.post("/homes/{community}/undo/{event}", summary="Undo what one did a moment ago")
    async def undone(who: Worker, community: RowId, event: RowId, lang: Language = None) -> Response:
        def undo(desk: Desk) -> str:
            """Where it is to be seen is known before it is done for good."""
            return _page_of(desk.connection, community, take_back(desk, event))

        try:
            page = await centre.office.act(who, community, undo)
        except (BadQuestion, Clash) as error:
            values = {"community": community, "place": None}
            return show(centre, who, lang, "refused.html", here="homes", error=error, **values)
        return led_to(page, "undone")

    return pages


def undoable_at_home(centre: Centre, db: Connection, who: Who, community: int, room: int) -> Recent | None:
    def concerns(event: Event) -> bool:
        return event.act in _AT_A_HOME and event.body.get("room") == room

    return _recent(centre, db, who, community, concerns)


def undoable_of_person(
    centre: Centre, db: Connection, who: Who, community: int, person: int
) -> Recent | None:
    cards = {each.id for each in credentials_of(db, community, person)}

    def concerns(event: Event) -> bool:
        if event.act is RegisterAct.PERSON_REGISTERED:
            return event.subject == person
        of_a_card = event.act in {RegisterAct.CREDENTIAL_ISSUED, RegisterAct.CREDENTIAL_CHANGED}
        return of_a_card and event.subject in cards

    return _recent(centre, db, who, community, concerns)


def undoable_of_leases(centre: Centre, db: Connection, who: Who, community: int) -> Recent | None:
    def concerns(event: Event) -> bool:
        return event.act is RegisterAct.LEASE_EXTENDED

    return _recent(centre, db, who, community, concerns)


def _recent(centre: Centre, db: Connection, who: Who, community: int, concerns: Concerns) -> Recent | None:
    """None where nothing was done, or what was done has been undone."""
    now_us = centre.now_us()
    found = newest_deed(db, community, account=who.account, now_us=now_us, concerns=concerns)
    if found is None or found[1] not in {Standing.STANDS, Standing.CHANGED}:
        return None
    return Recent(found[0], found[1] is Standing.STANDS)


def told_of_deed(deed: Deed) -> str:
    """A sentence in English, to be translated: what stands highest of all that was done at once."""
    told = _told(deed)
    assert told is not None, "every act that a page asks for has a word"
    return told[1]


def _told(deed: Deed) -> tuple[Event, str] | None:
    """The event by which it is called, and how; None: no page says anything of it."""
    for act, sentence in _AT_A_HOME.items():
        for event in deed.events:
            if event.act is act and "room" in event.body:
                return event, sentence
    for event in deed.events:
        if event.act is RegisterAct.CREDENTIAL_CHANGED:
            return event, _OF_A_CARD[CredentialAct(event.body["act"])]
        if event.act in _OTHER:
            return event, _OTHER[event.act]
    return None


def _page_of(db: Connection, community: int, deed: Deed) -> str:
    """Where what was undone is to be seen. Raises Clash for what no page offers to undo."""
    told = _told(deed)
    if told is None:
        raise Clash(TOO_LATE)
    event, _ = told
    if event.act in _AT_A_HOME:
        return f"/homes/{community}/places/{event.body['room']}"
    if event.act is RegisterAct.LEASE_EXTENDED:
        return f"/homes/leases?community={community}"
    if event.act is RegisterAct.PERSON_REGISTERED:
        return f"/homes/{community}/people/{event.subject}"
    return f"/homes/{community}/people/{person_of(db, community, event.subject)}"
