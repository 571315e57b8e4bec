"""Bundles: sealed as RFC 9180 says, signed whole, bounded; what was cut or altered is not taken."""

import hashlib
import hmac
import io
import random
import struct
import tracemalloc
import zlib
from collections.abc import Mapping
from typing import BinaryIO, cast

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from hypothesis import given, settings
from hypothesis import strategies as st

from messages.bundle import (
    CHUNK_BYTES,
    MAX_HEADER_BYTES,
    Bundle,
    BundleError,
    Cargo,
    Contents,
    Header,
    Part,
    opener_id,
)
from messages.bundle_writer import BundleWriter
from messages.errors import MessageError
from messages.signing import NotTrusted, Purpose, key_id, sign, trusted
from messages.wire import MAX_PAYLOAD_BYTES, EpochHead

DEVICE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
CENTRE = X25519PrivateKey.from_private_bytes(bytes(range(2, 34)))
STRANGER = X25519PrivateKey.from_private_bytes(bytes(range(3, 35)))
MADE_US = 1_700_000_000_000_000
CONTENTS = Contents(2, MADE_US - 5, MADE_US, (EpochHead(3, 1, 2, "ab" * 32),))
PARTS = [(Part.BLOCK, b'{"one":1}'), (Part.ABOUT, b'{"two":2}')]


def a_bundle(
    parts: list[tuple[Part, bytes]] = PARTS,
    *,
    cargo: Cargo = Cargo.RECORDS,
    gateway: str = "east-1",
    signer: Ed25519PrivateKey = DEVICE,
    receiver: X25519PublicKey | None = None,
) -> bytes:
    out = io.BytesIO()
    receiver = receiver or CENTRE.public_key()
    writer = BundleWriter(out, cargo, "north", gateway, MADE_US, signer=signer, receiver=receiver)
    for part, payload in parts:
        writer.put(part, payload)
    writer.close(CONTENTS)
    return out.getvalue()


def the_device(header: Header) -> Mapping[str, Ed25519PublicKey]:
    """Only this one gateway is known."""
    if (header.site, header.gateway) != ("north", "east-1"):
        raise BundleError("of a gateway that is not known here")
    return trusted(DEVICE.public_key())


def opened(data: bytes | BinaryIO, opener: X25519PrivateKey = CENTRE) -> Bundle:
    source = io.BytesIO(data) if isinstance(data, bytes) else data
    return Bundle(source, the_device, {opener_id(opener.public_key()): opener})


WHOLE = a_bundle()


# --- RFC 9180 written a second time, from its text: sections 4, 4.1, 5.1 and 5.2 ---------------------------

KEM_ID = b"KEM" + b"\x00\x20"  # X25519, HKDF-SHA256
HPKE_ID = b"HPKE" + b"\x00\x20" + b"\x00\x01" + b"\x00\x03"  # with HKDF-SHA256 and ChaCha20-Poly1305


def extracted(suite: bytes, salt: bytes, label: bytes, secret: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + secret, "sha256")


def expanded(suite: bytes, key: bytes, label: bytes, info: bytes, length: int) -> bytes:
    info = struct.pack(">H", length) + b"HPKE-v1" + suite + label + info
    return hmac.digest(key, info + b"\x01", "sha256")[:length]


def opened_by_the_book(sealed: bytes, private: X25519PrivateKey, info: bytes, aad: bytes = b"") -> bytes:
    enc, ciphertext = sealed[:32], sealed[32:]
    shared = private.exchange(X25519PublicKey.from_public_bytes(enc))
    context = enc + private.public_key().public_bytes_raw()
    shared = expanded(KEM_ID, extracted(KEM_ID, b"", b"eae_prk", shared), b"shared_secret", context, 32)
    hashes = extracted(HPKE_ID, b"", b"psk_id_hash", b"") + extracted(HPKE_ID, b"", b"info_hash", info)
    secret = extracted(HPKE_ID, shared, b"secret", b"")
    key = expanded(HPKE_ID, secret, b"key", b"\x00" + hashes, 32)
    nonce = expanded(HPKE_ID, secret, b"base_nonce", b"\x00" + hashes, 12)
    return ChaCha20Poly1305(key).decrypt(nonce, ciphertext, aad)


