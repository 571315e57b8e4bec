"""A gateway's state with its signature: whose it is, and that nothing in it was changed."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from messages.errors import MessageError
from messages.heads import ToldState, read_state, tell_state, vouched
from messages.signing import Purpose, sign
from messages.wire import WIRE_VERSION, EpochHead, State, encode

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = KEY.public_key().public_bytes_raw()
STATE = State(
    v=WIRE_VERSION,
    online=True,
    boot="0123456789abcdef",
    session="00000000000000aa",
    at=1_700_000_000_000_000,
    epochs=[EpochHead(1, 1, 40, "ab" * 32)],
    acked=30,
    list_version=7,
    devices={"lobby-in": "ok"},
    journal="ok",
)


def test_without_a_key_a_state_is_what_it_was() -> None:
    payload = tell_state(STATE, None, "north", "east-1")
    assert payload == encode(STATE)
    assert read_state(payload) == ToldState(STATE)


def test_a_signed_state_says_the_same_and_is_vouched_for() -> None:
    told = read_state(tell_state(STATE, KEY, "north", "east-1"))
    assert told.state == STATE
    assert vouched(told, PUBLIC, "north", "east-1")


@pytest.mark.parametrize(
    ("payload", "site", "gateway"),
    [
        pytest.param(encode(STATE), "north", "east-1", id="not signed"),
        pytest.param(tell_state(STATE, OTHER, "north", "east-1"), "north", "east-1", id="by another key"),
        pytest.param(tell_state(STATE, KEY, "north", "east-1"), "north", "west-2", id="of another gateway"),
        pytest.param(tell_state(STATE, KEY, "north", "east-1"), "south", "east-1", id="of another site"),
        pytest.param(
            tell_state(STATE, KEY, "north", "east-1").replace(b'"head":40', b'"head":41'),
            "north",
            "east-1",
            id="changed",
        ),
        pytest.param(
            sign(KEY, Purpose.RESULT, "north", "east-1", encode(STATE)), "north", "east-1", id="as a result"
        ),
    ],
)
def test_nobody_vouches_for_anything_else(payload: bytes, site: str, gateway: str) -> None:
    assert not vouched(read_state(payload), PUBLIC, site, gateway)


def test_a_key_that_is_none_vouches_for_nothing() -> None:
    told = read_state(tell_state(STATE, KEY, "north", "east-1"))
    assert not vouched(told, b"short", "north", "east-1")


@given(
    st.one_of(
        st.binary(max_size=300),
        st.text(max_size=200).map(lambda text: b'{"purpose":"heads","body":%b}' % text.encode()),
    )
)
def test_whatever_arrives_is_read_or_refused(payload: bytes) -> None:
    try:
        told = read_state(payload)
    except MessageError:
        return
    assert isinstance(told.state, State)


def test_more_than_may_be_is_refused_unread() -> None:
    with pytest.raises(MessageError, match="at most"):
        read_state(b" " * 300_000)
