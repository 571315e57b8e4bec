"""One person: homes and cards, what is written wrongly, and leaving for good. Who it is stays masked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import date
from types import MappingProxyType
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from central.accounts.residents import accounts_of, confirm, waiting_of
from central.accounts.who import Who
from central.console.centre import Centre
from central.console.forms import Done, RowId, Text, day_of, led_to, reason_of
from central.console.pages.homes.common import Worker, show
from central.console.pages.homes.sentences import WORDS
from central.console.pages.homes.undoing import told_of_deed, undoable_of_person
from central.console.views import Language
from central.console.words import N_
from central.errors import BadQuestion, CentralError, Clash, NotThere
from central.register.credential_life import TRANSITIONS, CredentialAct, CredentialState
from central.register.credentials import CredentialKind, change, credentials_of, history_of, issue
from central.register.desk import Desk
from central.register.office import Office
from central.register.people import correct_person, deregister_person
from central.register.people_found import get_person
from central.register.pins import LEAST_DIGITS, MOST_DIGITS, set_pin, take_pin_away
from central.register.place_tree import path_text, paths
from central.register.residencies import Residency, correct_dates, lived_where, residency_of

CHANGED: Final = "it was changed since: look at the days as they are now"
NOTHING_SAID: Final[Mapping[str, str]] = MappingProxyType({})


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()
    address = "/homes/{community}/people/{person}"

    @pages.get(address, response_class=HTMLResponse, summary="One person")
    async def person_page(
        who: Worker,
        community: RowId,
        person: RowId,
        *,
        done: Done = None,
        lang: Language = None,
    ) -> HTMLResponse:
        return await shown(who, community, person, lang, done=done)

    @pages.post(address + "/cards", response_class=HTMLResponse, summary="Give somebody a card")
    async def given(  # noqa: PLR0917  FastAPI passes them by name
        who: Worker,
        community: RowId,
        person: RowId,
        number: Text = "",
        kind: Annotated[CredentialKind, Form()] = CredentialKind.CARD_UID,
        until: Text = "",
        lang: Language = None,
    ) -> Response:
        try:
            last = centre.office.end(day_of(until, "until"))
            await centre.office.act(
                who,
                community,
                lambda desk: issue(desk, person, kind, number.strip(), valid_until_us=last),
            )
        except (BadQuestion, Clash) as error:
            said = {"number": number, "kind": kind.value, "until": until}
            return await shown(who, community, person, lang, error=error, at="card", said=said)
        return led_to(f"/homes/{community}/people/{person}")

    @pages.post(
        address + "/cards/{card}",
        response_class=HTMLResponse,
        summary="Report a card lost, extend, take back",
    )
    async def changed(  # noqa: PLR0917  FastAPI passes them by name
        who: Worker,
        community: RowId,
        person: RowId,
        card: RowId,
        act: Annotated[CredentialAct, Form()],
        until: Text = "",
        lang: Language = None,
    ) -> Response:
        try:
            last = centre.office.end(day_of(until, "until"))

            def act_on(desk: Desk) -> None:
                _refuse_anothers(desk, person, card)
                change(desk, card, act, valid_until_us=last)

            await centre.office.act(who, community, act_on)
        except (BadQuestion, Clash) as error:
            return await shown(who, community, person, lang, error=error, at=f"card-{card}")
        return led_to(f"/homes/{community}/people/{person}")

    @pages.post(address + "/correct", response_class=HTMLResponse, summary="What is written wrongly")
    async def corrected(  # noqa: PLR0917  FastAPI passes them by name
        who: Worker,
        community: RowId,
        person: RowId,
        name: Text = "",
        document_number: Text = "",
        phone: Text = "",
        reason: Text = "",
        lang: Language = None,
    ) -> Response:
        """What is left empty stays."""
        try:
            why = reason_of(reason)
            await centre.office.act(
                who,
                community,
                lambda desk: correct_person(
                    desk,
                    person,
                    reason=why,
                    name=name.strip() or None,
                    number=document_number.strip() or None,
                    phone=phone.strip() or None,
                ),
            )
        except (BadQuestion, Clash) as error:
            return await shown(who, community, person, lang, error=error, at="correct")
        return led_to(f"/homes/{community}/people/{person}")

    @pages.post(address + "/deregister", response_class=HTMLResponse, summary="Somebody left for good")
    async def deregistered(
        who: Worker, community: RowId, person: RowId, reason: Text = "", lang: Language = None
    ) -> Response:
        try:
            why = reason_of(reason)
            await centre.office.act(who, community, lambda desk: deregister_person(desk, person, reason=why))
        except (BadQuestion, Clash) as error:
            return await shown(who, community, person, lang, error=error, at="deregister")
        return led_to(f"/homes/{community}/people/{person}")

    async def shown(
        who: Who,
        community: int,
        person: int,
        lang: str | None,
        *,
        error: CentralError | None = None,
        at: str = "",
        said: Mapping[str, str] = NOTHING_SAID,
        done: str | None = None,
    ) -> HTMLResponse:
        """`said`: what was typed where something was wrong."""
        found = await centre.office.ask_about(
            who, community, lambda db: _person(centre, db, who, community, person), lambda _: [person]
        )
        found["just_done"] = done
        deed = await centre.office.ask(
            who, community, lambda db: undoable_of_person(centre, db, who, community, person)
        )
        values = {"community": community, "words": WORDS, "at": at, "said": said, "deed": deed, **found}
        values["told_of_deed"] = told_of_deed
        values["stale"] = isinstance(error, Clash) and str(error) == CHANGED
        values["based_on"] = lambda home: _based_on(centre.office, home, said)
        return show(centre, who, lang, "person.html", here="people", error=error, **values)

    _accounts(pages, address, centre, shown)
    _dates(pages, address, centre, shown)
    _pins(pages, address, centre, shown)
    return pages


def _accounts(
    pages: APIRouter, address: str, centre: Centre, shown: Callable[..., Awaitable[HTMLResponse]]
) -> None:
    @pages.post(address + "/accounts", response_class=HTMLResponse, summary="Who holds an account's code")
    async def confirmed(
        who: Worker, community: RowId, person: RowId, login: Text = "", lang: Language = None
    ) -> Response:
        try:
            await centre.office.act(who, community, lambda desk: confirm(desk, person, login))
        except Clash as error:
            return await shown(who, community, person, lang, error=error, at="accounts")
        return led_to(f"/homes/{community}/people/{person}#accounts")


def _pins(
    pages: APIRouter, address: str, centre: Centre, shown: Callable[..., Awaitable[HTMLResponse]]
) -> None:
    @pages.post(
        address + "/cards/{card}/pin", response_class=HTMLResponse, summary="Set or take away a card's PIN"
    )
    async def pin_changed(  # noqa: PLR0917  FastAPI passes them by name
        who: Worker,
        community: RowId,
        person: RowId,
        card: RowId,
        pin: Text = "",
        pin_again: Text = "",
        duress_pin: Text = "",
        take_away: Text = "",
        lang: Language = None,
    ) -> Response:
        def change_pin(desk: Desk) -> None:
            _refuse_anothers(desk, person, card)
            if take_away:
                take_pin_away(desk, card)
            elif pin.strip() != pin_again.strip():
                raise BadQuestion("pin_again", "the PIN was typed differently the second time")
            else:
                set_pin(desk, card, pin, duress_pin.strip() or None)

        try:
            await centre.office.act(who, community, change_pin)
        except (BadQuestion, Clash) as error:
            return await shown(who, community, person, lang, error=error, at=f"pin-{card}")
        return led_to(f"/homes/{community}/people/{person}", "pin-gone" if take_away else "pin-set")


def _dates(
    pages: APIRouter, address: str, centre: Centre, shown: Callable[..., Awaitable[HTMLResponse]]
) -> None:
    @pages.post(
        address + "/residencies/{residency}/dates",
        response_class=HTMLResponse,
        summary="When they lived there",
    )
    async def dated(  # noqa: PLR0917  FastAPI passes them by name
        who: Worker,
        community: RowId,
        person: RowId,
        residency: RowId,
        since: Text = "",
        until: Text = "",
        reason: Text = "",
        was_since: Text = "",
        was_until: Text = "",
        lang: Language = None,
    ) -> Response:
        """A day that stays keeps its hour; so does `since` without one. Without `until` they live there
        still. `was_since`, `was_until`: what the page said, in microseconds; whoever wrote beside other days
        is asked to look again, as a moving out that they did not see would be undone."""
        try:
            why, first, last = reason_of(reason), day_of(since, "since"), day_of(until, "until")

            def change(desk: Desk) -> None:
                was = residency_of(desk.connection, community, residency)
                if was.person_id != person:
                    raise NotThere("no such residency of this person")
                _refuse_unseen(was, was_since, was_until)
                since_us = was.from_us if first is None else _moment(centre.office, was.from_us, first)
                until_us = None if last is None else _moment(centre.office, was.until_us, last)
                correct_dates(desk, residency, since_us=since_us, until_us=until_us, reason=why)

            await centre.office.act(who, community, change)
        except (BadQuestion, Clash) as error:
            said = {"since": since, "until": until, "reason": reason}
            said |= {"was_since": was_since, "was_until": was_until}
            at = f"dates-{residency}"
            return await shown(who, community, person, lang, error=error, at=at, said=said)
        return led_to(f"/homes/{community}/people/{person}#homes")


def _based_on(office: Office, home: Residency, said: Mapping[str, str]) -> dict[str, str]:
    """What the form holds after somebody else changed the days: of each day what was typed where the other
    left it alone, else what is there now; so nothing is sent that was not seen."""
    seen = said["was_since"] != ""
    now = {"since": home.from_us, "until": home.until_us}
    told = {"reason": said["reason"]}
    for name, at_us in now.items():
        is_same = seen and said[f"was_{name}"] == ("" if at_us is None else str(at_us))
        told[name] = said[name] if is_same else "" if at_us is None else str(office.day_of(at_us))
    return told


def _refuse_anothers(desk: Desk, person: int, card: int) -> None:
    """Raises NotThere for a card that is not on the page of that person."""
    if card not in {each.id for each in credentials_of(desk.connection, desk.community, person)}:
        raise NotThere("no such card of this person")


def _refuse_unseen(was: Residency, since: str, until: str) -> None:
    """Raises Clash where the page beside which was typed said other days than hold now."""
    if (since, until) != (str(was.from_us), "" if was.until_us is None else str(was.until_us)):
        raise Clash(CHANGED)


def _moment(office: Office, was_us: int | None, day: date) -> int:
    """The beginning of a day, or the moment that was noted, where it lies in that day."""
    return was_us if was_us is not None and day == office.day_of(was_us) else office.begins(day)


def _by(who: Who, account: int, owners: Collection[int]) -> str:
    """Who did it, as far as it is told at the desk: of a colleague no more than that it was one."""
    if account in owners:
        return N_("by its owner")
    shown = Office.shown_account(who, account)
    if shown is None:
        return N_("by somebody else of the community")
    if shown == who.account:
        return N_("by you")
    return N_("by a program") if shown < 0 else N_("by the operator")


def _person(centre: Centre, db: Connection, who: Who, community: int, person: int) -> dict[str, Any]:
    found = get_person(db, centre.office.vault, community, person)
    homes = lived_where(db, community, person)
    named = paths(db, [each.place_id for each in homes])
    cards = credentials_of(db, community, person)
    owners = accounts_of(db, person)
    return {
        "person": found,
        "instead": {each.corrects for each in homes},
        "homes": [(each, path_text(named[each.place_id])) for each in reversed(homes)],
        "cards": [
            (
                each,
                list(TRANSITIONS[CredentialState(each.state)]),
                [
                    (event, _by(who, event.account, owners))
                    for event in reversed(history_of(db, community, each.id))
                ],
            )
            for each in cards
        ],
        "accounts": waiting_of(db, community, person, centre.now_us()),
        "least_digits": LEAST_DIGITS,
        "most_digits": MOST_DIGITS,
        "now_us": centre.now_us(),
    }
