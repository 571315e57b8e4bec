"""Visitor passes: what a signed text says comes out of it, and nothing else is ever taken for a pass."""

import random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fuzz_support import PARTS, inputs, mutated
from hypothesis import given
from hypothesis import strategies as st

from messages.errors import MessageError
from messages.signing import NotTrusted, WrongAudience, trusted
from messages.visitor_pass import MAX_PASS_CHARS, VisitorPass, encode_pass, is_pass, open_pass

# RFC 8032 section 7.1, test 1
ISSUER = Ed25519PrivateKey.from_private_bytes(
    bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
)
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEYS = trusted(ISSUER.public_key())

DAY_US = 86_400_000_000
BEGINS_US = 1_794_996_000_000_000  # 2026-11-18 10:00 UTC
PASS = VisitorPass("0123456789abcdef", "north", BEGINS_US, BEGINS_US + DAY_US, ("lobby",), 3)

# The body written by hand after the MessagePack specification:
#   97                       array of 7
#   c4 08 21fe31dfa154a261   the key's id
#   c4 08 0123456789abcdef   the pass's id
#   a5 6e6f727468            "north"
#   ce 01c87db8              29,916,600 minutes since 1970
#   cd 05a0                  1,440 minutes
#   91 a5 6c6f626279         ["lobby"]
#   03                       3 uses
# signed with openssl pkeyutl -sign -rawin over "liuhen/v1", 00, "pass", 00 and the body; then base32 of
# coreutils.
TEXT = (
    "LH1:D7NARXJ75VVYQLVQQMLOARHU6IFWCJVIDHZX3QTEVVVKSRLVV3BZAHTWXGBBT5LN4JFXFWBOBRTP6W26U3NOQR7YHT2EB6UYFZIPGAMX"
    "YQECD7RR36QVJITBYQEACI2FM6E2XTPPUVXG64TUNDHADSD5XDGQLIERUVWG6YTCPEBQ"
)


def test_the_text_is_the_documented_one() -> None:
    assert encode_pass(PASS, ISSUER) == TEXT


def test_what_was_signed_comes_out() -> None:
    assert open_pass(TEXT, KEYS, "north") == PASS


def test_a_pass_is_short_enough_for_a_small_code() -> None:
    assert len(TEXT) < 200


def test_a_pass_names_its_holder_without_saying_who_that_is() -> None:
    assert PASS.holder == "pass-0123456789abcdef"


def test_one_key_is_as_good_as_another_while_both_are_trusted() -> None:
    both = trusted(OTHER.public_key(), ISSUER.public_key())
    assert open_pass(TEXT, both, "north") == open_pass(encode_pass(PASS, OTHER), both, "north")


@pytest.mark.parametrize(
    "visitor",
    [
        PASS,
        VisitorPass("f" * 16, "n", 0, 60_000_000, ("*",)),
        VisitorPass("0" * 16, "north", 0, DAY_US, ("east/front", "east/garage", "@b", "west/front", "yard")),
        VisitorPass("0" * 16, "n" * 32, BEGINS_US, BEGINS_US + 366 * DAY_US, ("@b", "yard") * 4, 1_000),
    ],
    ids=["usual", "shortest", "of several gateways", "longest"],
)
def test_every_pass_that_may_be_comes_back(visitor: VisitorPass) -> None:
    text = encode_pass(visitor, ISSUER)
    assert len(text) <= MAX_PASS_CHARS
    assert open_pass(text, KEYS, visitor.site) == visitor


