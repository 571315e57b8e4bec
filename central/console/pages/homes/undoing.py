"""Undoing what one did a moment ago: what a page says of it, and the act."""

from __future__ import annotations

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
from central.register.taking_back import Deed, Event, last_deed, take_back
from central.register.words import RegisterAct

_AT_A_HOME: Final = {
    RegisterAct.MOVED_IN: N_("Moved in a moment ago."),
    RegisterAct.MOVED_OUT: N_("Moved out a moment ago."),
    RegisterAct.HOME_USE_SET: N_("The use of this home was changed a moment ago."),
}
_OF_A_CARD: Final = {
    CredentialAct.REPORT_LOST: N_("A card was reported lost a moment ago."),
    CredentialAct.LIFT_LOSS: N_("A card was found again a moment ago."),
    CredentialAct.RETURN: N_("A card was taken back a moment ago."),
    CredentialAct.EXTEND: N_("A card was extended a moment ago."),
}
_OTHER: Final = {
    RegisterAct.CREDENTIAL_ISSUED: N_("A card was given a moment ago."),
    RegisterAct.PERSON_REGISTERED: N_("Registered a moment ago."),
    RegisterAct.LEASE_EXTENDED: N_("A lease was extended a moment ago."),
}


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.post("/homes/{community}/undo/{event}", summary="Undo what one did a moment ago")
    async def undone(who: Worker, community: RowId, event: RowId, lang: Language = None) -> Response:
        try:
            deed = await centre.office.act(who, community, lambda desk: take_back(desk, event))
        except (BadQuestion, Clash) as error:
            values = {"community": community, "place": None}
            return show(centre, who, lang, "refused.html", here="homes", error=error, **values)
        return led_to(await centre.office.ask(who, community, lambda db: _page_of(db, community, deed)))

    return pages


def undoable_at_home(centre: Centre, db: Connection, who: Who, community: int, room: int) -> Deed | None:
    def concerns(event: Event) -> bool:
        return event.act in _AT_A_HOME and event.body.get("room") == room

    return last_deed(db, community, account=who.account, now_us=centre.now_us(), concerns=concerns)


def undoable_of_person(centre: Centre, db: Connection, who: Who, community: int, person: int) -> Deed | None:
    cards = {each.id for each in credentials_of(db, community, person)}

    def concerns(event: Event) -> bool:
        if event.act is RegisterAct.PERSON_REGISTERED:
            return event.subject == person
        of_a_card = event.act in {RegisterAct.CREDENTIAL_ISSUED, RegisterAct.CREDENTIAL_CHANGED}
        return of_a_card and event.subject in cards

    return last_deed(db, community, account=who.account, now_us=centre.now_us(), concerns=concerns)


def undoable_of_leases(centre: Centre, db: Connection, who: Who, community: int) -> Deed | None:
    def concerns(event: Event) -> bool:
        return event.act is RegisterAct.LEASE_EXTENDED

    return last_deed(db, community, account=who.account, now_us=centre.now_us(), concerns=concerns)


def told_of_deed(deed: Deed) -> str:
    """A sentence in English, to be translated: what stands highest of all that was done at once."""
    for act, sentence in _AT_A_HOME.items():
        if deed.has(act):
            return sentence
    first = deed.events[0]
    if first.act is RegisterAct.CREDENTIAL_CHANGED:
        return _OF_A_CARD[CredentialAct(first.body["act"])]
    return _OTHER[first.act]


def _page_of(db: Connection, community: int, deed: Deed) -> str:
    """Where what was undone is to be seen."""
    room = next((event.body["room"] for event in deed.events if event.act in _AT_A_HOME), None)
    if room is not None:
        return f"/homes/{community}/places/{room}"
    first = deed.events[0]
    if first.act is RegisterAct.LEASE_EXTENDED:
        return f"/homes/leases?community={community}"
    if first.act is RegisterAct.PERSON_REGISTERED:
        return f"/homes/{community}/people/{first.subject}"
    return f"/homes/{community}/people/{person_of(db, community, first.subject)}#cards"
