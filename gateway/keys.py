"""Keys: this gateway's own, and those of the centre that it trusts. All optional.

Without its own keys a gateway signs nothing, without the centre's it takes nothing from the centre; doors
open from the access list file all the same. Private keys are made on the device and never leave it (trust.md
R-51).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from msgspec import Meta, Struct

from gateway.errors import SettingsError
from messages.errors import MessageError
from messages.keys import (
    KEYS_VERSION,
    MAX_KEYS_BYTES,
    CentrePublic,
    GatewayPublic,
    KeyHex,
    decode_keys,
)

_PRIVATE = 0o600


class _DeviceFile(Struct, frozen=True, forbid_unknown_fields=True):
    v: Annotated[int, Meta(ge=KEYS_VERSION, le=KEYS_VERSION)]
    signing: KeyHex
    opening: KeyHex


@dataclass(frozen=True, slots=True)
class DeviceKeys:
    """Private: `signing` for what this gateway says, `opening` for what is sealed for it."""

    signing: Ed25519PrivateKey = field(repr=False)
    opening: X25519PrivateKey = field(repr=False)

    def public(self, site: str, gateway: str) -> GatewayPublic:
        return GatewayPublic(
            v=KEYS_VERSION,
            site=site,
            gateway=gateway,
            signing=self.signing.public_key().public_bytes_raw().hex(),
            opening=self.opening.public_key().public_bytes_raw().hex(),
        )


@dataclass(frozen=True, slots=True)
class Keys:
    device: DeviceKeys | None = None
    centre: CentrePublic | None = None

    @property
    def signers(self) -> Mapping[str, Ed25519PublicKey]:
        """The centre's keys by their id, for `messages.signing.opened`; none: nothing of it is taken."""
        return self.centre.signers() if self.centre else {}


def make_device_keys(path: Path) -> DeviceKeys:
    """Makes new keys in a new file that only its owner can read.

    Raises SettingsError where one exists: the centre knows this gateway by it.
    """
    keys = DeviceKeys(Ed25519PrivateKey.generate(), X25519PrivateKey.generate())
    text = msgspec.json.encode(
        _DeviceFile(
            v=KEYS_VERSION,
            signing=keys.signing.private_bytes_raw().hex(),
            opening=keys.opening.private_bytes_raw().hex(),
        )
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb") as file:  # noqa: PTH123
            file.write(text + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise SettingsError(
            f"{path}: exists already, and the centre may know this gateway by it; nothing was changed. For"
            " new keys move it away first, and tell the centre the new ones"
        ) from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be made ({error.strerror})") from None
    return keys


def load_device_keys(path: Path) -> DeviceKeys:
    """Raises SettingsError that names the file and never its content."""
    where = f"keys.device_key_file: {path}"
    text = _read(path, where, "make it with: liuhen-gateway keys make")
    if (mode := stat.S_IMODE(path.stat().st_mode)) & 0o077:
        raise SettingsError(f"{where} can be read by others (mode {mode:o}); run: chmod 600 {path}")
    try:
        found = msgspec.json.decode(text, type=_DeviceFile)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise SettingsError(f"{where} holds something else than a gateway's keys") from None
    return DeviceKeys(
        Ed25519PrivateKey.from_private_bytes(bytes.fromhex(found.signing)),
        X25519PrivateKey.from_private_bytes(bytes.fromhex(found.opening)),
    )


def load_centre_keys(path: Path) -> CentrePublic:
    """Raises SettingsError that names the file."""
    where = f"keys.centre_keys_file: {path}"
    text = _read(path, where, "it is what `liuhen-central keys show` prints at the centre")
    try:
        return decode_keys(text, CentrePublic)
    except MessageError as error:
        raise SettingsError(f"{where}: {error}") from None


def load_keys(device_key_file: Path | None, centre_keys_file: Path | None) -> Keys:
    """What the settings name; raises SettingsError where that cannot be used."""
    return Keys(
        load_device_keys(device_key_file) if device_key_file else None,
        load_centre_keys(centre_keys_file) if centre_keys_file else None,
    )


def _read(path: Path, where: str, remedy: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_KEYS_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{where} cannot be read ({error.strerror}); {remedy}") from None
