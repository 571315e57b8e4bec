"""Machines' tokens: which there are, making one, ending one."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, Response

from central.accounts import tokens
from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.forms import Done, Text, led_to, status_of
from central.console.pages.administration.people import Change, Keeper, all_communities, told_of
from central.console.views import Language
from central.errors import BadQuestion, CentralError, NotThere

ROLES: Final = (Role.OPERATOR, Role.INSTALLER, Role.OFFICER)
"""None that gets to a person: a machine looks nobody up."""

USUAL_DAYS: Final = "90"


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/administration/tokens", response_class=HTMLResponse, summary="Machines' tokens")
    async def tokens_page(who: Keeper, done: Done = None, lang: Language = None) -> HTMLResponse:
        return await shown(who, lang, done=done)

    @pages.post("/administration/tokens", summary="Make a token")
    async def make(  # noqa: PLR0917  FastAPI passes them by name
        who: Change,
        name: Text,
        role: Annotated[Literal["officer", "operator", "installer"], Form()],
        communities: Annotated[list[int] | None, Form(max_length=1_000)] = None,
        days: Text = USUAL_DAYS,
        lang: Language = None,
    ) -> Response:
        said = {"name": name, "role": role, "communities": communities or [], "days": days}
        try:
            token = await centre.changes.make(
                lambda db: tokens.make_machine_token(
                    db,
                    name.strip(),
                    role=Role(role),
                    communities=communities or [],
                    days=_days(days),
                    by=str(who.account),
                    now_us=centre.now_us(),
                )
            )
        except (BadQuestion, NotThere) as error:
            return await shown(who, lang, error, said=said)
        return await shown(who, lang, token=token)

    @pages.post("/administration/tokens/end", summary="End the tokens of a name")
    async def end(who: Change, name: Text) -> Response:
        await centre.changes.make(
            lambda db: tokens.end_machine_token(db, name, str(who.account), centre.now_us())
        )
        return led_to("/administration/tokens", "tokens-ended")

    async def shown(
        who: Who,
        lang: str | None,
        error: CentralError | None = None,
        *,
        said: dict[str, Any] | None = None,
        token: str | None = None,
        done: str | None = None,
    ) -> HTMLResponse:
        blank = {"name": "", "role": Role.OPERATOR, "communities": [], "days": USUAL_DAYS}
        found = await centre.questions.ask(tokens.machine_tokens)
        values: dict[str, Any] = {"tokens": found, "token": token, "said": said or blank, "roles": ROLES}
        values["just_done"] = done
        values |= {"told": told_of(error), "known": await all_communities(centre), "now_us": centre.now_us()}
        values["names"] = {each.id: each.name for each in values["known"]}
        status = status_of(error)
        return centre.show(who, lang, "administration/tokens.html", "tokens", status=status, **values)

    return pages


def _days(text: str) -> int:
    """Raises BadQuestion."""
    if not (text.strip().isascii() and text.strip().isdigit()):
        raise BadQuestion("days", "is a whole number")
    return int(text.strip()[:6])
