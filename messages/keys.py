"""Public keys as they are handed over between gateway and centre: a small JSON text each. Pure.

A gateway signs its heads, results and bundles (Ed25519), and what is sealed for it (HPKE over X25519) only
it can open. So does the centre, which may have several of each while its keys are changed. Nothing here is
secret; but whoever may put in a foreign key can speak in its owner's name, so that people carry these texts.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from msgspec import Meta, Struct

from messages.errors import MessageError
from messages.model import Name
from messages.signing import trusted

KEYS_VERSION: Final = 1
MAX_KEYS: Final = 8
MAX_KEYS_BYTES: Final = 16_384

KeyHex = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
"""The 32 bytes of a key in hex (RFC 8032, RFC 7748)."""

_Keys = Annotated[tuple[KeyHex, ...], Meta(min_length=1, max_length=MAX_KEYS)]


class GatewayPublic(Struct, frozen=True, forbid_unknown_fields=True):
    """Of one gateway."""

    v: int
    site: Name
    gateway: Name
    signing: KeyHex
    opening: KeyHex

    def signers(self) -> dict[str, Ed25519PublicKey]:
        """As `messages.signing.opened` wants them."""
        return trusted(_signing(self.signing))

    def opening_key(self) -> X25519PublicKey:
        """What the centre seals for this gateway."""
        return _opening(self.opening)


class CentrePublic(Struct, frozen=True, forbid_unknown_fields=True):
    """Of the centre; of each kind the one in use first."""

    v: int
    signing: _Keys
    opening: _Keys

    def signers(self) -> dict[str, Ed25519PublicKey]:
        """As `messages.signing.opened` wants them."""
        return trusted(*(_signing(each) for each in self.signing))

    def opening_key(self) -> X25519PublicKey:
        """What a gateway seals for the centre."""
        return _opening(self.opening[0])


_T = TypeVar("_T", GatewayPublic, CentrePublic)


def encode_keys(keys: GatewayPublic | CentrePublic) -> bytes:
    """One readable JSON text with a line break at its end."""
    return msgspec.json.format(msgspec.json.encode(keys), indent=2) + b"\n"


def decode_keys(text: bytes, kind: type[_T]) -> _T:
    """Raises MessageError for anything else than the keys of a `kind`."""
    if len(text) > MAX_KEYS_BYTES:
        raise MessageError(f"{len(text)} bytes; keys take at most {MAX_KEYS_BYTES}")
    try:
        keys = msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise MessageError("not the public keys that are wanted here") from None
    if keys.v != KEYS_VERSION:
        raise MessageError(f"keys of version {keys.v}; this program knows {KEYS_VERSION}")
    return keys


def _signing(text: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))


def _opening(text: str) -> X25519PublicKey:
    return X25519PublicKey.from_public_bytes(bytes.fromhex(text))
