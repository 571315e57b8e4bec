"""A visitor pass: a few signed words that a gate can judge without any network, as the text of a QR code.

    LH1:  base32 of  signature (64 bytes) | body

Base32 (RFC 4648) because a QR code packs capitals and digits tighter than any other text, and because no
scanner's keyboard setting alters them. The body is a MessagePack array; the signature is Ed25519 (RFC 8032)
over the purpose and the body. One pass has one text: what is not spelt as `encode_pass` spells it is refused.
Pure.
"""

from __future__ import annotations

import binascii
import re
from base64 import b32decode, b32encode
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Meta, Struct

from messages.access_list import DoorOrGroup
from messages.errors import MessageError
from messages.model import Micros, Name
from messages.signing import NotTrusted, WrongAudience, key_id

PASS_PREFIX: Final = "LH1:"  # noqa: S105  with the version in it
MAX_PASS_CHARS: Final = 512
"""A pass for one door takes some 180 characters."""

MAX_PASS_DOORS: Final = 8
LONGEST_PASS_MIN: Final = 366 * 1_440
_SIGNATURE_BYTES = 64
_MINUTE_US = 60_000_000
_SIGNED_AS = b"liuhen/v1\0pass\0"
_TEXT = re.compile(r"LH1:[A-Z2-7]{120,508}")

PassId = Annotated[str, Meta(pattern=r"^[0-9a-f]{16}\Z")]
"""64 bits of chance, made by whoever issues the pass; says nothing about anybody."""


class VisitorPass(Struct, frozen=True, forbid_unknown_fields=True):
    """What a pass says; times are UTC microseconds, whole minutes, `until_us` is exclusive."""

    id: PassId
    site: Name
    from_us: Micros
    until_us: Micros
    doors: Annotated[tuple[DoorOrGroup, ...], Meta(min_length=1, max_length=MAX_PASS_DOORS)]
    uses: Annotated[int, Meta(ge=1, le=1_000)] | None = None  # at each gateway; None: as often as wanted

    @property
    def holder(self) -> str:
        """The reference that stands in records for whoever came with this pass."""
        return f"pass-{self.id}"


_Eight = Annotated[bytes, Meta(min_length=8, max_length=8)]


class _Body(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    key: _Eight
    id: _Eight
    site: Name
    from_min: Annotated[int, Meta(ge=0, le=2**27)]  # since 1970; until the year 2225
    minutes: Annotated[int, Meta(ge=1, le=LONGEST_PASS_MIN)]
    doors: Annotated[tuple[DoorOrGroup, ...], Meta(min_length=1, max_length=MAX_PASS_DOORS)]
    uses: Annotated[int, Meta(ge=1, le=1_000)] | None


_decoder = msgspec.msgpack.Decoder(_Body)


def encode_pass(visitor: VisitorPass, private: Ed25519PrivateKey) -> str:
    """The text of the pass's QR code. Raises MessageError for a pass that no gateway would take."""
    if visitor.from_us % _MINUTE_US or visitor.until_us % _MINUTE_US:
        raise MessageError("visitor pass: times are whole minutes")
    body = _Body(
        key=bytes.fromhex(key_id(private.public_key())),
        id=bytes.fromhex(visitor.id),
        site=visitor.site,
        from_min=visitor.from_us // _MINUTE_US,
        minutes=(visitor.until_us - visitor.from_us) // _MINUTE_US,
        doors=visitor.doors,
        uses=visitor.uses,
    )
    packed = msgspec.msgpack.encode(body)
    _body_of(packed)
    return _text_of(private.sign(_SIGNED_AS + packed) + packed)


def is_pass(text: str) -> bool:
    """Whether a text claims to be a pass; says nothing about its worth."""
    return text.startswith(PASS_PREFIX)


def open_pass(text: str, keys: Mapping[str, Ed25519PublicKey], site: str) -> VisitorPass:
    """What a pass says, once it is known who signed it and that it was meant for this site.

    Raises MessageError for what is no pass, NotTrusted, WrongAudience; none of them quotes it.
    """
    if not _TEXT.fullmatch(text):
        raise MessageError("not a visitor pass")
    coded = text[len(PASS_PREFIX) :]
    try:
        data = b32decode(coded + "=" * (-len(coded) % 8))
    except binascii.Error:
        raise MessageError("not a visitor pass") from None
    if _text_of(data) != text:
        raise MessageError("a visitor pass in another spelling")
    signature, packed = data[:_SIGNATURE_BYTES], data[_SIGNATURE_BYTES:]
    body = _body_of(packed)
    public = keys.get(body.key.hex())
    if public is None:
        raise NotTrusted("signed by a key that is not known here")
    try:
        public.verify(signature, _SIGNED_AS + packed)
    except InvalidSignature:
        raise NotTrusted("the signature does not fit") from None
    if body.site != site:
        raise WrongAudience("meant for another site")
    from_us = body.from_min * _MINUTE_US
    until_us = from_us + body.minutes * _MINUTE_US
    return VisitorPass(body.id.hex(), body.site, from_us, until_us, body.doors, body.uses)


def _body_of(packed: bytes) -> _Body:
    try:
        return _decoder.decode(packed)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise MessageError("not a visitor pass") from None


def _text_of(data: bytes) -> str:
    return PASS_PREFIX + b32encode(data).decode("ascii").rstrip("=")
