"""All accounts, and making one."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Query
from fastapi.responses import HTMLResponse, Response

from central.accounts import book
from central.accounts.who import Role, Who
from central.console.centre import Centre
from central.console.forms import Text, status_of
from central.console.pages.administration.people import Change, Keeper, all_communities, told_of
from central.console.views import Language
from central.errors import BadQuestion, CentralError, Clash, NotThere

PAGE: Final = 100


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()

    @pages.get("/administration", response_class=HTMLResponse, summary="Accounts")
    async def accounts_page(
        who: Keeper,
        residents: Annotated[bool, Query()] = False,  # noqa: FBT002  FastAPI passes it by name
        page: Annotated[int, Query(ge=1, le=100_000)] = 1,
        lang: Language = None,
    ) -> HTMLResponse:
        everybody = await centre.questions.ask(book.accounts)
        found = [each for each in everybody if (each.role is Role.RESIDENT) is residents]
        known = {each.id: each.name for each in await all_communities(centre)}
        begin = (page - 1) * PAGE
        values: dict[str, Any] = {
            "accounts": found[begin : begin + PAGE],
            "residents": residents,
            "page": page,
        }
        values |= {"communities": known, "further": len(found) > begin + PAGE}
        return centre.show(who, lang, "administration/accounts.html", "accounts", **values)

    @pages.get("/administration/new", response_class=HTMLResponse, summary="A new account")
    async def new_page(who: Keeper, lang: Language = None) -> HTMLResponse:
        return await form(who, lang)

    @pages.post("/administration/new", summary="Make an account")
    async def make(  # noqa: PLR0917  FastAPI passes them by name
        who: Change,
        login: Text,
        name: Text,
        role: Annotated[Role, Form()],
        unit: Text,
        communities: Annotated[list[int] | None, Form(max_length=1_000)] = None,
        person: Text = "",
        lang: Language = None,
    ) -> Response:
        said: dict[str, Any] = {"login": login, "name": name, "role": role, "unit": unit, "person": person}
        said["communities"] = communities or []
        try:
            number, code = await centre.changes.make(
                lambda db: book.make_account(
                    db,
                    login.strip(),
                    name=name,
                    role=role,
                    unit=unit,
                    communities=communities or [],
                    by=str(who.account),
                    now_us=centre.now_us(),
                    person=_person(person),
                )
            )
        except (BadQuestion, Clash, NotThere) as error:
            return await form(who, lang, error, said)
        values: dict[str, Any] = {"code": code, "number": number, "login": login.strip()}
        return centre.show(who, lang, "administration/code.html", "accounts", **values)

    async def form(
        who: Who, lang: str | None, error: CentralError | None = None, said: dict[str, Any] | None = None
    ) -> HTMLResponse:
        blank = {"login": "", "name": "", "role": Role.OFFICER, "unit": "", "person": "", "communities": []}
        values: dict[str, Any] = {"said": said or blank, "told": told_of(error), "roles": list(Role)}
        values["known"] = await all_communities(centre)
        status = status_of(error)
        return centre.show(who, lang, "administration/new.html", "accounts", status=status, **values)

    return pages


def _person(text: str) -> int | None:
    """Raises BadQuestion."""
    if not text.strip():
        return None
    if not (text.strip().isascii() and text.strip().isdigit()):
        raise BadQuestion("person", "is a number of the register")
    return min(int(text.strip()[:20]), 2**53)
