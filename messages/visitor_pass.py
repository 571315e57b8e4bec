"""A visitor pass: a few signed words that a gate can judge without any network, as the text of a QR code.

    LH1:  base32 of  signature (64 bytes) | body

Base32 (RFC 4648) because a QR code packs capitals and digits tighter than any other text, and because no
scanner's keyboard setting alters them. The body is a MessagePack array; the signature is Ed25519 (RFC 8032)
over the purpose and the body. One pass has one text: what is not spelt as `encode_pass` spells it is refused.

A door is called `gateway/door`; in the body the gateway is left out where it is that of the door before
(`east/front`, `/garage`). Passes of before that call it `door` alone, and then each gateway takes its own to
be meant. Pure.
"""

from __future__ import annotations

import binascii
import re
from base64 import b32decode, b32encode
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Meta, Struct

from messages.errors import MessageError
from messages.model import NAME, Micros, Name
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
_GATEWAY_MARK: Final = "/"

PassDoor = Annotated[str, Meta(pattern=rf"^(\*|@{NAME}|({NAME}/)?{NAME})\Z")]
_PackedDoor = Annotated[str, Meta(pattern=rf"^(\*|@{NAME}|(({NAME})?/)?{NAME})\Z")]

PassId = Annotated[str, Meta(pattern=r"^[0-9a-f]{16}\Z")]
"""64 bits of chance, made by whoever issues the pass; says nothing about anybody."""


class VisitorPass(Struct, frozen=True, forbid_unknown_fields=True):
    """What a pass says; times are UTC microseconds, whole minutes, `until_us` is exclusive."""

    id: PassId
    site: Name
    from_us: Micros
    until_us: Micros
    doors: Annotated[tuple[PassDoor, ...], Meta(min_length=1, max_length=MAX_PASS_DOORS)]
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
    doors: Annotated[tuple[_PackedDoor, ...], Meta(min_length=1, max_length=MAX_PASS_DOORS)]
    uses: Annotated[int, Meta(ge=1, le=1_000)] | None


_decoder = msgspec.msgpack.Decoder(_Body)


def door_at(gateway: str, door: str) -> str:
    """What a pass calls one door."""
    return f"{gateway}{_GATEWAY_MARK}{door}"


def doors_of(gateway: str, doors: Sequence[str]) -> tuple[str, ...]:
    """Of a pass's doors, those of one gateway, by the names that it has for them; groups and every door stay
    as they are, and so does what an earlier pass calls by its name alone."""
    split = [each.rpartition(_GATEWAY_MARK) for each in doors]
    return tuple(name for owner, _, name in split if owner in ("", gateway))


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
        doors=_shortened(visitor.doors),
        uses=visitor.uses,
    )
    packed = msgspec.msgpack.encode(body)
    if _lengthened(_body_of(packed).doors) != visitor.doors:
        raise MessageError("visitor pass: a door is called gateway/door")
    text = _text_of(private.sign(_SIGNED_AS + packed) + packed)
    if len(text) > MAX_PASS_CHARS:
        raise MessageError("visitor pass: the names of its doors are too long for one code")
    return text


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
    doors = _lengthened(body.doors)
    if _shortened(doors) != body.doors:
        raise MessageError("a visitor pass in another spelling")
    return VisitorPass(body.id.hex(), body.site, from_us, until_us, doors, body.uses)


def _body_of(packed: bytes) -> _Body:
    try:
        return _decoder.decode(packed)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise MessageError("not a visitor pass") from None


def _shortened(doors: Sequence[str]) -> tuple[str, ...]:
    """Without a gateway's name where it is that of the door before."""
    found, last = [], ""
    for each in doors:
        owner, mark, name = each.rpartition(_GATEWAY_MARK)
        found.append(mark + name if owner == last else each)
        last = owner
    return tuple(found)


def _lengthened(doors: Sequence[str]) -> tuple[str, ...]:
    """Raises MessageError where no gateway stands before."""
    found, last = [], ""
    for each in doors:
        owner, mark, name = each.rpartition(_GATEWAY_MARK)
        last = owner or (last if mark else "")
        if mark and not last:
            raise MessageError("not a visitor pass")
        found.append(last + mark + name)
    return tuple(found)


def _text_of(data: bytes) -> str:
    return PASS_PREFIX + b32encode(data).decode("ascii").rstrip("=")
