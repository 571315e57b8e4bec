"""What is carried by hand: a file of records for the centre, or of lists and settings for a gateway.

    magic and version (8) | length (2) | header, JSON
    then, as often as needed:  length (4) | sealed chunk
    length 0 (4) | length (2) | closing, JSON, signed

Lengths are big-endian. Each chunk is a piece of one zlib stream, sealed for the receiver alone with HPKE
(RFC 9180, base mode: X25519, HKDF-SHA256, ChaCha20-Poly1305, the suite of its appendix A.2). The closing is
signed by the sender (`signing`, Purpose.BUNDLE) and names the SHA-256 of everything before it. The stream
holds parts, each one payload as it would come by MQTT. Memory is bounded however long the file is. Knows no
path, no clock and no chance but that of the seals.
"""

from __future__ import annotations

import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from hashlib import sha256
from typing import Annotated, BinaryIO, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from msgspec import Meta, Struct

from messages.errors import MessageError
from messages.model import Count, HashHex, Micros, Name
from messages.signing import KeyId, Purpose, opened
from messages.wire import MAX_EPOCHS, MAX_PAYLOAD_BYTES, EpochHead

BUNDLE_VERSION: Final = 1
MAGIC: Final = b"\x89LHB\r\n\x1a"
"""As PNG's: a copy that took the file for text, or lost its eighth bits, is noticed at once."""

CHUNK_BYTES: Final = 262_144
MAX_CHUNKS: Final = 8_192
"""2 GB: a file on a FAT32 stick cannot be larger than 4 GB."""

MAX_BODY_BYTES: Final = 2**34
"""Of all parts together, unpacked; also a well signed bundle must not keep a centre busy for days."""

MAX_HEADER_BYTES: Final = 1_024
MAX_CLOSING_BYTES: Final = 8_192  # half of it 16 heads

_SEAL_BYTES: Final = 48  # the encapsulated key and the tag
SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
CHUNK_LENGTH: Final = struct.Struct(">I")
SHORT_LENGTH: Final = struct.Struct(">H")
PART_HEAD: Final = struct.Struct(">BI")
_STEP_BYTES: Final = 65_536


class Cargo(StrEnum):
    RECORDS = "records"  # gateway to centre
    RIGHTS = "rights"  # centre to gateway: acknowledgement, access list, site settings


class Part(IntEnum):
    """What one payload in a bundle is."""

    BLOCK = 1  # records, as on `journal` and `backlog`
    ABOUT = 2  # what the gateway and its doors are called, as on `about`
    ACK = 3  # as on `ack`
    SETTINGS = 4  # as on `settings`
    LIST = 5  # a manifest or a chunk, as on `list`


CARRIES: Final = {
    Cargo.RECORDS: frozenset({Part.BLOCK, Part.ABOUT}),
    Cargo.RIGHTS: frozenset({Part.ACK, Part.SETTINGS, Part.LIST}),
}

_CODES: Final = frozenset(part.value for part in Part)


class BundleError(MessageError):
    """No bundle, not whole, altered, or not for this place; nothing of it is taken."""


class Header(Struct, frozen=True, forbid_unknown_fields=True):
    """What anybody can read of a bundle; believed only once the closing's signature was checked."""

    cargo: Cargo
    site: Name
    gateway: Name
    made_us: Micros
    signer: KeyId
    receiver: KeyId


