"""The second factor: codes of six digits by the clock (TOTP, RFC 6238), each of them good once.

Its secret is sealed with a key in a file outside the database, and whom a provider means is hashed with it.
Pure but for that file.
"""

from __future__ import annotations

import hmac
import re
import secrets
from pathlib import Path
from typing import Final

import pyotp
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from central.errors import SettingsError
from central.fleet.keys import write_new
from central.identity.suites import INTERNATIONAL, Key, open_sealed, seal

STEP_S: Final = 30
_ISSUER: Final = "Liuhen 留痕"
_ID_BYTES: Final = 8
_SECRET: Final = re.compile(r"[A-Z2-7]{32}")


def new_secret() -> str:
    """In base 32, 160 bits, as it is typed or scanned into an authenticator."""
    return pyotp.random_base32()


def is_secret(text: str) -> bool:
    """Whether it is as long as ours are: nobody sets up one that is guessed."""
    return _SECRET.fullmatch(text) is not None


def address_of(secret: str, login: str) -> str:
    """What the QR code for an authenticator says."""
    return pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name=_ISSUER)


def code_at(secret: str, now_s: int) -> str:
    return pyotp.TOTP(secret).at(now_s)


def step_of(secret: str, code: str, now_s: int) -> int | None:
    """The 30 s step that `code` is of: this one, the last or the next. None where it is of none."""
    totp = pyotp.TOTP(secret)
    here = now_s // STEP_S
    for step in (here, here - 1, here + 1):
        if secrets.compare_digest(totp.at(step * STEP_S).encode(), code.strip().encode()):
            return step
    return None


def next_step(now_s: int, used: int) -> tuple[int, int]:
    """The first step whose code still counts where that of step `used` was used last, and in how many
    seconds it does: a code counts from the step before its own on."""
    step = max(now_s // STEP_S, used + 1)
    return step, max((step - 1) * STEP_S - now_s, 0)


def shown_in_s(now_s: int, used: int) -> int:
    """Seconds until an authenticator with the right time shows a code after that of step `used`."""
    return max((used + 1) * STEP_S - now_s, 1)


class Sealer:
    """Seals secrets of accounts, each for its own account alone; and hashes what is never read, but could be
    guessed."""

    def __init__(self, key: Key) -> None:
        self._key = key
        self._hashing = HKDF(SHA256(), 32, None, b"liuhen/v1 provider's subject").derive(key.secret)

    def hashed(self, whom: str) -> bytes:
        """32 bytes (HMAC-SHA-256), with a key that follows from the file's. `whom`: as the provider means
        somebody; few enough that a hash without a key would be guessed."""
        return hmac.digest(self._hashing, whom.encode(), "sha256")

    def sealed(self, account: int, secret: str) -> bytes:
        return seal(self._key, secret.encode(), _bound(account))

    def opened(self, account: int, sealed: bytes) -> str:
        """Raises SettingsError where it was sealed with another key, IdentityDamaged."""
        try:
            return open_sealed({self._key.id: self._key}, sealed, _bound(account)).decode()
        except KeyError:
            raise SettingsError(
                "[accounts] key_file: not the key that second factors are sealed with; put that file back, or"
                " give each account a new start: liuhen-central accounts reset"
            ) from None


def sealer_of(path: Path) -> Sealer:
    """By the key in `path`, which is made where there is none. Raises SettingsError."""
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        text = _made(path)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"[accounts] key_file: {path} cannot be read ({type(error).__name__})") from None
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if len(raw) != _ID_BYTES + INTERNATIONAL.key_bytes:
        raise SettingsError(f"[accounts] key_file: {path} holds something else than its key")
    if path.stat().st_mode & 0o077:
        raise SettingsError(f"[accounts] key_file: {path} can be read by others; run: chmod 600 {path}")
    return Sealer(Key(raw[:_ID_BYTES], INTERNATIONAL, raw[_ID_BYTES:]))


def _made(path: Path) -> str:
    text = secrets.token_hex(_ID_BYTES + INTERNATIONAL.key_bytes)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_new(path, text.encode() + b"\n")
    except FileExistsError:  # another process was first
        return path.read_text(encoding="ascii")
    except OSError as error:
        raise SettingsError(f"[accounts] key_file: {path} cannot be made ({error.strerror})") from None
    return text


def _bound(account: int) -> bytes:
    return f"second factor of account {account}".encode()
