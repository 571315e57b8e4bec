"""Revisions of a site's settings: written when and by whom, each beside what holds now, and put back."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Query
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse, Response

from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.forms import led_to, status_of
from central.console.guard import page_for
from central.console.pages.operations.faults import PLACES, told
from central.console.pages.operations.in_words import InWords
from central.console.pages.operations.one_gateway import Name
from central.console.pages.operations.written import Site, Writer, as_text, writers
from central.console.views import Language
from central.errors import BadQuestion, CentralError, Clash, ProveAgain
from central.fleet.completeness import completeness
from central.fleet.site_settings import written

SEEN_BY: Final = frozenset({Role.OPERATOR, Role.SUPERVISOR})
"""As commands: who ordered what is no matter of installers."""

Reader = Annotated[Who, page_for(*SEEN_BY)]
Number = Annotated[int, InPath(ge=1, le=2**53)]
_A_PAGE: Final = 50


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/operations/settings/revisions", response_class=HTMLResponse, summary="All revisions")
    async def revisions_page(
        who: Reader,
        site: Site,
        before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
        lang: Language = None,
    ) -> HTMLResponse:
        values = await revisions_shown(centre, who, site, before=before, limit=_A_PAGE)
        values |= {"site": site, "newest": before is None}
        return centre.show(who, lang, "operations/revisions.html", "settings", **values)

    @pages.get(
        "/operations/settings/revisions/{site}/{number}", response_class=HTMLResponse, summary="One revision"
    )
    async def revision_page(who: Reader, site: Name, number: Number, lang: Language = None) -> HTMLResponse:
        return await one_shown(who, site, number, lang)

    @pages.post(
        "/operations/settings/revisions/{site}/{number}/put-back", summary="Put a former revision back"
    )
    async def put_back(
        who: Writer,
        site: Name,
        number: Number,
        after: Annotated[int, Form(ge=0, le=2**53)],
        lang: Language = None,
    ) -> Response:
        if not who.fresh:
            stale = ProveAgain("give the second factor again: sending takes a fresh one")
            return await one_shown(who, site, number, lang, stale)
        try:
            await centre.site_settings.put_back(who, site, number, after)
        except (BadQuestion, Clash) as error:
            return await one_shown(who, site, number, lang, error, after=after)
        return led_to(f"/operations/settings?site={site}&sent=true")

    async def one_shown(
        who: Who,
        site: str,
        number: int,
        lang: str | None,
        error: CentralError | None = None,
        *,
        after: int | None = None,
    ) -> HTMLResponse:
        """`after`: the revision beside which it was looked at before."""
        found = await centre.site_settings.former(who, site, number)
        settings = found.noted.settings
        gateways = await centre.questions.ask(lambda db: completeness(db, sites=[site]))
        both = [] if settings is None else [written(settings)]
        both += [] if found.now is None else [found.now.written]
        words = InWords(centre.views.said_in(lang), gateways, both)
        of_late = await centre.site_settings.of_late(who, site)
        differences = found.differences
        values: dict[str, Any] = {
            "site": site,
            "noted": found.noted,
            "number_now": found.in_force,
            "revision": found.now,
            "differences": differences and words.differences(differences, of_late, besides=who.by),
            "touched": words.touched(differences or ()),
            "meanwhile": words.history(
                [each for each in of_late if after is not None and each[0].number > after]
            ),
            "written": None if settings is None else as_text(written(settings)),
            **await writers(centre, who),
            "told": told(error),
            "place_names": PLACES,
            "stale": isinstance(error, ProveAgain),
            "writes": who.role is Role.OPERATOR,
        }
        return centre.show(
            who, lang, "operations/revision.html", "settings", status=status_of(error), **values
        )

    return pages


async def revisions_shown(
    centre: Centre, who: Who, site: str, *, before: int | None = None, limit: int
) -> dict[str, Any]:
    """For the table of revisions."""
    found, further = await centre.site_settings.revisions(who, site, before=before, limit=limit)
    return {"revisions": found, "further": further, **await writers(centre, who)}
