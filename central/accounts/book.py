"""Communities, accounts and what is done with them, in the database. Within the caller's transaction."""

from __future__ import annotations

import re
import secrets
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, delete, exists, insert, select, update

from central.accounts import provider_book
from central.accounts.events import AccountEvent, note
from central.accounts.sessions import end_sessions
from central.accounts.tokens import hash_of
from central.accounts.who import Role
from central.errors import BadQuestion, Clash, NotAllowed, NotSignedIn, NotThere
from central.identity.vault import Vault
from central.register import communities as register
from central.register.communities import Community, create_community
from central.register.desk import desk_of
from central.store.account_tables import (
    account,
    account_community,
    account_person,
    activation,
    passkey,
    provider_link,
)
from central.store.register_tables import community, person, site

_US: Final = 1_000_000
CODE_US: Final = 24 * 3_600 * _US
OPERATOR: Final = 0
"""Stands in the register where an account would: whoever types commands at the centre itself."""

_LOGIN: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,31}")
_MAX_TEXT: Final = 80


@dataclass(frozen=True, slots=True)
class Account:
    """One as it is shown to whoever keeps accounts."""

    id: int
    login: str
    name: str
    role: Role
    unit: str
    communities: frozenset[int]
    person: int | None  # of the register: whom a resident's account is for
    active: bool  # has a password and a second factor
    disabled: bool
    linked: bool  # a sign-in at the provider stands for its password


# --- communities -----------------------------------------------------------------------------------------


def make_community(
    connection: Connection,
    code: str,
    name: str,
    sites: Collection[str],
    now_us: int,
    *,
    vault: Vault | None = None,
) -> int:
    """In the register, by the operator. Raises BadQuestion, and Clash where the code or a site is taken."""
    number = create_community(connection, vault, code, name, account=OPERATOR, now_us=now_us)
    for each in sites:
        add_site(connection, number, each, now_us, vault)
    return number


def add_site(connection: Connection, number: int, name: str, now_us: int, vault: Vault | None = None) -> None:
    """Raises BadQuestion, NotThere, Clash."""
    register.add_site(desk_of(connection, vault, number, account=OPERATOR, now_us=now_us), name)


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


def communities(connection: Connection) -> list[Community]:
    return register.communities(connection)


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
    person: int | None = None,
) -> tuple[int, str]:
    """Its number, and the code by which its owner sets a password within a day.

    A resident's account is for a `person` of the register and sees that person's community, whatever
    `communities` says; no other account is for one. Raises BadQuestion, NotThere, Clash.
    """
    if _LOGIN.fullmatch(login) is None:
        raise BadQuestion("login", "has 2 to 32 lower-case letters, digits, full stops, hyphens")
    for field, text in (("name", name), ("unit", unit)):
        if not text.strip() or len(text) > _MAX_TEXT:
            raise BadQuestion(field, f"has 1 to {_MAX_TEXT} characters")
    if connection.execute(select(account.c.id).where(account.c.login == login)).first() is not None:
        raise Clash("there is an account of this login already")
    if (role is Role.RESIDENT) != (person is not None):
        raise BadQuestion("person", "is named for a resident's account, and for no other")
    values = {"login": login, "name": name.strip(), "role": role, "unit": unit.strip(), "second_step": 0}
    made = connection.execute(insert(account).values(**values, made_at=now_us))
    assert made.inserted_primary_key is not None
    number = int(made.inserted_primary_key[0])
    if person is not None:
        communities = [_home_of(connection, person)]
        connection.execute(insert(account_person).values(account_id=number, person_id=person))
    _set_scope(connection, number, communities)
    note(connection, number, AccountEvent.MADE, by, now_us)
    return number, new_code(connection, number, by, now_us)


def new_code(connection: Connection, number: int, by: str, now_us: int) -> str:
    """A former one is of no use any more, and a resident's not before it is confirmed (`residents`)."""
    code = secrets.token_hex(10)
    connection.execute(delete(activation).where(activation.c.account_id == number))
    values = {"account_id": number, "code": hash_of(code), "until_at": now_us + CODE_US, "made_by": by}
    connection.execute(insert(activation).values(values))
    return code


def account_of_code(connection: Connection, code: str, now_us: int) -> Row[Any]:
    """Whose code that is. Raises NotSignedIn for one that is unknown, used or too old, and NotAllowed for a
    resident's that nobody has confirmed at the desk."""
    here = (activation.c.code == hash_of(code)) & (activation.c.until_at > now_us)
    asked = select(account, activation.c.confirmed_at)
    query = asked.join(activation, activation.c.account_id == account.c.id).where(here)
    row = connection.execute(query.where(account.c.disabled_at.is_(None))).first()
    if row is None:
        raise NotSignedIn("this code is not valid, or no longer: ask for a new one")
    if row.role == Role.RESIDENT and row.confirmed_at is None:
        raise NotAllowed("not yet: a community worker has to see at the desk whom this account is for")
    return row


def set_password(connection: Connection, number: int, password: str, *, by_code: bool, now_us: int) -> None:
    """`password`: its hash. All sessions end, and with a code the second factor is to be set anew."""
    values: dict[str, Any] = {"password": password}
    if by_code:
        values |= {"second": None, "second_step": 0}
        connection.execute(delete(passkey).where(passkey.c.account_id == number))
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
    """Raises NotThere, and Clash for a resident's."""
    if one_account(connection, number).role is Role.RESIDENT:
        raise Clash("a resident's account sees its person's community, and no other")
    _set_scope(connection, number, communities)
    note(connection, number, AccountEvent.SCOPE_CHANGED, by, now_us)


