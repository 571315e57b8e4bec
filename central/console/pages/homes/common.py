"""What the pages of the register share: whose community it is, days as they are typed, what went wrong."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final

from fastapi import Form
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.guard import page_for
from central.console.pages.homes.sentences import BEGINNINGS, KNOWN
from central.errors import BadQuestion, CentralError, NotThere
from central.register.communities import Community, communities
from central.times import local

Worker = Annotated[Who, page_for(Role.WORKER)]
RowId = Annotated[int, InPath(ge=1, le=2**53)]
Text = Annotated[str, Form(max_length=512)]
_SEE_OTHER: Final = 303
_UNFIT, _NOT_SO = 422, 409


async def mine(centre: Centre, who: Who) -> list[Community]:
    return await centre.questions.ask(lambda db: communities(db, who.communities))


async def chosen(centre: Centre, who: Who, community: int | None) -> tuple[Community, list[Community]]:
    """The community that was asked for, or the first one; beside it all that this worker may choose from.
    Raises NotThere for somebody who works in none, or not in that one."""
    all_mine = await mine(centre, who)
    for each in all_mine:
        if community in {None, each.id}:
            return each, all_mine
    raise NotThere("no such community")


def day_of(text: str, field: str) -> date | None:
    """Raises BadQuestion for what is no day."""
    if not text.strip():
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise BadQuestion(field, "a day is written like 2026-03-31") from None


def reason_of(text: str) -> str:
    """Raises BadQuestion for an empty one."""
    if not text.strip():
        raise BadQuestion("reason", "say why")
    return text.strip()


def today(centre: Centre) -> date:
    return local(centre.now_us(), centre.zone).date()


def led_to(path: str) -> Response:
    """After something was done: loading again does not do it twice."""
    return RedirectResponse(path, _SEE_OTHER)


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


def status_of(error: CentralError | None) -> int:
    if error is None:
        return 200
    return _UNFIT if isinstance(error, BadQuestion) else _NOT_SO


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
