"""Messages as bytes and back: JSON, versioned, bounded. Anything unexpected is a MessageError, never a crash.

A record's bytes are made once, by `encode_record`; blocks join such bytes as they are. Whoever takes a record
checks that its bytes are the canonical ones, so it can be kept as fields and its hash be made again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from messages.errors import MessageError
from messages.model import (
    RECORD_VERSION,
    BootId,
    Count,
    Epoch,
    HashHex,
    Micros,
    Name,
    Record,
    Seq,
    misspelt,
)

WIRE_VERSION: Final = 1

MAX_RECORD_BYTES: Final = 2_048
"""A record with every field at its longest takes under 1,200 bytes."""

MAX_BLOCK_RECORDS: Final = 500
MAX_PAYLOAD_BYTES: Final = 262_144
"""Larger than any block of ordinary records; far below what would hurt a broker."""

MAX_RANGES: Final = 64
"""Missing ranges named in one acknowledgement; the rest follows when these are filled."""

MAX_EPOCHS: Final = 16
"""Epochs named in one message; a gateway may hold more, and names the others in later ones."""

Label = Annotated[str, Meta(max_length=120)]

PublicKeyHex = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
"""An Ed25519 public key, 32 bytes."""


class Block(Struct, frozen=True, forbid_unknown_fields=True):
    """Records `first` .. `first + count - 1` of one epoch, each as its own canonical bytes.

    `envelopes`: by their sequence numbers, what some of them name as their `identity`; in base64 on the way.
    Beside the records, so that these are the same bytes with and without.
    """

    v: int
    epoch: Epoch
    first: Seq
    count: Annotated[int, Meta(ge=1, le=MAX_BLOCK_RECORDS)]
    records: Annotated[list[Raw], Meta(min_length=1, max_length=MAX_BLOCK_RECORDS)]
    envelopes: Annotated[dict[Seq, bytes], Meta(max_length=MAX_BLOCK_RECORDS)] = {}


class RecordPlace(Struct, frozen=True):
    """The least that must be readable of a record that is not understood: where it stands in its chain."""

    gateway: Name
    epoch: Epoch
    seq: Seq
    prev: HashHex


class EpochAck(Struct, frozen=True, forbid_unknown_fields=True):
    """What the centre has committed of one epoch: all of 1..`through`, and all up to `seen` but `missing`."""

    epoch: Epoch
    through: Count
    hash: HashHex | None  # of record `through`; None where nothing may be deleted
    seen: Count
    missing: Annotated[list[tuple[Seq, Seq]], Meta(max_length=MAX_RANGES)]


class Ack(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`at`: when it was made, by the centre's clock; only signed ones say it (`messages.acks`)."""

    v: int
    epochs: Annotated[list[EpochAck], Meta(max_length=MAX_EPOCHS)]
    at: Micros | None = None


