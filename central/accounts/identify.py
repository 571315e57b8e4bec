"""Who sends a request: by the session's cookie, or by a machine's token; and that a page of ours sent it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from fastapi import Request
from starlette.responses import Response

from central.accounts import sessions, tokens
from central.accounts.provider_book import VISIT_US
from central.accounts.sessions import Session
from central.accounts.sign_in import SignIn
from central.accounts.who import Who
from central.errors import NotAllowed, NotSignedIn
from central.store.questions import Questions

_SAFE_COOKIE: Final = "__Host-liuhen"
_PLAIN_COOKIE: Final = "liuhen"
"""Over plain HTTP, which is spoken to this machine alone: browsers keep the other name for HTTPS."""

_SAFE_VISIT: Final = "__Host-liuhen-provider"
_PLAIN_VISIT: Final = "liuhen-provider"
_VISIT_S: Final = VISIT_US // 1_000_000

_CHANGES_NOTHING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OURS: Final = frozenset({"same-origin", "none"})


class Identify:
    """`app.state.identify`: see `guard.Identify`."""

    def __init__(self, sign_in: SignIn, questions: Questions, now_us: Callable[[], int]) -> None:
        self.sign_in = sign_in
        self._questions = questions
        self._now_us = now_us

    async def __call__(self, request: Request) -> Who:
        """Raises NotSignedIn, NotAllowed."""
        if (token := _bearer(request)) is not None:
            return await self._questions.ask(lambda db: tokens.machine_of(db, token, self._now_us()))
        found = await self.session(request)
        return await self._questions.ask(lambda db: sessions.who_of(db, found, self._now_us()))

    async def session(self, request: Request) -> Session:
        """Also one whose second factor is still to come. Raises NotSignedIn, NotAllowed."""
        token = request.cookies.get(_cookie(request))
        if token is None:
            raise NotSignedIn("sign in first")
        refuse_foreign(request)
        return await self.sign_in.session(token, noted=not getattr(request.state, "looks_on", False))


def refuse_foreign(request: Request) -> None:
    """Raises NotAllowed where no page of ours sent what changes something in the name of whoever is signed
    in here (ASVS 3.5)."""
    if request.method in _CHANGES_NOTHING:
        return
    from_where = request.headers.get("sec-fetch-site")
    if from_where is None:
        ours = urlsplit(request.headers.get("origin", "")).netloc == request.headers.get("host", "?")
    else:
        ours = from_where in _OURS
    if not ours:
        raise NotAllowed("this was not sent by a page of ours")


def keep(response: Response, request: Request, token: str) -> None:
    """The browser keeps it until it is closed; pages cannot read it, and no other site can send it."""
    name = _cookie(request)
    response.set_cookie(name, token, path="/", secure=name == _SAFE_COOKIE, httponly=True, samesite="strict")


def forget(response: Response, request: Request) -> None:
    name = _cookie(request)
    response.delete_cookie(name, path="/", secure=name == _SAFE_COOKIE, httponly=True, samesite="strict")


def keep_visit(response: Response, request: Request, secret: str) -> None:
    """As `keep`, but the provider's site may lead the browser back here with it (SameSite=Lax). It is worth
    nothing but the answer to what this browser began."""
    name = _SAFE_VISIT if _is_safe(request) else _PLAIN_VISIT
    response.set_cookie(
        name, secret, _VISIT_S, path="/", secure=_is_safe(request), httponly=True, samesite="lax"
    )


def visit_of(request: Request) -> str | None:
    return request.cookies.get(_SAFE_VISIT if _is_safe(request) else _PLAIN_VISIT)


def forget_visit(response: Response, request: Request) -> None:
    name = _SAFE_VISIT if _is_safe(request) else _PLAIN_VISIT
    response.delete_cookie(name, path="/", secure=_is_safe(request), httponly=True, samesite="lax")


def address_of(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _cookie(request: Request) -> str:
    return _SAFE_COOKIE if _is_safe(request) else _PLAIN_COOKIE


def _is_safe(request: Request) -> bool:
    return request.url.scheme == "https"


def _bearer(request: Request) -> str | None:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" and token.strip() else None
