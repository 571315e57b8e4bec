"""Passkeys and their challenges in the database. Within the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, insert, select, update

from central.accounts.events import AccountEvent, note
from central.accounts.passkeys import Passkey
from central.errors import BadQuestion, Clash, NotThere
from central.store.account_tables import account, passkey, passkey_challenge

CHALLENGE_US: Final = 5 * 60 * 1_000_000
MOST: Final = 10
"""Passkeys of an account."""

_MAX_NAME: Final = 40


@dataclass(frozen=True, slots=True)
class Kept:
    """One as it is shown to its owner."""

    id: int
    name: str
    made_us: int
    used_us: int | None


def keep_challenge(connection: Connection, challenge: bytes, number: int | None, now_us: int) -> None:
    """Also lets go of those whose time is over."""
    connection.execute(delete(passkey_challenge).where(passkey_challenge.c.until_at <= now_us))
    values = {"challenge": challenge, "account_id": number, "until_at": now_us + CHALLENGE_US}
    connection.execute(insert(passkey_challenge).values(values))


def take_challenge(connection: Connection, challenge: bytes, number: int | None, now_us: int) -> bool:
    """Whether it was given out for that and not answered yet; now it is."""
    columns = passkey_challenge.c
    whose = columns.account_id.is_(None) if number is None else columns.account_id == number
    here = (columns.challenge == challenge) & whose & (columns.until_at > now_us)
    return connection.execute(delete(passkey_challenge).where(here)).rowcount == 1


def add(connection: Connection, number: int, made: Passkey, name: str, now_us: int) -> int:
    """Raises BadQuestion, Clash."""
    if not name.strip() or len(name) > _MAX_NAME:
        raise BadQuestion("name", f"has 1 to {_MAX_NAME} characters")
    if connection.execute(select(passkey.c.id).where(passkey.c.credential == made.credential)).first():
        raise Clash("this passkey is known already")
    if len(credentials_of(connection, number)) >= MOST:
        raise Clash(f"an account has {MOST} passkeys at most; remove one")
    values = {
        "account_id": number,
        "credential": made.credential,
        "public_key": made.public_key,
        "signs": made.signs,
        "name": name.strip(),
        "made_at": now_us,
    }
    done = connection.execute(insert(passkey).values(values))
    note(connection, number, AccountEvent.PASSKEY_ADDED, str(number), now_us)
    assert done.inserted_primary_key is not None
    return int(done.inserted_primary_key[0])


def remove(connection: Connection, number: int, which: int, now_us: int) -> None:
    """Raises NotThere, and Clash where it is the account's only second factor."""
    columns = passkey.c
    mine = list(connection.execute(select(columns.id).where(columns.account_id == number)).scalars())
    if which not in mine:
        raise NotThere("there is no such passkey")
    second = connection.execute(select(account.c.second).where(account.c.id == number)).scalar()
    if second is None and len(mine) == 1:
        raise Clash("this is the only second factor; set up another one first")
    connection.execute(delete(passkey).where(columns.id == which))
    note(connection, number, AccountEvent.PASSKEY_REMOVED, str(number), now_us)


def passkeys_of(connection: Connection, number: int) -> list[Kept]:
    rows = connection.execute(select(passkey).where(passkey.c.account_id == number).order_by(passkey.c.id))
    return [Kept(row.id, row.name, row.made_at, row.used_at) for row in rows]


def credentials_of(connection: Connection, number: int) -> list[bytes]:
    return list(
        connection.execute(select(passkey.c.credential).where(passkey.c.account_id == number)).scalars()
    )


def passkey_of(connection: Connection, credential: bytes) -> Row[Any] | None:
    """With its account, unless that is disabled."""
    here = (passkey.c.credential == credential) & account.c.disabled_at.is_(None)
    return connection.execute(select(passkey).join_from(passkey, account).where(here)).first()


def used(connection: Connection, row: Row[Any], signs: int, now_us: int) -> bool:
    """False where it was used, or removed, meanwhile: by credential, as SQLite gives numbers again."""
    here = (passkey.c.credential == row.credential) & (passkey.c.account_id == row.account_id)
    here &= passkey.c.signs == row.signs
    values = {"signs": signs, "used_at": now_us}
    return connection.execute(update(passkey).where(here).values(values)).rowcount == 1
