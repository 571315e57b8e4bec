"""The form of the key ring's files, and what the keys in them are called. Pure but for new keys."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Final, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from msgspec import Struct

from central.errors import SettingsError
from central.identity.periods import is_period
from central.identity.suites import SUITES, Key, Suite, SuiteName, new_key
from messages.site_settings import SealingKey


class KeyText(Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    suite: SuiteName
    secret: str

    def __repr__(self) -> str:
        return f"KeyText({self.id})"


class Keys(Struct, frozen=True, forbid_unknown_fields=True):
    """The first is the one in use; the others still open what was sealed with them."""

    sealing: tuple[KeyText, ...]
    index: KeyText


class Pair(Struct, frozen=True, forbid_unknown_fields=True):
    private: str  # X25519

    def __repr__(self) -> str:
        return "Pair(...)"


@dataclass(frozen=True, slots=True, repr=False)
class OpenKeys:
    current: Key
    sealing: dict[bytes, Key]
    index: Key


@dataclass(frozen=True, slots=True, repr=False)
class PeriodPair:
    private: X25519PrivateKey
    public: SealingKey


def sealing_key_id(community: int, period: str, public: bytes) -> str:
    """What an envelope calls the key that it was sealed for: whose it is, and which."""
    return f"c{community}.{period}.{sha256(public).hexdigest()[:8]}"


_SEALING_KEY: Final = re.compile(r"c([1-9][0-9]{0,15})\.([0-9]{4}-[0-9]{2})\.[0-9a-f]{8}")


@lru_cache(256)
def sealed_for(key_id: str) -> tuple[int, str] | None:
    """(community, month) that such an id names; None where it names none."""
    found = _SEALING_KEY.fullmatch(key_id)
    return None if found is None or not is_period(found[2]) else (int(found[1]), found[2])


def new_keys(suite: Suite) -> bytes:
    return encode(Keys((text_of(new_key(suite)),), text_of(new_key(suite))))


def new_pair() -> bytes:
    return encode(Pair(X25519PrivateKey.generate().private_bytes_raw().hex()))


def keys_of(text: bytes) -> OpenKeys:
    found = decode(text, Keys)
    keys = [_key(each) for each in found.sealing]
    return OpenKeys(keys[0], {key.id: key for key in keys}, _key(found.index))


def pair_of(text: bytes, community: int, period: str) -> PeriodPair:
    private = X25519PrivateKey.from_private_bytes(bytes.fromhex(decode(text, Pair).private))
    public = private.public_key().public_bytes_raw()
    return PeriodPair(private, SealingKey(sealing_key_id(community, period, public), public.hex()))


def text_of(key: Key) -> KeyText:
    return KeyText(key.id.hex(), key.suite.name, key.secret.hex())


def _key(text: KeyText) -> Key:
    return Key(bytes.fromhex(text.id), SUITES[text.suite], bytes.fromhex(text.secret))


def encode(value: Keys | Pair) -> bytes:
    return msgspec.json.encode(value)


_S = TypeVar("_S", Keys, Pair)


def decode(text: bytes, kind: type[_S]) -> _S:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, UnicodeError, ValueError):
        raise SettingsError("[identity] key_ring: a file holds something else than its keys") from None
