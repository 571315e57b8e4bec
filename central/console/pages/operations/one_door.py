"""The settings of one door, in a form: what it comes to is shown among the settings of its site before it is
sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from central.accounts.who import Who
from central.console.centre import Centre
from central.console.forms import status_of
from central.console.pages.operations.door_form import LISTS, SPARE, DoorForm, changed, form_of, typed
from central.console.pages.operations.faults import PLACES, told
from central.console.pages.operations.settings import shown
from central.console.pages.operations.written import Site, Writer, as_text
from central.console.views import Language
from central.console.words import N_
from central.errors import BadQuestion, CentralError, NotThere
from central.fleet.completeness import Completeness, completeness
from central.fleet.site_settings import NotSent, Unsent
from central.register.groups import schedules_of_rights
from messages.model import AssuranceLevel
from messages.site_settings import Admission, Day, DoorMode

Door = Annotated[str, Query(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]

AS_INSTALLED: Final = N_("as the gateway's own file says")
MODES: Final = {
    DoorMode.CONTROLLED: N_("opens after a decision"),
    DoorMode.FREE: N_("stands free at all hours"),
    DoorMode.LOCKED_DOWN: N_("locked down at all hours"),
}
ADMITS: Final = {
    Admission.LISTED: N_("who is on the access list"),
    Admission.PASS: N_("visitors with a pass"),
    Admission.VERIFIED_ID: N_("anybody with a verified ID card"),
}
LEVELS: Final = {
    AssuranceLevel.L0: N_("L0: anything, codes and PINs too"),
    AssuranceLevel.L1: N_("L1: any card, also one that can be copied"),
    AssuranceLevel.L2: N_("L2: cards that are hard to copy"),
    AssuranceLevel.L3: N_("L3: verified ID cards alone"),
}
PINS: Final = {"yes": N_("asked for"), "no": N_("not asked for")}
DAYS: Final = {
    Day.MON: N_("Mon"),
    Day.TUE: N_("Tue"),
    Day.WED: N_("Wed"),
    Day.THU: N_("Thu"),
    Day.FRI: N_("Fri"),
    Day.SAT: N_("Sat"),
    Day.SUN: N_("Sun"),
}


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/operations/settings/door", response_class=HTMLResponse, summary="The settings of one door")
    async def door_page(who: Writer, site: Site, door: Door, lang: Language = None) -> HTMLResponse:
        revision = await centre.site_settings.in_force(who, site)
        of_rights = await centre.questions.ask(lambda db: schedules_of_rights(db, site, centre.now_us()))
        form = form_of(revision.written, door, of_rights)
        return await form_shown(who, site, door, lang, form, revision.number)

    @pages.post("/operations/settings/door", summary="What a form of a door comes to")
    async def preview(
        request: Request, who: Writer, site: Site, door: Door, lang: Language = None
    ) -> Response:
        sent = await request.form(max_fields=1_000)
        fields = {name: [str(each) for each in sent.getlist(name)] for name in sent}
        looked_at = await centre.site_settings.in_force(who, site)
        of_rights = await centre.questions.ask(lambda db: schedules_of_rights(db, site, centre.now_us()))
        now = form_of(looked_at.written, door, of_rights)
        form, number = typed(fields, now.others), looked_at.number
        if fields.get("after", [str(number)]) != [str(number)]:
            # What somebody else wrote of this door since it was opened would be taken back unnoticed.
            changed_meanwhile = NotSent(
                Unsent.CHANGED_MEANWHILE, "somebody wrote other settings meanwhile: look at those first"
            )
            return await form_shown(who, site, door, lang, now, number, changed_meanwhile)
        try:
            await known(site, door)
            said = changed(looked_at.written, door, form, of_rights)
            found = await centre.site_settings.preview(who, site, said)
        except BadQuestion as error:
            return await form_shown(who, site, door, lang, form, number, error)
        return await shown(centre, who, site, lang, written=as_text(said), differences=found, after=number)

    async def known(site: str, door: str) -> Completeness:
        """The gateway of the door. Raises NotThere."""
        gateways = await centre.questions.ask(lambda db: completeness(db, sites=[site]))
        for each in gateways:
            if door in {one.name for one in each.doors}:
                return each
        raise NotThere("no gateway of this site has told of such a door")

    async def form_shown(  # noqa: PLR0917  as the routes take them
        who: Who,
        site: str,
        door: str,
        lang: str | None,
        form: DoorForm,
        after: int,
        error: CentralError | None = None,
    ) -> HTMLResponse:
        """`after`: the revision that the form was made from."""
        gateway = await known(site, door)
        values: dict[str, Any] = {
            "site": site,
            "door": door,
            "gateway": gateway,
            "form": form,
            "after": after,
        }
        values |= {"spare": SPARE, "lists": LISTS, "place_names": {**PLACES, **LISTS}, "told": told(error)}
        said = centre.views.said_in(lang)

        def options(words: Mapping[Any, str]) -> list[tuple[str, str]]:
            return [("", said(AS_INSTALLED)), *((value, said(text)) for value, text in words.items())]

        values |= {"modes": options(MODES), "levels": options(LEVELS), "pins": options(PINS)}
        values |= {"admits": ADMITS, "days": DAYS}
        status = status_of(error)
        return centre.show(who, lang, "operations/door.html", "settings", status=status, **values)

    return pages
