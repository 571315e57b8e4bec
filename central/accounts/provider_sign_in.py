"""Signing in through a provider in place of the password, and linking one's account to it.

The provider makes no account and says nothing of role or communities: it stands for the password of whoever
linked their account while signed in with both factors. Each visit to it is answered once, by the browser that
began it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Row

from central.accounts import provider_book, sessions
from central.accounts.events import AccountEvent, note
from central.accounts.provider_words import REFUSED, Proof, Visit
from central.accounts.sessions import Session
from central.accounts.sign_in import SignIn
from central.accounts.tokens import new_token
from central.errors import Clash, NotSignedIn, SettingsError
from central.settings import OidcPart, Settings

if TYPE_CHECKING:
    from central.accounts.provider import Provider

CALLBACK: Final = "/sign-in/provider/callback"
_STALE: Final = "this was answered already, too late, or in another browser; begin again"


@dataclass(frozen=True, slots=True)
class Answer:
    """With what somebody comes back. `code`: None where the provider let nobody in."""

    state: str
    code: str | None
    issuer: str | None


@dataclass(frozen=True, slots=True)
class Begun:
    """`secret` stays in the browser, which goes to `address`."""

    secret: str
    address: str

    def __repr__(self) -> str:
        return "Begun(...)"


class ProviderSignIn:
    """For the event loop, beside `SignIn` and with its limits. `name`: the provider's, for people."""

    def __init__(self, sign_in: SignIn, provider: Provider, name: str) -> None:
        self.name = name
        self._provider = provider
        self._hashed = sign_in.sealer.hashed
        self._changes = sign_in.changes
        self._now_us = sign_in.now_us
        self._backoff = sign_in.backoff

    async def begin(self, address: str, linking: Session | None = None) -> Begun:
        """`linking`: whose account is to be linked; they sign in anew at the provider. Raises TooOften,
        ProviderUnavailable."""
        self._backoff.refuse_if_too_many_begun("provider", address)
        self._backoff.refuse_if_too_often(None, address)
        secret, now_us = new_token(), self._now_us()
        to = await self._provider.address(Visit.of(secret), anew=linking is not None)
        await self._changes.make(lambda db: provider_book.keep_visit(db, secret, linking, now_us))
        return Begun(secret, to)

    async def end(self, secret: str | None, answer: Answer, address: str) -> str | None:
        """The token of a new session, which lacks the second factor unless the provider saw it; None: the
        account is linked. Raises NotSignedIn, Clash, TooOften, ProviderUnavailable."""
        self._backoff.refuse_if_too_often(None, address)
        if secret is None:
            raise NotSignedIn(_STALE)  # not counted: any page can lead a browser here that began nothing
        try:
            begun, proof = await self._proved(secret, answer)
        except NotSignedIn:
            await self._refused(None, address)  # whom it is about is not known: their office goes on
            raise
        subject = self._hashed(proof.whom)
        who = f"provider {subject.hex()}"
        self._backoff.refuse_if_too_often(who, address)
        try:
            return await self._ended(begun, subject, second=proof.second)
        except (NotSignedIn, Clash):
            await self._refused(who, address)
            raise

    async def _refused(self, who: str | None, address: str) -> None:
        self._backoff.failed(who, address)
        now_us = self._now_us()
        await self._changes.make(lambda db: note(db, None, AccountEvent.REFUSED, "nobody known", now_us))

    async def _proved(self, secret: str, answer: Answer) -> tuple[Row[Any], Proof]:
        visit, now_us = Visit.of(secret), self._now_us()
        if not secrets.compare_digest(visit.state.encode(), answer.state.encode()):
            raise NotSignedIn(_STALE)
        begun = await self._changes.make(lambda db: provider_book.take_visit(db, secret, now_us))
        if begun is None:
            raise NotSignedIn(_STALE)
        if answer.code is None:
            raise NotSignedIn(REFUSED)
        since_us = None if begun.session_token is None else provider_book.begun_at(begun)
        return begun, await self._provider.proof(visit, answer.code, answer.issuer, anew_since_us=since_us)

    async def _ended(self, begun: Row[Any], subject: bytes, *, second: bool) -> str | None:
        now_us = self._now_us()
        if begun.session_token is not None:
            await self._changes.make(lambda db: _link(db, begun, subject, now_us))
            return None
        token = await self._changes.make(lambda db: _let_in(db, subject, now_us, second=second))
        if token is None:
            raise NotSignedIn(REFUSED)
        return token


def provider_of(settings: Settings, sign_in: SignIn) -> ProviderSignIn | None:
    """None where the settings name none. Raises SettingsError."""
    if settings.oidc is None:
        return None
    come_back = f"{settings.public_address}{CALLBACK}"
    provider = made(settings.oidc, come_back, sign_in.now_us)
    return ProviderSignIn(sign_in, provider, settings.oidc.name)


def made(part: OidcPart, come_back: str, now_us: Callable[[], int]) -> Provider:
    """Raises SettingsError."""
    try:
        from central.accounts.provider import Provider
    except ImportError as error:
        raise SettingsError(
            f"[oidc]: the package {error.name} is not installed, which speaks to the provider; install it:"
            " pip install 'liuhen[oidc]', or from requirements/run.txt"
        ) from None
    try:
        return Provider(part, secret_of(part), come_back, now_us)
    except OSError as error:  # also of TLS: what is in the file is no certificate
        raise SettingsError(f"[oidc] ca_file: {part.ca_file} cannot be used ({error.strerror})") from None


def secret_of(part: OidcPart) -> str:
    """Raises SettingsError, which never says what it found."""
    if part.client_secret_variable is not None:
        secret = os.environ.get(part.client_secret_variable, "").strip()
        if not secret:
            raise SettingsError(
                f"[oidc] client_secret_variable: the environment has no {part.client_secret_variable}"
            )
        return secret
    path = part.client_secret_file
    assert path is not None
    try:
        secret = path.read_text(encoding="utf-8").strip()
        open_to_others = path.stat().st_mode & 0o077
    except (OSError, UnicodeDecodeError) as error:
        why = type(error).__name__
        raise SettingsError(f"[oidc] client_secret_file: {path} cannot be read ({why})") from None
    if not secret:
        raise SettingsError(f"[oidc] client_secret_file: {path} is empty")
    if open_to_others:
        raise SettingsError(f"[oidc] client_secret_file: {path} can be read by others; run: chmod 600 {path}")
    return secret


def _link(connection: Connection, begun: Row[Any], subject: bytes, now_us: int) -> None:
    """`begun`: of `provider_visit`. Raises NotSignedIn where its session is over by now, and Clash."""
    if not sessions.lasts(connection, begun.session_token, begun.account_id, now_us):
        raise NotSignedIn(_STALE)
    provider_book.add_link(connection, begun.account_id, subject, now_us)


def _let_in(connection: Connection, subject: bytes, now_us: int, *, second: bool) -> str | None:
    number = provider_book.account_of(connection, subject)
    if number is None:
        return None
    token = sessions.begin_session(connection, number, now_us)
    if second:
        sessions.vouched(connection, token, number, now_us)
    return token