class Contents(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Of records: how many, the first and last time in them, and how far the journal went when they left."""

    records: Count = 0
    from_us: Micros | None = None
    until_us: Micros | None = None
    heads: Annotated[tuple[EpochHead, ...], Meta(max_length=MAX_EPOCHS)] = ()


class Closing(Struct, frozen=True, forbid_unknown_fields=True):
    """The signed end."""

    digest: HashHex  # SHA-256 of the file up to here
    body_bytes: Annotated[int, Meta(ge=0, le=MAX_BODY_BYTES)]  # of all parts, unpacked
    parts: Count
    contents: Contents


Signers = Callable[[Header], Mapping[str, Ed25519PublicKey]]
"""Who may sign a bundle with this header, which nobody vouches for yet; may refuse it by raising."""


def opener_id(public: X25519PublicKey) -> str:
    """What a key to open bundles is called, as `signing.key_id` calls keys that sign."""
    return sha256(public.public_bytes_raw()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Checked:
    """Signed, whole and unaltered; not opened."""

    header: Header
    head: bytes  # the header as it stands in the file
    closing: Closing
    digests: list[bytes]  # of each chunk


def checked(source: BinaryIO, signers: Signers) -> Checked:
    """What can be said of a bundle without the key that opens it: all but what is in it.

    Raises MessageError for what is no whole and unaltered bundle or not signed by one of `signers`, OSError
    as `source` raises it.
    """
    header, head = _read_head(source)
    trusted = signers(header)
    if header.signer not in trusted:
        raise BundleError(f"signed by key {header.signer}, which is not known here")
    digests, whole, signed = _walk(source, head)
    return Checked(header, head, _closing(signed, whole, header, trusted), digests)


class Bundle:
    """A bundle that was verified from its first byte to its last: signed, whole, for us, and readable."""

    def __init__(
        self,
        source: BinaryIO,
        signers: Signers,
        openers: Mapping[str, X25519PrivateKey],
    ) -> None:
        """`source` can be read again from its start; keys by their ids (`signing.trusted`, `opener_id`).

        Raises MessageError for what is no whole and unaltered bundle, not signed by one of them
        or not sealed for us; OSError as `source` raises it.
        """
        self._source = source
        whole = checked(source, signers)
        self.header, self.closing, self._digests = whole.header, whole.closing, whole.digests
        self._head = whole.head
        if self.header.receiver not in openers:
            raise BundleError(f"sealed for key {self.header.receiver}, which is not here")
        self._opener = openers[self.header.receiver]
        deque(self.parts(), maxlen=0)  # all of it can be opened, and is what the closing says

    def parts(self) -> Iterator[tuple[Part, bytes]]:
        """Each part in its order; to be asked for as often as wanted.

        Raises BundleError where the file is another one than it was a moment ago, or cannot be unpacked.
        """
        allowed = CARRIES[self.header.cargo]
        count = 0
        for part, payload in _parts_of(self._unpacked(), self.closing.body_bytes):
            if part not in allowed:
                raise BundleError("holds a part that does not belong in it")
            count += 1
            yield part, payload
        if count != self.closing.parts:
            raise BundleError("holds another number of parts than its closing says")

    def _unpacked(self) -> Iterator[bytes]:
        unpacker = zlib.decompressobj()
        _read_head(self._source)
        for index, digest in enumerate(self._digests):
            packed = self._opened_chunk(index, digest)
            while packed:
                try:
                    piece = unpacker.decompress(packed, _STEP_BYTES)
                except zlib.error:
                    raise BundleError("cannot be unpacked") from None
                if unpacker.unused_data:
                    raise BundleError("goes on after its last part")
                packed = unpacker.unconsumed_tail
                yield piece
        if not unpacker.eof:
            raise BundleError("cannot be unpacked to its end")

    def _opened_chunk(self, index: int, digest: bytes) -> bytes:
        sealed = _next_chunk(self._source)
        if sha256(sealed).digest() != digest:
            raise BundleError("changed while it was read; is the stick sound?")
        try:
            return SUITE.decrypt(sealed, self._opener, info(self._head, index))
        except (InvalidTag, ValueError):
            raise BundleError("cannot be opened with the key it names") from None


def _read_head(source: BinaryIO) -> tuple[Header, bytes]:
    source.seek(0)
    magic = source.read(len(MAGIC) + 1)
    if magic[: len(MAGIC)] != MAGIC or len(magic) != len(MAGIC) + 1:
        raise BundleError("not a bundle, or not copied as it was")
    if magic[-1] != BUNDLE_VERSION:
        raise BundleError(f"bundle version {magic[-1]}; this program knows {BUNDLE_VERSION}")
    head = _take(source, _length(source, SHORT_LENGTH, MAX_HEADER_BYTES))
    try:
        header = msgspec.json.decode(head, type=Header)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise BundleError("its header cannot be read") from None
    if msgspec.json.encode(header) != head:
        raise BundleError("its header is not in canonical form")
    return header, head


def _walk(source: BinaryIO, head: bytes) -> tuple[list[bytes], str, bytes]:
    """Digest of each chunk, digest of all before the closing, the closing; `source` stands behind `head`."""
    whole = sha256(opening(head))
    digests: list[bytes] = []
    while sealed := _next_chunk(source):
        if len(digests) == MAX_CHUNKS:
            raise BundleError(f"more than {MAX_CHUNKS} chunks")
        digests.append(sha256(sealed).digest())
        whole.update(CHUNK_LENGTH.pack(len(sealed)))
        whole.update(sealed)
    whole.update(CHUNK_LENGTH.pack(0))
    signed = _take(source, _length(source, SHORT_LENGTH, MAX_CLOSING_BYTES))
    if source.read(1):
        raise BundleError("goes on after its end")
    return digests, whole.hexdigest(), signed


def _closing(signed: bytes, digest: str, header: Header, signers: Mapping[str, Ed25519PublicKey]) -> Closing:
    signer = {header.signer: signers[header.signer]}
    body = opened(signed, signer, Purpose.BUNDLE, header.site, header.gateway)
    try:
        closing = msgspec.json.decode(body, type=Closing)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise BundleError("its closing cannot be read") from None
    if closing.digest != digest:
        raise BundleError("altered since it was signed")
    return closing


def _parts_of(pieces: Iterator[bytes], body_bytes: int) -> Iterator[tuple[Part, bytes]]:
    """At most one part and one piece are held at a time."""
    held, taken = bytearray(), 0
    for piece in pieces:
        taken += len(piece)
        if taken > body_bytes:
            raise BundleError("unpacks to more than its closing says")
        held += piece
        while part := _first_part(held):
            del held[: PART_HEAD.size + len(part[1])]
            yield part
    if held or taken != body_bytes:
        raise BundleError("ends within a part")


def _first_part(held: bytearray) -> tuple[Part, bytes] | None:
    if len(held) < PART_HEAD.size:
        return None
    code, length = PART_HEAD.unpack_from(held)
    if code not in _CODES or not 0 < length <= MAX_PAYLOAD_BYTES:
        raise BundleError("holds a part that is not known here; is this program up to date?")
    if len(held) < PART_HEAD.size + length:
        return None
    return Part(code), bytes(held[PART_HEAD.size : PART_HEAD.size + length])


def _next_chunk(source: BinaryIO) -> bytes:
    """Empty at the last one's end."""
    return _take(source, _length(source, CHUNK_LENGTH, CHUNK_BYTES + _SEAL_BYTES))


def _length(source: BinaryIO, form: struct.Struct, most: int) -> int:
    length: int = form.unpack(_take(source, form.size))[0]
    if length > most:
        raise BundleError("altered, or not copied as it was: a length is impossible")
    return length


def _take(source: BinaryIO, size: int) -> bytes:
    data = source.read(size)
    if len(data) != size:
        raise BundleError("cut short; copy it again")
    return data


def opening(head: bytes) -> bytes:
    return MAGIC + bytes((BUNDLE_VERSION,)) + SHORT_LENGTH.pack(len(head)) + head


def info(head: bytes, index: int) -> bytes:
    """Binds a chunk to its bundle and its place: RFC 9180's `info`."""
    return b"\0".join((b"liuhen/v1", Purpose.BUNDLE.encode(), head, str(index).encode()))
