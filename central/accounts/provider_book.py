"""Accounts linked to the provider's sign-in, and who was sent there. Within the caller's transaction.

Whom the provider means is kept as a keyed hash alone (`second_factor.Sealer.hashed`): nobody here has to
read it.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Row, delete, exists, insert, select

from central.accounts.events import AccountEvent, note
from central.accounts.sessions import Session
from central.accounts.tokens import hash_of
from central.accounts.who import Role
from central.errors import Clash
from central.store.account_tables import account, passkey, provider_link, provider_visit

VISIT_US: Final = 10 * 60 * 1_000_000
"""So long somebody has for signing in at the provider."""


def begun_at(visit: Row[Any]) -> int:
    """UTC in µs."""
    return int(visit.until_at) - VISIT_US


def keep_visit(connection: Connection, secret: str, linking: Session | None, now_us: int) -> None:
    """`secret`: what the browser holds. `linking`: of whoever links an account. Also lets go of
    those whose time is over."""
    connection.execute(delete(provider_visit).where(provider_visit.c.until_at <= now_us))
    values = {
        "secret": hash_of(secret),
        "session_token": None if linking is None else linking.token_hash,
        "account_id": None if linking is None else linking.account,
        "until_at": now_us + VISIT_US,
    }
    connection.execute(insert(provider_visit).values(values))


def take_visit(connection: Connection, secret: str, now_us: int) -> Row[Any] | None:
    """Once; None where there is none, or no longer."""
    columns = provider_visit.c
    here = (columns.secret == hash_of(secret)) & (columns.until_at > now_us)
    row = connection.execute(select(provider_visit).where(here)).first()
    if row is None or connection.execute(delete(provider_visit).where(here)).rowcount != 1:
        return None
    return row


def add_link(connection: Connection, number: int, subject: bytes, now_us: int) -> None:
    """Raises Clash for a resident's account, one that is linked, and a sign-in that is another account's."""
    role = connection.execute(select(account.c.role).where(account.c.id == number)).scalar()
    if role == Role.RESIDENT:
        raise Clash("a resident's account is not linked to the provider's sign-in")
    columns = provider_link.c
    taken = (columns.account_id == number) | (columns.subject == subject)
    if connection.execute(select(columns.account_id).where(taken)).first() is not None:
        raise Clash("this account, or this sign-in, is linked already")
    connection.execute(insert(provider_link).values(account_id=number, subject=subject, made_at=now_us))
    note(connection, number, AccountEvent.PROVIDER_LINKED, str(number), now_us)


def end_link(connection: Connection, number: int, by: str, now_us: int) -> bool:
    """False where there was none."""
    here = provider_link.c.account_id == number
    if connection.execute(delete(provider_link).where(here)).rowcount == 0:
        return False
    note(connection, number, AccountEvent.PROVIDER_UNLINKED, by, now_us)
    return True


def linked_at(connection: Connection, number: int) -> int | None:
    """UTC in µs; None where it is not linked."""
    here = provider_link.c.account_id == number
    return connection.execute(select(provider_link.c.made_at).where(here)).scalar()


def account_of(connection: Connection, subject: bytes) -> int | None:
    """Whose first factor that sign-in is. None also for one that is disabled, or that its owner has not set
    up with a password and a second factor: these come from a code that was handed over, not from there."""
    has_passkey = exists().where(passkey.c.account_id == account.c.id)
    asked = select(account.c.id).join(provider_link, provider_link.c.account_id == account.c.id)
    asked = asked.where(
        provider_link.c.subject == subject,
        account.c.disabled_at.is_(None),
        account.c.role != Role.RESIDENT,
        account.c.password.is_not(None),
        account.c.second.is_not(None) | has_passkey,
    )
    return connection.execute(asked).scalar()
