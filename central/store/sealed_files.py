"""Backups as ciphertext: sealed for a public key, opened with the private one that lies elsewhere.

HPKE-like, with parts that are in use here anyway: X25519 with a key of the file's own, HKDF-SHA256, and
AES-256-GCM over chunks that are numbered, the last one marked (the STREAM construction of Hoang and others,
2015): a chunk that is missing, moved or cut off is noticed.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from central.errors import SettingsError, StoreRefused

CHUNK: Final = 1 << 20
_TAG: Final = 16
_KEY: Final = 32
_MAGIC: Final = b"liuhen backup 1\n"
_PUBLIC: Final = "liuhen-backup-public "
_PRIVATE: Final = "liuhen-backup-private "
_ALTERED: Final = "a file of the backup was altered or cut off, or this is not the key that it is sealed for"


class Sink(Protocol):
    def write(self, data: bytes, /) -> int: ...


class Sealing(io.RawIOBase):
    """Writes what it is given, sealed, into `file`, which it leaves open."""

    def __init__(self, file: Sink, public: X25519PublicKey) -> None:
        super().__init__()
        own = X25519PrivateKey.generate()
        sent = own.public_key().public_bytes_raw()
        self._key = _file_key(own.exchange(public), sent, public)
        self._file = file
        self._held = bytearray()
        self._number = 0
        file.write(_MAGIC + sent)

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        given = bytes(memoryview(data))  # type: ignore[arg-type]
        self._held += given
        while len(self._held) > CHUNK:  # the last one is sealed as such, so one is always held back
            self._seal(bytes(self._held[:CHUNK]), last=False)
            del self._held[:CHUNK]
        return len(given)

    def close(self) -> None:
        if not self.closed:
            self._seal(bytes(self._held), last=True)
        super().close()

    def _seal(self, chunk: bytes, *, last: bool) -> None:
        self._file.write(self._key.encrypt(_nonce(self._number, last=last), chunk, None))
        self._number += 1


class Opening(io.RawIOBase):
    """Reads what was sealed into `file`. Raises StoreRefused where it is not that, whole and unaltered."""

    def __init__(self, file: io.BufferedIOBase, private: X25519PrivateKey) -> None:
        super().__init__()
        head = file.read(len(_MAGIC) + _KEY)
        if len(head) < len(_MAGIC) + _KEY or not head.startswith(_MAGIC):
            raise StoreRefused("this is no sealed file of a backup")
        sent = head[len(_MAGIC) :]
        shared = private.exchange(X25519PublicKey.from_public_bytes(sent))
        self._key = _file_key(shared, sent, private.public_key())
        self._file = file
        self._next = file.read(CHUNK + _TAG)
        if not self._next:  # also of nothing there is a last chunk
            raise StoreRefused(_ALTERED)
        self._number = 0
        self._open = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        if not self._open and self._next:
            self._take_next()
        taken = self._open[: len(view)]
        view[: len(taken)] = taken
        self._open = self._open[len(taken) :]
        return len(taken)

    def _take_next(self) -> None:
        sealed, self._next = self._next, self._file.read(CHUNK + _TAG)
        try:
            self._open = self._key.decrypt(_nonce(self._number, last=not self._next), sealed, None)
        except InvalidTag:
            raise StoreRefused(_ALTERED) from None
        self._number += 1


def make_backup_key(private: Path, public: Path) -> None:
    """Two new files. Raises SettingsError where one is there, or cannot be written."""
    key = X25519PrivateKey.generate()
    try:
        for path, mode, text in (
            (private, 0o600, _PRIVATE + key.private_bytes_raw().hex()),
            (public, 0o644, _PUBLIC + key.public_key().public_bytes_raw().hex()),
        ):
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
                file.write(text + "\n")
    except OSError as error:
        raise SettingsError(f"{error.filename}: cannot be made ({error.strerror})") from None


def load_public(path: Path) -> X25519PublicKey:
    """Raises SettingsError."""
    return X25519PublicKey.from_public_bytes(_read(path, _PUBLIC, "public"))


def load_private(path: Path) -> X25519PrivateKey:
    """Raises SettingsError, which never shows what the file holds."""
    return X25519PrivateKey.from_private_bytes(_read(path, _PRIVATE, "private"))


def _read(path: Path, begin: str, which: str) -> bytes:
    try:
        text = path.read_text(encoding="ascii").strip()
        key = bytes.fromhex(text.removeprefix(begin))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError:
        key, text = b"", ""
    if len(key) != _KEY or not text.startswith(begin):
        raise SettingsError(f"{path}: not the {which} key of backups; make one: liuhen-central backup-key")
    return key


def _file_key(shared: bytes, sent: bytes, public: X25519PublicKey) -> AESGCM:
    salt = sent + public.public_bytes_raw()
    return AESGCM(HKDF(hashes.SHA256(), _KEY, salt, b"liuhen/v1 backup").derive(shared))


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