def test_our_reading_of_the_standard_opens_its_example() -> None:
    """RFC 9180 appendix A.2.1.1, sequence number 0."""
    private = X25519PrivateKey.from_private_bytes(
        bytes.fromhex("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb")
    )
    enc = bytes.fromhex("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a")
    ciphertext = bytes.fromhex(
        "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28"
    )
    opened = opened_by_the_book(enc + ciphertext, private, b"Ode on a Grecian Urn", b"Count-0")
    assert opened == b"Beauty is truth, truth beauty"


def test_the_library_seals_as_the_standard_says() -> None:
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
    sealed = suite.encrypt(b"said", CENTRE.public_key(), b"for what")
    assert opened_by_the_book(sealed, CENTRE, b"for what") == b"said"
    assert suite.decrypt(sealed, CENTRE, b"for what") == b"said"


def test_a_bundle_is_what_its_description_says() -> None:
    """Taken apart by the layout at the head of the module, without its reader."""
    source = io.BytesIO(WHOLE)
    assert source.read(8) == b"\x89LHB\r\n\x1a\x01"
    head = source.read(*struct.unpack(">H", source.read(2)))
    assert msgspec.json.decode(head) == {
        "cargo": "records",
        "site": "north",
        "gateway": "east-1",
        "made_us": MADE_US,
        "signer": hashlib.sha256(DEVICE.public_key().public_bytes_raw()).hexdigest()[:16],
        "receiver": hashlib.sha256(CENTRE.public_key().public_bytes_raw()).hexdigest()[:16],
    }
    sealed = source.read(*struct.unpack(">I", source.read(4)))
    packed = opened_by_the_book(sealed, CENTRE, b"liuhen/v1\0bundle\0" + head + b"\x000")
    body = b'\x01\x00\x00\x00\x09{"one":1}' + b'\x02\x00\x00\x00\x09{"two":2}'
    assert zlib.decompress(packed) == body
    assert source.read(4) == bytes(4)
    digest = hashlib.sha256(WHOLE[: source.tell()]).hexdigest()
    closing = msgspec.json.decode(source.read(*struct.unpack(">H", source.read(2))))
    assert closing["body"] == {
        "digest": digest,
        "body_bytes": len(body),
        "parts": 2,
        "contents": {
            "records": 2,
            "from_us": MADE_US - 5,
            "until_us": MADE_US,
            "heads": [{"epoch": 3, "oldest": 1, "head": 2, "hash": "ab" * 32}],
        },
    }
    assert source.read() == b""


# --- whole ones --------------------------------------------------------------------------------------------


def test_what_was_put_in_comes_out_as_often_as_asked_for() -> None:
    bundle = opened(WHOLE)
    assert list(bundle.parts()) == PARTS
    assert list(bundle.parts()) == PARTS
    assert (bundle.header.site, bundle.header.gateway, bundle.header.made_us) == ("north", "east-1", MADE_US)
    assert bundle.closing.contents == CONTENTS


def test_an_empty_bundle_is_a_bundle() -> None:
    assert list(opened(a_bundle([])).parts()) == []


def test_parts_of_every_size_come_through_many_chunks() -> None:
    chance = random.Random(4)
    sizes = [1, MAX_PAYLOAD_BYTES, CHUNK_BYTES - 5, 65_536, 65_531, 7, MAX_PAYLOAD_BYTES]
    parts = [(Part.BLOCK, chance.randbytes(size)) for size in sizes]
    data = a_bundle(parts)
    assert len(data) > 3 * CHUNK_BYTES
    assert list(opened(data).parts()) == parts


@pytest.mark.parametrize(
    ("part", "payload"),
    [(Part.ACK, b"{}"), (Part.LIST, b"{}"), (Part.BLOCK, b""), (Part.BLOCK, bytes(MAX_PAYLOAD_BYTES + 1))],
)
def test_what_does_not_belong_into_a_bundle_does_not_get_into_it(part: Part, payload: bytes) -> None:
    with pytest.raises(BundleError):
        a_bundle([(part, payload)])


