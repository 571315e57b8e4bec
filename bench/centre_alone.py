"""Broker and centre as real processes on either engine, with keys and a community, and no gateway."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from sqlalchemy import Engine, text

from bench import limits
from bench.assessed import goes_live
from bench.broker import Broker
from bench.postgres import Postgres
from bench.processes import Child
from central.accounts import book
from central.fleet.keys import CentreKeys, make_centre_keys
from central.identity.ring import make_ring
from central.identity.suites import INTERNATIONAL
from central.identity.vault import Vault
from central.store.engine import migrate, open_reader, open_writer, reading, writing

ENGINES: Final = ("sqlite", "postgresql")
SITE: Final = "riverside"
_COMMUNITY: Final = "310101001001"
QUEUE_ALL: Final = "max_queued_messages 0\nmax_queued_bytes 0\nmax_inflight_messages 0\n"
"""For a broker that drops nothing, and leaves it to its clients how many messages are under way to them."""

_KIB: Final = 1_024
_BIN: Final = Path(sys.executable).parent


class CentreAlone:
    """Use as a context manager: what was started is ended; its folder stays, but for PostgreSQL's."""

    def __init__(
        self, folder: Path, engine: str, furnish: Callable[[CentreAlone, Engine], None] | None = None
    ) -> None:
        """`engine`: one of ENGINES. `furnish`: puts more into the database before the centre starts."""
        self._furnish = furnish
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.engine = engine
        # PostgreSQL may run as another user, who cannot look into ours; and a socket's path must be short
        self._server_folder = Path(tempfile.mkdtemp(prefix="liuhen-pg-"))
        self.server = Postgres(self._server_folder) if engine == "postgresql" else None
        self.broker = Broker(folder / "broker", folder / "broker.log", QUEUE_ALL)
        self.settings = folder / "central.toml"

    def __enter__(self) -> Self:
        try:
            self.url = self.new_database("centre")
            if self.server is not None:
                self.server.age()
            self._prepare()
            self.broker.start()
            command: list[str | Path] = [_BIN / "liuhen-central", "serve", "--settings", self.settings]
            self.centre = Child("centre", command, self.folder / "centre.log", r"listening on http")
            self.centre.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(AttributeError):  # it never came so far
            self.centre.stop()
        self.broker.stop()
        if self.server is not None:
            self.server.stop()
        shutil.rmtree(self._server_folder)

    def new_database(self, name: str) -> str:
        """The address of an empty database with the centre's tables, on the same disk or server."""
        path = self.folder / f"{name}.db"
        url = f"sqlite:///{path}" if self.server is None else self.server.start(name)
        engine = open_writer(url)
        migrate(engine)
        engine.dispose()
        return url

    @property
    def address(self) -> str:
        """Of the centre's pages, as it said itself."""
        return self.centre.ready_line.split()[-1]

    def store_bytes(self) -> int:
        """What all tables and indexes take now."""
        engine = open_reader(self.url)
        try:
            with reading(engine) as connection:
                if self.server is None:
                    return sum(
                        sign * int(connection.execute(text(f"PRAGMA {name}")).scalar_one()) * 4_096
                        for sign, name in ((1, "page_count"), (-1, "freelist_count"))
                    )
                tables = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r'"
                mine = " AND relnamespace = 'public'::regnamespace"
                return int(connection.execute(text(tables + mine)).scalar_one())
        finally:
            engine.dispose()

    def most_memory_mib(self) -> float:
        """Resident at most, of the centre's process since it started."""
        lines = Path(f"/proc/{self.centre.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / _KIB

    def _prepare(self) -> None:
        self.keys: CentreKeys = make_centre_keys(self.folder / "centre.key")
        self.vault = Vault(make_ring(self.folder / "key-ring", INTERNATIONAL), INTERNATIONAL)
        engine = open_writer(self.url)
        try:
            with writing(engine) as connection:
                self.community = book.make_community(
                    connection, _COMMUNITY, "滨河社区", [SITE], time.time_ns() // 1_000, vault=self.vault
                )
                goes_live(connection, self.community, time.time_ns() // 1_000)
            if self._furnish is not None:
                self._furnish(self, engine)
        finally:
            engine.dispose()
        self.settings.write_text(_SETTINGS.format(url=self.url, broker=self.broker) + limits.IN_A_FILE)


_SETTINGS = """\
[listen]
host = "127.0.0.1"
port = 0

[database]
url = "{url}"

[mqtt]
host = "127.0.0.1"
port = {broker.port}
protocol = "{broker.protocol}"

[identity]
key_ring = "key-ring"
visitor_basis = "invented for a benchmark"
"""
