"""The file under the journal: who owns it, whether it is sound, whether commits in it are durable."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import IO

from gateway import sqlite_file
from gateway.errors import JournalRefused, JournalUnavailable
from gateway.journal_salvage import crc_of, log_is_damaged
from gateway.schema_steps import JOURNAL_STEPS, steps_taken
from gateway.sqlite_file import BUSY_MS, PRIVATE, SYNCHRONOUS_FULL, parts, refuse_damage

log = logging.getLogger(__name__)

_READING_KIB = 512
"""What is read is read in a row, once: a larger cache would only stay full of it."""

_NOTE_BYTES = 20
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


_OPERATOR_AT_FAULT = frozenset(
    {
        errno.EACCES,
        errno.EEXIST,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EPERM,
    }
)
"""What another path or other rights would mend. Anything else (a full, failing or write-protected disk) may
pass, and the doors need a gateway meanwhile."""

_SAFE_LIBRARY = (3, 51, 3)


def lock(path: Path) -> IO[bytes]:
    """One daemon a journal. The lock falls with the process, however that ends.

    Raises JournalRefused where the operator must act, JournalUnavailable where the disk takes nothing now.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        finish_salvage(path)
        path.touch(mode=PRIVATE)  # SQLite gives its log the same rights; tokens are nobody else's business
        note = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
    except OSError as error:
        if error.errno not in _OPERATOR_AT_FAULT:
            raise JournalUnavailable(
                f"{path}: no journal can be kept there now ({error.strerror})"
            ) from error
        raise JournalRefused(
            f"{path}: no journal can be kept there ({error.strerror});"
            " mend [journal] path or the folder's rights"
        ) from error
    handle = os.fdopen(note, "r+b", buffering=0)
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
    try:
        noted = os.pread(lock_file.fileno(), _NOTE_BYTES, 0).strip()
    except OSError as error:
        log.warning("the note of the newest epoch cannot be read (%s)", error.strerror)
        return 0
    return int(noted) if noted.isdigit() and int(noted) <= _HIGHEST_EPOCH else 0


def note_epoch(lock_file: IO[bytes], epoch: int) -> None:
    """Beside the journal; only a help, so a disk that does not take it is no failure."""
    try:
        os.pwrite(lock_file.fileno(), b"%d" % epoch + b" " * (_NOTE_BYTES - len(str(epoch))), 0)
    except OSError as error:
        log.warning("epoch %d cannot be noted (%s)", epoch, error.strerror)


def tell_library() -> None:
    """SQLite before 3.51.3 can spoil a file when two connections write or checkpoint it at one moment; ours
    never do: one connection writes each file, the others are read-only and never checkpoint (trust.md R-03).
    """
    if sqlite3.sqlite_version_info < _SAFE_LIBRARY:
        log.info(
            "SQLite %s: safe here because one connection alone writes each journal; do not open a journal in"
            " use with tools that write",
            sqlite3.sqlite_version,
        )


def open_for_writing(path: Path, gateway: str) -> sqlite3.Connection:
    """A connection whose commits are durable, with today's tables, owned by `gateway`; the file was checked.

    The only one that writes this file: whoever calls holds its `lock`. Raises sqlite3.DatabaseError for a
    damaged file, JournalRefused for one that must not be used.
    """
    if log_is_damaged(path):
        raise sqlite3.DatabaseError("its log has lost what was confirmed")
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        _make_durable(connection, path)
        refuse_damage(connection)
        _try_to_write(connection, path)
        _bring_up_to_date(connection, path)
        _refuse_foreign(connection, path, gateway)
        _refuse_altered(connection)
        connection.execute("PRAGMA shrink_memory")  # the whole file has just been read through its cache
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
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    connection.execute("PRAGMA query_only = ON")
    connection.execute(f"PRAGMA cache_size = -{_READING_KIB}")
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


def beside(path: Path) -> Path:
    """Where a salvaged journal is made, until it takes the damaged one's place."""
    return path.with_name(path.name + ".salvage")


def finish_salvage(path: Path) -> None:
    """A salvaged journal is complete once the damaged one was moved out of its way; before that it is begun
    anew. Raises OSError."""
    salvaged = beside(path)
    if path.exists():
        for part in parts(salvaged):
            part.unlink()
    elif salvaged.exists():
        if parts(path):  # the log of the damaged one: it must not be replayed into another file
            set_aside(path, "unfinished")
        salvaged.rename(path)
        sync_folder(path)


def sync_folder(path: Path) -> None:
    """Makes what was renamed beside `path` durable. Raises OSError."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def set_aside(path: Path, stamp: str) -> Path:
    """Moves a damaged journal out of the way. Raises OSError."""
    return sqlite_file.set_aside(path, f"{path.name}.damaged-{stamp}")


def _make_durable(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")  # what is pruned is gone, whatever SQLite's build says
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    level = connection.execute("PRAGMA synchronous").fetchone()[0]
    if mode != "wal" or level != SYNCHRONOUS_FULL:
        raise JournalRefused(
            f"{path}: this storage gives journal_mode={mode} and synchronous={level} instead of wal and"
            f" {SYNCHRONOUS_FULL}; put the journal on a local disk"
        )


def _refuse_altered(connection: sqlite3.Connection) -> None:
    """A body that is not what was stored: `quick_check` looks at the structure alone."""
    connection.create_function("crc_of", 2, crc_of, deterministic=True)
    altered = connection.execute("SELECT id FROM records WHERE crc <> crc_of(id, body) LIMIT 1").fetchone()
    if altered is not None:
        raise sqlite3.DatabaseError(f"the record at {altered[0]} is not what was stored")


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
    taken = steps_taken(connection, "journal")
    if unknown := taken - JOURNAL_STEPS:
        raise JournalRefused(
            f"{path}: written by a newer version of this program ({', '.join(sorted(unknown))});"
            " install that version, or give this one a new [journal] path"
        )
    if taken != JOURNAL_STEPS:
        from gateway.journal_schema import take_steps

        take_steps(connection)


def _refuse_foreign(connection: sqlite3.Connection, path: Path, gateway: str) -> None:
    owner = connection.execute("SELECT gateway FROM owner").fetchone()
    if owner is None:
        connection.execute("INSERT INTO owner VALUES (?)", (gateway,))
    elif owner[0] != gateway:
        raise JournalRefused(
            f"{path}: this is the journal of gateway {owner[0]!r}, the settings say {gateway!r};"
            " mend [gateway] name, or give this gateway its own [journal] path"
        )
