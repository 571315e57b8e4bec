"""What went wrong, as a page for whoever asked for a page."""

from __future__ import annotations

import json

from fastapi import Request
from fastapi.responses import HTMLResponse, Response

from central.accounts.guard import Identify
from central.accounts.who import Who
from central.console.views import Views, asked_language, language_of
from central.errors import CentralError

_BAD_REQUEST = 400


class ProblemPages:
    def __init__(self, views: Views) -> None:
        self._views = views

    async def __call__(self, request: Request, problem: Response) -> Response:
        """`problem`: as problem details (RFC 9457); given back as it is to programs and scripts."""
        if problem.status_code < _BAD_REQUEST or not _wants_a_page(request):
            return problem
        who = await _asker(request)
        values = {
            "who": who,
            "here": "",
            "status": problem.status_code,
            "detail": json.loads(bytes(problem.body)).get("detail", ""),
        }
        kept = {
            name: value
            for name, value in problem.headers.items()
            if name not in ("content-type", "content-length")
        }
        lang = language_of(request, asked_language(request))
        return HTMLResponse(self._views.render(lang, "problem.html", values), problem.status_code, kept)


async def _asker(request: Request) -> Who | None:
    """Where no guard has asked before, because there is nothing to guard at that address."""
    known: Who | None = getattr(request.state, "who", None)
    if known is not None:
        return known
    identify: Identify = request.app.state.identify
    try:
        return await identify(request)
    except CentralError:
        return None  # the page is then that of somebody who has not signed in


def _wants_a_page(request: Request) -> bool:
    return (
        "text/html" in request.headers.get("accept", "")
        and "hx-request" not in request.headers
        and not request.url.path.startswith("/api/")
    )
