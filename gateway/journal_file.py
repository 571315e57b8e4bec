"""The file under the journal: who owns it, whether it is sound, whether commits in it are durable."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import IO

from sqlite_utils import Database

from gateway.errors import JournalRefused
from gateway.journal_schema import KNOWN_STEPS, steps

log = logging.getLogger(__name__)

_SYNCHRONOUS_FULL = 2
_BUSY_MS = 5_000

_NOTE_BYTES = 20
_PRIVATE = 0o600

_PRIMARY_CODE = 0xFF
_MACHINE_AT_FAULT = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_AUTH,
    }
)
_HIGHEST_EPOCH = 2**39
"""Far beyond any date, and leaves the next epochs room below what a record may say."""


def lock(path: Path) -> IO[bytes]:
    """One daemon a journal. The lock falls with the process, however that ends."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=_PRIVATE)  # SQLite gives its log the same rights; tokens are nobody else's business
        handle = path.with_name(path.name + ".lock").open("a+b")
    except OSError as error:
        raise JournalRefused(
            f"{path}: no journal can be kept there ({error.strerror});"
            " mend [journal] path or the folder's rights"
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        raise JournalRefused(
            f"{path}: another gateway process uses this journal; stop it first, or give this one its own"
            " [journal] path"
        ) from None
    return handle


def noted_epoch(lock_file: IO[bytes]) -> int:
    """The newest epoch as noted beside the journal, for when the journal itself can no longer be read."""
    lock_file.seek(0)
    noted = lock_file.read(_NOTE_BYTES)
    return int(noted) if noted.isdigit() and int(noted) <= _HIGHEST_EPOCH else 0


def note_epoch(lock_file: IO[bytes], epoch: int) -> None:
    lock_file.truncate(0)
    lock_file.write(b"%d" % epoch)
    lock_file.flush()


def open_for_writing(path: Path, gateway: str) -> sqlite3.Connection:
    """A connection whose commits are durable, with today's tables, owned by `gateway`.

    Raises sqlite3.DatabaseError for a damaged file, JournalRefused for one that must not be used.
    """
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        _make_durable(connection, path)
        _refuse_damage(connection)
        _try_to_write(connection, path)
        _bring_up_to_date(connection, path)
        _refuse_foreign(connection, path, gateway)
    except UnicodeDecodeError as error:  # SQLite quotes what it found, and that was no text
        connection.close()
        raise sqlite3.DatabaseError("damaged tables") from error
    except BaseException:
        connection.close()
        raise
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A connection that neither writes nor checkpoints (trust.md R-03)."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    connection.execute("PRAGMA query_only = ON")
    return connection


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is at fault, and not the machine around it (disk full, rights, locks)."""
    code = getattr(error, "sqlite_errorcode", None)  # our own findings carry none
    return code is None or code & _PRIMARY_CODE not in _MACHINE_AT_FAULT


def highest_epoch(path: Path) -> int:
    """The newest epoch that a damaged journal still tells of, 0 where it tells of none."""
    try:
        with closing(open_for_reading(path)) as connection:
            found = connection.execute(
                "SELECT max(epoch) FROM epochs WHERE epoch BETWEEN 1 AND ?", (_HIGHEST_EPOCH,)
            ).fetchone()[0]
    except (sqlite3.Error, UnicodeDecodeError) as error:
        log.warning("journal %s: its epochs cannot be read any more (%s)", path, error)
        return 0
    return int(found or 0)


def set_aside(path: Path, stamp: str) -> Path:
    """Moves a damaged journal out of the way; nothing is deleted, nor an earlier one written over."""
    names = (f"{path.name}.damaged-{stamp}" + (f"-{n}" if n else "") for n in count())
    aside = next(a for a in map(path.with_name, names) if not a.exists())
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside


def _make_durable(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    level = connection.execute("PRAGMA synchronous").fetchone()[0]
    if mode != "wal" or level != _SYNCHRONOUS_FULL:
        raise JournalRefused(
            f"{path}: this storage gives journal_mode={mode} and synchronous={level} instead of wal and"
            f" {_SYNCHRONOUS_FULL}; put the journal on a local disk"
        )


def _refuse_damage(connection: sqlite3.Connection) -> None:
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(found)


def _try_to_write(connection: sqlite3.Connection, path: Path) -> None:
    """A spoilt header can forbid writing to a file that we may well write to."""
    try:
        connection.execute("BEGIN")
        connection.execute("PRAGMA user_version = 0")  # nothing uses it
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_READONLY and os.access(path, os.W_OK):
            raise sqlite3.DatabaseError("its header forbids writing") from error
        raise


def _bring_up_to_date(connection: sqlite3.Connection, path: Path) -> None:
    db = Database(connection)
    unknown = {step.name for step in steps.applied(db)} - KNOWN_STEPS
    if unknown:
        raise JournalRefused(
            f"{path}: written by a newer version of this program ({', '.join(sorted(unknown))});"
            " install that version, or give this one a new [journal] path"
        )
    steps.apply(db)


def _refuse_foreign(connection: sqlite3.Connection, path: Path, gateway: str) -> None:
    owner = connection.execute("SELECT gateway FROM owner").fetchone()
    if owner is None:
        connection.execute("INSERT INTO owner VALUES (?)", (gateway,))
    elif owner[0] != gateway:
        raise JournalRefused(
            f"{path}: this is the journal of gateway {owner[0]!r}, the settings say {gateway!r};"
            " mend [gateway] name, or give this gateway its own [journal] path"
        )
