"""Keys of OSDP readers: one file each, made in an installation, refused when it is anybody's.

A key is never shown, logged or put into a text. Source: readers.md 6.5, trust.md R-42.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from drivers.errors import ConfigurationError
from drivers.osdp_codec import DEFAULT_KEY

KEY_SIZE = 16
WINDOW = timedelta(minutes=10)  # trust.md R-42
_HEX_KEY = re.compile(r"[0-9A-Fa-f]{32}")
_PRIVATE = 0o600
_LONGEST_FILE = 128  # bytes: a key, a line end, and no book


@dataclass(frozen=True, slots=True)
class Key:
    """What a session is held with.

    `is_new`: the reader may not have it yet, and an installation is open. `is_unproved`: no session has shown
    yet that the reader has it; the first one that does is to `confirm` it.
    """

    value: bytes = field(repr=False)
    is_new: bool = False
    is_unproved: bool = False


class ReaderKey:
    """The key of one reader. Without one, the ten minutes before `install_until` give it one.

    The new key waits beside the file as `<name>.new` until the reader has proved it, so that a power cut
    between reader and disk loses nothing; then the window is closed for good, whatever the clock says.
    """

    def __init__(self, file: Path, install_until: datetime | None) -> None:
        """Raises ConfigurationError if there is no key, or one that may not be used, and none can be made."""
        self.file = file
        self._new = file.with_name(file.name + ".new")
        self._install_until = install_until
        if self._read(self.file) is None and self._read(self._new) is None and install_until is None:
            raise ConfigurationError(
                f"key_file {file} does not exist: put the reader's key there (32 hex digits, mode 0600),"
                " or set install_until to give the reader a new one"
            )

    def current(self, now: datetime) -> Key:
        """What to open the next session with; makes a key when the window is open and there is none.

        Raises ConfigurationError while there is no key to use.
        """
        if (known := self._read(self.file)) is not None:
            return Key(known)
        waiting = self._read(self._new)
        if self.may_install(now):
            return Key(waiting or self._make(), is_new=True, is_unproved=True)
        if waiting is not None:
            return Key(
                waiting, is_unproved=True
            )  # the reader may have taken it just before the window closed
        until = self._install_until
        if until is not None and now < until:
            raise ConfigurationError(
                f"no key yet: the installation opens {WINDOW} before {until:%H:%M:%S %Z}"
            )
        raise ConfigurationError(
            f"no key: the installation is over; set install_until anew, or write {self.file}"
        )

    def known(self) -> bytes | None:
        """The key on disk, proved or not; None while there is none. Raises ConfigurationError."""
        return self._read(self.file) or self._read(self._new)

    def may_install(self, now: datetime) -> bool:
        return self._install_until is not None and self._install_until - WINDOW <= now < self._install_until

    def confirm(self) -> None:
        """The reader has proved the new key: it is the key now, and the window is closed.

        Raises ConfigurationError if that cannot be written.
        """
        try:
            with contextlib.suppress(FileNotFoundError):  # it was no new one
                self._new.replace(self.file)
                _sync_folder(self.file.parent)
        except OSError as error:
            raise ConfigurationError(f"key_file {self.file} cannot be written: {error.strerror}") from error

    def _read(self, file: Path) -> bytes | None:
        """None if there is no such file. Raises ConfigurationError for one that may not be used."""
        try:
            with file.open("rb") as source:
                mode = os.fstat(source.fileno()).st_mode
                text = source.read(_LONGEST_FILE).decode("ascii", "replace").strip()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigurationError(f"key_file {file} cannot be read: {error.strerror}") from error
        if stat.S_IMODE(mode) & 0o077:
            raise ConfigurationError(f"key_file {file} can be read by others: chmod 600 {file}")
        if not _HEX_KEY.fullmatch(text):
            raise ConfigurationError(f"key_file {file} holds no key: write 32 hex digits and nothing else")
        key = bytes.fromhex(text)
        if key == DEFAULT_KEY or len(set(key)) == 1:
            raise ConfigurationError(
                f"key_file {file} holds a key that everybody knows: give the reader its own"
            )
        return key

    def _make(self) -> bytes:
        key = secrets.token_bytes(KEY_SIZE)
        try:
            descriptor = os.open(self._new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
            with os.fdopen(descriptor, "w", encoding="ascii") as target:
                target.write(key.hex().upper() + "\n")
                target.flush()
                os.fsync(target.fileno())
            _sync_folder(self._new.parent)
        except OSError as error:
            raise ConfigurationError(f"key_file {self._new} cannot be written: {error.strerror}") from error
        return key


class KeyRing:
    """Which place holds which key: no two readers may share one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: dict[bytes, str] = {}

    def claim(self, key: bytes, place: str) -> None:
        """Raises ConfigurationError if another place has this key."""
        with self._lock:
            holder = self._places.setdefault(key, place)
            if holder == place:
                self._places = {each: at for each, at in self._places.items() if at != place or each == key}
        if holder != place:
            raise ConfigurationError(f"the key at {place} is that of {holder}: give each reader its own")

    def give_up(self, place: str) -> None:
        with self._lock:
            self._places = {key: holder for key, holder in self._places.items() if holder != place}


def _sync_folder(folder: Path) -> None:
    """A new name is durable only with its folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
