"""What is in force at this gateway, on disk: access list, site settings, and which commands were used.

One connection, used by one thread. A list is taken whole or not at all, and never backwards: whatever moment
the power fails at, the former list is there or the new one (trust.md R-53).
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from gateway.access_list import AccessList
from gateway.commanded import Turn
from gateway.errors import RightsUnavailable
from gateway.packed_entries import Packer
from gateway.rights_file import RightsFile
from messages.access_list import Entry, ListDigest, ListManifest, decode_entry, encode_entry
from messages.errors import MessageError

log = logging.getLogger(__name__)

_ROWS = 500
_DAY_US = 86_400_000_000
_KEEP_USED_US = 31 * _DAY_US
"""Long after a command has expired: a clock that was set back must not make it good again."""

MAX_USED = 50_000
_TURN = "INSERT INTO turns (door, mode, until_us, issued_us, boot, end_uptime_us) VALUES (?, ?, ?, ?, ?, ?)"
_TURNS = "SELECT door, mode, until_us, issued_us, boot, end_uptime_us FROM turns ORDER BY door"
_PUT = "INSERT OR REPLACE INTO entries VALUES (?, ?, ?)"


@dataclass(frozen=True, slots=True)
class StoredList:
    """The list in force; `signed` is the manifest it was last changed by, as it came."""

    access_list: AccessList
    signed: bytes


class RightsStore:
    """Raises RightsUnavailable from any method that the disk fails; then nothing was changed.

    On a disk that takes no writes what is in force can be read all the same. Each attempt to write opens the
    file anew until the disk takes it.
    """

    def __init__(
        self, path: Path, site: str, gateway: str, list_floor: Callable[[], int] = lambda: 0
    ) -> None:
        """Opens or makes the file; a damaged one is set aside, and the centre sends everything again, but
        nothing older than was in force: `list_floor` is the newest list version known from elsewhere.

        Raises RightsRefused where it belongs to another gateway or a newer program.
        """
        self.path = path
        self.begun_again = False  # since this opening: the former file was damaged
        self._file = RightsFile(path, site, gateway, list_floor)
        self._unsound = False
        self._writes = True
        try:
            self._connection = self._opened_for_writing()
        except RightsUnavailable as error:
            self._writes = False
            self._connection = self._file.open_for_reading()
            log.critical("%s; what is in force stays so, and nothing new is taken", error)

    def close(self) -> None:
        self._connection.close()

    # --- the list ---------------------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """Of the list in force, else the last one that is too old; 0: any is taken."""
        found = self._one("SELECT version FROM list")
        return int(found[0]) - self._unsound if found else 0

    def lists(self) -> bool:
        """Whether a list is said to be in force; `load_list` looks whether it is sound."""
        return self._one("SELECT 1 FROM list WHERE digest <> ''") is not None

    def load_list(self) -> StoredList | None:
        """None where no list is in force. One that is not what its manifest says is put out of force."""
        found = self._one("SELECT version, issued_us, digest, signed FROM list WHERE digest <> ''")
        if found is None:
            return None
        version, issued_us, digest, signed = found
        packer = Packer()
        proof = ListDigest()
        try:
            for bodies in self._bodies(self._generation):
                proof.take(bodies)
                packer.put(map(decode_entry, bodies))
        except MessageError as error:
            self._put_out_of_force(str(error))
            return None
        if str(proof) != digest:
            self._put_out_of_force("it is not what its manifest says")
            return None
        return StoredList(AccessList(version, issued_us, packer.packed()), signed)

    def stage(self, entries: Sequence[Entry]) -> None:
        """Writes some entries of a new list beside the one in force, durable at once.

        Raises MessageError where a token stands in the new list already.
        """
        rows = [(self._generation + 1, entry.token, encode_entry(entry)) for entry in entries]
        try:
            with self._commit() as connection:
                connection.executemany("INSERT INTO entries VALUES (?, ?, ?)", rows)
        except sqlite3.IntegrityError:
            raise MessageError("a token stands there twice") from None

    def staged_digest(self) -> Generator[None, None, str]:
        """Some of the work at each step; returns the digest of what is staged."""
        return (yield from self._digest(self._generation + 1))

    def put_in_force(self, manifest: ListManifest, signed: bytes) -> None:
        """What is staged is the list from now on."""
        self._set_list(self._generation + 1, manifest, signed)

    def clean(self) -> bool:
        """Removes some of what is not in force; whether there may be more of it."""
        with self._commit() as connection:
            gone = connection.execute(
                "DELETE FROM entries WHERE (generation, token) IN"
                " (SELECT generation, token FROM entries WHERE generation <> ? LIMIT ?)",
                (self._generation, _ROWS),
            )
        return gone.rowcount > 0

    def change(
        self, manifest: ListManifest, signed: bytes, put: Sequence[Entry], drop: Sequence[str]
    ) -> bool:
        """A delta, in one commit; False, and nothing changed, where the whole is not what was meant."""
        generation = self._generation
        with self._commit() as connection:
            connection.executemany(
                "DELETE FROM entries WHERE generation = ? AND token = ?", [(generation, t) for t in drop]
            )
            connection.executemany(_PUT, [(generation, e.token, encode_entry(e)) for e in put])
            if _result_of(self._digest(generation)) != manifest.digest:
                connection.execute("ROLLBACK")
                return False
            self._note_list(generation, manifest, signed)
        self._unsound = False
        return True

    # --- settings and commands --------------------------------------------------------------------------

    def settings(self) -> bytes | None:
        """The signed site settings in force, as they came."""
        found = self._one("SELECT signed FROM settings WHERE signed <> x''")
        return bytes(found[0]) if found else None

    def settings_revision(self) -> int | None:
        """Of the site settings in force, else the last ones that are too old; None: any are taken."""
        found = self._one("SELECT revision FROM settings")
        return int(found[0]) if found else None

    def keep_settings(self, revision: int, signed: bytes) -> None:
        with self._commit() as connection:
            connection.execute("INSERT OR REPLACE INTO settings VALUES (1, ?, ?)", (revision, signed))

    def use(self, command: str, expires_us: int, now_us: int) -> bool:
        """Notes that a command is used, durable before this returns; False where it has been used already.

        Raises RightsUnavailable also where there is no room for one more: nothing that could still be good is
        forgotten.
        """
        with self._commit() as connection:
            connection.execute("DELETE FROM used_commands WHERE forget_at_us < ?", (now_us,))
            (used,) = connection.execute("SELECT count(*) FROM used_commands").fetchone()
            if used >= MAX_USED:
                raise RightsUnavailable(f"{self.path}: {used} commands in a month; no more are taken")
            row = (command, max(now_us, expires_us) + _KEEP_USED_US)
            noted = connection.execute("INSERT OR IGNORE INTO used_commands VALUES (?, ?)", row)
        return noted.rowcount == 1

    def keep_turn(self, turn: Turn) -> None:
        """What a recorded command makes of its door, in place of what one made of it before."""
        with self._commit() as connection:
            connection.execute("DELETE FROM turns WHERE door = ?", (turn.door,))
            if turn.mode is not None:
                connection.execute(_TURN, astuple(turn))

    def turns(self) -> list[Turn]:
        """The doors that commands have turned, whose time may be over by now."""
        with self._machine_errors():
            rows = self._connection.execute(_TURNS).fetchall()
        return [Turn(*row) for row in rows]

    # --- inside -----------------------------------------------------------------------------------------

    @property
    def _generation(self) -> int:
        found = self._one("SELECT generation FROM list")
        return int(found[0]) if found else 0

    def _set_list(self, generation: int, manifest: ListManifest, signed: bytes) -> None:
        with self._commit():
            self._note_list(generation, manifest, signed)
        self._unsound = False

    def _note_list(self, generation: int, manifest: ListManifest, signed: bytes) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO list VALUES (1, ?, ?, ?, ?, ?)",
            (generation, manifest.version, manifest.issued_us, manifest.digest, signed),
        )

    def _put_out_of_force(self, why: str) -> None:
        """The same version may come again, and none before it."""
        log.error("%s: the stored access list cannot be used: %s; the centre sends it again", self.path, why)
        self._unsound = True
        try:
            with self._commit() as connection:
                connection.execute("UPDATE list SET version = version - 1, digest = ''")
        except RightsUnavailable as error:
            log.warning("%s; the next start finds it out again", error)
        else:
            self._unsound = False

    def _digest(self, generation: int) -> Generator[None, None, str]:
        digest = ListDigest()
        for bodies in self._bodies(generation):
            digest.take(bodies)
            yield
        return str(digest)

    def _bodies(self, generation: int) -> Iterator[list[bytes]]:
        """In the order of tokens, some hundred at a time."""
        after = ""
        while True:
            with self._machine_errors():
                rows = self._connection.execute(
                    "SELECT token, body FROM entries WHERE generation = ? AND token > ?"
                    " ORDER BY token LIMIT ?",
                    (generation, after, _ROWS),
                ).fetchall()
            if not rows:
                return
            yield [body for _, body in rows]
            after = rows[-1][0]

    def _one(self, question: str) -> tuple[Any, ...] | None:
        with self._machine_errors():
            found: tuple[Any, ...] | None = self._connection.execute(question).fetchone()
        return found

    def _opened_for_writing(self) -> sqlite3.Connection:
        try:
            return self._file.open_for_writing()
        except sqlite3.DatabaseError as error:
            connection = self._file.begin_again(error)
            self.begun_again = True
            return connection

    def _try_to_write_again(self) -> None:
        """The connection for reading goes first: SQLite shares what two of one process know of a file."""
        self._connection.close()
        try:
            self._connection = self._opened_for_writing()
        except RightsUnavailable:
            self._connection = self._file.open_for_reading()
            raise
        self._writes = True
        log.warning("%s: takes writes again", self.path)

    @contextmanager
    def _commit(self) -> Iterator[sqlite3.Connection]:
        if not self._writes:
            self._try_to_write_again()
        connection = self._connection
        with self._machine_errors():
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                if connection.in_transaction:
                    connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def _machine_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as error:
            raise RightsUnavailable(f"{self.path}: cannot be used ({error})") from error


def _result_of(work: Generator[None, None, str]) -> str:
    while True:
        try:
            next(work)
        except StopIteration as done:
            return str(done.value)
