"""Who may look at an estate's centre: its community, a machine's token, sessions, the demo's accounts."""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection
from pathlib import Path
from typing import Final, Literal

import msgspec
import pyotp
from sqlalchemy import Connection, Engine

from bench.assessed import goes_live
from central.accounts import book, passwords, sessions, tokens
from central.accounts.second_factor import STEP_S, Sealer, sealer_of
from central.accounts.who import Role
from central.console.demo_accounts import DemoAccount, DemoSubject
from central.store.engine import migrate, open_writer, writing

COMMUNITY = "310101001001"
_PASSWORD = "every entry leaves a trace"  # noqa: S105  it stands on the demo's sign-in page
_WATCHER = "demo-watch"

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

DEMO_RESIDENT = ("resident-1", "一位住户", Role.RESIDENT, "滨河花园")
LOGINS: Final = {role: login for login, _, role, _ in (*DEMO_PEOPLE, DEMO_RESIDENT)}


def prepare(database: Path, site: str) -> str:
    """A community with that site, in a database that is made where there is none; returns a token for a
    machine that may see what an officer sees."""
    now_us = time.time_ns() // 1_000
    engine = open_writer(f"sqlite:///{database}")
    try:
        migrate(engine)
        with writing(engine) as connection:
            known = {each.code: each.id for each in book.communities(connection)}
            number = known.get(COMMUNITY)
            if number is None:
                number = book.make_community(connection, COMMUNITY, "滨河社区", [site], now_us)
                goes_live(connection, number, now_us)
            tokens.end_machine_token(connection, _WATCHER, "bench", now_us)  # of an earlier start
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
    """One for each role but residents', who need a register, and the file from which the sign-in page shows
    them; once."""
    if shown.exists():
        return
    engine = open_writer(f"sqlite:///{database}")
    try:
        made = DemoAccounts(engine, key_file, time.time_ns() // 1_000)
        made.make_staff()
        made.write(shown)
    finally:
        engine.dispose()


class DemoAccounts:
    """`numbers`: of the accounts that were made, by role."""

    def __init__(self, engine: Engine, key_file: Path, now_us: int) -> None:
        self._engine = engine
        self._sealer, self._kept = sealer_of(key_file), passwords.hashed(_PASSWORD)
        self._now_us = now_us
        self._made: list[DemoAccount] = []
        self.numbers: dict[Role, int] = {}

    def make_staff(self) -> None:
        for login, name, role, unit in DEMO_PEOPLE:
            self._make(login, name, role, unit)

    def make_other(self, login: str, name: str, role: Role, unit: str) -> int:
        """One more of a role, whom the sign-in page does not show; its number."""
        with writing(self._engine) as connection:
            communities = [each.id for each in book.communities(connection)]
            about = login, name, role, unit
            make_person(connection, self._sealer, self._kept, about, communities, now_us=self._now_us)
            return book.number_called(connection, login)

    def make_resident(self, person: int, now_us: int) -> None:
        """For somebody of the register."""
        self._make(*DEMO_RESIDENT, person=person, now_us=now_us)

    def write(self, shown: Path, subject: DemoSubject | None = None) -> None:
        """`subject`: whom the officer finds."""
        told = [
            msgspec.structs.replace(each, subject=subject) if each.role is Role.OFFICER else each
            for each in self._made
        ]
        shown.write_bytes(msgspec.json.encode(told))

    def _make(
        self,
        login: str,
        name: str,
        role: Role,
        unit: str,
        *,
        person: int | None = None,
        now_us: int | None = None,
    ) -> None:
        """`now_us` None: when all others were made."""
        with writing(self._engine) as connection:
            communities = [each.id for each in book.communities(connection)]
            about = login, name, role, unit
            secret = make_person(
                *(connection, self._sealer, self._kept, about, communities),
                now_us=self._now_us if now_us is None else now_us,
                person=person,
            )
            number = book.number_called(connection, login)
        self._made.append(DemoAccount(login, name, role, _PASSWORD, secret))
        self.numbers[role] = number


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


Signed = Literal["fresh", "stale", "half"]
"""What a browser has: both factors given just now, both a while ago, or the first alone."""

_A_WHILE_US: Final = 11 * 60 * 1_000_000


def session(database: Path, role: Role = Role.OFFICER, signed: Signed = "fresh") -> str:
    """The cookie's value of somebody of that role who has signed in, in whatever browser: the demo's account
    where there is one; of a new one without a second factor for half a session."""
    now_us = time.time_ns() // 1_000
    engine = open_writer(f"sqlite:///{database}")
    try:
        with writing(engine) as connection:
            if signed == "half":
                number = _made(connection, f"half-{secrets.token_hex(4)}", role, now_us)
                return sessions.begin_session(connection, number, now_us)
            login = f"bench-{role}"
            row = book.account_called(connection, LOGINS[role]) or book.account_called(connection, login)
            number = row.id if row is not None else _made(connection, login, role, now_us)
            token = sessions.begin_session(connection, number, now_us)
            proved_us = now_us - _A_WHILE_US if signed == "stale" else now_us
            token = sessions.proved(connection, sessions.find_session(connection, token, now_us), proved_us)
            sessions.used(connection, sessions.find_session(connection, token, now_us), now_us)
            return token
    finally:
        engine.dispose()


def _made(connection: Connection, login: str, role: Role, now_us: int) -> int:
    communities = [each.id for each in book.communities(connection)]
    number, _ = book.make_account(
        connection,
        login,
        name=login,
        role=role,
        unit="bench",
        communities=communities,
        by="bench",
        now_us=now_us,
    )
    return number
