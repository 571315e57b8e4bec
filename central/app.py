"""The web application: API, pages, and what every answer carries."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from posixpath import normpath
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from sqlalchemy import Engine
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import BaseRoute
from starlette.types import Message, Receive, Scope, Send

from central import api_document, problems
from central.accounts import administration_api, passkeys_api, provider_api, residents_api
from central.accounts import api as accounts_api
from central.accounts.identify import Identify
from central.accounts.provider_sign_in import provider_of
from central.accounts.rates import Rates
from central.accounts.second_factor import Sealer
from central.accounts.sign_in import SignIn
from central.alarms import api as alarms_api
from central.assessments import api as assessments_api
from central.assessments import notice_api
from central.assessments.words import OF_VISITORS, DataKind
from central.console import files, palette, provider_pages, registry
from central.console import sign_in as sign_in_pages
from central.console.case_words import CaseWords
from central.console.catalogue import LANGUAGES
from central.console.centre import Centre, RetentionSaid
from central.console.demo_accounts import load_demo_accounts
from central.console.problem_pages import ProblemPages
from central.console.provider_pages import ProviderPages
from central.console.views import LANGUAGE_COOKIE, Views
from central.fleet import api as fleet_api
from central.fleet import commands_api, site_settings_api
from central.fleet.commanding import Commands, Line
from central.fleet.site_settings import SettingsOffice
from central.honey import api as honey_api
from central.identity.vault import Vault
from central.identity.wiring import rules_of
from central.ingest.service import IngestStatus
from central.lookup import api as lookup_api
from central.lookup import look_ups_api, own_api, transparency_api
from central.lookup.own import Own
from central.lookup.service import LookUps
from central.register import api as register_api
from central.register import api_own_cards as own_cards_api
from central.register import api_undo as undo_api
from central.register.office import Office
from central.requests import api as requests_api
from central.routers import Routers
from central.settings import Settings
from central.store.changes import Changes
from central.store.questions import Questions
from central.tours import api as tours_api
from central.visitors import api as visitors_api
from central.visitors import moving_in_api, receipts_api
from central.visitors import own_api as own_visitors_api
from central.visitors.passes import Desk
from central.visitors.receipts_api import Receipts

log = logging.getLogger(__name__)

API = "/api/v1"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'"
    ),
}
_THIS_MACHINE = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?", re.IGNORECASE)
"""A page from elsewhere must not reach us through a name that it made point here."""

_NOT_SO, _MISDIRECTED = 405, 421
_MARKED = f"{files.MARK}=".encode()

_DESCRIPTION = """\
Entries by door and window, how complete each gateway's records are, and whether the centre is well.

