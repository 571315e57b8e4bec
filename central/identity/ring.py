"""The key ring: a folder of files with one secret each, outside the database and outside its backups (R-66).

    master.key                       wraps all others; may lie elsewhere
    lasting/sites/{site}.key         makes the tokens of a site's credentials
    lasting/registers/{community}.keys    residents' identity and their blind index: a person copies these
    periods/{community}/{period}.{use}    visitors' keys; destroyed when due, therefore never copied
    periods/{community}/{period}.{use}.gone   what is left of a destroyed one: nothing is made in its place

Files are written whole or not at all, only their owner can read them, and each is bound to its name, so that
one put in another's place is noticed. Several processes may use one ring at the same time: what another one
made, changed or destroyed counts at once. Knows no clock.
"""

from __future__ import annotations

import os
import secrets
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import msgspec
from msgspec import Meta, Struct

from central.errors import Clash, IdentityDamaged, IdentityGone, SettingsError
from central.identity.suites import SUITES, Key, Suite, SuiteName, new_key, open_sealed, seal

RING_VERSION: Final = 1
MASTER: Final = "master.key"
GONE: Final = ".gone"
_PRIVATE: Final = 0o600
_PRIVATE_FOLDER: Final = 0o700
_MAX_FILE_BYTES: Final = 65_536

_Hex = Annotated[str, Meta(pattern=r"^([0-9a-f]{2})+\Z")]


class _Wrapped(Struct, frozen=True, forbid_unknown_fields=True):
    v: Annotated[int, Meta(ge=RING_VERSION, le=RING_VERSION)]
    sealed: _Hex


class _Master(Struct, frozen=True, forbid_unknown_fields=True):
    v: Annotated[int, Meta(ge=RING_VERSION, le=RING_VERSION)]
    id: _Hex
    suite: SuiteName
    secret: _Hex

    def __repr__(self) -> str:
        return f"_Master({self.id})"


_Mark = tuple[int, int, int]


class KeyRing:
    """Secrets by their names, such as `lasting/registers/17.keys`. Safe to use from several threads."""

    def __init__(self, folder: Path, master_file: Path | None = None) -> None:
        """Raises SettingsError where there is no ring, or one that cannot be used or that others can read."""
        self.folder = folder
        self._root = str(folder)
        self._master = _load_master(master_file or folder / MASTER)
        self._known: dict[str, tuple[_Mark, bytes]] = {}
        self._lock = threading.Lock()

    @property
    def master_id(self) -> str:
        return self._master.id.hex()

    def get(self, name: str) -> bytes | None:
        """The secret, None where there never was one. Raises IdentityGone, and SettingsError where a file of
        the ring is not what it was."""
        try:
            mark = _mark(f"{self._root}/{name}")  # for each visitor that comes: joining paths costs more
        except FileNotFoundError:
            with self._lock:
                self._known.pop(name, None)
            path = self.folder / name
            if path.with_name(path.name + GONE).exists():
                raise IdentityGone("its key was destroyed when its time was over") from None
            return None
        known = self._known.get(name)
        if known is not None and known[0] == mark:
            return known[1]
        secret = self._unwrapped(name, _read(self.folder / name))
        with self._lock:
            self._known[name] = (mark, secret)
        return secret

    def get_or_make(self, name: str, made: bytes) -> bytes:
        """`made`, durable, unless another process was first: then what that one made. Raises as `get`."""
        if (there := self.get(name)) is not None:
            return there
        part = self._write_part(name, made)
        try:
            with suppress(FileExistsError):  # then another process was first: never two secrets of one name
                os.link(part, self.folder / name)
        finally:
            part.unlink()
        _sync_folder(part.parent)
        there = self.get(name)
        assert there is not None  # it was linked, or another one stood there
        return there

    def replace(self, name: str, secret: bytes) -> None:
        """Durable when this returns; the former one is overwritten."""
        part = self._write_part(name, secret)
        path = self.folder / name
        with path.open("r+b") as former:  # kept open: what it held is overwritten after the new one is there
            part.replace(path)
            _sync_folder(path.parent)
            _overwrite(former)

    def destroy(self, name: str) -> bool:
        """Overwritten, removed and remembered as gone, durable when this returns; False: it was gone already,
        or never there, and is remembered all the same."""
        path = self.folder / name
        self._make_folder(path.parent)
        gone = path.with_name(path.name + GONE)
        gone.touch(mode=_PRIVATE, exist_ok=True)
        _sync_folder(path.parent)
        with self._lock:
            self._known.pop(name, None)
        try:
            with path.open("r+b") as former:
                _overwrite(former)
            path.unlink()
        except FileNotFoundError:
            return False
        _sync_folder(path.parent)
        return True

    def names(self, under: str) -> Iterator[str]:
        """Of the secrets in that folder and those below it, in their order."""
        root = self.folder / under
        for path in sorted(root.rglob("*")) if root.is_dir() else ():
            if path.is_file() and path.suffix not in (GONE, ".part"):
                yield path.relative_to(self.folder).as_posix()

    def gone_names(self, under: str) -> Iterator[str]:
        """Of the secrets that were destroyed there, as far as that is still remembered."""
        root = self.folder / under
        for path in sorted(root.rglob(f"*{GONE}")) if root.is_dir() else ():
            yield path.relative_to(self.folder).as_posix().removesuffix(GONE)

    def forget_gone(self, name: str) -> None:
        """Once it is written down elsewhere, and nothing would make it anew."""
        (self.folder / (name + GONE)).unlink(missing_ok=True)

    def is_gone(self, name: str) -> bool:
        return (self.folder / (name + GONE)).exists() and not (self.folder / name).exists()

    def _make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            self._make_folder(folder.parent)
            folder.mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)
            _sync_folder(folder.parent)

    def _unwrapped(self, name: str, text: bytes) -> bytes:
        where = f"[identity] key_ring: {self.folder / name}"
        try:
            sealed = bytes.fromhex(msgspec.json.decode(text, type=_Wrapped).sealed)
            return open_sealed({self._master.id: self._master}, sealed, name.encode())
        except (msgspec.MsgspecError, UnicodeError, RecursionError, IdentityDamaged):
            raise SettingsError(
                f"{where}: altered, or another file in its place; bring back a copy"
            ) from None
        except KeyError:
            raise SettingsError(f"{where}: wrapped by another master key than the one that is here") from None

    def _write_part(self, name: str, secret: bytes) -> Path:
        path = self.folder / name
        sealed = seal(self._master, secret, name.encode())
        self._make_folder(path.parent)
        part = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
        _write_new(part, msgspec.json.encode(_Wrapped(RING_VERSION, sealed.hex())))
        return part