def test_nothing_readable_of_the_records_is_on_the_stick() -> None:
    token = b"00112233445566778899aabbccddeeff"
    data = a_bundle([(Part.BLOCK, b'{"token":"' + token + b'"}')] * 50)
    assert token not in data
    assert zlib.compress(token)[2:10] not in data


# --- what is refused ---------------------------------------------------------------------------------------


def test_no_altered_bit_is_taken() -> None:
    for at in range(len(WHOLE)):
        for bit in range(8):
            altered = bytearray(WHOLE)
            altered[at] ^= 1 << bit
            with pytest.raises(MessageError):
                opened(bytes(altered))


def test_no_cut_bundle_is_taken() -> None:
    for length in range(len(WHOLE)):
        with pytest.raises(MessageError):
            opened(WHOLE[:length])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a bundle"),
        (b"PK\x03\x04" * 20, "not a bundle"),
        (WHOLE.replace(b"\r\n", b"\n"), "not copied as it was"),
        (WHOLE[:7] + b"\x02" + WHOLE[8:], "version 2"),
        (WHOLE[:-1], "cut short"),
        (WHOLE + b"\0", "goes on after its end"),
        (WHOLE[:8] + struct.pack(">H", MAX_HEADER_BYTES + 1) + WHOLE[10:], "a length is impossible"),
        (a_bundle(signer=OTHER), "which is not known here"),
        (a_bundle(gateway="east-2"), "of a gateway that is not known here"),
        (a_bundle(receiver=STRANGER.public_key()), "sealed for key"),
        (WHOLE.replace(b"1700000000000000", b"1700000000000001", 1), "altered since it was signed"),
    ],
)
def test_a_refusal_says_what_is_wrong(data: bytes, words: str) -> None:
    with pytest.raises(BundleError, match=words):
        opened(data)


@pytest.mark.parametrize("places", [1, 2])
def test_nobody_signs_in_anothers_name(places: int) -> None:
    """The known key is named in the header alone, or in header and closing."""
    own, claimed = (key_id(key.public_key()).encode() for key in (OTHER, DEVICE))
    with pytest.raises(NotTrusted):
        opened(a_bundle(signer=OTHER).replace(own, claimed, places))


def test_a_signature_for_something_else_closes_no_bundle() -> None:
    at = WHOLE.rindex(b'{"v":1')
    body = bytes(msgspec.json.decode(WHOLE[at:], type=dict[str, msgspec.Raw])["body"])
    for purpose, gateway, refused in [
        (Purpose.HEADS, "east-1", "another purpose"),
        (Purpose.BUNDLE, "east-2", "another site or gateway"),
    ]:
        signed = sign(DEVICE, purpose, "north", gateway, body)
        with pytest.raises(MessageError, match=refused):
            opened(WHOLE[: at - 2] + struct.pack(">H", len(signed)) + signed)


def signed_anew(data: bytes, packed: bytes, body_bytes: int, parts: int = 1) -> bytes:
    """A bundle as a faulty or hostile gateway with good keys could make it: any stream, well signed."""
    head = data[10 : 10 + struct.unpack(">H", data[8:10])[0]]
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
    sealed = suite.encrypt(packed, CENTRE.public_key(), b"liuhen/v1\0bundle\0" + head + b"\x000")
    begun = data[: 10 + len(head)] + struct.pack(">I", len(sealed)) + sealed + bytes(4)
    digest = hashlib.sha256(begun).hexdigest()
    closing = {"digest": digest, "body_bytes": body_bytes, "parts": parts, "contents": {}}
    signed = sign(DEVICE, Purpose.BUNDLE, "north", "east-1", msgspec.json.encode(closing))
    return begun + struct.pack(">H", len(signed)) + signed


def framed(code: int, payload: bytes) -> bytes:
    return struct.pack(">BI", code, len(payload)) + payload


GOOD = framed(1, b"{}")


