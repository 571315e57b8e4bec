"""What went wrong, as a page for whoever asked for a page."""

from __future__ import annotations

import json

from fastapi import Request
from fastapi.responses import HTMLResponse, Response

from central.accounts.who import Who
from central.console.views import Views, asked_language, language_of

_BAD_REQUEST = 400


class ProblemPages:
    def __init__(self, views: Views) -> None:
        self._views = views

    def __call__(self, request: Request, problem: Response) -> Response:
        """`problem`: as problem details (RFC 9457); given back as it is to programs and scripts."""
        if problem.status_code < _BAD_REQUEST or not _wants_a_page(request):
            return problem
        who: Who | None = getattr(request.state, "who", None)
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


def _wants_a_page(request: Request) -> bool:
    return (
        "text/html" in request.headers.get("accept", "")
        and "hx-request" not in request.headers
        and not request.url.path.startswith("/api/")
    )
