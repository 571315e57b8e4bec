"""Nobody sees or changes what lies outside their communities, whichever route they ask and whatever they name
(trust.md R-63): role by route, with somebody else's ids."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from central_support import START_US
from central_web_support import SEALER, WELL, a_settings
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from database_support import new_database
from fastapi import FastAPI
from foreign_support import CANARY, THEIRS, Request, fill, requests_to, theirs
from identity_support import a_registers_vault
from routes_support import the_routes
from sqlalchemy import Connection, Engine, insert, update

from central.accounts import book, sessions
from central.accounts.matrix import Guarded
from central.accounts.who import Role
from central.app import create_app
from central.store.engine import open_reader, reading, writing
from central.store.register_tables import community, person
from central.store.tables import gateway

OURS = 7
PERSON = 42
ANSWERED = (httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND)
HERE = "http://localhost"
NOW_US = START_US + 3_600_000_000
ROLES = sorted(set(Role) - {Role.ADMINISTRATOR})
ROUTES = [route for route in the_routes() if route.roles is not None]
"""Accounts belong to no community: whoever keeps them sees them all, and nothing else."""


def application(reader: Engine, writer: Engine, folder: Path) -> FastAPI:
    stopping = threading.Event()
    stopping.set()  # event streams end at once
    return create_app(
        a_settings(),
        reader,
        writer,
        sealer=SEALER,
        ingest_status=lambda: WELL,
        stopping=stopping,
        vault=a_registers_vault(folder),
        signing=Ed25519PrivateKey.from_private_bytes(bytes(32)),
        now_us=lambda: NOW_US,
    )


class World:
    """A community of ours with nothing in it, beside one of theirs that is full of canaries."""

    def __init__(self, folder: Path) -> None:
        path = folder / "central.sqlite"
        self.writer, self.reader = new_database(path), open_reader(f"sqlite:///{path}")
        with writing(self.writer) as connection:
            fill(connection, NOW_US - 60_000_000)
            values = {"code": "000000-1", "name": "枫园", "created_at": 1}
            connection.execute(insert(community).values(id=OURS, **values))
            row = {"category": "x", "document_type": "x", "sealed": b"x", "name_index": b"x", "state": "x"}
            times = {"created_at": 1, "changed_at": 1}
            connection.execute(insert(person).values(id=PERSON, community_id=OURS, **row, **times))
            self._tokens = {role: signed_in(connection, role, role.value, OURS) for role in ROLES}
        self.app = application(self.reader, self.writer, folder)
        self.document = self.app.openapi()

    def ask(self, role: Role, method: str, asked: Request, token: str | None = None) -> httpx.Response:
        """As somebody of that role who has just signed in, in our community alone."""

        async def answered() -> httpx.Response:
            inside = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
            how = {"Cookie": f"liuhen={token or self._tokens[role]}", "Sec-Fetch-Site": "same-origin"}
            async with httpx.AsyncClient(transport=inside, base_url=HERE, headers=how) as client:
                given = {"json": asked.body} if asked.form is None else {"data": asked.form}
                return await client.request(method, asked.path, params=asked.query, **given)

        return asyncio.run(answered())

    def theirs(self) -> dict[str, list[tuple[object, ...]]]:
        with reading(self.reader) as connection:
            return theirs(connection)


def signed_in(connection: Connection, role: Role, login: str, scope: int) -> str:
    number, _ = book.make_account(
        connection,
        login,
        name=login,
        role=role,
        unit="-",
        communities=[scope],
        by="test",
        now_us=NOW_US,
        person=PERSON if role is Role.RESIDENT else None,
    )
    token = sessions.begin_session(connection, number, NOW_US)
    return sessions.proved(connection, sessions.find_session(connection, token, NOW_US), NOW_US)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("theirs"))
    yield world
    world.reader.dispose()
    world.writer.dispose()


def said(role: Role, asked: Request, answer: httpx.Response) -> str:
    """Fails where the answer is a fault, such as of reading what is none of theirs."""
    assert answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR, (role, asked, answer.text)
    return answer.text


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_what_is_theirs_is_neither_shown_nor_changed(world: World, route: Guarded) -> None:
    """But for the register of look-ups, which keeps also what was asked outside of one's communities."""
    assert route.roles is not None
    before = world.theirs()
    for role in sorted(route.roles - {Role.ADMINISTRATOR}):
        for asked in requests_to(route, world.document):
            answer = world.ask(role, route.method, asked)
            text = said(role, asked, answer)
            assert CANARY not in text, (role, asked)
            assert str(THEIRS) not in text, (role, asked)
            if "{" in route.path:
                assert not answer.is_success, (role, asked, text)
    after = world.theirs()
    asked_before = before.pop("look_up_event")
    assert after.pop("look_up_event")[: len(asked_before)] == asked_before
    assert after == before


def test_whose_it_is_does_see_it(world: World) -> None:
    """Else the test above would find nothing, whatever leaked."""
    with writing(world.writer) as connection:
        token = signed_in(connection, Role.OFFICER, "theirs", THEIRS)
        connection.execute(update(gateway).values(devices=None, journal=None, doors=None))
    asked = Request("/api/v1/gateways", {}, None)
    assert CANARY in world.ask(Role.OFFICER, "GET", asked, token).text


def test_most_requests_get_as_far_as_the_question_whose_it_is(world: World) -> None:
    """And are not refused before for how they are written."""
    refused = {}
    for route in ROUTES:
        if "{" in route.path and (roles := sorted((route.roles or set()) - {Role.ADMINISTRATOR})):
            asked = requests_to(route, world.document)
            answers = [world.ask(roles[0], route.method, each) for each in asked]
            if not any(answer.status_code in ANSWERED for answer in answers):
                refused[route.name] = [answer.text for answer in answers]
    assert list(refused.items()) == []