def test_the_hostile_gateway_of_these_tests_can_also_be_honest() -> None:
    assert list(opened(signed_anew(WHOLE, zlib.compress(GOOD), len(GOOD))).parts()) == [(Part.BLOCK, b"{}")]


@pytest.mark.parametrize(
    ("packed", "body_bytes", "words"),
    [
        (zlib.compress(bytes(200_000_000)), 10, "more than its closing says"),
        (zlib.compress(GOOD)[:-1], len(GOOD), "cannot be unpacked to its end"),
        (zlib.compress(GOOD) + b"x", len(GOOD), "goes on after its last part"),
        (b"no zlib at all", len(GOOD), "cannot be unpacked"),
        (zlib.compress(GOOD + GOOD), 2 * len(GOOD), "another number of parts"),
        (zlib.compress(GOOD[:-1]), len(GOOD) - 1, "ends within a part"),
        (zlib.compress(GOOD), len(GOOD) + 1, "ends within a part"),
        (zlib.compress(framed(9, b"{}")), len(GOOD), "not known here"),
        (zlib.compress(framed(1, b"")), 5, "not known here"),
        (zlib.compress(struct.pack(">BI", 1, MAX_PAYLOAD_BYTES + 1)), 5, "not known here"),
        (zlib.compress(framed(3, b"{}")), len(GOOD), "does not belong"),
    ],
)
def test_a_well_signed_bundle_of_nonsense_is_refused(packed: bytes, body_bytes: int, words: str) -> None:
    with pytest.raises(BundleError, match=words):
        opened(signed_anew(WHOLE, packed, body_bytes))


class Swapped(io.BytesIO):
    """A stick whose file becomes another one once it was verified."""

    def become(self, data: bytes) -> None:
        self.seek(0)
        self.write(data)
        self.truncate()


def test_a_file_that_changes_after_it_was_verified_is_not_taken() -> None:
    source = Swapped(WHOLE)
    bundle = opened(source)
    source.become(a_bundle([(Part.BLOCK, b'{"one":3}'), (Part.ABOUT, b'{"two":4}')]))
    with pytest.raises(BundleError, match="changed while it was read"):
        list(bundle.parts())


# --- any bytes, any size -----------------------------------------------------------------------------------


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_in_words(data: bytes) -> None:
    for start in (b"", WHOLE[:8], WHOLE[:230]):
        with pytest.raises(MessageError):
            opened(start + data)


@given(st.binary(max_size=300), st.integers(0, 2**20), st.integers(0, 3))
def test_any_stream_of_a_good_signer_is_taken_or_refused_in_words(
    body: bytes, body_bytes: int, parts: int
) -> None:
    for packed in (body, zlib.compress(body)):
        try:
            opened(signed_anew(WHOLE, packed, body_bytes, parts))
        except MessageError:
            continue


@settings(max_examples=25)
@given(st.lists(st.binary(min_size=1, max_size=5_000), max_size=30))
def test_any_parts_come_out_as_they_went_in(payloads: list[bytes]) -> None:
    parts = [(Part.BLOCK, payload) for payload in payloads]
    assert list(opened(a_bundle(parts)).parts()) == parts


class Sink(io.RawIOBase):
    """Takes any number of bytes and keeps none."""

    def write(self, data: object) -> int:
        return len(cast("bytes", data))


def test_long_bundles_take_no_more_memory_than_short_ones() -> None:
    """50 MB of parts: a few chunks are held, whatever is written or hidden in a bomb."""
    piece = random.Random(7).randbytes(100_000)
    bomb = signed_anew(WHOLE, zlib.compress(b"\1\0\3\xff\xff" + bytes(100_000_000)), 100_000_005)
    tracemalloc.start()
    try:
        sink = cast("BinaryIO", Sink())
        writer = BundleWriter(
            sink, Cargo.RECORDS, "north", "east-1", MADE_US, signer=DEVICE, receiver=CENTRE.public_key()
        )
        for _ in range(500):
            writer.put(Part.BLOCK, piece)
        writer.close()
        with pytest.raises(BundleError):
            opened(bomb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4_000_000
