"""Signing in by a passkey alone, and adding one. Each challenge is answered once."""

from __future__ import annotations

import secrets
from typing import Any, Final

from sqlalchemy import Connection

from central.accounts import passkey_book, passkeys, sessions
from central.accounts.events import AccountEvent, note
from central.accounts.passkeys import Site
from central.accounts.sessions import Session
from central.accounts.sign_in import SignIn
from central.errors import NotSignedIn

_CHALLENGE_BYTES: Final = 32
_STALE: Final = "this was answered already, or too late; begin again"


class PasskeySignIn:
    """For the event loop, beside `SignIn` and with its limits."""

    def __init__(self, sign_in: SignIn) -> None:
        self._questions = sign_in.questions
        self._changes = sign_in.changes
        self._now_us = sign_in.now_us
        self._backoff = sign_in.backoff

    async def to_use(self, site: Site, address: str) -> dict[str, Any]:
        """What whoever wants to sign in gives to the authenticator. Raises TooOften."""
        self._backoff.refuse_if_too_many_begun("passkey", address)
        return passkeys.to_use(site, await self._challenge(None))

    async def use(self, site: Site, answer: dict[str, Any], address: str) -> str:
        """The token of a session in which both factors were given. Raises NotSignedIn, TooOften."""
        self._backoff.refuse_unguessable("passkey", address)
        try:
            return await self._used(site, answer)
        except NotSignedIn:
            self._backoff.failed_unguessable("passkey", address)
            raise

    async def to_make(self, site: Site, found: Session) -> dict[str, Any]:
        """What `found`'s owner gives to the authenticator that is to be added."""
        known = await self._questions.ask(lambda db: passkey_book.credentials_of(db, found.account))
        challenge = await self._challenge(found.account)
        return passkeys.to_make(site, found.account, found.login, known, challenge)

    async def make(self, site: Site, found: Session, answer: dict[str, Any], name: str) -> str:
        """The token by which the session goes on: the passkey has just proved both factors. Raises
        NotSignedIn, BadQuestion, Clash."""
        challenge = passkeys.challenge_in(answer)
        await self._take(challenge, found.account)
        made = passkeys.made(site, answer, challenge)
        now_us = self._now_us()

        def change(db: Connection) -> str:
            passkey_book.add(db, found.account, made, name, now_us)
            return sessions.proved(db, found, now_us)

        return await self._changes.make(change)

    async def _used(self, site: Site, answer: dict[str, Any]) -> str:
        challenge, credential = passkeys.challenge_in(answer), passkeys.credential_in(answer)
        await self._take(challenge, None)
        row = await self._questions.ask(lambda db: passkey_book.passkey_of(db, credential))
        if row is None:
            raise NotSignedIn("this passkey is not known here")
        now_us = self._now_us()
        known = passkeys.Passkey(row.credential, row.public_key, row.signs)
        try:
            signs = passkeys.used(site, answer, challenge, known)
        except NotSignedIn:
            by = str(row.account_id)
            await self._changes.make(lambda db: note(db, row.account_id, AccountEvent.REFUSED, by, now_us))
            raise

        def change(db: Connection) -> str | None:
            if not passkey_book.used(db, row, signs, now_us):
                return None
            token = sessions.begin_session(db, row.account_id, now_us)
            return sessions.proved(db, sessions.find_session(db, token, now_us), now_us)

        token = await self._changes.make(change)
        if token is None:
            raise NotSignedIn(_STALE)
        return token

    async def _challenge(self, number: int | None) -> bytes:
        challenge, now_us = secrets.token_bytes(_CHALLENGE_BYTES), self._now_us()
        await self._changes.make(lambda db: passkey_book.keep_challenge(db, challenge, number, now_us))
        return challenge

    async def _take(self, challenge: bytes, number: int | None) -> None:
        now_us = self._now_us()
        if not await self._changes.make(
            lambda db: passkey_book.take_challenge(db, challenge, number, now_us)
        ):
            raise NotSignedIn(_STALE)