class EpochHead(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a gateway still holds of one epoch: records `oldest` .. `head`, but for `holes`.

    `holes` (ranges) are some of those that damage left, the lowest that the centre does not know of first.
    """

    epoch: Epoch
    oldest: Seq
    head: Seq
    hash: HashHex
    holes: Annotated[tuple[tuple[Seq, Seq], ...], Meta(max_length=MAX_RANGES)] = ()


class State(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A gateway's state; as its will only `online`, `boot` and `session` are set.

    `whole`: `epochs` names every epoch of which anything is held. Only then does an older one that is not
    named hold nothing any more; gateways that do not know this field never say so.

    `uptime_us`: when it was made, monotonic since the start of the machine that `boot` names; tells an old
    one that is played again. `settings_revision`: of the signed site settings in force, 0 without any, and
    `list_version` of the list. What an older gateway does not know, it leaves out.
    """

    v: int
    online: bool
    boot: BootId
    session: BootId  # new at every connect: an old session's will cannot darken a new one
    at: Micros | None = None
    epochs: Annotated[list[EpochHead], Meta(max_length=MAX_EPOCHS)] | None = None
    acked: Count | None = None  # of the newest epoch
    list_version: Count | None = None
    devices: Annotated[dict[Name, Label], Meta(max_length=256)] | None = None
    journal: Label | None = None
    whole: bool = False
    uptime_us: Micros | None = None
    settings_revision: Count | None = None


class DoorAbout(Struct, frozen=True, forbid_unknown_fields=True):
    door: Name
    label: Label
    readers: Annotated[list[Name], Meta(max_length=16)]


class About(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a gateway is. `device_key`: with its private half it signs its states (`messages.heads`).

    `signed_acks`: it knows the centre's keys and takes no acknowledgement without a signature.
    """

    v: int
    software: Label
    label: Label
    doors: Annotated[list[DoorAbout], Meta(max_length=256)]
    device_key: PublicKeyHex | None = None
    signed_acks: bool = False


class CentreState(Struct, frozen=True, forbid_unknown_fields=True):
    v: int
    online: bool


_encoder = msgspec.json.Encoder()
_record_decoder = msgspec.json.Decoder(Record)
_place_decoder = msgspec.json.Decoder(RecordPlace)
_block_decoder = msgspec.json.Decoder(Block)
_T = TypeVar("_T", Block, Ack, State, About, CentreState)


def encode_record(record: Record) -> bytes:
    """The canonical bytes: what is hashed, stored, sent and verified."""
    body = _encoder.encode(record)
    if len(body) > MAX_RECORD_BYTES:
        raise MessageError(f"a record of {len(body)} bytes; at most {MAX_RECORD_BYTES}")
    return body


def decode_record(body: bytes) -> Record:
    """Raises MessageError for oversize, unknown versions, words, fields and types, and other spellings."""
    _bounded(body, MAX_RECORD_BYTES)
    try:
        record = _record_decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise MessageError(f"record: {_rule(error)}") from None
    if record.v != RECORD_VERSION:
        raise MessageError(f"record version {record.v}; this program knows {RECORD_VERSION}")
    if (field := misspelt(record)) is not None:
        raise MessageError(f"record: not of its form - at `{field}`")
    if _encoder.encode(record) != body:
        raise MessageError("record: not in canonical form")
    return record


def decode_place(body: bytes) -> RecordPlace:
    """Where a record stands that `decode_record` refused. Raises MessageError if even that is unreadable."""
    _bounded(body, MAX_PAYLOAD_BYTES)
    try:
        return _place_decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise MessageError(f"record: {_rule(error)}") from None


def join_block(
    epoch: int, first: int, count: int, bodies: bytes, envelopes: Mapping[int, bytes] | None = None
) -> bytes:
    """A block around `bodies`: `count` canonical records joined by commas; `envelopes` by sequence number."""
    return b'{"v":%d,"epoch":%d,"first":%d,"count":%d,%b"records":[%b]}' % (
        WIRE_VERSION,
        epoch,
        first,
        count,
        b'"envelopes":%b,' % msgspec.json.encode(envelopes) if envelopes else b"",
        bodies,
    )


_HEAD = re.compile(
    rb'\{"v":1,"epoch":(\d{1,13}),"first":(\d{1,15}),"count":1,("envelopes":\{[^{}]{0,2048}\},)?"records":\['
)


def unreadable_single(payload: bytes) -> tuple[int, int, bytes] | None:
    """(epoch, seq, bytes) of a block of one record that is not even JSON: it can be set aside by place."""
    found = _HEAD.match(payload)
    if found is None or not payload.endswith(b"]}"):
        return None
    return int(found[1]), int(found[2]), payload[found.end() : -2]


def decode_block(payload: bytes) -> Block:
    _bounded(payload, MAX_PAYLOAD_BYTES)
    try:
        block = _block_decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise MessageError(f"block: {_rule(error)}") from None
    _known(block.v)
    if block.count != len(block.records):
        raise MessageError(f"block: count says {block.count}, {len(block.records)} records are there")
    return block


def encode(message: Ack | State | About | CentreState) -> bytes:
    return _encoder.encode(message)


def decode(payload: bytes, kind: type[_T]) -> _T:
    """Any message but a record. Raises MessageError for oversize, unknown version, fields and types."""
    _bounded(payload, MAX_PAYLOAD_BYTES)
    try:
        message = msgspec.json.decode(payload, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise MessageError(f"{kind.__name__.lower()}: {_rule(error)}") from None
    _known(message.v)
    return message


def _known(version: int) -> None:
    if version != WIRE_VERSION:
        raise MessageError(f"message version {version}; this program knows {WIRE_VERSION}")


def _bounded(payload: bytes, limit: int) -> None:
    if len(payload) > limit:
        raise MessageError(f"{len(payload)} bytes; at most {limit}")


def _rule(error: Exception) -> str:
    """In our words where msgspec would quote what was sent: that might be anything, even a person's name."""
    text = str(error)
    place = _PLACE.search(text)
    at = f" - at {place[0]}" if place else ""
    if isinstance(error, UnicodeError):
        return "cannot decode bytes as UTF-8"
    for quoting, ours in _QUOTING.items():
        if text.startswith(quoting):
            return ours + at
    return text[:200]


_PLACE = re.compile(r"`\$[A-Za-z_.\[\]0-9]*`$")
_QUOTING = {
    "Invalid enum value": "a word that is not known",
    "Object contains unknown field": "unknown field",
}
