"""The centre's application over a community of its own, and somebody of each role who signs in there.

People are invented; area code 000000 was never given to anybody.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import pyotp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Engine

from bench.assessed import goes_live
from bench.console import make_person
from bench.limits import UNLIMITED
from central.accounts import book, passwords, sessions
from central.accounts.second_factor import Sealer
from central.accounts.who import Role
from central.app import create_app
from central.errors import NotSignedIn
from central.identity.ring import make_ring
from central.identity.suites import INTERNATIONAL, Key
from central.identity.vault import Vault
from central.ingest.service import IngestStatus
from central.register.credentials import CredentialKind, issue
from central.register.desk import desk_of
from central.register.people import register_person
from central.register.place_tree import root_of
from central.register.places import create_place, place_door
from central.register.residencies import Arrival, move_in
from central.register.words import DocumentType, PlaceKind, Relation
from central.settings import Settings
from central.store.engine import migrate, open_reader, open_writer, reading, writing

HERE: Final = "https://localhost"
COOKIE: Final = "__Host-liuhen"
BEGIN_US: Final = 1_795_413_785_000_000
SITE, GATEWAY, DOOR = "riverside", "east", "east-unit-1"
_PASSWORD: Final = "swallows come back in spring"  # noqa: S105
_HOUR_US: Final = 3_600_000_000
_WELL: Final = IngestStatus(broker_connected=True, database_trouble=None, queue_depth=0, records_stored=0)


class World:
    """Its clock stands still, but for who signs in: each code of an authenticator is good once."""

    def __init__(self, reader: Engine, writer: Engine, folder: Path) -> None:
        self.now_us = BEGIN_US
        self._reader, self._writer = reader, writer
        self._sealer = Sealer(Key(bytes(8), INTERNATIONAL, bytes(INTERNATIONAL.key_bytes)))
        self._kept = passwords.hashed(_PASSWORD)
        self._tokens: dict[Role, str] = {}
        self._made = 0
        vault = Vault(make_ring(folder / "ring", INTERNATIONAL), INTERNATIONAL)
        vault.keep_site_key(SITE, bytes(32))
        with writing(writer) as connection:
            self._community = book.make_community(
                connection, "000000001", "东湖社区", [SITE], BEGIN_US - _HOUR_US, vault=vault
            )
            goes_live(connection, self._community, BEGIN_US - _HOUR_US)
            self._resident = _people(connection, vault, self._community)
        stopping = threading.Event()
        stopping.set()  # event streams end at once: nobody could wait for their end
        self.app = create_app(
            Settings.model_validate({"database": {"path": "elsewhere"}, "limits": UNLIMITED}),
            reader,
            writer,
            sealer=self._sealer,
            ingest_status=lambda: _WELL,
            stopping=stopping,
            vault=vault,
            signing=Ed25519PrivateKey.from_private_bytes(bytes(32)),
            now_us=lambda: self.now_us,
        )

    def token(self, role: Role) -> str:
        """Of a session of that role in which both factors were given a moment ago; a new one where the last
        was ended by what was asked, or its account altered."""
        token = self._tokens.get(role)
        if token is None or not self._is_good(token, role):
            token = self._tokens[role] = asyncio.run(self._signed_in(role))
        return token

    def _is_good(self, token: str, role: Role) -> bool:
        with reading(self._reader) as connection:
            try:
                who = sessions.who_of(
                    connection, sessions.find_session(connection, token, self.now_us), self.now_us
                )
            except NotSignedIn:
                return False
        alike = role is Role.ADMINISTRATOR or self._community in who.communities
        return who.role is role and who.fresh and alike

    async def _signed_in(self, role: Role) -> str:
        """As people do, with a password and the code of an authenticator."""
        self._made += 1
        login = f"{role}-{self._made}"
        with writing(self._writer) as connection:
            person = self._resident if role is Role.RESIDENT else None
            secret = make_person(
                connection,
                self._sealer,
                self._kept,
                (login, "周某", role, "一号警务室"),
                [self._community],
                now_us=self.now_us,
                person=person,
            )
        inside = httpx.ASGITransport(app=self.app)
        ours = {"Sec-Fetch-Site": "same-origin"}
        async with httpx.AsyncClient(transport=inside, base_url=f"{HERE}/api/v1", headers=ours) as client:
            (await client.post("/sign-in", json={"login": login, "password": _PASSWORD})).raise_for_status()
            code = pyotp.TOTP(secret).at(self.now_us // 1_000_000)
            (await client.post("/sign-in/code", json={"code": code})).raise_for_status()
            return str(client.cookies[COOKIE])


@contextmanager
def a_world(address: str, folder: Path) -> Iterator[World]:
    """`address`: of an empty database."""
    writer = open_writer(address)
    migrate(writer)
    reader = open_reader(address)
    try:
        yield World(reader, writer, folder)
    finally:
        reader.dispose()
        writer.dispose()


def _people(connection: Connection, vault: Vault, community: int) -> int:
    """A building with a home, and who lives there; their number in the register."""
    desk = desk_of(connection, vault, community, account=book.OPERATOR, now_us=BEGIN_US - _HOUR_US)
    building = create_place(desk, root_of(connection, community).id, PlaceKind.BUILDING, "1 号楼")
    room = create_place(desk, building, PlaceKind.ROOM, "101")
    place_door(desk, SITE, GATEWAY, DOOR, building)
    person = register_person(desk, name="王小明", document=DocumentType.NONE)
    move_in(desk, Arrival(person, room, Relation.OWNER), since_us=BEGIN_US - _HOUR_US)
    issue(desk, person, CredentialKind.CARD_UID, "04a1b2c3")
    return person
