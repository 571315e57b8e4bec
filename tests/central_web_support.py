"""Helpers of the tests of API and page: a database filled through the ingest's own door, and the real web
application over it, served by uvicorn on a port of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx
import plain_http
import uvicorn
from central_support import DEADLINE_S, GATEWAY, SITE, START_US, a_block, a_record, until
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from database_support import new_database
from fastapi import Request
from sqlalchemy import Engine

from bench.assessed import goes_live
from bench.limits import UNLIMITED
from central.accounts.book import make_community
from central.accounts.second_factor import Sealer
from central.accounts.who import Role, Who
from central.app import create_app
from central.fleet.commanding import Line
from central.identity.suites import INTERNATIONAL, Key
from central.identity.vault import Vault
from central.ingest.intake import examine, take_in
from central.ingest.service import IngestStatus
from central.settings import Settings
from central.store.engine import open_reader, writing
from messages.chain import GENESIS, record_hash
from messages.model import AssuranceLevel, Credential, Kind
from messages.topics import GatewayTopic, Leaf
from messages.wire import WIRE_VERSION, About, DoorAbout, EpochHead, State, encode, encode_record

COMMUNITY = 1
NOW_US = START_US + 3_600_000_000
WELL = IngestStatus(broker_connected=True, database_trouble=None, queue_depth=0, records_stored=0)

# A record's values that must reach nobody; each is so odd that it is found wherever it appears.
SECRET_TOKEN = "5ec2e7" + "ab" * 13
SECRET_HOLDER = "H-secret-of-the-house"
SECRET_HINT = "9z9z"
SECRET_BOOT = "b007b007b007b007"
SECRET_IDENTITY = "1de27" + "c" * 59


class Chain:
    """The records of one epoch of one gateway as they come into being: each names the one before it."""

    def __init__(self, gateway: str = GATEWAY, epoch: int = 1) -> None:
        self.gateway = gateway
        self.epoch = epoch
        self.bodies: list[bytes] = []

    def grow(self, count: int = 1, /, **changes: object) -> list[bytes]:
        """The canonical bytes of `count` more; `changes` replace fields of each."""
        for _ in range(count):
            prev = record_hash(self.bodies[-1]) if self.bodies else GENESIS
            place = {"gateway": self.gateway, "epoch": self.epoch}
            self.bodies.append(encode_record(a_record(len(self.bodies) + 1, prev, **{**place, **changes})))
        return self.bodies[-count:]

    def block(self, first: int = 1, last: int | None = None) -> tuple[Leaf, bytes]:
        return Leaf.BACKLOG, a_block(self.bodies[first - 1 : last], first, self.epoch)

    def head(self, *, oldest: int = 1, head: int | None = None) -> EpochHead:
        at = head or len(self.bodies)
        return EpochHead(self.epoch, oldest, at, record_hash(self.bodies[at - 1]))


def online(*heads: EpochHead, at_us: int = START_US, devices: dict[str, str] | None = None) -> State:
    return State(
        v=WIRE_VERSION,
        online=True,
        boot=SECRET_BOOT,
        session="00000000000000aa",
        at=at_us,
        epochs=list(heads),
        devices=devices,
        whole=True,
    )


def gone() -> State:
    return State(v=WIRE_VERSION, online=False, boot=SECRET_BOOT, session="00000000000000aa")


def about(label: str, doors: Sequence[tuple[str, str, list[str]]] = ()) -> About:
    return About(v=WIRE_VERSION, software="1.2", label=label, doors=[DoorAbout(*door) for door in doors])


class Filled:
    """A real database; `take` puts messages into it as the ingest does."""

    def __init__(self, folder: Path) -> None:
        path = folder / "central.sqlite"
        self.url = f"sqlite:///{path}"
        self.writer: Engine = new_database(path)
        self.reader: Engine = open_reader(self.url)
        with writing(self.writer) as connection:
            made = make_community(connection, "310101001001", "枫园社区", [SITE], NOW_US)
            goes_live(connection, made, NOW_US)
        assert made == COMMUNITY

    def take(
        self,
        *said: tuple[Leaf, bytes] | State | About,
        gateway: str = GATEWAY,
        site: str = SITE,
        now_us: int = NOW_US,
    ) -> None:
        """One transaction."""
        batch = []
        for one in said:
            leaf, payload = (Leaf.STATE, encode(one)) if isinstance(one, State) else (Leaf.ABOUT, b"")
            if isinstance(one, About):
                payload = encode(one)
            if isinstance(one, tuple):
                leaf, payload = one
            batch.append(examine(str(GatewayTopic(site, gateway, leaf)), payload))
        with writing(self.writer) as connection:
            take_in(connection, batch, now_us)

    def close(self) -> None:
        self.reader.dispose()
        self.writer.dispose()


@contextmanager
def a_filled(folder: Path) -> Iterator[Filled]:
    filled = Filled(folder)
    try:
        yield filled
    finally:
        filled.close()


SEALER = Sealer(Key(bytes(8), INTERNATIONAL, bytes(32)))


def a_settings(**parts: object) -> Settings:
    """Of an application whose database was opened elsewhere."""
    nowhere = {"database": {"path": "not-opened-by-the-application"}, "limits": UNLIMITED}
    return Settings.model_validate({**nowhere, **parts})


def somebody(role: Role, *communities: int, account: int = 1, person: int | None = None) -> Who:
    """Has just signed in."""
    return Who(account, role, frozenset(communities), person, fresh=True)


AN_OFFICER = somebody(Role.OFFICER, COMMUNITY)


class _Server(uvicorn.Server):
    """Leaves no connection open: one that was opened while the server stopped was never told to close."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        while self.server_state.connections:  # noqa: ASYNC110  uvicorn tells nobody
            await asyncio.sleep(0)


