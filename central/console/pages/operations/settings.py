"""The settings of a site's doors: what holds, what a change comes to, and its sending."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, Response

from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.forms import led_to, status_of
from central.console.labels import sites_called
from central.console.pages.operations.faults import PLACES, steps_of, told
from central.console.pages.operations.fleet import Looking
from central.console.pages.operations.revisions import SEEN_BY, revisions_shown
from central.console.pages.operations.written import NOBODY, Site, Writer, as_text, read
from central.console.views import Language
from central.errors import BadQuestion, CentralError, Clash, ProveAgain
from central.fleet.completeness import completeness
from central.fleet.site_settings import Difference
from messages.site_settings import MAX_SETTINGS_BYTES

Written = Annotated[str, Form(max_length=MAX_SETTINGS_BYTES)]
OF_LATE: Final = 6


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/operations/settings", response_class=HTMLResponse, summary="The settings of a site's doors")
    async def settings_page(
        who: Looking, site: Site | None = None, *, sent: bool = False, lang: Language = None
    ) -> HTMLResponse:
        """`sent`: it was, a moment ago."""
        return await shown(centre, who, site, lang, sent=sent)

    @pages.post("/operations/settings", summary="What a change comes to")
    async def preview(who: Writer, written: Written, site: Site, lang: Language = None) -> Response:
        looked_at = await centre.site_settings.in_force(who, site)
        try:
            found = await centre.site_settings.preview(who, site, read(written))
        except (BadQuestion, Clash) as error:
            return await shown(centre, who, site, lang, error, written=written)
        return await shown(
            centre, who, site, lang, written=written, differences=found, after=looked_at.number
        )

    @pages.post("/operations/settings/send", summary="Send what was looked at")
    async def send(
        who: Writer,
        written: Written,
        after: Annotated[int, Form(ge=0, le=2**53)],
        site: Site,
        lang: Language = None,
    ) -> Response:
        """What was written is kept where the second factor was given too long ago."""
        try:
            if who.fresh:
                await centre.site_settings.write(who, site, read(written), after)
                return led_to(f"/operations/settings?site={site}&sent=true")
            stale = ProveAgain("give the second factor again: sending takes a fresh one")
            found = await centre.site_settings.preview(who, site, read(written))
        except (BadQuestion, Clash) as error:
            return await shown(centre, who, site, lang, error, written=written)
        return await shown(centre, who, site, lang, stale, written=written, differences=found, after=after)

    return pages


async def shown(
    centre: Centre,
    who: Who,
    site: str | None,
    lang: str | None,
    error: CentralError | None = None,
    *,
    written: str | None = None,
    differences: list[Difference] | None = None,
    after: int = 0,
    sent: bool = False,
) -> HTMLResponse:
    """`after`: the revision that the differences were found against, or an older one."""
    sites = await centre.site_settings.sites(who)
    called = await centre.questions.ask(lambda db: sites_called(db, who.communities))
    site = site or (sites[0] if sites else None)
    values: dict[str, Any] = {
        "sites": sites,
        "choices": [(each, f"{called[each]} · {each}" if each in called else each) for each in sites],
        "site": site,
        "revision": None,
        "differences": differences,
        "revisions": [],
        "further": None,
        **NOBODY,
    }
    if site is not None:
        revision = await centre.site_settings.in_force(who, site)
        values |= {"revision": revision, "written": written or as_text(revision.written)}
        values["gateways"] = await centre.questions.ask(lambda db: completeness(db, sites=[site]))
        values["labels"] = {each.name: each.label for each in values["gateways"]}
        values["own_doors"] = frozenset(revision.written.get("doors", {}))
        if who.role in SEEN_BY:
            values |= await revisions_shown(centre, who, site, limit=OF_LATE)
    values |= {"told": told(error), "stale": isinstance(error, ProveAgain), "after": after, "sent": sent}
    values |= {"place_names": PLACES, "steps_of": steps_of}
    values |= {"writes": who.role is Role.OPERATOR}
    status = status_of(error)
    return centre.show(who, lang, "operations/settings.html", "settings", status=status, **values)
