"""An acknowledgement with the centre's signature: whose it is, for whom, and how old."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from messages.acks import STALE_AFTER_US, is_stale, opened_ack, read_ack, tell_ack
from messages.errors import MessageError
from messages.signing import EVERY_GATEWAY, NotTrusted, Purpose, WrongAudience, sign, trusted
from messages.wire import WIRE_VERSION, Ack, EpochAck

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
KEYS = trusted(KEY.public_key())
NOW_US = 1_700_000_000_000_000
ACK = Ack(WIRE_VERSION, [EpochAck(7, 40, "ab" * 32, 45, [(41, 42)])])
BARE = (
    b'{"v":1,"epochs":[{"epoch":7,"through":40,"hash":"' + b"ab" * 32 + b'","seen":45,"missing":[[41,42]]}]}'
)


def test_without_a_key_an_acknowledgement_is_what_it_was() -> None:
    assert tell_ack(ACK, None, "north", "east-1", NOW_US) == BARE
    assert read_ack(BARE) == ACK


def test_a_signed_one_says_the_same_and_when_it_was_made() -> None:
    payload = tell_ack(ACK, KEY, "north", "east-1", NOW_US)
    signed_body = BARE[:-1] + b',"at":1700000000000000}'
    assert payload == sign(KEY, Purpose.ACK, "north", "east-1", signed_body)
    assert opened_ack(payload, KEYS, "north", "east-1").epochs == ACK.epochs
    assert read_ack(payload).at == NOW_US


SIGNED = tell_ack(ACK, KEY, "north", "east-1", NOW_US)


@pytest.mark.parametrize(
    ("payload", "site", "gateway", "error"),
    [
        pytest.param(BARE, "north", "east-1", MessageError, id="not signed"),
        pytest.param(
            tell_ack(ACK, OTHER, "north", "east-1", NOW_US), "north", "east-1", NotTrusted, id="by another"
        ),
        pytest.param(SIGNED, "north", "west-2", WrongAudience, id="for another gateway"),
        pytest.param(SIGNED, "south", "east-1", WrongAudience, id="for another site"),
        pytest.param(
            sign(KEY, Purpose.ACK, "north", EVERY_GATEWAY, BARE),
            "north",
            "east-1",
            WrongAudience,
            id="for all",
        ),
        pytest.param(
            SIGNED.replace(b'"through":40', b'"through":41'), "north", "east-1", NotTrusted, id="changed"
        ),
        pytest.param(
            sign(KEY, Purpose.RESULT, "north", "east-1", BARE),
            "north",
            "east-1",
            NotTrusted,
            id="as a result",
        ),
        pytest.param(
            sign(KEY, Purpose.ACK, "north", "east-1", b"{}"), "north", "east-1", MessageError, id="empty"
        ),
    ],
)
def test_anything_else_is_refused(payload: bytes, site: str, gateway: str, error: type[MessageError]) -> None:
    with pytest.raises(error):
        opened_ack(payload, KEYS, site, gateway)


def test_one_that_was_made_long_before_a_newer_one_is_stale_and_the_newest_itself_is_not() -> None:
    made = Ack(WIRE_VERSION, [], at=NOW_US)
    assert not is_stale(made, 0)
    assert not is_stale(made, NOW_US)
    assert not is_stale(made, NOW_US + STALE_AFTER_US)
    assert is_stale(made, NOW_US + STALE_AFTER_US + 1)
    assert is_stale(Ack(WIRE_VERSION, []), NOW_US)


@given(payload=st.binary(max_size=400))
def test_whatever_comes_is_read_or_refused(payload: bytes) -> None:
    for read in (read_ack, lambda each: opened_ack(each, KEYS, "north", "east-1")):
        with pytest.raises(MessageError):
            read(payload)
