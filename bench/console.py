"""Who may look at an estate's centre: its community, a machine's token, sessions, the demo's accounts."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path

import msgspec
import pyotp
from sqlalchemy import Connection

from central.accounts import book, passwords, sessions, tokens
from central.accounts.second_factor import STEP_S, Sealer, sealer_of
from central.accounts.who import Role
from central.console.demo_accounts import DemoAccount
from central.store.engine import migrate, open_writer, writing

_COMMUNITY = "310101001001"
_PASSWORD = "every entry leaves a trace"  # noqa: S105  it stands on the demo's sign-in page
_WATCHER = "the-bench"

DEMO_PEOPLE = (
    ("officer-1", "周警官", Role.OFFICER, "一号警务室"),
    ("approver-1", "钱所长", Role.APPROVER, "分局督察"),
    ("supervisor-1", "孙督导", Role.SUPERVISOR, "监督办公室"),
    ("worker-1", "李社工", Role.WORKER, "滨河社区居委会"),
    ("operator-1", "吴工", Role.OPERATOR, "运维组"),
    ("installer-1", "郑师傅", Role.INSTALLER, "安装队"),
    ("admin-1", "王主任", Role.ADMINISTRATOR, "信息科"),
)
"""Login, name, role and unit of each; all of them invented."""


def prepare(database: Path, site: str) -> str:
    """A community with that site, in a database that is made where there is none; returns a token for a
    machine that may see what an officer sees."""
    now_us = time.time_ns() // 1_000
    engine = open_writer(f"sqlite:///{database}")
    try:
        migrate(engine)
        with writing(engine) as connection:
            known = {each.code: each.id for each in book.communities(connection)}
            number = known.get(_COMMUNITY)
            if number is None:
                number = book.make_community(connection, _COMMUNITY, "滨河社区", [site], now_us)
            return tokens.make_machine_token(
                connection,
                _WATCHER,
                role=Role.OFFICER,
                communities=[number],
                days=1,
                by="bench",
                now_us=now_us,
            )
    finally:
        engine.dispose()


def make_demo_accounts(database: Path, key_file: Path, shown: Path) -> None:
    """One for each role, and the file from which the sign-in page shows them; once."""
    if shown.exists():
        return
    now_us = time.time_ns() // 1_000
    sealer, kept = sealer_of(key_file), passwords.hashed(_PASSWORD)
    accounts = []
    engine = open_writer(f"sqlite:///{database}")
    try:
        with writing(engine) as connection:
            communities = [each.id for each in book.communities(connection)]
            for login, name, role, unit in DEMO_PEOPLE:
                secret = make_person(
                    connection, sealer, kept, (login, name, role, unit), communities, now_us=now_us
                )
                accounts.append(DemoAccount(login, name, role, _PASSWORD, secret))
    finally:
        engine.dispose()
    shown.write_bytes(msgspec.json.encode(accounts))


def make_person(
    connection: Connection,
    sealer: Sealer,
    kept: str,
    about: tuple[str, str, Role, str],
    communities: Collection[int],
    *,
    now_us: int,
    person: int | None = None,
) -> str:
    """An account with password and second factor; its authenticator's secret, whose next code is good at
    once. `kept`: the password's hash; `about`: login, name, role and unit."""
    login, name, role, unit = about
    number, _ = book.make_account(
        connection,
        login,
        name=name,
        role=role,
        unit=unit,
        communities=communities,
        by="bench",
        now_us=now_us,
        person=person,
    )
    secret = pyotp.random_base32()
    book.set_password(connection, number, kept, by_code=True, now_us=now_us)
    step = now_us // 1_000_000 // STEP_S - 2
    book.set_second(connection, number, sealer.sealed(number, secret), step, now_us)
    return secret


def session(database: Path, role: Role = Role.OFFICER) -> str:
    """The cookie's value of somebody of that role who has signed in, in whatever browser."""
    now_us = time.time_ns() // 1_000
    engine = open_writer(f"sqlite:///{database}")
    try:
        with writing(engine) as connection:
            login = f"bench-{role}"
            row = book.account_called(connection, login)
            number = row.id if row is not None else None
            if number is None:
                number, _ = book.make_account(
                    connection,
                    login,
                    name=login,
                    role=role,
                    unit="bench",
                    communities=[each.id for each in book.communities(connection)],
                    by="bench",
                    now_us=now_us,
                )
            token = sessions.begin_session(connection, number, now_us)
            return sessions.proved(connection, sessions.find_session(connection, token, now_us), now_us)
    finally:
        engine.dispose()
