"""The settings of one door, in a form: what it comes to is shown among the settings of its site before it is
sent."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from central.accounts.who import Who
from central.console.centre import Centre
from central.console.forms import status_of
from central.console.pages.operations.door_form import (
    LISTS,
    SPARE,
    DoorForm,
    changed,
    form_of,
    of_door,
    typed,
)
from central.console.pages.operations.faults import PLACES, steps_of, told
from central.console.pages.operations.settings import shown
from central.console.pages.operations.written import NOBODY, Site, Writer, as_text, writers
from central.console.views import Language
from central.console.words import N_
from central.errors import BadQuestion, CentralError, NotThere
from central.fleet.completeness import Completeness, completeness
from central.fleet.site_settings import Difference, Revision, differences
from central.register.groups import schedules_of_rights
from messages.model import AssuranceLevel
from messages.site_settings import Admission, Day, DoorMode

Door = Annotated[str, Query(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]

_CHANGED: Final = 409
_REVISION: Final = re.compile(r"\d{1,15}", re.ASCII)

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
        opened = fields.get("after", [str(number)])[0]
        meanwhile = [] if opened == str(number) else await changed_since(who, site, door, opened, looked_at)
        if meanwhile:
            # Else what a colleague wrote of this door since it was opened would be taken back unnoticed.
            return await form_shown(who, site, door, lang, form, number, meanwhile=meanwhile)
        try:
            await known(site, door)
            said = changed(looked_at.written, door, form, of_rights)
            found = await centre.site_settings.preview(who, site, said)
        except BadQuestion as error:
            return await form_shown(who, site, door, lang, form, number, error)
        return await shown(centre, who, site, lang, written=as_text(said), differences=found, after=number)

    async def changed_since(who: Who, site: str, door: str, opened: str, now: Revision) -> list[Difference]:
        """Of the door, since the revision that the form was made from; of one that is not known, all that
        holds now."""
        number = int(opened) if _REVISION.fullmatch(opened) else -1
        was = await centre.site_settings.written_in(who, site, number)
        before = of_door({} if was is None else was, door)
        return differences(before, of_door(now.written, door))

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
        meanwhile: Sequence[Difference] = (),
    ) -> HTMLResponse:
        """`after`: the revision that the form was made from. `meanwhile`: what somebody else changed of the
        door while it was open; what was typed stays, and to go on is to decide."""
        gateway = await known(site, door)
        values: dict[str, Any] = {
            "site": site,
            "door": door,
            "gateway": gateway,
            "form": form,
            "after": after,
        }
        values |= {"meanwhile": meanwhile, "steps_of": steps_of, "changed_by": None, **NOBODY}
        if meanwhile:
            newest, _ = await centre.site_settings.revisions(who, site, limit=1)
            values |= {"changed_by": newest[0] if newest else None, **await writers(centre, who)}
        values |= {"spare": SPARE, "lists": LISTS, "place_names": {**PLACES, **LISTS}, "told": told(error)}
        said = centre.views.said_in(lang)

        def options(words: Mapping[Any, str]) -> list[tuple[str, str]]:
            return [("", said(AS_INSTALLED)), *((value, said(text)) for value, text in words.items())]

        values |= {"modes": options(MODES), "levels": options(LEVELS), "pins": options(PINS)}
        values |= {"admits": ADMITS, "days": DAYS}
        status = _CHANGED if meanwhile else status_of(error)
        return centre.show(who, lang, "operations/door.html", "settings", status=status, **values)

    return pages