class Served:
    """The application on a real port, until `stop`. Use as a context manager.

    Whoever asks is `who`, without signing in; None: as in the real one, they have to.
    """

    def __init__(
        self,
        database: Filled | Engine,
        port: int = 0,
        *,
        status: IngestStatus = WELL,
        who: Who | None = AN_OFFICER,
        now_us: Callable[[], int] = lambda: NOW_US,
        vault: Vault | None = None,
        signing: Ed25519PrivateKey | None = None,
        public: str | None = None,
        line: Line | None = None,
        reader: Engine | None = None,
        **parts: object,
    ) -> None:
        """`reader`: for questions, where `database` only writes.

        `public`: the address in its settings; `parts`: others of them. `line`: to gateways."""
        listen = {"address": public} | ({"port": port} if port else {})
        settings = a_settings(listen=listen, **parts)
        self.stopping = threading.Event()
        self.app = create_app(
            settings,
            reader or (database.reader if isinstance(database, Filled) else database),
            database.writer if isinstance(database, Filled) else database,
            sealer=SEALER,
            ingest_status=lambda: status,
            stopping=self.stopping,
            now_us=now_us,
            vault=vault,
            signing=signing,
            line=line,
        )
        if who is not None:
            self.is_asked_by(who)
        self._port = port

    def is_asked_by(self, who: Who) -> None:
        """From now on."""

        async def identify(_request: Request) -> Who:
            return who

        self.app.state.identify = identify

    def __enter__(self) -> Self:
        listener = socket.create_server(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        self.port = self._port
        self.address = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(
            self.app,
            lifespan="off",
            log_config=None,
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        self._server = _Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listener],), name="web")
        self._thread.start()
        until(lambda: self._server.started, "web server")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self.stopping.set()
        self._server.should_exit = True
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()

    def get(self, path: str, **query: object) -> httpx.Response:
        """`from_` stands for `from`, which Python keeps to itself."""
        asked = {name.rstrip("_"): str(value) for name, value in query.items()}
        return plain_http.get(f"{self.address}{path}", params=asked or None, timeout=DEADLINE_S)


@dataclass(frozen=True)
class Sent:
    """One server-sent event."""

    id: int
    name: str
    data: str


class Stream:
    """An open event stream. Use as a context manager."""

    def __init__(self, url: str, *, last_event_id: int | None = None) -> None:
        headers = {} if last_event_id is None else {"Last-Event-ID": str(last_event_id)}
        self._opened = plain_http.stream("GET", url, headers=headers, timeout=DEADLINE_S)

    def __enter__(self) -> Self:
        self.response = self._opened.__enter__()
        self._lines = self.response.iter_lines()
        self._first = next(self._lines)  # what it begins with comes before anything is awaited
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.__exit__(None, None, None)

    @property
    def first(self) -> str:
        return self._first

    def take(self, count: int) -> list[Sent]:
        """The next `count` events; fails if the stream ends before."""
        found = []
        fields: dict[str, list[str]] = {}
        for line in self._lines:
            name, _, value = line.partition(": ")
            if name:
                fields.setdefault(name, []).append(value)
            elif "event" in fields:
                found.append(Sent(int(fields["id"][0]), fields["event"][0], "\n".join(fields["data"])))
            if not name:
                fields = {}
            if len(found) == count:
                return found
        raise AssertionError(f"the stream ended after {len(found)} events of {count}")

    def rest(self) -> list[str]:
        """The lines until its end."""
        return list(self._lines)


def secretive(chain: Chain, count: int = 1, /, **changes: object) -> list[bytes]:
    """Entries full of what must not be shown."""
    secrets = {
        "boot": SECRET_BOOT,
        "holder": SECRET_HOLDER,
        "identity": SECRET_IDENTITY,
        "credential": Credential("id_card", SECRET_TOKEN, AssuranceLevel.L3, SECRET_HINT),
    }
    return chain.grow(count, **{**secrets, **changes})


DOORLESS: dict[str, object] = {
    "kind": Kind.GATEWAY_STARTED,
    "door": None,
    "reader": None,
    "direction": None,
    "credential": None,
    "holder": None,
    "category": None,
    "reason": None,
}
"""Changes that make a record of one that is about no door."""