def make_ring(folder: Path, suite: Suite, master_file: Path | None = None) -> KeyRing:
    """A new ring with a new master key in it. Raises Clash where there is one, SettingsError."""
    path = master_file or folder / MASTER
    key = new_key(suite)
    text = msgspec.json.encode(_Master(RING_VERSION, key.id.hex(), suite.name, key.secret.hex()))
    try:
        folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        path.parent.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise Clash(f"{folder}: holds something already; nothing was changed")
        _write_new(path, text)
        _sync_folder(path.parent)
    except FileExistsError:
        raise Clash(f"{path}: exists already, and what it wraps needs it; nothing was changed") from None
    except OSError as error:
        raise SettingsError(f"[identity] key_ring: {path}: cannot be made ({error.strerror})") from None
    return KeyRing(folder, master_file)


def _load_master(path: Path) -> Key:
    where = f"[identity] key_ring: {path}"
    try:
        text = _read(path)
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise SettingsError(
            f"{where} cannot be read ({error.strerror}); bring back the key ring, or, where there never was"
            " one, make it with: liuhen-central identity make"
        ) from None
    if mode & 0o077:
        raise SettingsError(f"{where} can be read by others (mode {mode:o}); run: chmod 600 {path}")
    try:
        found = msgspec.json.decode(text, type=_Master)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise SettingsError(f"{where} holds something else than a master key") from None
    suite = SUITES[found.suite]
    key = Key(bytes.fromhex(found.id), suite, bytes.fromhex(found.secret))
    if len(key.secret) != suite.key_bytes:
        raise SettingsError(f"{where} holds a master key of the wrong length")
    return key


def _mark(path: str) -> _Mark:
    """What changes when the file is another one."""
    found = os.stat(path)  # noqa: PTH116  see `get`
    return found.st_ino, found.st_mtime_ns, found.st_size


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MAX_FILE_BYTES)


def _write_new(path: Path, text: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb") as file:  # noqa: PTH123
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _overwrite(file: BinaryIO) -> None:
    """What was there is gone where the disk writes in place; where not, docs/identity.md says more."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    file.write(secrets.token_bytes(size))
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
