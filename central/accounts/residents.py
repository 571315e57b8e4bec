"""Codes of residents' accounts: good only once a second person has seen, at the desk, whom they are for.

Whoever keeps accounts could otherwise make one for anybody and take its code. A community worker, not the one
who made the code, checks who stands there and confirms the login that this person shows. Each new code, also
after a lost factor, is confirmed anew. Within the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from central.accounts.events import AccountEvent, note
from central.errors import Clash
from central.register.desk import Desk, row_of
from central.register.people import same_person
from central.store.account_tables import account, account_event, account_person, activation
from central.store.register_tables import person


@dataclass(frozen=True, slots=True)
class Waiting:
    """An account whose code is not used yet. `until_us`: so long the code is good."""

    account: int
    login: str
    until_us: int
    confirmed: bool


def waiting_of(connection: Connection, community: int, number: int, now_us: int) -> list[Waiting]:
    """Accounts of one person of the register, by login. Raises NotThere."""
    row_of(connection, person, community, number, "person")
    asked = (
        select(account.c.id, account.c.login, activation.c.until_at, activation.c.confirmed_at)
        .join(account_person, account_person.c.account_id == account.c.id)
        .join(activation, activation.c.account_id == account.c.id)
        .where(account_person.c.person_id == number, activation.c.until_at > now_us)
        .where(account.c.disabled_at.is_(None))
        .order_by(account.c.login)
    )
    return [
        Waiting(row.id, row.login, row.until_at, row.confirmed_at is not None)
        for row in connection.execute(asked)
    ]


def accounts_of(connection: Connection, number: int) -> frozenset[int]:
    """Of one person of the register, whichever of their rows an account names."""
    mine = account_person.c.person_id.in_(same_person(number))
    return frozenset(connection.execute(select(account_person.c.account_id).where(mine)).scalars())


def _made_or_reset(connection: Connection, number: int) -> Iterator[str]:
    """Who made that account, and who gave it a new code last: either may have kept the code, and be it."""
    columns = account_event.c
    for event in (AccountEvent.MADE, AccountEvent.RESET):
        here = (columns.account_id == number) & (columns.event == event)
        by = connection.execute(select(columns.by).where(here).order_by(columns.id.desc()).limit(1)).scalar()
        if by is not None:
            yield by


def confirm(desk: Desk, number: int, login: str) -> Waiting:
    """That whoever stands at the desk is that person, and holds the code of that account. Raises NotThere,
    and Clash where no such account waits, it is confirmed, or the code was made by the same account, or by
    whoever made that account or reset it last."""
    desk.met.add(number)
    known = {each.login: each for each in waiting_of(desk.connection, desk.community, number, desk.now_us)}
    found = known.get(login)
    if found is None:
        raise Clash("no account of this person with this login waits for a first password")
    if found.confirmed:
        raise Clash("this account is confirmed already")
    here = activation.c.account_id == found.account
    made_by = desk.connection.execute(select(activation.c.made_by).where(here)).scalar()
    if made_by in {str(desk.account), *_made_or_reset(desk.connection, desk.account)}:
        raise Clash("nobody confirms an account that they made themselves: a colleague has to")
    values = {"confirmed_at": desk.now_us, "confirmed_by": desk.account}
    desk.connection.execute(update(activation).where(here).values(values))
    note(desk.connection, found.account, AccountEvent.CONFIRMED, str(desk.account), desk.now_us)
    return Waiting(found.account, found.login, found.until_us, confirmed=True)
