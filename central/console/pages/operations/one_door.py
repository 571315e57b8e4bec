"""The settings of one door, in a form: what it comes to is shown among the settings of its site before it is
sent."""

from __future__ import annotations

import re
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from central.console.centre import Centre
from central.console.pages.operations.door_form import changed, form_of, typed
from central.console.pages.operations.settings import looked_at
from central.console.pages.operations.shown_door import AtDoor, form_shown, known
from central.console.pages.operations.written import Door, Site, Writer
from central.console.views import Language
from central.errors import BadQuestion
from central.register.groups import schedules_of_rights

_REVISION: Final = re.compile(r"\d{1,15}", re.ASCII)
_UNKNOWN: Final = -1


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/operations/settings/door", response_class=HTMLResponse, summary="The settings of one door")
    async def door_page(who: Writer, site: Site, door: Door, lang: Language = None) -> HTMLResponse:
        revision = await centre.site_settings.in_force(who, site)
        of_rights = await centre.questions.ask(lambda db: schedules_of_rights(db, site, centre.now_us()))
        form = form_of(revision.written, door, of_rights)
        return await form_shown(centre, who, AtDoor(site, door), lang, form, revision.number)

    @pages.post("/operations/settings/door", summary="What a form of a door comes to")
    async def preview(
        request: Request, who: Writer, site: Site, door: Door, lang: Language = None
    ) -> Response:
        """What was typed is a change of the revision that the form was made from, whatever was written
        since."""
        sent = await request.form(max_fields=1_000)
        fields = {name: [str(each) for each in sent.getlist(name)] for name in sent}
        opened = fields.get("after", [""])[0]
        after = int(opened) if _REVISION.fullmatch(opened) else _UNKNOWN
        if not opened:
            after = (await centre.site_settings.in_force(who, site)).number
        before = await centre.site_settings.written_in(who, site, after) or {}
        of_rights = await centre.questions.ask(lambda db: schedules_of_rights(db, site, centre.now_us()))
        at = AtDoor(site, door)
        form = typed(fields, form_of(before, door, of_rights).others)
        try:
            await known(centre, at)
            said = changed(before, door, form, of_rights)
            found = await centre.site_settings.meanwhile(who, site, said, after)
        except BadQuestion as error:
            return await form_shown(centre, who, at, lang, form, max(after, 0), error)
        return await looked_at(centre, who, site, lang, found, door=door)

    return pages
