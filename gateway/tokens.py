"""Tokens: what a credential is called everywhere behind the driver. Pure but for reading the key's file."""

from __future__ import annotations

import stat
from hashlib import sha256
from pathlib import Path

from drivers.base import CredentialKind, Tokenise
from gateway.errors import SettingsError
from gateway.passes import PassBook
from messages.visitor_pass import is_pass

SITE_KEY_BYTES = 32
_BLOCK_BYTES = 64  # of SHA-256; a longer key would have to be hashed first
TOKEN_BYTES = 16
"""128 bits: no two credentials of a site meet by chance."""


def load_site_key(path: Path) -> bytes:
    """The key that makes this site's tokens: 64 hex digits in a file that only its owner can read."""
    try:
        text = path.read_text(encoding="ascii").strip()
        mode = stat.S_IMODE(path.stat().st_mode)
        key = bytes.fromhex(text)
    except OSError as error:
        raise SettingsError(
            f"gateway.site_key_file: {path} cannot be read ({error.strerror}); all gateways of a site share"
            " one key of 64 hex digits. The first is made with: openssl rand -hex 32"
        ) from None
    except ValueError:
        raise SettingsError(f"gateway.site_key_file: {path} holds something else than hex digits") from None
    if len(key) != SITE_KEY_BYTES:
        raise SettingsError(
            f"gateway.site_key_file: {path} holds {len(key)} bytes; a site key has {SITE_KEY_BYTES}"
        )
    if mode & 0o077:
        raise SettingsError(
            f"gateway.site_key_file: {path} can be read by others (mode {mode:o}); run: chmod 600 {path}"
        )
    return key


def tokeniser(site_key: bytes, passes: PassBook | None = None) -> Tokenise:
    """token = first 128 bits of HMAC-SHA256(site key, kind ":" number), in hex (architecture: one swipe).

    The text of a QR code that claims to be a visitor pass is handed to `passes` before its token is told, so
    that the decision finds there what the pass says.
    """
    # RFC 2104 by its two hashes, both begun with the key once: `hmac`'s own copy takes three times as long.
    padded = site_key.ljust(_BLOCK_BYTES, b"\0")
    inner = sha256(bytes(byte ^ 0x36 for byte in padded))
    outer = sha256(bytes(byte ^ 0x5C for byte in padded))

    def tokenise(kind: CredentialKind, number: str) -> str:
        within, around = inner.copy(), outer.copy()
        within.update(f"{kind}:{number}".encode())
        around.update(within.digest())
        token = around.digest()[:TOKEN_BYTES].hex()
        if passes is not None and kind is CredentialKind.QR_CODE and is_pass(number):
            passes.take(token, number)
        return token

    return tokenise
