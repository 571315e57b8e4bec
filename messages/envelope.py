"""A visitor's identity, sealed at the door for the centre alone (architecture: identity; trust.md section 5).

HPKE (RFC 9180, base mode: X25519, HKDF-SHA256, AES-256-GCM) to the period's public key in the site settings;
whoever seals cannot open it again. Bound to the site, the gateway and the key that it names.

    version (1) | length (1) | id of the sealing key | encapsulated key (32) | ciphertext and tag

A record names it by the SHA-256 of all these bytes, so that it can be destroyed and the chain still be
verified. What is sealed has one of few lengths: nobody reads from it how long a name is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from msgspec import Meta, Struct

from messages.errors import MessageError
from messages.model import REFERENCE
from messages.site_settings import SealingKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hpke import Suite

ENVELOPE_VERSION: Final = 1
MAX_ENVELOPE_BYTES: Final = 1_024
PADDED_TO: Final = 128
"""The plain text is filled up with blanks to a multiple of this."""

CHILD_BEFORE_YEARS: Final = 14
_CITIZEN_LENGTH: Final = 18

_SEAL_BYTES: Final = 48  # the encapsulated key and the tag
_HEAD_BYTES: Final = 2

_is_reference = re.compile(REFERENCE).fullmatch


class EnvelopeError(MessageError):
    """No envelope, altered, for another place, or for another key; says nothing of its content."""


class DocumentKind(StrEnum):
    """What was shown, as far as its reader tells; neutral words, no nationality."""

    RESIDENT = "resident"  # 居民身份证
    RESIDENCE_PERMIT = "residence_permit"  # 港澳台居民居住证
    PERMANENT_RESIDENCE = "permanent_residence"  # 外国人永久居留身份证


class VisitorIdentity(Struct, frozen=True, forbid_unknown_fields=True):
    """All that is kept of an identity document (trust.md R-82). Shows nothing of itself."""

    name: Annotated[str, Meta(min_length=1, max_length=120)]
    kind: DocumentKind
    number: Annotated[str, Meta(pattern=r"^[0-9A-Z]{6,32}\Z")]

    def __repr__(self) -> str:
        return "VisitorIdentity(...)"


@dataclass(frozen=True, slots=True)
class Envelope:
    """Taken apart, not opened."""

    key: str  # id of the sealing key
    sealed: bytes  # encapsulated key, ciphertext and tag


@cache
def _suite() -> Suite:
    """Loaded by whoever seals or opens: most gateways have no key to seal for."""
    from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def seal_identity(identity: VisitorIdentity, key: SealingKey, site: str, gateway: str) -> bytes:
    """The envelope. Raises ValueError for a key that is no point of the curve."""
    public = X25519PublicKey.from_public_bytes(bytes.fromhex(key.public))
    head = bytes((ENVELOPE_VERSION, len(key.id))) + key.id.encode()
    return head + _suite().encrypt(padded(identity), public, bound(site, gateway, key.id))


def is_child(number: str, on: date) -> bool:
    """Whether whoever has that document is under 14 on that day: nothing of a child is kept (trust.md R-86).

    By the birth date in an 18-character number; other documents do not say one that can be told apart.
    """
    if len(number) != _CITIZEN_LENGTH:
        return False
    try:
        born = date.fromisoformat(number[6:14])
    except ValueError:
        return False
    years = on.year - born.year - ((on.month, on.day) < (born.month, born.day))
    return years < CHILD_BEFORE_YEARS


def padded(identity: VisitorIdentity) -> bytes:
    """As it is sealed, here and later."""
    plain = msgspec.json.encode(identity)
    return plain + b" " * (-len(plain) % PADDED_TO)


def unpadded(plain: bytes) -> VisitorIdentity:
    """Raises EnvelopeError."""
    try:
        return msgspec.json.decode(plain, type=VisitorIdentity)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise EnvelopeError("holds no identity") from None


def envelope_hash(envelope: bytes) -> str:
    """What a record says of it: `Record.identity`."""
    return sha256(envelope).hexdigest()


def decode_envelope(envelope: bytes) -> Envelope:
    """Raises EnvelopeError for what is none."""
    if not _HEAD_BYTES < len(envelope) <= MAX_ENVELOPE_BYTES:
        raise EnvelopeError(f"an envelope of {len(envelope)} bytes; at most {MAX_ENVELOPE_BYTES}")
    if envelope[0] != ENVELOPE_VERSION:
        raise EnvelopeError(f"envelope version {envelope[0]}; this program knows {ENVELOPE_VERSION}")
    ends = _HEAD_BYTES + envelope[1]
    key = envelope[_HEAD_BYTES:ends].decode("ascii", "replace")
    sealed = envelope[ends:]
    if not _is_reference(key) or len(sealed) <= _SEAL_BYTES:
        raise EnvelopeError("not an envelope")
    return Envelope(key, sealed)


def open_identity(sealed: bytes, private: X25519PrivateKey, bound_to: bytes) -> VisitorIdentity:
    """What `Envelope.sealed` holds; `bound_to` as `bound` made it. Raises EnvelopeError."""
    try:
        plain = _suite().decrypt(sealed, private, bound_to)
    except (InvalidTag, ValueError):
        raise EnvelopeError("cannot be opened with the key that it names") from None
    return unpadded(plain)


def bound(site: str, gateway: str, key: str) -> bytes:
    """RFC 9180's `info`: an envelope opens for no other gateway and under no other key's name."""
    return b"\0".join((b"liuhen/v1", b"identity", site.encode(), gateway.encode(), key.encode()))
