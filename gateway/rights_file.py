"""The file of what is in force at a gateway: opened for writing, or for reading where the disk takes no
writes; a damaged one is set aside, and what it is known to have held is the floor of its successor.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from gateway.errors import RightsRefused, RightsUnavailable
from gateway.journal_file import is_damage
from gateway.schema_steps import RIGHTS_STEPS, steps_taken
from gateway.sqlite_file import (
    BUSY_MS,
    PRIVATE,
    SUFFIXES,
    SYNCHRONOUS_FULL,
    parts,
    refuse_damage,
    set_aside,
)
from messages.access_list import decode_manifest
from messages.errors import MessageError
from messages.signing import body_unproved
from messages.site_settings import decode_site_settings

log = logging.getLogger(__name__)

_CHECKPOINT_PAGES = 100
"""400 KB: many small checkpoints, so that the journal on the same disk does not wait behind a large one."""

_CACHE_KIB = 512
"""A list is written and read in the order of its tokens: a larger cache would only stay full of it."""

_LIST = "SELECT version, signed FROM list WHERE signed <> x''"
_SETTINGS = "SELECT revision, signed FROM settings WHERE signed <> x''"


class RightsFile:
    """Where the file lies and whose it is. Every method raises RightsRefused for a file of another gateway or
    a newer program."""

    def __init__(self, path: Path, site: str, gateway: str, list_floor: Callable[[], int]) -> None:
        """`list_floor`: the newest list version that is known from elsewhere; asked for only where a file was
        lost. May raise RightsUnavailable."""
        self.path = path
        self._owner = (site, gateway)
        self._list_floor = list_floor

    def open_for_writing(self) -> sqlite3.Connection:
        """Raises sqlite3.DatabaseError for a damaged file, RightsUnavailable where the disk is at fault."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch(mode=PRIVATE)  # SQLite gives its log the same rights
        except OSError as error:
            raise RightsUnavailable(f"{self.path}: cannot be made ({error.strerror})") from error
        try:
            connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:  # nothing of the file was looked at
            raise RightsUnavailable(f"{self.path}: cannot be opened ({error})") from error
        try:
            self._prepare(connection)
        except sqlite3.Error as error:
            connection.close()
            if is_damage(error):
                raise sqlite3.DatabaseError(str(error)) from error
            raise RightsUnavailable(f"{self.path}: cannot be opened ({error})") from error
        except UnicodeDecodeError as error:  # SQLite quotes what it found, and that was no text
            connection.close()
            raise sqlite3.DatabaseError("damaged tables") from error
        except BaseException:
            connection.close()
            raise
        return connection

    def open_for_reading(self) -> sqlite3.Connection:
        """Writes nothing, not even the index of its log. Raises RightsUnavailable."""
        ways = ["mode=ro&readonly_shm=1"]
        if not self._log_holds_something():
            ways.append("immutable=1")  # all of it stands in the file itself
        why: Exception | None = None
        for way in ways:
            uri = f"{self.path.absolute().as_uri()}?{way}"
            connection: sqlite3.Connection | None = None
            try:
                connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
                self._refuse_unfit(connection)
            except (sqlite3.Error, UnicodeDecodeError, RightsUnavailable) as error:
                why = error
                if connection is not None:
                    connection.close()
            except BaseException:
                if connection is not None:
                    connection.close()
                raise
            else:
                return connection
        raise RightsUnavailable(f"{self.path}: cannot be read ({why})") from why

    def begin_again(self, damage: Exception) -> sqlite3.Connection:
        """Sets the damaged file aside and makes a new one. Raises RightsUnavailable."""
        try:
            aside = set_aside(self.path, f"{self.path.name}.damaged")
            connection = self.open_for_writing()
        except (OSError, sqlite3.Error) as error:
            raise RightsUnavailable(f"{self.path}: damaged ({damage}), and so stays ({error})") from error
        log.error(
            "%s is damaged (%s); set aside as %s, the centre sends everything again", self.path, damage, aside
        )
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        connection.execute("PRAGMA synchronous = FULL")
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        level = connection.execute("PRAGMA synchronous").fetchone()[0]
        if mode != "wal" or level != SYNCHRONOUS_FULL:
            raise RightsRefused(f"{self.path}: this storage does not keep WAL and FULL; use a local disk")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        refuse_damage(connection)
        self._try_to_write(connection)
        if not self._refuse_unknown(connection):
            from gateway.rights_schema import take_steps

            take_steps(connection)
        if not self._refuse_foreign(connection):
            self._take_possession(connection)

    def _try_to_write(self, connection: sqlite3.Connection) -> None:
        """SQLite opens for reading what it may not write, and is silent. A spoilt header, too, can forbid
        writing."""
        try:
            connection.execute("BEGIN")
            connection.execute("PRAGMA user_version = 0")  # nothing uses it
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_READONLY and all(
                map(_can_be_written, parts(self.path))
            ):
                raise sqlite3.DatabaseError("its header forbids writing") from error
            raise

    def _refuse_unfit(self, connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        connection.execute("PRAGMA query_only = ON")
        refuse_damage(connection)
        if not self._refuse_unknown(connection) or not self._refuse_foreign(connection):
            raise RightsUnavailable("of an older program, or never finished")

    def _refuse_unknown(self, connection: sqlite3.Connection) -> bool:
        """Whether all of our own steps are taken."""
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        taken = steps_taken(connection, "rights")
        if unknown := taken - RIGHTS_STEPS:
            raise RightsRefused(
                f"{self.path}: written by a newer version of this program ({', '.join(sorted(unknown))});"
                " install that version, or move the file away"
            )
        return taken == RIGHTS_STEPS

    def _refuse_foreign(self, connection: sqlite3.Connection) -> bool:
        """Whether it has an owner yet."""
        owner = connection.execute("SELECT site, gateway FROM owner").fetchone()
        if owner is not None and owner != self._owner:
            raise RightsRefused(
                f"{self.path}: these are the rights of another gateway; mend [gateway] site and name, or move"
                " the file away"
            )
        return owner is not None

    def _take_possession(self, connection: sqlite3.Connection) -> None:
        """With its owner, in one commit, a new file gets the floor that a lost one leaves: power may fail at
        any moment between the two files."""
        version = revision = 0
        if lost := lost_files(self.path):
            version = max(self._list_floor(), *(_told(each, _LIST, _list_in) for each in lost))
            revision = max(_told(each, _SETTINGS, _settings_in) for each in lost)
            log.warning("%s: no list before %d, no site settings before %d", self.path, version, revision)
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute("INSERT INTO owner VALUES (?, ?)", self._owner)
            if version:  # the same may come again, none before it
                connection.execute("INSERT INTO list VALUES (1, 0, ?, 0, '', x'')", (version - 1,))
            if revision:
                connection.execute("INSERT INTO settings VALUES (1, ?, x'')", (revision - 1,))
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def _log_holds_something(self) -> bool:
        try:
            return self.path.with_name(self.path.name + "-wal").stat().st_size > 0
        except OSError:
            return False


def lost_files(path: Path) -> list[Path]:
    """Damaged ones that were set aside, without their logs."""
    found = path.parent.glob(f"{path.name}.damaged*")
    return sorted(each for each in found if not each.name.endswith(SUFFIXES[1:]))


def _can_be_written(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_RDWR))
    except OSError:
        return False
    return True


def _told(lost: Path, question: str, number_in: Callable[[bytes], int]) -> int:
    """The number that a damaged file still tells of; 0 where the column and what was signed do not agree."""
    try:
        with closing(sqlite3.connect(f"{lost.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            found = connection.execute(question).fetchone()
        if found is None:
            return 0
        number, signed = found
        return int(number) if number_in(signed) == number else 0
    except (sqlite3.Error, UnicodeDecodeError, MessageError) as error:
        log.warning("%s: not to be read any more (%s): %s", lost, type(error).__name__, question)
        return 0


def _list_in(signed: bytes) -> int:
    return decode_manifest(body_unproved(signed)).version


def _settings_in(signed: bytes) -> int:
    return decode_site_settings(body_unproved(signed)).revision
