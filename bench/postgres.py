"""A PostgreSQL server of a benchmark's own, with its durable defaults: a socket in its folder, no TCP.

As root it runs as the package's user, because PostgreSQL refuses root.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psycopg

_SYSTEM_USER = "postgres"
_READY_S = 60.0
_SETTINGS = {"listen_addresses": "", "max_connections": "40", "max_wal_size": "2GB", "min_wal_size": "1GB"}
_SEGMENTS = 60
"""Nearly as many as `min_wal_size` keeps."""


class Postgres:
    """Use `start` and `stop` as often as wanted: what is in it stays in its folder."""

    def __init__(self, folder: Path) -> None:
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        if not programs:
            raise FileNotFoundError("PostgreSQL is not installed: apt-get install postgresql")
        self._programs = programs[-1]
        self._folder = folder
        self.data = folder / "data"
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        self._as_user: list[str] = []
        self._server: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            self.user = _SYSTEM_USER
            shutil.chown(folder, _SYSTEM_USER)
            drop = [f"--reuid={_SYSTEM_USER}", f"--regid={_SYSTEM_USER}", "--clear-groups"]
            self._as_user = ["setpriv", *drop, "--pdeathsig", "INT"]

    def start(self, database: str) -> str:
        """The address of that database, which is made where it is not there, and so is the server."""
        if self._server is None:
            self._serve()
        with self._ready() as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,)).fetchone()
            if known is None:
                connection.execute(f"CREATE DATABASE {database}".encode())
        return f"postgresql+psycopg://{self.user}@/{database}?host={self._folder}"

    def age(self) -> None:
        """As a server that has run for days: its log goes into files that are there. A new one makes each of
        them first, 16 MB of zeros, while somebody waits for a commit."""
        with self._ready() as connection:
            for _ in range(_SEGMENTS):
                connection.execute("SELECT pg_logical_emit_message(false, 'bench', '')")
                connection.execute("SELECT pg_switch_wal()")
            connection.execute("CHECKPOINT")

    def stop(self) -> None:
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            self._server.wait(timeout=_READY_S)
            self._server = None

    def _serve(self) -> None:
        if not self.data.exists():
            make = ["--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", f"--username={self.user}"]
            self._run([str(self._programs / "initdb"), *make, str(self.data)])
        options = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        command = [str(self._programs / "postgres"), "-D", str(self.data), "-k", str(self._folder), *options]
        with (self._folder / "log").open("ab") as log:
            self._server = subprocess.Popen([*self._as_user, *command], stdout=log, stderr=log, cwd="/")

    def _ready(self) -> psycopg.Connection:
        until_s = time.monotonic() + _READY_S
        while True:
            try:
                return psycopg.connect(
                    host=str(self._folder), user=self.user, dbname="postgres", autocommit=True
                )
            except psycopg.OperationalError:
                if time.monotonic() >= until_s:
                    raise
                time.sleep(0.05)

    def _run(self, command: list[str]) -> None:
        with (self._folder / "log").open("ab") as log:
            subprocess.run([*self._as_user, *command], stdout=log, stderr=log, check=True, cwd="/")
