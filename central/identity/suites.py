"""The two suites of algorithms behind one interface (architecture: identity; trust.md R-74).

International: AES-256-GCM (NIST SP 800-38D) and SHA-256. Commercial: SM4-GCM (GB/T 32907, RFC 8998) and SM3
(GB/T 32905). Everything that is sealed names its suite and its key, so that both can stand side by side while
one takes the other's place. Pure but for the nonces, which the operating system draws.

    version (1) | suite (1) | id of the key (8) | nonce (12) | ciphertext and tag
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import GCM
from cryptography.hazmat.primitives.hashes import SM3, Hash
from cryptography.hazmat.primitives.hmac import HMAC

from central.errors import IdentityDamaged

SEALED_VERSION: Final = 1
KEY_ID_BYTES: Final = 8
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_HEAD_BYTES: Final = 2 + KEY_ID_BYTES
OVERHEAD_BYTES: Final = _HEAD_BYTES + _NONCE_BYTES + _TAG_BYTES
"""By so much is what is sealed longer than what it holds."""


class SuiteName(StrEnum):
    INTERNATIONAL = "international"
    COMMERCIAL = "commercial"


@dataclass(frozen=True, slots=True)
class Suite:
    """An authenticated cipher, a hash and a keyed hash."""

    name: SuiteName
    code: int  # in what is sealed; never given to another suite
    key_bytes: int
    encrypt: Callable[[bytes, bytes, bytes, bytes], bytes]  # key, nonce, plain, associated data
    decrypt: Callable[[bytes, bytes, bytes, bytes], bytes]  # raises InvalidTag
    digest: Callable[[bytes], bytes]  # 32 bytes
    mac: Callable[[bytes, bytes], bytes]  # key, message: 32 bytes

    def new_key(self) -> bytes:
        return secrets.token_bytes(self.key_bytes)


def _aes_encrypt(key: bytes, nonce: bytes, plain: bytes, bound: bytes) -> bytes:
    return AESGCM(key).encrypt(nonce, plain, bound)


def _aes_decrypt(key: bytes, nonce: bytes, sealed: bytes, bound: bytes) -> bytes:
    return AESGCM(key).decrypt(nonce, sealed, bound)


def _sha256(data: bytes) -> bytes:
    return sha256(data).digest()


def _hmac_sha256(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _sm4_encrypt(key: bytes, nonce: bytes, plain: bytes, bound: bytes) -> bytes:
    worker = Cipher(SM4(key), GCM(nonce)).encryptor()
    worker.authenticate_additional_data(bound)
    return worker.update(plain) + worker.finalize() + worker.tag


def _sm4_decrypt(key: bytes, nonce: bytes, sealed: bytes, bound: bytes) -> bytes:
    worker = Cipher(SM4(key), GCM(nonce, sealed[-_TAG_BYTES:])).decryptor()
    worker.authenticate_additional_data(bound)
    return worker.update(sealed[:-_TAG_BYTES]) + worker.finalize()


def _sm3(data: bytes) -> bytes:
    worker = Hash(SM3())
    worker.update(data)
    return worker.finalize()


def _hmac_sm3(key: bytes, message: bytes) -> bytes:
    worker = HMAC(key, SM3())
    worker.update(message)
    return worker.finalize()


INTERNATIONAL: Final = Suite(
    SuiteName.INTERNATIONAL, 1, 32, _aes_encrypt, _aes_decrypt, _sha256, _hmac_sha256
)
COMMERCIAL: Final = Suite(SuiteName.COMMERCIAL, 2, 16, _sm4_encrypt, _sm4_decrypt, _sm3, _hmac_sm3)
SUITES: Final = {suite.name: suite for suite in (INTERNATIONAL, COMMERCIAL)}
_BY_CODE: Final = {suite.code: suite for suite in SUITES.values()}


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """A secret key with the suite that it is used in; shows nothing of itself."""

    id: bytes  # KEY_ID_BYTES; drawn, says nothing about the key
    suite: Suite
    secret: bytes

    def __repr__(self) -> str:
        return f"Key({self.id.hex()}, {self.suite.name})"


def new_key(suite: Suite) -> Key:
    return Key(secrets.token_bytes(KEY_ID_BYTES), suite, suite.new_key())


def seal(key: Key, plain: bytes, bound: bytes) -> bytes:
    """`plain` under `key`; `bound` must be said again to open it, and is not in it."""
    head = bytes((SEALED_VERSION, key.suite.code)) + key.id
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return head + nonce + key.suite.encrypt(key.secret, nonce, plain, head + bound)


def key_named(sealed: bytes) -> bytes:
    """The id of the key that `sealed` names. Raises IdentityDamaged for what was never sealed here."""
    if len(sealed) < OVERHEAD_BYTES or sealed[0] != SEALED_VERSION or sealed[1] not in _BY_CODE:
        raise IdentityDamaged("not sealed by this program, or altered")
    return sealed[2:_HEAD_BYTES]


def open_sealed(keys: Mapping[bytes, Key], sealed: bytes, bound: bytes) -> bytes:
    """What `sealed` holds; `keys` by their ids. Raises KeyError where its key is missing, IdentityDamaged."""
    key = keys[key_named(sealed)]
    head, nonce = sealed[:_HEAD_BYTES], sealed[_HEAD_BYTES : _HEAD_BYTES + _NONCE_BYTES]
    if key.suite.code != sealed[1]:
        raise IdentityDamaged("sealed in another suite than its key's")
    try:
        return key.suite.decrypt(key.secret, nonce, sealed[_HEAD_BYTES + _NONCE_BYTES :], head + bound)
    except InvalidTag:
        raise IdentityDamaged("altered, or sealed for another row") from None
