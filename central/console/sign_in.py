"""The pages of signing in: password, code, a first authenticator, a code for a new account. Plain forms."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final
from urllib.parse import quote

import segno
from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from central.accounts import second_factor
from central.accounts.api import next_step
from central.accounts.guard import open_to_all
from central.accounts.identify import Identify, address_of, forget, keep, refuse_foreign
from central.accounts.sessions import IDLE_US, LONGEST_US, Session
from central.accounts.sign_in import Enrolment
from central.console.demo_accounts import DemoAccount
from central.console.frame import leads_to
from central.console.provider_pages import ProviderPages
from central.console.views import Language, Views
from central.errors import BadQuestion, CentralError, CodeUsed, NotAllowed, NotSignedIn, TooOften

_Text = Annotated[str, Form(max_length=512)]
_Then = Annotated[str, Query(max_length=512)]
_Why = Annotated[str, Query(max_length=16)]
_HERE: Final = re.compile(r"/([a-z0-9][A-Za-z0-9_./-]*)?(\?[A-Za-z0-9_.~=&%+-]*)?")
"""A page of ours, and nothing that a browser takes for another place."""

_STEPS: Final[Mapping[str, str]] = {
    "code": "/sign-in/code",
    "passkey": "/sign-in/code",
    "enrol": "/sign-in/enrol",
}
_SEE_OTHER: Final = 303
_MINUTE_US: Final = 60_000_000
_HOUR_US: Final = 60 * _MINUTE_US


class _Pages:
    """What the forms share."""

    def __init__(
        self, identify: Identify, views: Views, provider: ProviderPages, demo: Sequence[DemoAccount]
    ) -> None:
        self.identify = identify
        self.sign_in = identify.sign_in
        self._views = views
        self._provider = provider
        self._demo = demo

    def shown(self, lang: str | None, error: CentralError | None = None, **values: Any) -> HTMLResponse:
        told: dict[str, Any] = {"step": "password", "code": None, "login": "", "enrolment": None, "qr": None}
        told |= {"then": "/", "why": "", "provider": self._provider.name}
        told |= {"idle_min": IDLE_US // _MINUTE_US, "longest_h": LONGEST_US // _HOUR_US}
        told |= {"has_code": True, **values, "error": _told(error), "demo": self._demo}
        return HTMLResponse(self._views.render(lang, "sign_in.html", told), _status(error))

    async def code(
        self, found: Session, lang: str | None, then: str = "/", error: CentralError | None = None
    ) -> HTMLResponse:
        """`then`: the page that asked for it."""
        told = {"login": found.login, "code": await self._shown_code(found), "has_code": found.has_code}
        return self.shown(lang, error, step="code", then=_here(then), **told)

    async def _shown_code(self, found: Session) -> tuple[str, int] | None:
        """Of an account of the demo: a code that was not used yet, and in how many seconds it counts."""
        secret = next((each.secret for each in self._demo if each.login == found.login), None)
        if secret is None:
            return None
        used = await self.sign_in.used_step(found)
        step, wait_s = second_factor.next_step(self._views.now_us() // 1_000_000, used)
        return second_factor.code_at(secret, step * second_factor.STEP_S), wait_s

    def enrol(self, made: Enrolment, lang: str | None, error: CentralError | None = None) -> HTMLResponse:
        picture = segno.make(made.address, error="m").svg_inline(scale=4, border=2, dark="#000", light="#fff")
        return self.shown(lang, error, step="enrol", enrolment=made, qr=picture)

    async def half(self, request: Request) -> Session | None:
        """Whose session that is, also while the second factor is still to come."""
        try:
            return await self.identify.session(request)
        except NotSignedIn:
            return None

    async def on(self, request: Request, token: str, lang: str | None, then: str = "/") -> Response:
        """To the next step, or in: to the page `then`, where it is one for their role."""
        answer = self.led_on(await self.sign_in.session(token), lang, then)
        keep(answer, request, token)
        return answer

    @staticmethod
    def led_on(found: Session, lang: str | None, then: str) -> Response:
        step, then = next_step(found), _here(then)
        if step is not None:
            to = _STEPS[step] if then == "/" or step == "enrol" else f"{_STEPS[step]}?then={quote(then)}"
        else:
            to = then if leads_to(found.role, then.partition("?")[0]) else "/"
        return RedirectResponse(_asked(to, lang), _SEE_OTHER)


def router(
    identify: Identify, views: Views, provider: ProviderPages, demo: Sequence[DemoAccount] = ()
) -> APIRouter:
    """`demo`: accounts whose secrets everybody may see; there are none but in the demo."""
    pages = APIRouter(dependencies=[open_to_all()])
    shared = _Pages(identify, views, provider, demo)
    _first_factor(pages, shared)
    _second_factor(pages, shared)
    _enrolment(pages, shared)
    return pages


def _first_factor(pages: APIRouter, shared: _Pages) -> None:
    @pages.get("/sign-in")
    async def password_page(lang: Language = None, why: _Why = "", then: _Then = "/") -> HTMLResponse:
        """`why`: somebody was signed in, and is no longer."""
        return shared.shown(lang, why=why, then=_here(then))

    @pages.post("/sign-in")
    async def password(
        request: Request, login: _Text, password: _Text, lang: Language = None, then: _Then = "/"
    ) -> Response:
        refuse_foreign(request)
        try:
            token = await shared.sign_in.password(login, password, address_of(request))
        except (NotSignedIn, TooOften) as error:
            return shared.shown(lang, error, login=login, then=_here(then))
        return await shared.on(request, token, lang, then)

    @pages.get("/sign-in/activate")
    async def activate_page(lang: Language = None) -> HTMLResponse:
        return shared.shown(lang, step="activate")

    @pages.post("/sign-in/activate")
    async def activate(request: Request, code: _Text, password: _Text, lang: Language = None) -> Response:
        refuse_foreign(request)
        try:
            token = await shared.sign_in.activate(code, password, address_of(request))
        except (NotSignedIn, NotAllowed, TooOften, BadQuestion) as error:
            return shared.shown(lang, error, step="activate")
        return await shared.on(request, token, lang)


def _second_factor(pages: APIRouter, shared: _Pages) -> None:
    @pages.get("/sign-in/code")
    async def code_page(request: Request, lang: Language = None, then: _Then = "/") -> Response:
        found = await shared.half(request)
        return await shared.code(found, lang, then) if found and found.has_second else _back(lang)

    @pages.post("/sign-in/code")
    async def code(request: Request, code: _Text, lang: Language = None, then: _Then = "/") -> Response:
        found = await shared.half(request)
        if found is None:
            return _back(lang)
        try:
            token = await shared.sign_in.second(found, code, address_of(request))
        except (NotSignedIn, TooOften) as error:
            return await shared.code(found, lang, then, error)
        return await shared.on(request, token, lang, then)

    @pages.get("/sign-in/on")
    async def on(request: Request, lang: Language = None, then: _Then = "/") -> Response:
        """Where a script goes that has proved a passkey."""
        found = await shared.half(request)
        return shared.led_on(found, lang, then) if found else _back(lang)

    @pages.post("/sign-out")
    async def sign_out(request: Request, lang: Language = None) -> Response:
        found = await shared.half(request)
        if found is not None:
            await shared.sign_in.end(found)
        answer = _back(lang)
        forget(answer, request)
        return answer


def _enrolment(pages: APIRouter, shared: _Pages) -> None:
    @pages.get("/sign-in/enrol")
    async def enrol_page(request: Request, lang: Language = None) -> Response:
        found = await shared.half(request)
        if found is None or found.has_second:
            return _back(lang)
        return shared.enrol(shared.sign_in.enrolment(found), lang)

    @pages.post("/sign-in/enrol")
    async def enrol(request: Request, secret: _Text, code: _Text, lang: Language = None) -> Response:
        found = await shared.half(request)
        if found is None or found.has_second:
            return _back(lang)
        try:
            token = await shared.sign_in.enrol(found, secret, code, address_of(request))
        except BadQuestion:
            return _back(lang)
        except (NotSignedIn, TooOften) as error:
            return shared.enrol(Enrolment(secret, second_factor.address_of(secret, found.login)), lang, error)
        return await shared.on(request, token, lang)


def _back(lang: str | None) -> Response:
    return RedirectResponse(_asked("/sign-in", lang), _SEE_OTHER)


def _here(then: str) -> str:
    return then if _HERE.fullmatch(then) else "/"


def _asked(path: str, lang: str | None) -> str:
    """In the language that was asked for."""
    return f"{path}{'&' if '?' in path else '?'}lang={lang}" if lang else path


def _told(error: CentralError | None) -> tuple[str, int] | None:
    """A word that the page has a sentence for, and seconds to wait."""
    match error:
        case None:
            return None
        case TooOften(wait_s=wait_s):
            return "often", wait_s
        case CodeUsed(wait_s=wait_s):
            return "used", wait_s
        case BadQuestion():
            return "weak", 0
        case NotAllowed():
            return "unconfirmed", 0
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
        case _:
            return 401
