"""The settings of a site's doors: what holds, what a change comes to, and its sending."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, Response

from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.forms import led_to, status_of
from central.console.labels import sites_called
from central.console.pages.operations.door_form import form_of, together
from central.console.pages.operations.faults import PLACES, told
from central.console.pages.operations.fleet import Looking
from central.console.pages.operations.in_words import InWords
from central.console.pages.operations.revisions import SEEN_BY, revisions_shown
from central.console.pages.operations.shown_door import AtDoor, form_shown
from central.console.pages.operations.written import NOBODY, FormDoor, Site, Writer, as_text, read
from central.console.views import Language
from central.errors import BadQuestion, CentralError, Clash, ProveAgain
from central.fleet.completeness import completeness
from central.fleet.site_settings import History, Meanwhile, NotSent, Unsent
from central.register.groups import schedules_of_rights
from messages.site_settings import MAX_SETTINGS_BYTES

Written = Annotated[str, Form(max_length=MAX_SETTINGS_BYTES)]
Number = Annotated[int, Form(ge=0, le=2**53)]
MaybeNumber = Annotated[int | None, Form(ge=0, le=2**53)]
OF_LATE: Final = 6
_CHANGED: Final = 409


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/operations/settings", response_class=HTMLResponse, summary="The settings of a site's doors")
    async def settings_page(
        who: Looking, site: Site | None = None, *, sent: bool = False, lang: Language = None
    ) -> HTMLResponse:
        """`sent`: it was, a moment ago."""
        return await shown(centre, who, site, lang, sent=sent)

    @pages.post("/operations/settings", summary="What a change comes to")
    async def preview(  # noqa: PLR0917  FastAPI passes them by name
        who: Writer,
        written: Written,
        site: Site,
        after: MaybeNumber = None,
        seen: MaybeNumber = None,
        prefer: Annotated[str, Form(pattern="^(own|theirs)?$")] = "",
        lang: Language = None,
    ) -> Response:
        """`after`: the revision that was changed; none: the newest. `prefer`: whose word counts where others
        changed the same in the revisions up to `seen`."""
        try:
            said = read(written)
            if after is None:
                after = (await centre.site_settings.in_force(who, site)).number
            found = await centre.site_settings.meanwhile(who, site, said, after)
        except (BadQuestion, Clash) as error:
            return await shown(centre, who, site, lang, error, written=written, after=after)
        decided = prefer if found.now.number == seen else ""
        return await looked_at(centre, who, site, lang, found, decided=decided, after=after)

    @pages.post("/operations/settings/send", summary="Send what was looked at")
    async def send(  # noqa: PLR0917  FastAPI passes them by name
        who: Writer,
        written: Written,
        after: Number,
        site: Site,
        door: FormDoor = "",
        back: Annotated[str, Form(max_length=8)] = "",
        lang: Language = None,
    ) -> Response:
        """What was written is kept where the second factor was given too long ago. `back`: to the form of
        that door, nothing is sent."""
        try:
            found = await centre.site_settings.meanwhile(who, site, read(written), after)
        except (BadQuestion, Clash) as error:
            return await shown(centre, who, site, lang, error, written=written, after=after)
        if back and door:
            return await _form_again(centre, who, AtDoor(site, door), lang, found)
        refused: CentralError | None = None
        if found.changes:
            refused = NotSent(Unsent.CHANGED_MEANWHILE, "somebody wrote other settings meanwhile")
        elif not who.fresh:
            refused = ProveAgain("give the second factor again: sending takes a fresh one")
        else:
            try:
                # Without changes, what is newer has other keys alone.
                await centre.site_settings.write(who, site, found.own, found.now.number)
                return led_to(f"/operations/settings?site={site}&sent=true")
            except (BadQuestion, Clash) as error:
                refused = error
                if isinstance(error, NotSent) and error.why is Unsent.CHANGED_MEANWHILE:
                    found = await centre.site_settings.meanwhile(who, site, found.own, found.now.number)
        return await looked_at(centre, who, site, lang, found, error=refused, door=door, after=after)

    return pages


async def looked_at(
    centre: Centre,
    who: Who,
    site: str,
    lang: str | None,
    found: Meanwhile,
    *,
    error: CentralError | None = None,
    door: str = "",
    decided: str = "",
    after: int = 0,
) -> HTMLResponse:
    """What one's own change comes to on top of the newest settings; where others changed the same, both
    beside each other, to be decided: in the form of the door that one came from, if any. `decided`: own or
    theirs. `after`: the revision that was changed."""
    if found.on_top.clashing and not decided:
        if door:
            return await _form_again(centre, who, AtDoor(site, door), lang, found)
        return await shown(
            centre, who, site, lang, written=as_text(found.own), after=after, clash=found, status=_CHANGED
        )
    said = found.on_top.theirs_first if decided == "theirs" else found.on_top.own_first
    number = found.now.number
    status = None
    if isinstance(error, NotSent) and error.why is Unsent.CHANGED_MEANWHILE:
        error, status = None, _CHANGED  # the notice says more
    try:
        await centre.site_settings.preview(who, site, said)
    except BadQuestion as wrong:
        # What each wrote is right, and together they are not.
        return await shown(
            centre, who, site, lang, wrong, written=as_text(said), after=number, meanwhile=found.changes
        )
    return await shown(
        centre,
        who,
        site,
        lang,
        error,
        written=as_text(said),
        would_be=said,
        after=number,
        meanwhile=found.changes,
        door=door,
        status=status,
    )


async def _form_again(
    centre: Centre, who: Who, at: AtDoor, lang: str | None, found: Meanwhile
) -> HTMLResponse:
    """With what was typed, on top of what others wrote of that door."""
    of_rights = await centre.questions.ask(lambda db: schedules_of_rights(db, at.site, centre.now_us()))
    forms = [form_of(each, at.door, of_rights) for each in (found.before, found.now.written, found.own)]
    meanwhile = found if found.changes else None
    return await form_shown(centre, who, at, lang, together(*forms), found.now.number, meanwhile=meanwhile)


async def shown(
    centre: Centre,
    who: Who,
    site: str | None,
    lang: str | None,
    error: CentralError | None = None,
    *,
    written: str | None = None,
    would_be: dict[str, Any] | None = None,
    after: int | None = None,
    meanwhile: History = (),
    clash: Meanwhile | None = None,
    door: str = "",
    sent: bool = False,
    status: int | None = None,
) -> HTMLResponse:
    """`after`: the revision that `written` is a change of; none: the newest. `would_be`: settings that may be
    sent. `meanwhile`: what others wrote that it is put on top of; `clash`: that, and what clashes with it.
    `door`: that whose form one came from."""
    sites = await centre.site_settings.sites(who)
    called = await centre.questions.ask(lambda db: sites_called(db, who.communities))
    site = site or (sites[0] if sites else None)
    values: dict[str, Any] = {
        "sites": sites,
        "choices": [(each, f"{called[each]} · {each}" if each in called else each) for each in sites],
        "site": site,
        "revision": None,
        "differences": None,
        "clashing": None,
        "meanwhile": [],
        "revisions": [],
        "further": None,
        "door": door,
        **NOBODY,
    }
    if site is not None:
        revision = await centre.site_settings.in_force(who, site)
        values |= {"revision": revision, "written": written or as_text(revision.written)}
        values |= {"after": revision.number if after is None else after}
        values["gateways"] = await centre.questions.ask(lambda db: completeness(db, sites=[site]))
        values["labels"] = {each.name: each.label for each in values["gateways"]}
        values["own_doors"] = frozenset(revision.written.get("doors", {}))
        if who.role in SEEN_BY:
            values |= await revisions_shown(centre, who, site, limit=OF_LATE)
        words = InWords(
            centre.views.said_in(lang),
            values["gateways"],
            [revision.written, *([would_be] if would_be is not None else [])],
        )
        if would_be is not None:
            values |= await _differences(centre, who, site, words, would_be)
        if clash is not None:
            meanwhile = clash.changes
            values["clashing"] = words.clashing(clash.on_top.clashing, meanwhile)
            values["seen"] = clash.now.number
        values["meanwhile"] = words.history(meanwhile)
    values |= {"told": told(error), "stale": isinstance(error, ProveAgain), "sent": sent}
    values |= {"place_names": PLACES}
    values |= {"writes": who.role is Role.OPERATOR}
    if status is None:
        status = status_of(error)
    return centre.show(who, lang, "operations/settings.html", "settings", status=status, **values)


async def _differences(
    centre: Centre, who: Who, site: str, words: InWords, would_be: dict[str, Any]
) -> dict[str, Any]:
    """Raises BadQuestion."""
    found = await centre.site_settings.preview(who, site, would_be)
    of_late = await centre.site_settings.of_late(who, site)
    return {
        "differences": words.differences(found, of_late, besides=who.by),
        "touched": words.touched(found),
    }