@pytest.mark.parametrize(
    "visitor",
    [
        pytest.param(VisitorPass("f" * 16, "north", 1, 60_000_000, ("lobby",)), id="half a minute"),
        pytest.param(VisitorPass("f" * 16, "north", BEGINS_US, BEGINS_US, ("lobby",)), id="no time at all"),
        pytest.param(VisitorPass("f" * 16, "north", DAY_US, 0, ("lobby",)), id="ends before it begins"),
        pytest.param(VisitorPass("f" * 16, "north", 0, 367 * DAY_US, ("lobby",)), id="more than a year"),
        pytest.param(VisitorPass("f" * 16, "north", 0, DAY_US, ()), id="no door"),
        pytest.param(VisitorPass("f" * 16, "north", 0, DAY_US, ("lobby",) * 9), id="nine doors"),
        pytest.param(VisitorPass("f" * 16, "north", 0, DAY_US, ("Lobby",)), id="no door's name"),
        pytest.param(VisitorPass("f" * 16, "north", 0, DAY_US, ("/lobby",)), id="no gateway's name"),
        pytest.param(VisitorPass("f" * 16, "north", 0, DAY_US, ("a/b/c",)), id="no door of a gateway"),
        pytest.param(
            VisitorPass("f" * 16, "north", 0, DAY_US, tuple(f"{n:0<32}/{n:0<32}" for n in range(1, 9))),
            id="too long for one code",
        ),
        pytest.param(VisitorPass("f" * 16, "north", 0, DAY_US, ("lobby",), 0), id="no use"),
        pytest.param(VisitorPass("ff", "north", 0, DAY_US, ("lobby",)), id="short id"),
        pytest.param(VisitorPass("f" * 16, "North", 0, DAY_US, ("lobby",)), id="no site's name"),
    ],
)
def test_a_pass_that_no_gateway_would_take_is_not_made(visitor: VisitorPass) -> None:
    with pytest.raises(MessageError):
        encode_pass(visitor, ISSUER)


def test_a_way_through_doors_of_two_gateways_fits_a_code_that_is_read_at_arm_s_length() -> None:
    way = ("gates/gate-in", "gates/gate-out", "east-1/front", "east-1/garage", "east-1/unit-1")
    text = encode_pass(VisitorPass("f" * 16, "riverside", BEGINS_US, BEGINS_US + DAY_US, way), ISSUER)
    assert len(text) < 260  # a QR code of version 9 holds 262 such characters with a quarter to spare


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        pytest.param(encode_pass(PASS, OTHER), NotTrusted, id="of a key that is not known"),
        pytest.param(TEXT.replace("LH1:D7", "LH1:E7"), NotTrusted, id="another signature"),
        pytest.param(TEXT.replace("YTCPEBQ", "YTCPEBA"), NotTrusted, id="one more use"),
        pytest.param(TEXT[:-1] + "R", MessageError, id="the same bytes spelt otherwise"),
        pytest.param(TEXT.lower(), MessageError, id="small letters"),
        pytest.param(TEXT + "=", MessageError, id="padding"),
        pytest.param(TEXT + "\n", MessageError, id="a line end"),
        pytest.param(TEXT.replace("LH1", "LH2"), MessageError, id="a version of the future"),
        pytest.param("LH1:" + "A" * 120, MessageError, id="zeros"),
        pytest.param("LH1:" + "A" * 600, MessageError, id="too long"),
        pytest.param("LH1:", MessageError, id="empty"),
        pytest.param("", MessageError, id="nothing"),
    ],
)
def test_what_is_not_a_pass_is_refused_and_not_quoted(text: str, refusal: type[MessageError]) -> None:
    with pytest.raises(MessageError) as refused:
        open_pass(text, KEYS, "north")
    assert type(refused.value) is refusal
    assert not text or text not in str(refused.value)


def test_a_pass_of_another_site_is_told_apart_from_a_forged_one() -> None:
    with pytest.raises(WrongAudience):
        open_pass(TEXT, KEYS, "south")


@pytest.mark.parametrize(
    ("text", "expected"), [(TEXT, True), ("LH1:", True), ("lh1:A", False), ("https://x", False), ("", False)]
)
def test_a_text_claims_to_be_a_pass_by_its_beginning(text: str, expected: bool) -> None:
    assert is_pass(text) is expected


@given(st.text())
def test_no_text_hurts(text: str) -> None:
    with pytest.raises(MessageError):
        open_pass(text, KEYS, "north")


@pytest.mark.parametrize("part", range(PARTS))
def test_a_damaged_pass_is_refused_or_is_the_pass(part: int) -> None:
    chance = random.Random(part)
    for _ in range(inputs(2_000) // PARTS):
        text = mutated(chance, TEXT.encode(), [b"LH1:", b"A", b"=", b"97"]).decode("latin-1")
        try:
            assert open_pass(text, KEYS, "north") == PASS
        except MessageError:
            assert text != TEXT
