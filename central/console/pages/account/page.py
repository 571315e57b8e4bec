"""The page of one's own account: passkeys and password."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from central.accounts import book, passkey_book, provider_book
from central.accounts.guard import EVERY_ROLE
from central.accounts.identify import address_of, forget
from central.accounts.who import STAFF, Who
from central.console.centre import Centre
from central.console.guard import Anybody, page_for
from central.console.registry import Page, Section
from central.console.views import Language
from central.console.words import N_
from central.errors import BadQuestion, CentralError, Clash, NotSignedIn, TooOften

PAGES = [Page("account", "/account", N_("Your account"), Section.ACCOUNT, frozenset(EVERY_ROLE))]
JustProved = Annotated[Who, page_for(*EVERY_ROLE, fresh=True)]
JustProvedStaff = Annotated[Who, page_for(*STAFF, fresh=True)]
_Text = Annotated[str, Form(max_length=512)]
_SEE_OTHER = 303


def router(centre: Centre) -> APIRouter:
    pages = APIRouter()
    identify = centre.identify
    sign_in = identify.sign_in

    async def shown(who: Who, lang: str | None, error: CentralError | None = None) -> HTMLResponse:
        account = await sign_in.questions.ask(lambda db: book.one_account(db, who.account))
        mine = await sign_in.questions.ask(lambda db: passkey_book.passkeys_of(db, who.account))
        linked_us = await sign_in.questions.ask(lambda db: provider_book.linked_at(db, who.account))
        values: dict[str, Any] = {"account": account, "passkeys": mine, "error": _told(error)}
        values |= {"provider": centre.provider.name if who.role in STAFF else None, "linked_us": linked_us}
        return centre.show(who, lang, "account/account.html", "account", status=_status(error), **values)

    @pages.get("/account")
    async def account_page(who: Anybody, lang: Language = None) -> HTMLResponse:
        return await shown(who, lang)

    @pages.post("/account/password")
    async def password(
        request: Request, who: Anybody, old: _Text, new: _Text, lang: Language = None
    ) -> Response:
        try:
            found = await identify.session(request)
            await sign_in.change_password(found, old, new, address_of(request))
        except (NotSignedIn, BadQuestion, TooOften) as error:
            return await shown(who, lang, error)
        answer = _on("/sign-in", lang)
        forget(answer, request)
        return answer

    @pages.post("/account/passkeys/{passkey}/remove")
    async def remove(
        who: JustProved, passkey: Annotated[int, InPath(ge=1, le=2**53)], lang: Language = None
    ) -> Response:
        now_us = sign_in.now_us()
        try:
            await sign_in.changes.make(lambda db: passkey_book.remove(db, who.account, passkey, now_us))
        except Clash as error:
            return await shown(who, lang, error)
        return _on("/account", lang)

    _linking(pages, centre)
    return pages


def _linking(pages: APIRouter, centre: Centre) -> None:
    """One's account to the provider's sign-in, which then stands for the password."""

    @pages.post("/account/provider", summary="To the provider, to link one's account")
    async def link(request: Request, who: JustProvedStaff, lang: Language = None) -> Response:
        del who
        found = await centre.identify.session(request)
        return await centre.provider.led_there(request, lang, found)

    @pages.post("/account/provider/remove", summary="No longer by the provider; all sessions end")
    async def unlink(request: Request, who: JustProvedStaff, lang: Language = None) -> Response:
        by, now_us = str(who.account), centre.now_us()
        await centre.changes.make(lambda db: book.unlink(db, who.account, by, now_us))
        answer = _on("/sign-in", lang)
        forget(answer, request)
        return answer


def _on(path: str, lang: str | None) -> Response:
    return RedirectResponse(f"{path}?lang={lang}" if lang else path, _SEE_OTHER)


def _told(error: CentralError | None) -> tuple[str, int] | None:
    """A word that the page has a sentence for, and seconds to wait."""
    match error:
        case None:
            return None
        case TooOften(wait_s=wait_s):
            return "often", wait_s
        case BadQuestion():
            return "weak", 0
        case Clash():
            return "only", 0
        case _:
            return "wrong", 0


def _status(error: CentralError | None) -> int:
    match error:
        case None:
            return 200
        case TooOften():
            return 429
        case BadQuestion():
            return 422
        case Clash():
            return 409
        case _:
            return 403