def set_role(connection: Connection, number: int, role: Role, unit: str, *, by: str, now_us: int) -> None:
    """Its sessions end. Raises NotThere, BadQuestion, Clash (by its owner, or to or from a resident's)."""
    found = one_account(connection, number)
    if not unit.strip() or len(unit) > _MAX_TEXT:
        raise BadQuestion("unit", f"has 1 to {_MAX_TEXT} characters")
    if by == str(number):
        raise Clash("nobody changes their own role; another administrator does")
    if Role.RESIDENT in (role, found.role):
        raise Clash("a resident's account is made for a person and stays one; make another account")
    connection.execute(update(account).where(account.c.id == number).values(role=role, unit=unit.strip()))
    end_sessions(connection, number, now_us)
    note(connection, number, AccountEvent.ROLE_CHANGED, by, now_us)


def disable(connection: Connection, number: int, by: str, now_us: int) -> None:
    """For good, and at once. Raises NotThere, and Clash for one's own: one administrator at least is left."""
    one_account(connection, number)
    if by == str(number):
        raise Clash("nobody disables their own account; another administrator does")
    here = (account.c.id == number) & account.c.disabled_at.is_(None)
    connection.execute(update(account).where(here).values(disabled_at=now_us))
    connection.execute(delete(activation).where(activation.c.account_id == number))
    provider_book.end_link(connection, number, by, now_us)
    end_sessions(connection, number, now_us)
    note(connection, number, AccountEvent.DISABLED, by, now_us)


def reset(connection: Connection, number: int, by: str, now_us: int) -> str:
    """Password and second factor count no more; a code to begin anew. Raises NotThere, Clash."""
    if one_account(connection, number).disabled:
        raise Clash("this account is disabled; make another one")
    connection.execute(
        update(account).where(account.c.id == number).values(password=None, second=None, second_step=0)
    )
    connection.execute(delete(passkey).where(passkey.c.account_id == number))
    provider_book.end_link(connection, number, by, now_us)
    end_sessions(connection, number, now_us)
    note(connection, number, AccountEvent.RESET, by, now_us)
    return new_code(connection, number, by, now_us)


def unlink(connection: Connection, number: int, by: str, now_us: int) -> None:
    """Only its password, or a passkey, lets its owner in again; its sessions end. Raises NotThere."""
    if not provider_book.end_link(connection, number, by, now_us):
        raise NotThere("no such account is linked to the provider's sign-in")
    end_sessions(connection, number, now_us)


def accounts(connection: Connection) -> list[Account]:
    scopes: dict[int, set[int]] = {}
    for row in connection.execute(select(account_community)):
        scopes.setdefault(row.account_id, set()).add(row.community_id)
    rows = connection.execute(_shown().order_by(account.c.login))
    return [_account(row, frozenset(scopes.get(row.id, ()))) for row in rows]


def one_account(connection: Connection, number: int) -> Account:
    """Raises NotThere."""
    row = connection.execute(_shown().where(account.c.id == number)).first()
    if row is None:
        raise NotThere("there is no such account")
    columns = account_community.c
    scope = select(columns.community_id).where(columns.account_id == number)
    return _account(row, frozenset(connection.execute(scope).scalars()))


def staff_names(
    connection: Connection, communities: Collection[int], *, numbered: bool = False
) -> dict[int, str]:
    """Names and units of whoever works for one of these communities, by the account's number; residents, who
    read their own, stay numbers. Two who would be called alike have their number behind it; `numbered`:
    everybody has, where it is read long after, or beside what says more of others."""
    mine = select(account_community.c.account_id).where(account_community.c.community_id.in_(communities))
    asked = select(account.c.id, account.c.name, account.c.unit).where(
        account.c.id.in_(mine), account.c.role != Role.RESIDENT
    )
    called = {row.id: f"{row.name} · {row.unit}" for row in connection.execute(asked)}
    alike = Counter(called.values())
    return {
        number: f"{name} #{number}" if numbered or alike[name] > 1 else name
        for number, name in called.items()
    }


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


def _home_of(connection: Connection, number: int) -> int:
    found = connection.execute(select(person.c.community_id).where(person.c.id == number)).scalar()
    if found is None:
        raise NotThere("there is no such person")
    return int(found)


def _shown() -> Select[Any]:
    has_passkey = exists().where(passkey.c.account_id == account.c.id)
    linked = exists().where(provider_link.c.account_id == account.c.id)
    joined = account.outerjoin(account_person, account_person.c.account_id == account.c.id)
    asked = (account, account_person.c.person_id, has_passkey.label("has_passkey"), linked.label("linked"))
    return select(*asked).select_from(joined)


def _account(row: Row[Any], communities: frozenset[int]) -> Account:
    return Account(
        row.id,
        row.login,
        row.name,
        Role(row.role),
        row.unit,
        communities,
        person=row.person_id,
        active=row.password is not None and (row.second is not None or row.has_passkey),
        disabled=row.disabled_at is not None,
        linked=row.linked,
    )
