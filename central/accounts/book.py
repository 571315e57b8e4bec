"""Accounts, their communities, sessions and tokens in the database. Within the caller's transaction."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, insert, select, update

from central.accounts.who import Role, Who
from central.errors import BadQuestion, Clash, NotSignedIn, NotThere
from central.store.account_tables import (
    account,
    account_community,
    account_event,
    activation,
    machine_token,
    machine_token_community,
    session,
)
from central.store.register_tables import community, site

_US: Final = 1_000_000
IDLE_US: Final = 15 * 60 * _US
LONGEST_US: Final = 12 * 3_600 * _US
USED_EVERY_US: Final = 60 * _US
"""A session that is in use is noted so often; idleness is judged to the minute."""

FRESH_US: Final = 10 * 60 * _US
"""So long after both factors were given, what needs them anew does not ask again."""

CODE_US: Final = 24 * 3_600 * _US
TOKEN_DAYS: Final = 365
_TOKEN_BYTES: Final = 32
_LOGIN: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,31}")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_CODE: Final = re.compile(r"[A-Za-z0-9-]{1,32}")
_MAX_TEXT: Final = 80


class AccountEvent(StrEnum):
    MADE = "made"
    ACTIVATED = "activated"
    SIGNED_IN = "signed_in"
    SIGNED_OUT = "signed_out"
    REFUSED = "refused"  # a wrong password, code, or too many of them
    SECOND_FACTOR_SET = "second_factor_set"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  a word, not a secret
    SCOPE_CHANGED = "scope_changed"
    DISABLED = "disabled"
    RESET = "reset"
    TOKEN_MADE = "token_made"  # noqa: S105
    TOKEN_ENDED = "token_ended"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Account:
    """One as it is shown to whoever keeps accounts."""

    id: int
    login: str
    name: str
    role: Role
    unit: str
    communities: frozenset[int]
    active: bool  # has a password and a second factor
    disabled: bool


@dataclass(frozen=True, slots=True)
class Session:
    """`proved_us`: when both factors were given last; None while the second is still to come."""

    id: int
    account: int
    login: str
    name: str
    role: Role
    unit: str
    has_second: bool
    begun_us: int
    used_us: int
    proved_us: int | None


def new_token() -> str:
    return secrets.token_urlsafe(_TOKEN_BYTES)


def hash_of(token: str) -> bytes:
    """Tokens are drawn, so that a plain hash will do."""
    return sha256(token.encode()).digest()


def note(connection: Connection, number: int | None, event: AccountEvent, by: str, now_us: int) -> None:
    connection.execute(insert(account_event).values(at=now_us, account_id=number, event=event, by=by))


# --- communities -----------------------------------------------------------------------------------------


def make_community(connection: Connection, code: str, name: str, sites: Collection[str], now_us: int) -> int:
    """Raises BadQuestion, and Clash where the code or a site is taken."""
    if _CODE.fullmatch(code) is None:
        raise BadQuestion("code", "has letters, digits and hyphens, 32 at most")
    if not name.strip() or len(name) > _MAX_TEXT:
        raise BadQuestion("name", f"has 1 to {_MAX_TEXT} characters")
    if connection.execute(select(community.c.id).where(community.c.code == code)).first() is not None:
        raise Clash("there is a community of this code already")
    made = connection.execute(insert(community).values(code=code, name=name.strip(), created_at=now_us))
    assert made.inserted_primary_key is not None
    number = int(made.inserted_primary_key[0])
    for each in sites:
        add_site(connection, number, each, now_us)
    return number


def add_site(connection: Connection, number: int, name: str, now_us: int) -> None:
    """Raises BadQuestion, Clash."""
    if _NAME.fullmatch(name) is None:
        raise BadQuestion("site", "has lower-case letters, digits and hyphens, 32 at most, as in its topics")
    if connection.execute(select(site.c.name).where(site.c.name == name)).first() is not None:
        raise Clash("this site belongs to a community already")
    connection.execute(insert(site).values(name=name, community_id=number, created_at=now_us))


def community_coded(connection: Connection, code: str) -> int:
    """Raises NotThere."""
    found = connection.execute(select(community.c.id).where(community.c.code == code)).scalar()
    if found is None:
        raise NotThere("there is no community of this code; liuhen-central communities list shows them")
    return int(found)


def sites_of(connection: Connection, communities: Collection[int]) -> list[str]:
    """Their sites; of none there are none."""
    if not communities:
        return []
    query = select(site.c.name).where(site.c.community_id.in_(communities)).order_by(site.c.name)
    return list(connection.execute(query).scalars())


@dataclass(frozen=True, slots=True)
class Community:
    id: int
    code: str
    name: str
    sites: tuple[str, ...]


def communities(connection: Connection) -> list[Community]:
    sites: dict[int, list[str]] = {}
    for row in connection.execute(select(site).order_by(site.c.name)):
        sites.setdefault(row.community_id, []).append(row.name)
    rows = connection.execute(select(community).order_by(community.c.code))
    return [Community(row.id, row.code, row.name, tuple(sites.get(row.id, ()))) for row in rows]


# --- accounts --------------------------------------------------------------------------------------------


def make_account(
    connection: Connection,
    login: str,
    *,
    name: str,
    role: Role,
    unit: str,
    communities: Collection[int],
    by: str,
    now_us: int,
) -> tuple[int, str]:
    """Its number, and the code by which its owner sets a password within a day. Raises BadQuestion, Clash."""
    if _LOGIN.fullmatch(login) is None:
        raise BadQuestion("login", "has 2 to 32 lower-case letters, digits, full stops, hyphens")
    for field, text in (("name", name), ("unit", unit)):
        if not text.strip() or len(text) > _MAX_TEXT:
            raise BadQuestion(field, f"has 1 to {_MAX_TEXT} characters")
    if connection.execute(select(account.c.id).where(account.c.login == login)).first() is not None:
        raise Clash("there is an account of this login already")
    values = {"login": login, "name": name.strip(), "role": role, "unit": unit.strip(), "second_step": 0}
    made = connection.execute(insert(account).values(**values, made_at=now_us))
    assert made.inserted_primary_key is not None
    number = int(made.inserted_primary_key[0])
    _set_scope(connection, number, communities)
    note(connection, number, AccountEvent.MADE, by, now_us)
    return number, new_code(connection, number, now_us)


def new_code(connection: Connection, number: int, now_us: int) -> str:
    """A former one is of no use any more."""
    code = secrets.token_hex(10)
    connection.execute(delete(activation).where(activation.c.account_id == number))
    values = {"account_id": number, "code": hash_of(code), "until_at": now_us + CODE_US}
    connection.execute(insert(activation).values(values))
    return code


def account_of_code(connection: Connection, code: str, now_us: int) -> Row[Any]:
    """Whose code that is. Raises NotSignedIn for one that is unknown, used or too old."""
    here = (activation.c.code == hash_of(code)) & (activation.c.until_at > now_us)
    query = select(account).join(activation, activation.c.account_id == account.c.id).where(here)
    row = connection.execute(query.where(account.c.disabled_at.is_(None))).first()
    if row is None:
        raise NotSignedIn("this code is not valid, or no longer: ask for a new one")
    return row


def set_password(connection: Connection, number: int, password: str, *, by_code: bool, now_us: int) -> None:
    """`password`: its hash. All sessions end, and with a code the second factor is to be set anew."""
    values: dict[str, Any] = {"password": password}
    if by_code:
        values |= {"second": None, "second_step": 0}
        connection.execute(delete(activation).where(activation.c.account_id == number))
    connection.execute(update(account).where(account.c.id == number).values(values))
    end_sessions(connection, number, now_us)
    event = AccountEvent.ACTIVATED if by_code else AccountEvent.PASSWORD_CHANGED
    note(connection, number, event, str(number), now_us)


def set_second(connection: Connection, number: int, sealed: bytes, step: int, now_us: int) -> None:
    connection.execute(update(account).where(account.c.id == number).values(second=sealed, second_step=step))
    note(connection, number, AccountEvent.SECOND_FACTOR_SET, str(number), now_us)


def use_step(connection: Connection, number: int, step: int) -> bool:
    """False where a code of that step, or a later one, was used already."""
    here = (account.c.id == number) & (account.c.second_step < step)
    return connection.execute(update(account).where(here).values(second_step=step)).rowcount == 1


def set_scope(
    connection: Connection, number: int, communities: Collection[int], by: str, now_us: int
) -> None:
    one_account(connection, number)
    _set_scope(connection, number, communities)
    note(connection, number, AccountEvent.SCOPE_CHANGED, by, now_us)


def disable(connection: Connection, number: int, by: str, now_us: int) -> None:
    """For good, and at once. Raises NotThere."""
    one_account(connection, number)
    here = (account.c.id == number) & account.c.disabled_at.is_(None)
    connection.execute(update(account).where(here).values(disabled_at=now_us))
    connection.execute(delete(activation).where(activation.c.account_id == number))
    end_sessions(connection, number, now_us)
    note(connection, number, AccountEvent.DISABLED, by, now_us)


def reset(connection: Connection, number: int, by: str, now_us: int) -> str:
    """Password and second factor count no more; a code to begin anew. Raises NotThere, Clash."""
    if one_account(connection, number).disabled:
        raise Clash("this account is disabled; make another one")
    connection.execute(
        update(account).where(account.c.id == number).values(password=None, second=None, second_step=0)
    )
    end_sessions(connection, number, now_us)
    note(connection, number, AccountEvent.RESET, by, now_us)
    return new_code(connection, number, now_us)


def accounts(connection: Connection) -> list[Account]:
    scopes: dict[int, set[int]] = {}
    for row in connection.execute(select(account_community)):
        scopes.setdefault(row.account_id, set()).add(row.community_id)
    rows = connection.execute(select(account).order_by(account.c.login))
    return [_account(row, frozenset(scopes.get(row.id, ()))) for row in rows]


def one_account(connection: Connection, number: int) -> Account:
    """Raises NotThere."""
    row = connection.execute(select(account).where(account.c.id == number)).first()
    if row is None:
        raise NotThere("there is no such account")
    return _account(row, _scope(connection, number))


def account_called(connection: Connection, login: str) -> Row[Any] | None:
    """As it is kept; None where there is none, or it is disabled."""
    here = (account.c.login == login) & account.c.disabled_at.is_(None)
    return connection.execute(select(account).where(here)).first()


def account_numbered(connection: Connection, number: int) -> Row[Any] | None:
    here = (account.c.id == number) & account.c.disabled_at.is_(None)
    return connection.execute(select(account).where(here)).first()


def number_called(connection: Connection, login: str) -> int:
    """Raises NotThere."""
    found = connection.execute(select(account.c.id).where(account.c.login == login)).scalar()
    if found is None:
        raise NotThere("there is no account of this login")
    return int(found)


def _set_scope(connection: Connection, number: int, communities: Collection[int]) -> None:
    known = set(connection.execute(select(community.c.id)).scalars())
    if not set(communities) <= known:
        raise NotThere("there is no such community")
    connection.execute(delete(account_community).where(account_community.c.account_id == number))
    if communities:
        rows = [{"account_id": number, "community_id": each} for each in sorted(set(communities))]
        connection.execute(insert(account_community), rows)


def _scope(connection: Connection, number: int) -> frozenset[int]:
    columns = account_community.c
    query = select(columns.community_id).where(columns.account_id == number)
    return frozenset(connection.execute(query).scalars())


def _account(row: Row[Any], communities: frozenset[int]) -> Account:
    active = row.password is not None and row.second is not None
    return Account(
        row.id,
        row.login,
        row.name,
        Role(row.role),
        row.unit,
        communities,
        active,
        row.disabled_at is not None,
    )


# --- sessions --------------------------------------------------------------------------------------------


def begin_session(connection: Connection, number: int, now_us: int) -> str:
    """The token for its owner: it is kept nowhere."""
    token = new_token()
    values = {"token": hash_of(token), "account_id": number, "begun_at": now_us, "used_at": now_us}
    connection.execute(insert(session).values(values))
    return token


def find_session(connection: Connection, token: str, now_us: int) -> Session:
    """Raises NotSignedIn for one that is unknown, ended, too old or idle for too long."""
    query = (
        select(session, account.c.login, account.c.name, account.c.role, account.c.unit, account.c.second)
        .join_from(session, account)
        .where(
            session.c.token == hash_of(token), session.c.ended_at.is_(None), account.c.disabled_at.is_(None)
        )
    )
    row = connection.execute(query).first()
    if row is None or now_us - row.used_at >= IDLE_US or now_us - row.begun_at >= LONGEST_US:
        raise NotSignedIn("sign in again: this session is over")
    return Session(
        id=row.id,
        account=row.account_id,
        login=row.login,
        name=row.name,
        role=Role(row.role),
        unit=row.unit,
        has_second=row.second is not None,
        begun_us=row.begun_at,
        used_us=row.used_at,
        proved_us=row.proved_at,
    )


def proved(connection: Connection, found: Session, now_us: int) -> str:
    """Both factors were given: the session goes on under a new token, and the former one is of no use."""
    token = new_token()
    values = {"token": hash_of(token), "proved_at": now_us, "used_at": now_us}
    connection.execute(update(session).where(session.c.id == found.id).values(values))
    note(connection, found.account, AccountEvent.SIGNED_IN, str(found.account), now_us)
    return token


def used(connection: Connection, number: int, now_us: int) -> None:
    connection.execute(update(session).where(session.c.id == number).values(used_at=now_us))


def end_session(connection: Connection, found: Session, now_us: int) -> None:
    connection.execute(update(session).where(session.c.id == found.id).values(ended_at=now_us))
    note(connection, found.account, AccountEvent.SIGNED_OUT, str(found.account), now_us)


def end_sessions(connection: Connection, number: int, now_us: int) -> None:
    here = (session.c.account_id == number) & session.c.ended_at.is_(None)
    connection.execute(update(session).where(here).values(ended_at=now_us))


def who_of(connection: Connection, found: Session) -> Who:
    """Raises NotSignedIn while the second factor is still to come."""
    if found.proved_us is None:
        raise NotSignedIn("the second factor is still to come")
    return Who(found.account, found.role, _scope(connection, found.account))


# --- tokens of machines ----------------------------------------------------------------------------------


def make_machine_token(
    connection: Connection,
    name: str,
    *,
    role: Role,
    communities: Collection[int],
    days: int,
    by: str,
    now_us: int,
) -> str:
    """The token, which is kept nowhere. Raises BadQuestion, NotThere."""
    if _NAME.fullmatch(name) is None:
        raise BadQuestion("name", "has lower-case letters, digits and hyphens, 32 at most")
    if not 1 <= days <= TOKEN_DAYS:
        raise BadQuestion("days", f"is 1 to {TOKEN_DAYS}")
    token = new_token()
    until_us = now_us + days * 86_400 * _US
    values = {"token": hash_of(token), "name": name, "role": role, "made_at": now_us, "until_at": until_us}
    made = connection.execute(insert(machine_token).values(values))
    assert made.inserted_primary_key is not None
    number = int(made.inserted_primary_key[0])
    known = set(connection.execute(select(community.c.id)).scalars())
    if not set(communities) <= known:
        raise NotThere("there is no such community")
    if communities:
        rows = [{"machine_token_id": number, "community_id": each} for each in sorted(set(communities))]
        connection.execute(insert(machine_token_community), rows)
    note(connection, None, AccountEvent.TOKEN_MADE, by, now_us)
    return token


def end_machine_token(connection: Connection, name: str, by: str, now_us: int) -> int:
    """How many of that name there were."""
    here = (machine_token.c.name == name) & machine_token.c.ended_at.is_(None)
    ended = connection.execute(update(machine_token).where(here).values(ended_at=now_us)).rowcount
    if ended:
        note(connection, None, AccountEvent.TOKEN_ENDED, by, now_us)
    return ended


def machine_of(connection: Connection, token: str, now_us: int) -> Who:
    """Raises NotSignedIn."""
    row = connection.execute(select(machine_token).where(machine_token.c.token == hash_of(token))).first()
    if row is None or row.ended_at is not None or row.until_at <= now_us:
        raise NotSignedIn("this token is not valid, or no longer")
    columns = machine_token_community.c
    query = select(columns.community_id).where(columns.machine_token_id == row.id)
    communities = frozenset(connection.execute(query).scalars())
    return Who(-row.id, Role(row.role), communities, machine=True)
