"""The settings of a site's doors: what holds, what a change comes to, and its sending."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Query
from fastapi.responses import HTMLResponse, Response

from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.forms import led_to, status_of
from central.console.guard import page_for
from central.console.pages.operations.fleet import Looking
from central.console.views import Language
from central.console.words import N_
from central.errors import BadQuestion, CentralError, Clash, ProveAgain
from central.fleet.site_settings import Difference
from messages.site_settings import MAX_SETTINGS_BYTES

Operator = Annotated[Who, page_for(Role.OPERATOR)]
Site = Annotated[str, Query(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
Written = Annotated[str, Form(max_length=MAX_SETTINGS_BYTES)]
_NOT_JSON: Final = N_("This is not JSON: look at line %(line)s.")
_WRONG: Final = N_("These are no settings: %(why)s")
_STALE: Final = N_("Sending takes a fresh second factor. Give it in another tab, then send again.")
_NOT_SENT: Final = N_("Nothing was sent: %(why)s")


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/operations/settings", response_class=HTMLResponse, summary="The settings of a site's doors")
    async def settings_page(
        who: Looking, site: Site | None = None, *, sent: bool = False, lang: Language = None
    ) -> HTMLResponse:
        """`sent`: it was, a moment ago."""
        return await shown(who, site, lang, sent=sent)

    @pages.post("/operations/settings", summary="What a change comes to")
    async def preview(who: Operator, written: Written, site: Site, lang: Language = None) -> Response:
        looked_at = await centre.site_settings.in_force(who, site)
        try:
            found = await centre.site_settings.preview(who, site, _read(written))
        except (BadQuestion, Clash) as error:
            return await shown(who, site, lang, error, written=written)
        return await shown(who, site, lang, written=written, differences=found, after=looked_at.number)

    @pages.post("/operations/settings/send", summary="Send what was looked at")
    async def send(
        who: Operator,
        written: Written,
        after: Annotated[int, Form(ge=0, le=2**53)],
        site: Site,
        lang: Language = None,
    ) -> Response:
        """What was written is kept where the second factor was given too long ago."""
        try:
            if who.fresh:
                await centre.site_settings.write(who, site, _read(written), after)
                return led_to(f"/operations/settings?site={site}&sent=true")
            stale = ProveAgain("give the second factor again: sending takes a fresh one")
            found = await centre.site_settings.preview(who, site, _read(written))
        except (BadQuestion, Clash) as error:
            return await shown(who, site, lang, error, written=written)
        return await shown(who, site, lang, stale, written=written, differences=found, after=after)

    async def shown(
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
        site = site or (sites[0] if sites else None)
        values: dict[str, Any] = {
            "sites": sites,
            "choices": [(each, each) for each in sites],
            "site": site,
            "revision": None,
            "differences": differences,
        }
        if site is not None:
            revision = await centre.site_settings.in_force(who, site)
            values |= {"revision": revision, "written": written or _text(revision.written)}
        values |= {"told": _told(error), "stale": isinstance(error, ProveAgain), "after": after, "sent": sent}
        values |= {"writes": who.role is Role.OPERATOR}
        status = status_of(error)
        return centre.show(who, lang, "operations/settings.html", "settings", status=status, **values)

    return pages


class _NotJson(BadQuestion):
    """`line` is where reading stopped."""

    def __init__(self, line: int) -> None:
        super().__init__("settings", "not JSON")
        self.line = line


def _read(written: str) -> dict[str, Any]:
    """Raises BadQuestion."""
    try:
        found = json.loads(written)
    except json.JSONDecodeError as error:
        raise _NotJson(error.lineno) from None
    except (RecursionError, ValueError):  # too deep, or a number of thousands of digits
        raise _NotJson(1) from None
    if not isinstance(found, dict):
        raise _NotJson(1)
    return found


def _text(written: dict[str, Any]) -> str:
    return json.dumps(written, ensure_ascii=False, indent=2)


def _told(error: CentralError | None) -> tuple[str, dict[str, Any]] | None:
    """A sentence to be translated, and what stands in it."""
    match error:
        case None:
            return None
        case _NotJson(line=line):
            return _NOT_JSON, {"line": line}
        case ProveAgain():
            return _STALE, {}
        case BadQuestion():
            return _WRONG, {"why": str(error)}
        case _:
            return _NOT_SENT, {"why": str(error)}
