"""People with accounts at a served centre, and how they sign in there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import plain_http
import pyotp
from central_web_support import COMMUNITY, SEALER, Filled, Served, a_filled
from sqlalchemy import select

from central.accounts import book, passwords
from central.accounts.who import Role
from central.store.account_tables import account_event
from central.store.engine import writing

PASSWORD = "the swallows come back in spring"
KEPT = passwords.hashed(PASSWORD)
SECOND_US = 1_000_000


class Town:
    """The application with a clock of its own, and people with accounts in it."""

    def __init__(self, filled: Filled, served: Served, clock: list[int]) -> None:
        self.filled = filled
        self.served = served
        self._clock = clock
        self.opened = ExitStack()

    @property
    def now_us(self) -> int:
        return self._clock[0]

    def passes(self, seconds: float) -> None:
        self._clock[0] += int(seconds * SECOND_US)

    def account(
        self,
        login: str = "zhou",
        role: Role = Role.OFFICER,
        *,
        second: bool = True,
        secret: str | None = None,
    ) -> str:
        """With a password; its authenticator's secret."""
        secret = secret or pyotp.random_base32()
        with writing(self.filled.writer) as connection:
            number, _ = book.make_account(
                connection,
                login,
                name="周警官",
                role=role,
                unit="一号警务室",
                communities=[COMMUNITY],
                by="test",
                now_us=self.now_us,
            )
            book.set_password(connection, number, KEPT, by_code=True, now_us=self.now_us)
            if second:
                book.set_second(connection, number, SEALER.sealed(number, secret), 0, self.now_us)
        return secret

    def browser(self) -> httpx.Client:
        """Keeps cookies, and says that our own page sends what it sends."""
        client = plain_http.Client(
            base_url=f"{self.served.address}/api/v1", headers={"Sec-Fetch-Site": "same-origin"}, timeout=30
        )
        return self.opened.enter_context(client)

    def code(self, secret: str) -> str:
        return pyotp.TOTP(secret).at(self.now_us // SECOND_US)

    def signed_in(self, login: str, secret: str) -> httpx.Client:
        browser = self.browser()
        first = browser.post("/sign-in", json={"login": login, "password": PASSWORD})
        assert (first.status_code, first.json()) == (200, {"next": "code"})
        second = browser.post("/sign-in/code", json={"code": self.code(secret)})
        assert (second.status_code, second.json()) == (200, {"next": None})
        return browser

    def events(self) -> list[str]:
        with self.filled.reader.connect() as connection:
            return list(
                connection.execute(select(account_event.c.event).order_by(account_event.c.id)).scalars()
            )


@contextmanager
def a_town(
    folder: Path,
    *,
    by_name: bool = False,
    address: str | None = None,
    port: int = 0,
    oidc: Any = None,
    **parts: Any,
) -> Iterator[Town]:
    """`by_name`: asked as localhost. `address`: the public one of its settings; `oidc`: a provider; `parts`:
    others of its settings."""
    clock = [1_800_000_000 * SECOND_US]
    with (
        a_filled(folder) as filled,
        Served(filled, port, who=None, now_us=lambda: clock[0], public=address, oidc=oidc, **parts) as served,
    ):
        if by_name:
            served.address = f"http://localhost:{served.port}"
        town = Town(filled, served, clock)
        with town.opened:
            yield town
