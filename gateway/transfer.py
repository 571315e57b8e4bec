"""One access list on its way here: its chunks come in any order, more than once, mixed with others'. Pure.

A chunk is known by its SHA-256 alone, which the signed manifest names. What came before its manifest is kept
for a while, and nothing grows beyond its bound whoever sends.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256

from messages.access_list import MAX_CHUNK_BYTES, ListManifest

MAX_TRANSFER_BYTES = 64 * 1024 * 1024
MAX_EARLY_BYTES = 2 * 1024 * 1024
STALLED_S = 10.0
"""Without any more of its chunks for so long a list counts as incomplete; the centre sends it again."""


@dataclass(frozen=True, slots=True)
class Announced:
    """A manifest that was verified, and the signed bytes it came in."""

    manifest: ListManifest
    signed: bytes


class Transfer:
    """Times are monotonic, in seconds."""

    def __init__(self) -> None:
        self._announced: Announced | None = None
        self._missing: set[str] = set()
        self._chunks: dict[str, bytes] = {}
        self._size = 0
        self._early: OrderedDict[str, bytes] = OrderedDict()
        self._early_size = 0
        self._last_s = 0.0

    @property
    def version(self) -> int:
        """Of the list that is on its way; 0: none."""
        return self._announced.manifest.version if self._announced else 0

    def begin(self, announced: Announced, now_s: float) -> bool:
        """In the place of any other; the same manifest again changes nothing, and is False."""
        self._last_s = now_s
        if announced == self._announced:
            return False
        self.drop()
        self._announced = announced
        self._missing = set(announced.manifest.chunks)
        for digest in [each for each in self._early if each in self._missing]:
            chunk = self._early.pop(digest)
            self._early_size -= len(chunk)
            self._keep(digest, chunk)
        return True

    def offer(self, payload: bytes, now_s: float) -> bool:
        """A chunk, or what claims to be one; whether it belongs to the list that is announced."""
        if len(payload) > MAX_CHUNK_BYTES:
            return False
        digest = sha256(payload).hexdigest()
        if digest in self._missing:
            self._last_s = now_s
            self._keep(digest, payload)
        elif digest not in self._chunks and digest not in self._early:
            self._keep_early(digest, payload)
        return digest in self._chunks

    def take(self) -> tuple[Announced, list[bytes]] | None:
        """The list and its chunks in order once all are here; the transfer is over then."""
        if self._announced is None or self._missing:
            return None
        announced = self._announced
        chunks = [self._chunks[digest] for digest in announced.manifest.chunks]
        self.drop()
        return announced, chunks

    def is_lost(self, now_s: float) -> bool:
        """Nothing more of it came for too long, or it is larger than any list may be."""
        if self._announced is None:
            return False
        return now_s - self._last_s >= STALLED_S or self._size > MAX_TRANSFER_BYTES

    def drop(self) -> None:
        self._announced = None
        self._missing = set()
        self._chunks = {}
        self._size = 0

    def _keep(self, digest: str, chunk: bytes) -> None:
        self._missing.discard(digest)
        self._chunks[digest] = chunk
        self._size += len(chunk)

    def _keep_early(self, digest: str, chunk: bytes) -> None:
        self._early[digest] = chunk
        self._early_size += len(chunk)
        while self._early_size > MAX_EARLY_BYTES:
            _, oldest = self._early.popitem(last=False)
            self._early_size -= len(oldest)
