"""Helpers for what the centre orders: keys from paper, lists in their parts, entries counted up."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from gateway.keys import DeviceKeys, Keys
from messages.access_list import (
    LIST_VERSION,
    Entry,
    ListDigest,
    ListManifest,
    cut,
    encode_entry,
    encode_manifest,
)
from messages.keys import CentrePublic
from messages.signing import Purpose, sign

SITE = "north"
GATEWAY = "east-1"
# RFC 8032 section 7.1, tests 1 and 2
CENTRE = Ed25519PrivateKey.from_private_bytes(
    bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
)
DEVICE = Ed25519PrivateKey.from_private_bytes(
    bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
)
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OPENING = X25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
NOW_US = 1_700_000_000_000_000


def centre_public(*signing: Ed25519PrivateKey) -> CentrePublic:
    return CentrePublic(
        v=1,
        signing=tuple(key.public_key().public_bytes_raw().hex() for key in signing or (CENTRE,)),
        opening=(OPENING.public_key().public_bytes_raw().hex(),),
    )


def gateway_keys() -> Keys:
    return Keys(DeviceKeys(DEVICE, OPENING), centre_public())


def an_entry(number: int, *, blocked: bool = False) -> Entry:
    return Entry(
        token=f"{number:032x}", holder=f"h-{number}", category="resident", doors=("*",), blocked=blocked
    )


def entries(count: int) -> dict[str, Entry]:
    return {entry.token: entry for entry in map(an_entry, range(1, count + 1))}


def digest_of(whole: Iterable[Entry]) -> str:
    digest = ListDigest()
    digest.take(encode_entry(entry) for entry in sorted(whole, key=lambda entry: entry.token))
    return str(digest)


@dataclass(frozen=True)
class SentList:
    """A list as it comes through the broker."""

    manifest: bytes
    chunks: list[bytes]

    @property
    def payloads(self) -> list[bytes]:
        return [self.manifest, *self.chunks]


def sent_list(
    version: int,
    put: Iterable[Entry],
    drop: Iterable[str] = (),
    *,
    base: int | None = None,
    whole: Iterable[Entry] | None = None,
    key: Ed25519PrivateKey = CENTRE,
    site: str = SITE,
    gateway: str = GATEWAY,
    digest: str | None = None,
) -> SentList:
    """`whole` is what a delta leads to."""
    put = list(put)
    after = put if whole is None else list(whole)
    chunks = cut(version, put, drop)
    manifest = ListManifest(
        v=LIST_VERSION,
        version=version,
        issued_us=NOW_US,
        chunks=tuple(sha256(chunk).hexdigest() for chunk in chunks),
        entries=len(after),
        digest=digest or digest_of(after),
        base=base,
    )
    return SentList(sign(key, Purpose.LIST, site, gateway, encode_manifest(manifest)), chunks)
