"""Signing in: password, then the second factor. Each try counts; none tells whether there is an account."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy import Row

from central.accounts import book, passwords, second_factor, sessions
from central.accounts.backoff import Backoff
from central.accounts.events import AccountEvent, note
from central.accounts.sessions import Session
from central.errors import BadQuestion, Clash, CodeUsed, NotSignedIn
from central.store.changes import Changes
from central.store.questions import Questions

_T = TypeVar("_T")
_US: Final = 1_000_000
_WRONG: Final = "login and password do not belong together"
_WRONG_CODE: Final = "this code is wrong or too old; wait for the next one"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What somebody puts into an authenticator, and proves by a code of it."""

    secret: str
    address: str

    def __repr__(self) -> str:
        return "Enrolment(...)"


class SignIn:
    """For the event loop. `sealer` seals the secrets of second factors."""

    def __init__(
        self,
        questions: Questions,
        changes: Changes,
        sealer: second_factor.Sealer,
        now_us: Callable[[], int],
    ) -> None:
        self.questions = questions
        self.changes = changes
        self.sealer = sealer
        self.now_us = now_us
        self.backoff = Backoff()
        self._slow = ThreadPoolExecutor(1, thread_name_prefix="passwords")
        self._in_turn = asyncio.Lock()

    async def password(self, login: str, password: str, address: str) -> str:
        """The token of a session that lacks the second factor. Raises NotSignedIn, TooOften."""
        login = login.strip().lower()
        row = await self.questions.ask(lambda db: book.account_called(db, login))
        if not await self._matches(row, password, login, address):
            raise NotSignedIn(_WRONG)
        assert row is not None
        return await self.changes.make(lambda db: sessions.begin_session(db, row.id, self.now_us()))

    async def second(self, found: Session, code: str, address: str) -> str:
        """The token by which the session goes on. Raises NotSignedIn (CodeUsed for a code that was right),
        TooOften."""
        row = await self._account(found)
        self.backoff.refuse_if_too_often(f"second {found.account}", address)
        secret = None if row.second is None else self.sealer.opened(found.account, row.second)
        now_us = self.now_us()
        step = None if secret is None else second_factor.step_of(secret, code, now_us // _US)
        token = None if step is None else await self.changes.make(lambda db: _proved(db, found, step, now_us))
        if token is None:
            self.backoff.failed(f"second {found.account}", address)
            await self._note_refusal(found.account)
            if step is None:
                raise NotSignedIn(_WRONG_CODE)
            used = max((await self._account(found)).second_step, step)
            raise CodeUsed(second_factor.shown_in_s(now_us // _US, used))
        return token

    async def used_step(self, found: Session) -> int:
        """Of the code that was used last. Raises NotSignedIn."""
        return int((await self._account(found)).second_step)

    def enrolment(self, found: Session, *, again: bool = False) -> Enrolment:
        """A new secret, which counts for nothing until `enrol`. `again`: in place of the one there is, by
        whoever has just given both factors. Raises Clash where there is one already."""
        if found.has_second and not again:
            raise Clash("this account has a second factor; whoever keeps accounts can reset it")
        secret = second_factor.new_secret()
        return Enrolment(secret, second_factor.address_of(secret, found.login))

    async def enrol(
        self, found: Session, secret: str, code: str, address: str, *, again: bool = False
    ) -> str:
        """As `second`, with the secret that the authenticator has now. Raises also BadQuestion, Clash."""
        if found.has_second and not again:
            raise Clash("this account has a second factor; whoever keeps accounts can reset it")
        self.backoff.refuse_if_too_often(f"second {found.account}", address)
        now_us = self.now_us()
        if not second_factor.is_secret(secret):
            raise BadQuestion("secret", "is none that was given out here")
        step = second_factor.step_of(secret, code, now_us // _US)
        if step is None:
            self.backoff.failed(f"second {found.account}", address)
            raise NotSignedIn(_WRONG_CODE)
        sealed = self.sealer.sealed(found.account, secret)

        def change(db: Any) -> str:
            book.set_second(db, found.account, sealed, step, now_us)
            return sessions.proved(db, found, now_us)

        return await self.changes.make(change)

    async def activate(self, code: str, password: str, address: str) -> str:
        """Sets the password by a code, and begins a session. Raises NotSignedIn, BadQuestion, TooOften, and
        NotAllowed for a resident's code that nobody has confirmed at the desk."""
        self.backoff.refuse_unguessable("activation", address)
        now_us = self.now_us()
        try:
            row = await self.questions.ask(lambda db: book.account_of_code(db, code.strip(), now_us))
        except NotSignedIn:
            self.backoff.failed_unguessable("activation", address)
            raise
        kept = await self._hashed(password, row)

        def change(db: Any) -> str:
            known = book.account_of_code(db, code.strip(), now_us)
            book.set_password(db, known.id, kept, by_code=True, now_us=now_us)
            return sessions.begin_session(db, known.id, now_us)

        return await self.changes.make(change)

    async def change_password(self, found: Session, old: str, new: str, address: str) -> None:
        """All sessions end. Raises NotSignedIn, BadQuestion, TooOften."""
        row = await self._account(found)
        if not await self._matches(row, old, row.login, address):
            raise NotSignedIn("the present password is another one")
        kept = await self._hashed(new, row)
        await self.changes.make(
            lambda db: book.set_password(db, row.id, kept, by_code=False, now_us=self.now_us())
        )

    async def session(self, token: str, *, noted: bool = True) -> Session:
        """Raises NotSignedIn. `noted`: that it is in use, so that it goes on."""
        now_us = self.now_us()
        found = await self.questions.ask(lambda db: sessions.find_session(db, token, now_us))
        if noted and now_us - found.used_us >= sessions.USED_EVERY_US:
            await self.changes.make(lambda db: sessions.used(db, found, now_us))
        return found

    async def end(self, found: Session) -> None:
        await self.changes.make(lambda db: sessions.end_session(db, found, self.now_us()))

    async def _account(self, found: Session) -> Row[Any]:
        row = await self.questions.ask(lambda db: book.account_numbered(db, found.account))
        if row is None:
            raise NotSignedIn("this account is disabled")
        return row

    async def _matches(self, row: Row[Any] | None, password: str, login: str, address: str) -> bool:
        """One try after the other: of many at once all would be let through before the first has failed."""
        kept = None if row is None else row.password
        async with self._in_turn:
            self.backoff.refuse_if_too_often(login, address)
            matches = await self._slowly(lambda: passwords.matches(kept, password[: 4 * passwords.MOST]))
            if not matches:
                self.backoff.failed(login, address)
        if not matches:
            await self._note_refusal(None if row is None else row.id)
        return matches

    async def _hashed(self, password: str, row: Row[Any]) -> str:
        passwords.refuse_weak(password, row.login, row.name)
        return await self._slowly(lambda: passwords.hashed(password))

    async def _slowly(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._slow, work)

    async def _note_refusal(self, number: int | None) -> None:
        by = "nobody known" if number is None else str(number)
        await self.changes.make(lambda db: note(db, number, AccountEvent.REFUSED, by, self.now_us()))


def _proved(db: Any, found: Session, step: int, now_us: int) -> str | None:
    """None for a code that was used already."""
    return sessions.proved(db, found, now_us) if book.use_step(db, found.account, step) else None
