"""A town whose settings name a provider of sign-ins, on loopback."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import plain_http
from accounts_support import SECOND_US, Town, a_town
from central_support import free_port
from provider_support import CLIENT, CLIENT_SECRET, SUBJECT, AProvider, a_provider
from sqlalchemy import select

from central.store.account_tables import account_event

CALLBACK = "/sign-in/provider/callback"
LEADS_ON = re.compile(r'<meta http-equiv="refresh" content="0; url=([^"]+)">')


@dataclass
class Place:
    """A town, and the provider that its settings name."""

    town: Town
    provider: AProvider
    secret: str  # of zhou's authenticator

    def pages(self) -> httpx.Client:
        """A browser of its own, on the pages."""
        client = plain_http.Client(
            base_url=self.town.served.address, headers={"Sec-Fetch-Site": "same-origin"}, timeout=30
        )
        return self.town.opened.enter_context(client)

    def signed_in(self, login: str = "zhou", secret: str | None = None) -> httpx.Client:
        """With both factors of one's own."""
        pages = self.pages()
        pages.cookies = self.town.signed_in(login, secret or self.secret).cookies
        return pages

    def link(self, login: str = "zhou", secret: str | None = None, subject: str = SUBJECT) -> httpx.Client:
        pages = self.signed_in(login, secret)
        back = pages.get(self.provider.lets_in(led_to(pages.post("/account/provider")), subject))
        assert (back.status_code, led_to(back)) == (200, "/account")
        self.town.passes(60)  # the next code of the authenticator is another one
        return pages

    def comes_back(self, pages: httpx.Client, subject: str = SUBJECT) -> httpx.Response:
        """From the provider, where somebody signed in."""
        return pages.get(self.provider.lets_in(led_to(pages.post("/sign-in/provider")), subject))

    def code(self, pages: httpx.Client) -> httpx.Response:
        return pages.post("/sign-in/code", data={"code": self.town.code(self.secret)})

    def events(self, count: int) -> list[tuple[str, str]]:
        """The last ones: what, and by whom."""
        query = select(account_event.c.event, account_event.c.by).order_by(account_event.c.id.desc())
        with self.town.filled.reader.connect() as connection:
            return [(row.event, row.by) for row in connection.execute(query.limit(count))][::-1]


def led_to(page: httpx.Response) -> str:
    found = LEADS_ON.search(page.text)
    assert found is not None, page.text
    return html.unescape(found[1])


def me(pages: httpx.Client) -> int:
    return pages.get("/api/v1/me").status_code


@contextmanager
def a_place(folder: Path, **oidc: Any) -> Iterator[Place]:
    secret_file = folder / "oidc.secret"
    secret_file.write_text(f"{CLIENT_SECRET}\n")
    secret_file.chmod(0o600)
    with a_provider(lambda: 0) as there:
        part = {
            "issuer": there.issuer,
            "client_id": CLIENT,
            "client_secret_file": secret_file,
            "name": "City login",
            **oidc,
        }
        with a_town(folder, by_name=True, port=free_port(), oidc=part) as town:
            there.now_s = lambda: town.now_us // SECOND_US
            yield Place(town, there, town.account())
