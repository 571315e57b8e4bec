"""The pages on the way to the provider of sign-ins and back. Each leads on by itself, and has a link too.

A redirect would not do on the way back: the session's cookie is SameSite=Strict, and of a chain of redirects
that another site began browsers do not send it.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from central.accounts import identify as cookies
from central.accounts.api import next_step
from central.accounts.guard import open_to_all
from central.accounts.identify import Identify, address_of, refuse_foreign
from central.accounts.provider_sign_in import CALLBACK, Answer, Begun, ProviderSignIn
from central.accounts.sessions import Session
from central.console.views import Language, Views
from central.errors import CentralError, Clash, NotSignedIn, NotThere, ProviderUnavailable, TooOften

_Code = Annotated[str | None, Query(max_length=4_096)]
_Word = Annotated[str | None, Query(max_length=512)]
_FAULTS: Final = (NotSignedIn, Clash, TooOften, ProviderUnavailable)


class ProviderPages:
    """`offered`: None where the settings name no provider."""

    def __init__(self, views: Views, offered: ProviderSignIn | None) -> None:
        self._views = views
        self._offered = offered

    @property
    def name(self) -> str | None:
        return None if self._offered is None else self._offered.name

    @property
    def there(self) -> ProviderSignIn:
        """Raises NotThere."""
        if self._offered is None:
            raise NotThere("there is no other place to sign in")
        return self._offered

    async def led_there(
        self, request: Request, lang: str | None, linking: Session | None = None
    ) -> HTMLResponse:
        """Raises NotThere."""
        there = self.there
        try:
            begun: Begun = await there.begin(address_of(request), linking)
        except _FAULTS as error:
            return self._said(lang, error)
        answer = self._said(lang, to=begun.address)
        cookies.keep_visit(answer, request, begun.secret)
        return answer

    def led_on(self, lang: str | None, to: str, *, linked: bool) -> HTMLResponse:
        return self._said(lang, to=to, step="linked" if linked else "in")

    def not_in(self, lang: str | None, error: CentralError) -> HTMLResponse:
        return self._said(lang, error)

    def _said(
        self, lang: str | None, error: CentralError | None = None, *, to: str = "/", step: str = "there"
    ) -> HTMLResponse:
        wait_s, status = 0, 200
        match error:
            case None:
                pass
            case TooOften(wait_s=wait_s):
                step, status = "often", 429
            case ProviderUnavailable():
                step, status = "away", 503
            case _:
                step, status = "refused", 401
        values: dict[str, Any] = {"step": step, "to": to, "wait_s": wait_s, "name": self.there.name}
        return HTMLResponse(self._views.render(lang, "provider.html", values), status)


def router(identify: Identify, shared: ProviderPages) -> APIRouter:
    pages = APIRouter(dependencies=[open_to_all()])

    @pages.post("/sign-in/provider", summary="To the provider, to sign in there")
    async def to_the_provider(request: Request, lang: Language = None) -> Response:
        refuse_foreign(request)
        return await shared.led_there(request, lang)

    @pages.get(CALLBACK, summary="Back from the provider")
    async def back(
        request: Request,
        state: _Word = None,
        code: _Code = None,
        iss: _Word = None,
        lang: Language = None,
    ) -> Response:
        there = shared.there
        try:
            token = await there.end(
                cookies.visit_of(request), Answer(state or "", code, iss), address_of(request)
            )
        except _FAULTS as error:
            answer = shared.not_in(lang, error)
        else:
            answer = await led_in(request, token, lang)
        cookies.forget_visit(answer, request)
        return answer

    async def led_in(request: Request, token: str | None, lang: str | None) -> HTMLResponse:
        if token is None:
            return shared.led_on(lang, "/account", linked=True)
        step = next_step(await identify.sign_in.session(token))
        answer = shared.led_on(lang, "/" if step is None else "/sign-in/code", linked=False)
        cookies.keep(answer, request, token)
        return answer

    return pages
