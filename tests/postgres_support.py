"""A real PostgreSQL of the tests' own: no TCP, a socket in its folder, ended with the process that began it.

As root it runs as the package's user, because PostgreSQL refuses root.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

import psycopg
from sqlalchemy import make_url

_SYSTEM_USER: Final = "postgres"
_READY_S: Final = 60.0
_LOOK_AGAIN_S: Final = 0.02
_QUICK: Final = {
    "listen_addresses": "",
    "fsync": "off",  # nothing here outlives the test
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "max_wal_size": "256MB",
}
_MEMORY: Final = Path("/dev/shm")
_NEEDED_BYTES: Final = 2_000_000_000  # a few processes of tests side by side
_COPIES_FILES: Final = 150_000


def _roomy_memory() -> Path | None:
    """Each database is some 800 files, of which a disk remembers for a while that they were deleted."""
    roomy = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _NEEDED_BYTES
    return _MEMORY if roomy else None


_NAMED: Final = "liuhen-pg-"
_OWNER: Final = "owner"


def own_folder(where: Path | None) -> tuple[Path, IO[str]]:
    """A new one, and the file in it that says whose it is: locked for as long as this process lives."""
    folder = Path(tempfile.mkdtemp(prefix=_NAMED, dir=where))
    coming = folder / f"{_OWNER}.new"
    owner = coming.open("w")
    fcntl.flock(owner, fcntl.LOCK_EX)
    owner.write(f"{os.getpid()}\n")
    owner.flush()
    coming.rename(folder / _OWNER)  # under its name it is locked already
    return folder, owner


def sweep(where: Path) -> None:
    """What processes left there that were killed: nothing whose owner or server still lives, and nothing that
    does not say whose it is."""
    for file in where.glob(f"{_NAMED}*/{_OWNER}"):
        with contextlib.suppress(OSError), file.open() as owner:  # locked, another one's, or just swept
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _is_served(file.parent):
                shutil.rmtree(file.parent, ignore_errors=True)


def _is_served(folder: Path) -> bool:
    """Whether its server outlived whoever began it: not every system ends it with them."""
    try:
        number = (folder / "data/postmaster.pid").read_text().split("\n", 1)[0]
        return str(folder).encode() in Path(f"/proc/{int(number)}/cmdline").read_bytes()
    except (OSError, ValueError):
        return False


class Postgres:
    """Use as a context manager; `new_database()` gives the address of an empty one."""

    def __init__(self) -> None:
        sweep(_MEMORY)
        self._folder, self._owner = own_folder(_roomy_memory())
        self._data = self._folder / "data"
        self._numbers = count(1)
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        assert programs, "PostgreSQL is not installed: ./liuhen test installs it"
        as_user: list[str] = []
        user = pwd.getpwuid(os.geteuid()).pw_name
        if os.geteuid() == 0:
            user = _SYSTEM_USER
            shutil.chown(self._folder, user)
            as_user = [
                "setpriv",
                f"--reuid={user}",
                f"--regid={user}",
                "--clear-groups",
                "--pdeathsig",
                "INT",
            ]
        log = (self._folder / "log").open("wb")
        make = ["--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", f"--username={user}"]
        initdb = [*as_user, str(programs[-1] / "initdb"), *make, str(self._data)]
        subprocess.run(initdb, stdout=log, stderr=log, check=True, cwd="/")
        options = [word for name, value in _QUICK.items() for word in ("-c", f"{name}={value}")]
        self._server = subprocess.Popen(
            [
                *as_user,
                str(programs[-1] / "postgres"),
                "-D",
                str(self._data),
                "-k",
                str(self._folder),
                *options,
            ],
            stdout=log,
            stderr=log,
            cwd="/",
        )
        log.close()
        self.user = user
        self._wait_until_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.send_signal(signal.SIGQUIT)  # connections are cut, nothing waits or is kept
        self._server.wait(timeout=_READY_S)
        shutil.rmtree(self._folder)
        self._owner.close()

    def new_database(self, like: str = "template1") -> str:
        """Its address as SQLAlchemy writes it; a copy of database `like`, which nobody may be using."""
        name = f"t{next(self._numbers)}"
        with self.connect("postgres") as connection:
            # by its own default it writes the copy into its log as well, which costs far more
            how = "STRATEGY FILE_COPY" if connection.info.server_version >= _COPIES_FILES else ""
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {like} {how}".encode())
        return f"postgresql+psycopg://{self.user}@/{name}?host={self._folder}"

    @contextmanager
    def a_database(self, like: str = "template1") -> Iterator[str]:
        """As `new_database`, and gone at the end: hundreds of copies would be written to disk at last."""
        address = self.new_database(like)
        yield address
        with self.connect("postgres") as connection:
            connection.execute(f"DROP DATABASE {make_url(address).database} WITH (FORCE)".encode())

    def connect(self, database: str) -> psycopg.Connection:
        return psycopg.connect(
            host=str(self._folder), user=self.user, dbname=database, autocommit=True, connect_timeout=10
        )

    def _wait_until_ready(self) -> None:
        until_s = time.monotonic() + _READY_S
        while True:
            assert self._server is not None
            assert self._server.poll() is None, (self._folder / "log").read_text()
            try:
                self.connect("postgres").close()
            except psycopg.OperationalError:
                assert time.monotonic() < until_s, (self._folder / "log").read_text()
                time.sleep(_LOOK_AGAIN_S)
            else:
                return
