"""The web application: API, pages, and what every answer carries."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path
from zoneinfo import ZoneInfo

from fastapi import FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles
from sqlalchemy import Engine
from starlette.middleware.trustedhost import TrustedHostMiddleware

from central import problems
from central.console import pages
from central.fleet import api as fleet_api
from central.ingest.service import IngestStatus
from central.lookup import api as lookup_api
from central.settings import Settings
from central.store.questions import Questions

API = "/api/v1"
_CONSOLE = Path(__file__).parent / "console"
_ASSETS = {
    "/assets/htmx": _CONSOLE / "assets" / "node_modules" / "htmx.org" / "dist",
    "/assets/htmx-sse": _CONSOLE / "assets" / "node_modules" / "htmx-ext-sse" / "dist",
    "/static": _CONSOLE / "static",
}

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_POLICY = (
    "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
_LOCAL_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
"""A page from elsewhere must not reach us through a name that it made point here."""

_DESCRIPTION = """\
Entries by door and window, how complete each gateway's records are, and whether the centre is well.

Nothing here leads to a person's entries: such questions come together with the register of look-ups.
Times are UTC with microseconds; errors are problem details (RFC 9457).
"""


def create_app(
    settings: Settings,
    reader: Engine,
    ingest_status: Callable[[], IngestStatus],
    stopping: threading.Event,
) -> FastAPI:
    """`stopping` ends the event streams, which the server would otherwise wait for."""
    app = FastAPI(
        title="Liuhen 留痕",
        version=version("liuhen"),
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{API}/openapi.json",
    )
    questions = Questions(reader)
    zone = ZoneInfo(settings.console.timezone)
    app.include_router(fleet_api.router(questions, ingest_status), prefix=API)
    app.include_router(lookup_api.router(questions, zone, stopping), prefix=API)
    app.include_router(pages.router(questions, settings.console, stopping), include_in_schema=False)
    for path, folder in _ASSETS.items():
        app.mount(path, StaticFiles(directory=folder, check_dir=False), name=path)
    problems.install(app)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=_LOCAL_HOSTS)
    app.middleware("http")(_protect)
    return app


async def _protect(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await go_on(request)
    response.headers.update(_HEADERS)
    response.headers.setdefault("Content-Security-Policy", _POLICY)
    if not request.url.path.startswith(("/assets/", "/static/")):
        response.headers["Cache-Control"] = "no-store"
    return response
