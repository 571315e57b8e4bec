"""The hash chain over a journal's records: pure, over canonical bytes.

hash(record) = SHA-256(canonical bytes), and the bytes contain the hash of the record before. An identity
envelope enters only as the hash of its ciphertext, so destroying identity leaves the chain verifiable.
"""

from __future__ import annotations

from hashlib import sha256

GENESIS = "0" * 64
"""`prev` of the first record of every epoch."""


def record_hash(body: bytes) -> str:
    """Hash of one record's canonical bytes, 64 lower-case hex digits."""
    return sha256(body).hexdigest()
