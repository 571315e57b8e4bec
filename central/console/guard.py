"""Who may see a page: as `central.accounts.guard`, but who must prove themselves is led to where they can."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

from fastapi import Depends, Request
from starlette.exceptions import HTTPException
from starlette.routing import Match

from central.accounts.guard import EVERY_ROLE, RoleGuard
from central.accounts.who import Role, Who
from central.console.views import asked_language
from central.errors import NotSignedIn, ProveAgain, SessionOver

_SEE_OTHER, _UNAUTHORISED = 303, 401
_SAID_ONCE: Final = frozenset({"lang", "done"})
_LONGEST: Final = 400
"""Of an address to come back to: of a longer one the page alone."""


class PageGuard(RoleGuard):
    """As RoleGuard, for pages: leads to the sign-in page."""

    async def __call__(self, request: Request) -> Who:
        try:
            return await super().__call__(request)
        except SessionOver as error:
            why = "idle" if error.idle else "long"
            raise _led_to(f"/sign-in?why={why}&then={quote(_page_of(request))}", request, error) from None
        except NotSignedIn as error:
            raise _led_to("/sign-in", request, error) from None
        except ProveAgain as error:
            raise _led_to(f"/sign-in/code?then={quote(_page_of(request))}", request, error) from None


def _page_of(request: Request) -> str:
    """Where to come back to: the address itself or, where only a form goes, the page that it lies under. For
    a part of a page it is the page, as the script says that asks for it."""
    path, query = request.url.path, request.url.query if request.method == "GET" else ""
    if "hx-request" in request.headers:
        shown = _split(request.headers.get("hx-current-url", ""))
        if shown is not None and shown.netloc == request.headers.get("host"):
            path, query = shown.path, shown.query
    while path.strip("/"):
        scope = {**request.scope, "path": path, "method": "GET"}
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.router.routes):
            return _with(path, query)
        path, query = path.rpartition("/")[0], ""
    return _with("/", query)


def _split(address: str) -> SplitResult | None:
    """None for what is no address."""
    try:
        return urlsplit(address)
    except ValueError:
        return None


def _with(path: str, query: str) -> str:
    """What was asked on the page, without the language and what was done, which are said once."""
    kept = urlencode([each for each in parse_qsl(query) if each[0] not in _SAID_ONCE])
    whole = f"{path}?{kept}" if kept else path
    return whole if len(whole) <= _LONGEST else path


def _led_to(path: str, request: Request, error: Exception) -> HTTPException:
    """In the language that was asked for. A part of a page that is asked for by a script leads the whole page
    there."""
    if (lang := asked_language(request)) is not None:
        path += f"{'&' if '?' in path else '?'}lang={lang}"
    if "hx-request" in request.headers:
        return HTTPException(_UNAUTHORISED, str(error), {"HX-Redirect": path})
    return HTTPException(_SEE_OTHER, str(error), {"Location": path})


def page_for(*roles: Role, fresh: bool = False) -> Any:
    """As `requires`. `fresh`: the second factor was given within the last ten minutes."""
    return Depends(PageGuard(frozenset(roles), fresh=fresh))


Anybody = Annotated[Who, page_for(*EVERY_ROLE)]
