"""What the pages of the register share: whose community it is, and what went wrong."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi.responses import HTMLResponse

from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.forms import status_of
from central.console.guard import page_for
from central.console.pages.homes.sentences import BEGINNINGS, KNOWN
from central.errors import BadQuestion, CentralError

Worker = Annotated[Who, page_for(Role.WORKER)]


def told(error: CentralError) -> dict[str, Any]:
    """What a template shows of an error. `sentence`: in English, to be translated, or None where the page has
    none; `field`: the one at fault, where one is."""
    text = str(error)
    known = text if text in KNOWN else None
    begun = next((meant for begins, meant in BEGINNINGS.items() if text.startswith(begins)), known)
    return {
        "sentence": begun,
        "field": error.field if isinstance(error, BadQuestion) else None,
    }


def show(
    centre: Centre,
    who: Who,
    lang: str | None,
    template: str,
    *,
    here: str,
    error: CentralError | None = None,
    **values: Any,
) -> HTMLResponse:
    """A page of this folder. `here`: its name in the registry."""
    shown = {"error": None if error is None else told(error), **values}
    return centre.show(who, lang, f"homes/{template}", here, status=status_of(error), **shown)
