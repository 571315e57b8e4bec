"""The hash chain over a journal's records: pure, over canonical bytes.

hash(record) = SHA-256(canonical bytes), and the bytes contain the hash of the record before. An identity
envelope enters only as the hash of its ciphertext, so destroying identity leaves the chain verifiable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256

GENESIS = "0" * 64
"""`prev` of the first record of every epoch."""


def record_hash(body: bytes) -> str:
    """Hash of one record's canonical bytes, 64 lower-case hex digits."""
    return sha256(body).hexdigest()


def broken_links(links: Iterable[tuple[int, str, str]], expected_prev: str = GENESIS) -> Iterator[int]:
    """Yields each sequence number whose `prev` is not the hash of the record before it.

    `links` are (seq, prev, hash) in order. After a break the chain is taken up from the record as found,
    so that one altered record is located once, and not as everything that follows it.
    """
    for seq, prev, found in links:
        if prev != expected_prev:
            yield seq
        expected_prev = found
