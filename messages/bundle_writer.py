"""Writes bundles; their form and their reader are in `bundle`."""

from __future__ import annotations

import zlib
from hashlib import sha256
from typing import BinaryIO, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from messages.bundle import (
    CARRIES,
    CHUNK_BYTES,
    CHUNK_LENGTH,
    MAX_BODY_BYTES,
    MAX_CHUNKS,
    PART_HEAD,
    SHORT_LENGTH,
    SUITE,
    BundleError,
    Cargo,
    Closing,
    Contents,
    Header,
    Part,
    info,
    opener_id,
    opening,
)
from messages.signing import Purpose, key_id, sign
from messages.wire import MAX_PAYLOAD_BYTES

EMPTY: Final = Contents()


class BundleWriter:
    """Writes one bundle into `out`; it is a bundle only once `close` has returned."""

    def __init__(
        self,
        out: BinaryIO,
        cargo: Cargo,
        site: str,
        gateway: str,
        made_us: int,
        *,
        signer: Ed25519PrivateKey,
        receiver: X25519PublicKey,
    ) -> None:
        self._out = out
        self._signer = signer
        self._receiver = receiver
        self._header = Header(cargo, site, gateway, made_us, key_id(signer.public_key()), opener_id(receiver))
        self._head = msgspec.json.encode(self._header)
        self._packer = zlib.compressobj()
        self._packed = bytearray()
        self._digest = sha256()
        self._chunks = self._parts = self._body_bytes = 0
        self._write(opening(self._head))

    def put(self, part: Part, payload: bytes) -> None:
        """Raises BundleError for a payload that no reader would take, and where the bundle gets too large."""
        if part not in CARRIES[self._header.cargo] or not 0 < len(payload) <= MAX_PAYLOAD_BYTES:
            raise BundleError(f"a {part.name.lower()} of {len(payload)} bytes does not belong in here")
        framed = PART_HEAD.pack(part, len(payload)) + payload
        self._parts += 1
        self._body_bytes += len(framed)
        if self._body_bytes > MAX_BODY_BYTES:
            raise BundleError("more than one bundle holds")
        self._packed += self._packer.compress(framed)
        self._seal_full_chunks()

    def close(self, contents: Contents = EMPTY) -> None:
        """Signs what was written; `out` stays open, and its owner makes it durable."""
        self._packed += self._packer.flush()
        self._seal_full_chunks()
        if self._packed:
            self._seal(len(self._packed))
        self._write(CHUNK_LENGTH.pack(0))
        closing = Closing(self._digest.hexdigest(), self._body_bytes, self._parts, contents)
        body = msgspec.json.encode(closing)
        signed = sign(self._signer, Purpose.BUNDLE, self._header.site, self._header.gateway, body)
        self._out.write(SHORT_LENGTH.pack(len(signed)) + signed)

    def _seal_full_chunks(self) -> None:
        while len(self._packed) >= CHUNK_BYTES:
            self._seal(CHUNK_BYTES)

    def _seal(self, size: int) -> None:
        if self._chunks == MAX_CHUNKS:
            raise BundleError("more than one bundle holds")
        bound = info(self._head, self._chunks)
        sealed = SUITE.encrypt(bytes(self._packed[:size]), self._receiver, bound)
        del self._packed[:size]
        self._chunks += 1
        self._write(CHUNK_LENGTH.pack(len(sealed)) + sealed)

    def _write(self, data: bytes) -> None:
        self._digest.update(data)
        self._out.write(data)
