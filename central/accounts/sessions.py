"""Sessions in the database: who has signed in, with which factors, and until when (trust.md R-61).

Within the caller's transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import ColumnElement, Connection, delete, exists, insert, select, update

from central.accounts.events import AccountEvent, note
from central.accounts.tokens import hash_of, new_token
from central.accounts.who import Role, Who
from central.errors import NotSignedIn, SessionOver
from central.store.account_tables import account, account_community, account_person, passkey, session

_US: Final = 1_000_000
IDLE_US: Final = 15 * 60 * _US
LONGEST_US: Final = 12 * 3_600 * _US
USED_EVERY_US: Final = 60 * _US
"""A session that is in use is noted so often; idleness is judged to the minute."""

FRESH_US: Final = 10 * 60 * _US
"""So long after both factors were given, what needs them anew does not ask again."""


@dataclass(frozen=True, slots=True)
class Session:
    """`token_hash`: of its token, by which alone it is named; SQLite gives a row's number again once the row
    is gone. `proved_us`: when both factors were given here last; None: they were not. `vouched`: the provider
    said that it had seen both."""

    token_hash: bytes = field(repr=False)
    account: int
    login: str
    name: str
    role: Role
    unit: str
    has_code: bool
    has_passkey: bool
    begun_us: int
    used_us: int
    proved_us: int | None
    vouched: bool

    @property
    def complete(self) -> bool:
        """Whether no second factor is still to come."""
        return self.vouched or self.proved_us is not None

    @property
    def has_second(self) -> bool:
        return self.has_code or self.has_passkey


def begin_session(connection: Connection, number: int, now_us: int) -> str:
    """The token for its owner: it is kept nowhere. Lets go of sessions whose time is over."""
    connection.execute(delete(session).where(session.c.begun_at <= now_us - LONGEST_US))
    token = new_token()
    values = {"token": hash_of(token), "account_id": number, "begun_at": now_us, "used_at": now_us}
    connection.execute(insert(session).values(values))
    return token


def find_session(connection: Connection, token: str, now_us: int) -> Session:
    """Raises NotSignedIn for one that is unknown or ended, SessionOver for one that is too old or was idle
    for too long."""
    here = account.c
    has_passkey = exists().where(passkey.c.account_id == here.id).label("has_passkey")
    query = (
        select(session, here.login, here.name, here.role, here.unit, here.second, has_passkey)
        .join_from(session, account)
        .where(session.c.token == hash_of(token), session.c.ended_at.is_(None), here.disabled_at.is_(None))
    )
    row = connection.execute(query).first()
    if row is None:
        raise NotSignedIn("sign in again: this session is over")
    if now_us - row.used_at >= IDLE_US or now_us - row.begun_at >= LONGEST_US:
        raise SessionOver(idle=now_us - row.begun_at < LONGEST_US)
    return Session(
        token_hash=row.token,
        account=row.account_id,
        login=row.login,
        name=row.name,
        role=Role(row.role),
        unit=row.unit,
        has_code=row.second is not None,
        has_passkey=row.has_passkey,
        begun_us=row.begun_at,
        used_us=row.used_at,
        proved_us=row.proved_at,
        vouched=row.vouched_at is not None,
    )


def proved(connection: Connection, found: Session, now_us: int) -> str:
    """Both factors were given: the session goes on under a new token, and the former one is of no use. Raises
    NotSignedIn where it is over by now, or goes on under another token already."""
    token = new_token()
    values = {"token": hash_of(token), "proved_at": now_us, "used_at": now_us}
    here = _named(found.token_hash, found.account) & session.c.ended_at.is_(None)
    if connection.execute(update(session).where(here).values(values)).rowcount != 1:
        raise NotSignedIn("sign in again: this session is over")
    note(connection, found.account, AccountEvent.SIGNED_IN, str(found.account), now_us)
    return token


def vouched(connection: Connection, token: str, number: int, now_us: int) -> None:
    """The provider saw both factors: the session of `token`, just begun, is complete. It is never fresh."""
    here = session.c.token == hash_of(token)
    connection.execute(update(session).where(here).values(vouched_at=now_us))
    note(connection, number, AccountEvent.SIGNED_IN, str(number), now_us)


def lasts(connection: Connection, token_hash: bytes, number: int, now_us: int) -> bool:
    """Whether account `number` has that session still, with both factors given here."""
    columns = session.c
    here = _named(token_hash, number) & columns.ended_at.is_(None) & columns.proved_at.is_not(None)
    here &= (columns.used_at > now_us - IDLE_US) & (columns.begun_at > now_us - LONGEST_US)
    return connection.execute(select(columns.id).where(here)).first() is not None


def used(connection: Connection, found: Session, now_us: int) -> None:
    here = _named(found.token_hash, found.account)
    connection.execute(update(session).where(here).values(used_at=now_us))


def end_session(connection: Connection, found: Session, now_us: int) -> None:
    here = _named(found.token_hash, found.account)
    connection.execute(update(session).where(here).values(ended_at=now_us))
    note(connection, found.account, AccountEvent.SIGNED_OUT, str(found.account), now_us)


def end_sessions(connection: Connection, number: int, now_us: int) -> None:
    here = (session.c.account_id == number) & session.c.ended_at.is_(None)
    connection.execute(update(session).where(here).values(ended_at=now_us))


def who_of(connection: Connection, found: Session, now_us: int) -> Who:
    """Raises NotSignedIn while the second factor is still to come."""
    if not found.complete:
        raise NotSignedIn("the second factor is still to come")
    columns = account_community.c
    scope = select(columns.community_id).where(columns.account_id == found.account)
    of = account_person.c
    return Who(
        found.account,
        found.role,
        frozenset(connection.execute(scope).scalars()),
        connection.execute(select(of.person_id).where(of.account_id == found.account)).scalar(),
        fresh=found.proved_us is not None and now_us - found.proved_us < FRESH_US,
    )


def _named(token_hash: bytes, number: int) -> ColumnElement[bool]:
    return (session.c.token == token_hash) & (session.c.account_id == number)
