"""The form of one door as a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi.responses import HTMLResponse

from central.accounts.who import Who
from central.console.centre import Centre
from central.console.forms import status_of
from central.console.pages.operations.door_form import LISTS, SPARE, DoorForm
from central.console.pages.operations.faults import PLACES, told
from central.console.pages.operations.in_words import (
    ADMITS,
    AS_INSTALLED,
    DAYS,
    LEVELS,
    MODES,
    PINS,
    InWords,
)
from central.console.pages.operations.written import writers
from central.errors import CentralError, NotThere
from central.fleet.completeness import Completeness, completeness
from central.fleet.site_settings import Meanwhile

_CHANGED: Final = 409


@dataclass(frozen=True, slots=True)
class AtDoor:
    """A door of a site, as it is named in addresses."""

    site: str
    door: str


async def known(centre: Centre, at: AtDoor) -> Completeness:
    """The gateway of the door. Raises NotThere."""
    for each in await centre.questions.ask(lambda db: completeness(db, sites=[at.site])):
        if at.door in {one.name for one in each.doors}:
            return each
    raise NotThere("no gateway of this site has told of such a door")


async def form_shown(  # noqa: PLR0917  as the routes take them
    centre: Centre,
    who: Who,
    at: AtDoor,
    lang: str | None,
    form: DoorForm,
    after: int,
    error: CentralError | None = None,
    meanwhile: Meanwhile | None = None,
) -> HTMLResponse:
    """`after`: the revision that the form was made from. `meanwhile`: what others changed while it was open,
    some of it the same as here; what was typed stays, and to go on is to decide."""
    gateway = await known(centre, at)
    said = centre.views.said_in(lang)
    values: dict[str, Any] = {"site": at.site, "door": at.door, "gateway": gateway, "form": form}
    values |= {"after": after, "meanwhile": [], "clashing": [], **await writers(centre, who)}
    if meanwhile is not None:
        gateways = await centre.questions.ask(lambda db: completeness(db, sites=[at.site]))
        words = InWords(said, gateways, (meanwhile.now.written, meanwhile.on_top.own_first))
        values["clashing"] = words.clashing(meanwhile.on_top.clashing, meanwhile.changes)
        values["meanwhile"] = words.history(meanwhile.changes)
    values |= {"spare": SPARE, "lists": LISTS, "place_names": {**PLACES, **LISTS}, "told": told(error)}

    def options(texts: Mapping[Any, str]) -> list[tuple[str, str]]:
        return [("", said(AS_INSTALLED)), *((value, said(text)) for value, text in texts.items())]

    values |= {"modes": options(MODES), "levels": options(LEVELS), "pins": options(PINS)}
    values |= {"admits": ADMITS, "days": DAYS}
    status = _CHANGED if values["clashing"] else status_of(error)
    return centre.show(who, lang, "operations/door.html", "settings", status=status, **values)