Entries by door say nothing of anybody. Whose they are is answered by a look-up alone, on the record.
Times are UTC with microseconds; errors are problem details (RFC 9457).
"""


def create_app(
    settings: Settings,
    reader: Engine,
    writer: Engine,
    *,
    sealer: Sealer,
    ingest_status: Callable[[], IngestStatus],
    stopping: threading.Event,
    vault: Vault | None = None,
    signing: Ed25519PrivateKey | None = None,
    line: Line | None = None,
    now_us: Callable[[], int] = lambda: time.time_ns() // 1_000,
) -> FastAPI:
    """`sealer`: of second factors. `stopping` ends the event streams, which the server would otherwise wait
    for. `vault` and `signing`, the centre's key: without them nobody is found by a number, and no pass is
    issued. `line`: to gateways; without it they are sent no commands. Raises SettingsError."""
    app = _GuardedApp(
        settings.listen.address,
        title="Liuhen 留痕",
        version=version("liuhen"),
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{API}/openapi.json",
    )
    questions, changes = Questions(reader), Changes(writer)
    zone = ZoneInfo(settings.console.timezone)
    sign_in = SignIn(questions, changes, sealer, now_us)
    app.state.identify = identify = Identify(sign_in, questions, now_us)
    limits = settings.limits
    app.state.rates = Rates(
        an_account=limits.an_account_a_minute,
        a_token=limits.a_token_a_minute,
        an_address=limits.an_address_a_minute,
    )
    views = Views(settings.console, now_us)
    provider = ProviderPages(views, provider_of(settings, sign_in))
    demo = load_demo_accounts(settings.console.demo_accounts)
    look_ups = LookUps(changes, questions, vault, zone, now_us)
    desk = Desk(vault, signing) if vault and signing else None
    office = Office(changes, questions, vault, zone, now_us)
    commands = Commands(questions, changes, line, now_us)
    kept_days = {
        **dict.fromkeys(OF_VISITORS, settings.identity.visitor_days),
        DataKind.ENTRY_RECORDS: settings.identity.entry_days,
    }
    receipts = Receipts(look_ups, rules_of(settings), signing)
    site_settings = SettingsOffice(questions, changes, signing, now_us)
    add_api = partial(app.routers.add, prefix=API, responses=problems.ALWAYS)
    add_api(accounts_api.sign_in_router, sign_in)
    add_api(passkeys_api.router, sign_in, settings.listen.address)
    add_api(accounts_api.router, sign_in)
    add_api(provider_api.router, changes, now_us)
    add_api(administration_api.router, questions, changes, now_us)
    add_api(fleet_api.router, questions, ingest_status)
    add_api(commands_api.router, commands)
    add_api(site_settings_api.router, site_settings)
    add_api(lookup_api.router, questions, zone, stopping)
    add_api(look_ups_api.router, look_ups, signing, CaseWords(views))
    add_api(transparency_api.router, look_ups)
    add_api(own_api.router, Own(look_ups), zone)
    add_api(visitors_api.router, questions, changes, desk, now_us)
    add_api(own_visitors_api.router, questions, changes, desk, now_us)
    add_api(receipts_api.router, receipts)
    add_api(assessments_api.router, office, kept_days)
    for each in (
        moving_in_api,
        register_api,
        own_cards_api,
        undo_api,
        requests_api,
        tours_api,
        residents_api,
        notice_api,
    ):
        add_api(each.router, office)
    add_api(honey_api.router, office)
    add_api(alarms_api.router, questions, changes, now_us)
    add_api(alarms_api.rules_router, questions, changes, now_us, zone)
    add_api(alarms_api.webhooks_router, questions, changes, now_us)
    centre = Centre(
        questions=questions,
        changes=changes,
        views=views,
        identify=identify,
        office=office,
        look_ups=look_ups,
        commands=commands,
        site_settings=site_settings,
        desk=desk,
        vault=vault,
        signing=signing,
        zone=zone,
        now_us=now_us,
        stopping=stopping,
        kept_days=kept_days,
        receipts=receipts,
        provider=provider,
        retention=RetentionSaid(
            rules_of(settings), settings.identity.visitor_days_rule, settings.identity.entry_days_rule
        ),
        address=settings.listen.address or "",
        demo=demo,
    )
    add_pages = partial(app.routers.add, include_in_schema=False)
    add_pages(sign_in_pages.router, identify, views, provider, demo)
    add_pages(provider_pages.router, identify, provider)
    add_pages(palette.router, centre)
    for _, pages in registry.folders():
        add_pages(pages.router, centre)
    _mount_files(app)
    problems.install(app, ProblemPages(views))
    return app


def _mount_files(app: FastAPI) -> None:
    for path, folder in files.FOLDERS.items():
        if folder.is_dir():
            app.mount(path, StaticFiles(directory=folder), name=path)
        else:
            log.warning("%s is missing: the page will not move by itself; run ./liuhen once", folder)


class _GuardedApp(FastAPI):
    """Answers only to its own names, and gives every answer, faults included, what browsers must heed."""

    def __init__(self, address: str | None, **how: Any) -> None:
        """`address`: the public one, to whose name it answers too."""
        super().__init__(**how)
        self.routers = Routers(self, API)
        self._name = None if address is None else urlsplit(address).netloc

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                _guard(scope, message["status"], MutableHeaders(scope=message))
                _keep_language(scope, MutableHeaders(scope=message))
            await send(message)

        if scope["type"] == "http" and not self._is_ours(Headers(scope=scope).get("host", "")):
            refusal = problems.problem(
                _MISDIRECTED,
                "this name is not ours; write localhost or 127.0.0.1 in the address, or the name"
                " into [listen] address",
            )
            await refusal(scope, receive, guarded)
        elif scope["type"] == "http" and (allowed := self._others(scope)):
            takes = ", ".join(sorted(allowed))
            refusal = problems.problem(_NOT_SO, f"this address takes {takes}", {"Allow": takes})
            await refusal(scope, receive, guarded)
        else:
            if scope["type"] == "http":
                self.routers.include_for(scope["path"])
            await super().__call__(scope, receive, guarded)

    @property
    def routes(self) -> list[BaseRoute]:
        """All there are; a router that nobody asked yet is made for it."""
        self.routers.include_all()
        return super().routes

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = api_document.complete(super().openapi(), self)
        return self.openapi_schema

    def _others(self, scope: Scope) -> frozenset[str]:
        """The methods of an address of the API, where it does not take the one that is asked with."""
        allowed = self.routers.methods(scope["path"])
        return frozenset() if scope["method"] in allowed else allowed

    def _is_ours(self, host: str) -> bool:
        return host.lower() == self._name or _THIS_MACHINE.fullmatch(host) is not None


def _keep_language(scope: Scope, headers: MutableHeaders) -> None:
    """The language that was asked for on one page is that of the next ones; pages' scripts do not see it."""
    asked = parse_qs(scope["query_string"].decode("latin-1")).get("lang", [""])[-1]
    if asked in LANGUAGES and "text/html" in headers.get("content-type", ""):
        headers.append(
            "set-cookie", f"{LANGUAGE_COOKIE}={asked}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Strict"
        )


def _guard(scope: Scope, status: int, headers: MutableHeaders) -> None:
    headers.update(_HEADERS)
    static = scope["path"].startswith(("/assets/", "/static/"))
    headers["Cache-Control"] = "no-cache" if static else "no-store"
    if static and status < HTTPStatus.BAD_REQUEST and _is_marked(scope["path"], scope["query_string"]):
        headers["Cache-Control"] = "public, max-age=31536000, immutable"  # its address changes with it


def _is_marked(path: str, query: bytes) -> bool:
    """By what is in the file now; of a file's many names only the plain one, so that few are remembered."""
    if not query.startswith(_MARKED) or normpath(path) != path:
        return False
    return f"{path}?{query.decode('latin-1')}" == files.marked(path)
