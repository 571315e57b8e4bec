"""Tokens: drawn here, kept as hashes; and those that machines come with. Within the caller's transaction."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from sqlalchemy import Connection, insert, select, update

from central.accounts.events import AccountEvent, note
from central.accounts.who import Role, Who
from central.errors import BadQuestion, NotSignedIn, NotThere
from central.store.account_tables import machine_token, machine_token_community
from central.store.register_tables import community

TOKEN_DAYS: Final = 365
_DAY_US: Final = 86_400 * 1_000_000
_TOKEN_BYTES: Final = 32
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


def new_token() -> str:
    return secrets.token_urlsafe(_TOKEN_BYTES)


def hash_of(token: str) -> bytes:
    """Tokens are drawn, so that a plain hash will do."""
    return sha256(token.encode()).digest()


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
    until_us = now_us + days * _DAY_US
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


@dataclass(frozen=True, slots=True)
class MachineToken:
    """One as it is shown to whoever keeps accounts. `until_us`: good until then, unless it was `ended`."""

    id: int
    name: str
    role: Role
    communities: frozenset[int]
    until_us: int
    ended: bool


def machine_tokens(connection: Connection) -> list[MachineToken]:
    """All that there ever were, newest first."""
    scopes: dict[int, set[int]] = {}
    for row in connection.execute(select(machine_token_community)):
        scopes.setdefault(row.machine_token_id, set()).add(row.community_id)
    rows = connection.execute(select(machine_token).order_by(machine_token.c.id.desc()))
    return [
        MachineToken(
            row.id,
            row.name,
            Role(row.role),
            frozenset(scopes.get(row.id, ())),
            row.until_at,
            ended=row.ended_at is not None,
        )
        for row in rows
    ]


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
