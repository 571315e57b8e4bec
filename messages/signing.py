"""Signatures: who said this, and to whom. Ed25519 (RFC 8032) over bytes that are kept as they were sent.

A signed message is a JSON object around the signed bytes. What is signed also names its purpose and audience,
so that a message for one gateway, or of one kind, cannot be passed off as another (architecture: between
gateway and centre). Pure: keys are arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Meta, Raw, Struct

from messages.errors import MessageError
from messages.model import Name

SIGNED_VERSION: Final = 1
MAX_SIGNED_BYTES: Final = 262_144
EVERY_GATEWAY: Final = "*"

KeyId = Annotated[str, Meta(pattern=r"^[0-9a-f]{16}\Z")]
"""The first 64 bits of the SHA-256 of a public key's 32 bytes, in hex: tells keys apart, proves nothing."""

SignatureHex = Annotated[str, Meta(pattern=r"^[0-9a-f]{128}\Z")]


class Purpose(StrEnum):
    """What a signature is for; a signature for one purpose proves nothing for another."""

    HEADS = "heads"  # gateway: how far its journal goes
    LIST = "list"  # centre: an access list's manifest
    SETTINGS = "settings"  # centre: site settings
    COMMAND = "command"  # centre
    RESULT = "result"  # gateway: what became of a command
    ACK = "ack"  # centre: what it has committed
    BUNDLE = "bundle"  # either: what is carried by hand


class NotTrusted(MessageError):
    """Signed by a key that is not known here, or not by the key it names."""


class WrongAudience(MessageError):
    """Well signed, and meant for another site or gateway."""


class Signed(Struct, frozen=True, forbid_unknown_fields=True):
    """`body` with the signature of `key` over purpose, site, gateway and body."""

    v: int
    purpose: Purpose
    site: Name
    gateway: Annotated[str, Meta(pattern=r"^(\*|[a-z0-9][a-z0-9-]{0,31})\Z")]
    key: KeyId
    signature: SignatureHex
    body: Raw


_AROUND_JSON = b" \t\r\n"  # RFC 8259, section 2

_decoder = msgspec.json.Decoder(Signed)


def key_id(public: Ed25519PublicKey) -> str:
    return sha256(public.public_bytes_raw()).hexdigest()[:16]


def trusted(*publics: Ed25519PublicKey) -> dict[str, Ed25519PublicKey]:
    """Keys by their id, as `opened` wants them; the old and the new one while keys are changed."""
    return {key_id(public): public for public in publics}


def sign(private: Ed25519PrivateKey, purpose: Purpose, site: str, gateway: str, body: bytes) -> bytes:
    """`body`, one JSON value, signed for one gateway of a site, or for all of them (EVERY_GATEWAY).

    What stands around the value is not part of it: whoever receives the message reads the value alone.
    """
    body = body.strip(_AROUND_JSON)
    signed = Signed(
        v=SIGNED_VERSION,
        purpose=purpose,
        site=site,
        gateway=gateway,
        key=key_id(private.public_key()),
        signature=private.sign(_what_is_signed(purpose, site, gateway, body)).hex(),
        body=Raw(body),
    )
    return msgspec.json.encode(signed)


def opened(
    payload: bytes,
    keys: Mapping[str, Ed25519PublicKey],
    purpose: Purpose,
    site: str,
    gateway: str,
    *,
    alone: bool = False,
) -> bytes:
    """The body, once it is known who signed it and that it was meant for this gateway; `alone`: for no other.

    Raises MessageError for what is no signed message, NotTrusted, WrongAudience.
    """
    signed = _decoded(payload)
    if signed.purpose is not purpose:
        raise NotTrusted("signed for another purpose")
    public = keys.get(signed.key)
    if public is None:
        raise NotTrusted("signed by a key that is not known here")
    body = bytes(signed.body)
    try:
        public.verify(
            bytes.fromhex(signed.signature),
            _what_is_signed(signed.purpose, signed.site, signed.gateway, body),
        )
    except InvalidSignature:
        raise NotTrusted("the signature does not fit") from None
    meant_for = (gateway,) if alone else (gateway, EVERY_GATEWAY)
    if signed.site != site or signed.gateway not in meant_for:
        raise WrongAudience("meant for another site or gateway")
    return body


def body_unproved(payload: bytes) -> bytes:
    """The body of a message that was proved when it came, whose key may since have been given up.

    Raises MessageError for what is no signed message.
    """
    return bytes(_decoded(payload).body)


def _decoded(payload: bytes) -> Signed:
    if len(payload) > MAX_SIGNED_BYTES:
        raise MessageError(f"{len(payload)} bytes; at most {MAX_SIGNED_BYTES}")
    try:
        signed = _decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise MessageError("not a signed message") from None
    if signed.v != SIGNED_VERSION:
        raise MessageError(f"signed message version {signed.v}; this program knows {SIGNED_VERSION}")
    return signed


def _what_is_signed(purpose: Purpose, site: str, gateway: str, body: bytes) -> bytes:
    """Each part ends where a byte stands that no name holds."""
    return b"\0".join((b"liuhen/v1", purpose.encode(), site.encode(), gateway.encode(), body))
