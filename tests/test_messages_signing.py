"""Signatures: what was altered, redirected or signed by somebody else is not taken."""

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from messages.errors import MessageError
from messages.signing import (
    EVERY_GATEWAY,
    MAX_SIGNED_BYTES,
    NotTrusted,
    Purpose,
    WrongAudience,
    key_id,
    opened,
    sign,
    trusted,
)

# RFC 8032 section 7.1, test 1
SECRET = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
CENTRE = Ed25519PrivateKey.from_private_bytes(SECRET)
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEYS = trusted(CENTRE.public_key())
BODY = b'{"v":1,"what":"anything"}'
MESSAGE = sign(CENTRE, Purpose.COMMAND, "north", "east-1", BODY)


def open_it(
    message: bytes, *, purpose: Purpose = Purpose.COMMAND, site: str = "north", gateway: str = "east-1"
) -> bytes:
    return opened(message, KEYS, purpose, site, gateway)


def test_the_keys_are_those_of_the_standard() -> None:
    assert CENTRE.public_key().public_bytes_raw() == PUBLIC


def test_a_key_is_called_by_the_beginning_of_its_hash() -> None:
    # printf '%s' d75a...511a | xxd -r -p | sha256sum
    assert key_id(CENTRE.public_key()) == "21fe31dfa154a261"


def test_what_was_signed_comes_out_as_it_was() -> None:
    assert open_it(MESSAGE) == BODY
    assert open_it(sign(CENTRE, Purpose.COMMAND, "north", EVERY_GATEWAY, BODY)) == BODY


def test_the_signed_bytes_are_purpose_audience_and_body() -> None:
    signature = msgspec.json.decode(MESSAGE)["signature"]
    CENTRE.public_key().verify(
        bytes.fromhex(signature), b"liuhen/v1\0command\0north\0east-1\0" + BODY
    )  # raises where it does not fit


@pytest.mark.parametrize(
    ("message", "refusal"),
    [
        (sign(OTHER, Purpose.COMMAND, "north", "east-1", BODY), NotTrusted),
        (sign(CENTRE, Purpose.LIST, "north", "east-1", BODY), NotTrusted),
        (sign(CENTRE, Purpose.COMMAND, "south", "east-1", BODY), WrongAudience),
        (sign(CENTRE, Purpose.COMMAND, "north", "east-2", BODY), WrongAudience),
        (MESSAGE.replace(b"anything", b"nothing!"), NotTrusted),
        (MESSAGE.replace(b'"gateway":"east-1"', b'"gateway":"*"'), NotTrusted),
        (MESSAGE.replace(b'"command"', b'"list"'), NotTrusted),
        (MESSAGE.replace(b'"v":1,"purpose"', b'"v":2,"purpose"'), MessageError),
        (MESSAGE[:-1], MessageError),
        (b"", MessageError),
        (b"[" * 100_000, MessageError),
        (b" " * (MAX_SIGNED_BYTES + 1), MessageError),
    ],
)
def test_what_is_not_ours_is_refused(message: bytes, refusal: type[MessageError]) -> None:
    with pytest.raises(refusal):
        open_it(message)


def test_a_refusal_quotes_nothing() -> None:
    with pytest.raises(NotTrusted) as refusal:
        open_it(MESSAGE.replace(b"anything", b"zhang-san"))
    assert "zhang" not in str(refusal.value)


@given(at=st.integers(0, len(MESSAGE) - 1), bit=st.integers(0, 7))
def test_no_altered_bit_is_taken_for_the_message(at: int, bit: int) -> None:
    altered = bytearray(MESSAGE)
    altered[at] ^= 1 << bit
    try:
        assert open_it(bytes(altered)) == BODY  # upper case of a hex digit is refused; white space may pass
    except MessageError:
        return


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_words(data: bytes) -> None:
    with pytest.raises(MessageError):
        open_it(data)
