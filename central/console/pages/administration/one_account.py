"""One account: what it may see and do, a new code for its owner, and its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import Connection

from central.accounts import book
from central.accounts.events import events
from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.forms import Done, RowId, Text, led_to, status_of
from central.console.pages.administration.people import Change, Keeper, all_communities, told_of
from central.console.views import Language
from central.errors import BadQuestion, CentralError, Clash


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/administration/{number}", response_class=HTMLResponse, summary="One account")
    async def account_page(
        who: Keeper, number: RowId, done: Done = None, lang: Language = None
    ) -> HTMLResponse:
        return await _shown(centre, who, number, lang, done=done)

    @pages.post("/administration/{number}/scope", summary="Which communities it sees")
    async def scope(
        who: Change,
        number: RowId,
        communities: Annotated[list[int] | None, Form(max_length=1_000)] = None,
        lang: Language = None,
    ) -> Response:
        def change(db: Connection) -> None:
            book.set_scope(db, number, communities or [], str(who.account), centre.now_us())

        return await _done(centre, who, number, lang, change)

    @pages.post("/administration/{number}/role", summary="Another role or unit")
    async def role(
        who: Change, number: RowId, role: Annotated[Role, Form()], unit: Text, lang: Language = None
    ) -> Response:
        def change(db: Connection) -> None:
            book.set_role(db, number, role, unit, by=str(who.account), now_us=centre.now_us())

        return await _done(centre, who, number, lang, change)

    _owner(pages, centre)
    return pages


def _owner(pages: APIRouter, centre: Centre) -> None:
    """What ends a session of its owner for longer."""

    @pages.post("/administration/{number}/disable", summary="Disable it for good")
    async def disable(who: Change, number: RowId, lang: Language = None) -> Response:
        def change(db: Connection) -> None:
            book.disable(db, number, str(who.account), centre.now_us())

        return await _done(centre, who, number, lang, change)

    @pages.post("/administration/{number}/unlink", summary="No longer by the provider's sign-in")
    async def unlink(who: Change, number: RowId, lang: Language = None) -> Response:
        def change(db: Connection) -> None:
            book.unlink(db, number, str(who.account), centre.now_us())

        return await _done(centre, who, number, lang, change)

    @pages.post("/administration/{number}/reset", summary="A new code for its owner")
    async def reset(who: Change, number: RowId, lang: Language = None) -> Response:
        def change(db: Connection) -> tuple[str, str]:
            code = book.reset(db, number, str(who.account), centre.now_us())
            return book.one_account(db, number).login, code

        try:
            login, code = await centre.changes.make(change)
        except Clash as error:
            return await _shown(centre, who, number, lang, error)
        values: dict[str, Any] = {"code": code, "number": number, "login": login}
        return centre.show(who, lang, "administration/code.html", "accounts", **values)


async def _done(
    centre: Centre, who: Who, number: int, lang: str | None, change: Callable[[Connection], None]
) -> Response:
    try:
        await centre.changes.make(change)
    except (BadQuestion, Clash) as error:
        return await _shown(centre, who, number, lang, error)
    return led_to(f"/administration/{number}", "account")


async def _shown(  # noqa: PLR0917  as the routes take them
    centre: Centre,
    who: Who,
    number: int,
    lang: str | None,
    error: CentralError | None = None,
    done: str | None = None,
) -> HTMLResponse:
    """Raises NotThere."""
    found = await centre.questions.ask(lambda db: book.one_account(db, number))
    values: dict[str, Any] = {"account": found, "told": told_of(error), "is_own": number == who.account}
    values["just_done"] = done
    values["roles"] = [each for each in Role if each is not Role.RESIDENT]
    values["known"] = await all_communities(centre)
    values["provider"] = centre.provider.name or "OpenID Connect"
    values["events"] = await centre.questions.ask(lambda db: events(db, about=number))
    status = status_of(error)
    return centre.show(who, lang, "administration/account.html", "accounts", status=status, **values)
