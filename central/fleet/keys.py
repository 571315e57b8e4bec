"""The centre's keys, and those of the gateways that it trusts: files beside its settings, no database.

The first of the centre's keys is the one in use. While keys are changed there are more: a next one that
gateways learn before anything is signed with it, and former ones that still open what was sealed for them.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from msgspec import Meta, Struct

from central.errors import SettingsError
from messages.errors import MessageError
from messages.keys import (
    KEYS_VERSION,
    MAX_KEYS,
    MAX_KEYS_BYTES,
    CentrePublic,
    GatewayPublic,
    KeyHex,
    decode_keys,
    encode_keys,
)

_PRIVATE = 0o600
_Keys = Annotated[tuple[KeyHex, ...], Meta(min_length=1, max_length=MAX_KEYS)]


class _CentreFile(Struct, frozen=True, forbid_unknown_fields=True):
    v: Annotated[int, Meta(ge=KEYS_VERSION, le=KEYS_VERSION)]
    signing: _Keys
    opening: _Keys


@dataclass(frozen=True, slots=True)
class CentreKeys:
    """Private; at least one of each kind, the one in use first."""

    signing: tuple[Ed25519PrivateKey, ...] = field(repr=False)
    opening: tuple[X25519PrivateKey, ...] = field(repr=False)

    def public(self) -> CentrePublic:
        return CentrePublic(
            v=KEYS_VERSION,
            signing=tuple(key.public_key().public_bytes_raw().hex() for key in self.signing),
            opening=tuple(key.public_key().public_bytes_raw().hex() for key in self.opening),
        )


def make_centre_keys(path: Path) -> CentreKeys:
    """Makes new keys in a new file that only its owner can read.

    Raises SettingsError where one exists: every gateway knows the centre by it.
    """
    keys = CentreKeys((Ed25519PrivateKey.generate(),), (X25519PrivateKey.generate(),))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_new(path, _text(keys))
    except FileExistsError:
        raise SettingsError(
            f"{path}: exists already, and gateways know the centre by it; nothing was changed"
        ) from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be made ({error.strerror})") from None
    return keys


def load_centre_keys(path: Path) -> CentreKeys:
    """Raises SettingsError that names the file and never its content."""
    where = f"[keys] centre_key_file: {path}"
    text = _read(path, where, "make it with: liuhen-central keys make")
    refuse_public(path, where)
    try:
        found = msgspec.json.decode(text, type=_CentreFile)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise SettingsError(f"{where} holds something else than the centre's keys") from None
    return CentreKeys(
        tuple(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(each)) for each in found.signing),
        tuple(X25519PrivateKey.from_private_bytes(bytes.fromhex(each)) for each in found.opening),
    )


def trust_gateway(folder: Path, text: bytes) -> GatewayPublic:
    """Keeps what `liuhen-gateway keys show` printed; from then on that gateway is known by it.

    Raises SettingsError for what is no such text, and for a gateway that is known by other keys.
    """
    try:
        keys = decode_keys(text, GatewayPublic)
    except MessageError as error:
        raise SettingsError(f"not what `liuhen-gateway keys show` prints: {error}") from None
    path = _file_of(folder, keys.site, keys.gateway)
    known = gateway_keys(folder, keys.site, keys.gateway)
    if known not in (None, keys):
        raise SettingsError(
            f"{path}: gateway {keys.gateway} of {keys.site} is known by other keys; if it has new ones,"
            " remove this file and try again"
        )
    if known is None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_new(path, encode_keys(keys))
        except OSError as error:
            raise SettingsError(f"{path}: cannot be made ({error.strerror})") from None
    return keys


def gateway_keys(folder: Path, site: str, gateway: str) -> GatewayPublic | None:
    """Looked up anew each time, so that one trusted a moment ago counts; None: not known.

    Raises SettingsError for a file that holds something else.
    """
    path = _file_of(folder, site, gateway)
    if not path.exists():
        return None
    try:
        keys = decode_keys(_read(path, f"[keys] gateway_keys: {path}", "mend its rights"), GatewayPublic)
    except MessageError as error:
        raise SettingsError(f"[keys] gateway_keys: {path}: {error}") from None
    if (keys.site, keys.gateway) != (site, gateway):
        raise SettingsError(f"[keys] gateway_keys: {path}: holds the keys of another gateway")
    return keys


def _file_of(folder: Path, site: str, gateway: str) -> Path:
    return folder / f"{site}.{gateway}.json"  # no name holds a dot or a slash


def _text(keys: CentreKeys) -> bytes:
    return msgspec.json.encode(
        _CentreFile(
            v=KEYS_VERSION,
            signing=tuple(key.private_bytes_raw().hex() for key in keys.signing),
            opening=tuple(key.private_bytes_raw().hex() for key in keys.opening),
        )
    )


def refuse_public(path: Path, where: str) -> None:
    """Raises SettingsError for a secret that others than its owner can read."""
    if (mode := stat.S_IMODE(path.stat().st_mode)) & 0o077:
        raise SettingsError(f"{where} can be read by others (mode {mode:o}); run: chmod 600 {path}")


def write_new(path: Path, text: bytes) -> None:
    """On the disk when it returns, for its owner alone. Raises OSError, FileExistsError where it exists."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb") as file:  # noqa: PTH123
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path, where: str, remedy: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_KEYS_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{where} cannot be read ({error.strerror}); {remedy}") from None
