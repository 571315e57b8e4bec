"""The access list: which credential may open which doors, and when; whole, or what changed, in signed parts.

A list holds tokens, opaque holder references and categories; no names and no numbers. It travels as a signed
manifest and chunks that the manifest names by their hashes: applied whole or not at all. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from messages.errors import MessageError
from messages.model import NAME, Count, HashHex, Micros, Name, Reference, TokenHex

LIST_VERSION: Final = 1
MAX_ENTRIES: Final = 100_000
MAX_CHUNK_ENTRIES: Final = 500
"""Some 100 KB: decoded in a few milliseconds, so that no swipe waits for a list."""

MAX_CHUNK_BYTES: Final = 131_072
MAX_CHUNKS: Final = 2_000
MAX_DOORS: Final = 256
EVERY_DOOR: Final = "*"
GROUP_MARK: Final = "@"

DoorOrGroup = Annotated[str, Meta(pattern=rf"^(\*|@?{NAME})\Z")]
"""A door's name, `@` and the name of a group of doors (site settings), or `*` for every door."""


class Entry(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """One credential's rights; times are UTC microseconds, `until_us` is exclusive, None is without end."""

    token: TokenHex
    holder: Reference
    category: Reference
    doors: Annotated[tuple[DoorOrGroup, ...], Meta(max_length=MAX_DOORS)]
    from_us: Micros | None = None
    until_us: Micros | None = None
    blocked: bool = False  # withdrawn
    lost: bool = False  # reported lost
    schedule: Name | None = None  # of the site settings; None: at any hour
    uses: Annotated[int, Meta(ge=1, le=1_000)] | None = None  # at each gateway; None: as often as wanted
    pin: TokenHex | None = None  # of the PIN typed after this card, where a door asks for both
    duress_pin: TokenHex | None = None  # opens like the other, and raises a silent alarm


class ListManifest(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The signed part (Purpose.LIST): what the list is, and the SHA-256 of each chunk's bytes, in order."""

    v: int
    version: Count
    issued_us: Micros
    chunks: Annotated[tuple[HashHex, ...], Meta(max_length=MAX_CHUNKS)]
    entries: Annotated[int, Meta(ge=0, le=MAX_ENTRIES)]  # how many the list has once it is applied
    digest: HashHex  # of the list once it is applied (`ListDigest`), so that a delta proves the whole, too
    base: Count | None = None  # a delta: what it changes; None: a snapshot


class ListChunk(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Some of a list's entries: put in, or put in another's place; and, in a delta, tokens that go."""

    v: int
    version: Count
    index: Annotated[int, Meta(ge=0, lt=MAX_CHUNKS)]
    put: Annotated[tuple[Entry, ...], Meta(max_length=MAX_CHUNK_ENTRIES)] = ()
    drop: Annotated[tuple[TokenHex, ...], Meta(max_length=MAX_CHUNK_ENTRIES)] = ()


CHUNK_START: Final = b'{"v":1,"version":'
"""How every chunk of ours begins, and no signed message."""

_encoder: Final = msgspec.json.Encoder()
_entry_decoder: Final = msgspec.json.Decoder(Entry)
_manifest_decoder: Final = msgspec.json.Decoder(ListManifest)
_chunk_decoder: Final = msgspec.json.Decoder(ListChunk)


class ListDigest:
    """SHA-256 over a list's entries, each as `encode_entry` writes it and a line break, by their tokens."""

    def __init__(self) -> None:
        self._hash = sha256()

    def take(self, bodies: Iterable[bytes]) -> None:
        """The next ones in the order of their tokens."""
        self._hash.update(b"".join(body + b"\n" for body in bodies))

    def __str__(self) -> str:
        return self._hash.hexdigest()


def encode_entry(entry: Entry) -> bytes:
    return _encoder.encode(entry)


def decode_entry(body: bytes) -> Entry:
    """Raises MessageError."""
    try:
        return _entry_decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise MessageError("not an entry of an access list") from None


def encode_manifest(manifest: ListManifest) -> bytes:
    return _encoder.encode(manifest)


def decode_manifest(body: bytes) -> ListManifest:
    """Raises MessageError; the body comes out of a signed message, which bounds it."""
    try:
        manifest = _manifest_decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise MessageError("not a list's manifest") from None
    if manifest.v != LIST_VERSION:
        raise MessageError(f"list format {manifest.v}; this program knows {LIST_VERSION}")
    if manifest.base is not None and manifest.base >= manifest.version:
        raise MessageError("list: a delta that leads backwards - at `$.base`")
    if len(set(manifest.chunks)) != len(manifest.chunks):
        raise MessageError("list: a chunk named twice - at `$.chunks`")
    return manifest


def decode_chunk(payload: bytes) -> ListChunk:
    """Raises MessageError."""
    if len(payload) > MAX_CHUNK_BYTES:
        raise MessageError(f"{len(payload)} bytes; a chunk has at most {MAX_CHUNK_BYTES}")
    try:
        chunk = _chunk_decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise MessageError("not a list's chunk") from None
    if chunk.v != LIST_VERSION:
        raise MessageError(f"list format {chunk.v}; this program knows {LIST_VERSION}")
    return chunk


def cut(version: int, put: Iterable[Entry], drop: Iterable[str] = ()) -> list[bytes]:
    """Chunks that bring `put` and take `drop` away. Raises MessageError where they would be too many."""
    chunks: list[bytes] = []
    for some in _portions(put):
        chunks.append(_encoder.encode(ListChunk(LIST_VERSION, version, len(chunks), put=tuple(some))))
    gone = list(drop)
    for at in range(0, len(gone), MAX_CHUNK_ENTRIES):
        some_gone = tuple(gone[at : at + MAX_CHUNK_ENTRIES])
        chunks.append(_encoder.encode(ListChunk(LIST_VERSION, version, len(chunks), drop=some_gone)))
    if len(chunks) > MAX_CHUNKS:
        raise MessageError(f"{len(chunks)} chunks; a list has at most {MAX_CHUNKS}")
    return chunks


def _portions(entries: Iterable[Entry]) -> Iterable[list[Entry]]:
    """No more in each than a chunk may hold, by number and by bytes."""
    portion: list[Entry] = []
    size = 0
    for entry in entries:
        length = len(_encoder.encode(entry)) + 1
        if portion and (len(portion) == MAX_CHUNK_ENTRIES or size + length > MAX_CHUNK_BYTES - 200):
            yield portion
            portion, size = [], 0
        portion.append(entry)
        size += length
    if portion:
        yield portion


MAX_FILE_BYTES: Final = 64 * 1024 * 1024


class ListFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A list as people hand it over: one JSON file."""

    v: int
    version: Count
    issued_us: Micros
    entries: Annotated[tuple[Entry, ...], Meta(max_length=MAX_ENTRIES)]


def decode_list_file(data: bytes) -> ListFile:
    """Raises MessageError naming the place, and nothing that stands there."""
    if len(data) > MAX_FILE_BYTES:
        raise MessageError(f"too long; an access list has at most {MAX_FILE_BYTES} bytes")
    try:
        found = msgspec.json.decode(data, type=ListFile)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        place = str(error).rpartition(" - at ")[2] if " - at " in str(error) else "its beginning"
        raise MessageError(f"not an access list - at {place}") from None
    if found.v != LIST_VERSION:
        raise MessageError(f"$.v: format {found.v}; this program knows {LIST_VERSION}")
    if len({entry.token for entry in found.entries}) != len(found.entries):
        raise MessageError("$.entries: a token stands there twice")
    return found
