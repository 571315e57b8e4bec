"""The wire form: what goes out comes back, and everything else is refused in words, never by a crash."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.chain import GENESIS, record_hash
from messages.errors import MessageError
from messages.model import (
    AssuranceLevel,
    ClockQuality,
    Credential,
    Direction,
    Kind,
    Reason,
    Record,
)
from messages.wire import (
    MAX_PAYLOAD_BYTES,
    MAX_RECORD_BYTES,
    About,
    Ack,
    EpochAck,
    EpochHead,
    State,
    decode,
    decode_block,
    decode_place,
    decode_record,
    encode,
    encode_record,
    join_block,
    unreadable_single,
)

# Written by hand after the table "The record" of the architecture: nobody's encoder made it.
SWIPE = (
    b'{"v":1,"gateway":"east-01","epoch":1795000000,"seq":7,"kind":"access_granted",'
    b'"at":1795000123000000,"boot":"00112233aabbccdd","uptime_us":123000000,"clock":"synced",'
    b'"prev":"' + b"0" * 64 + b'","door":"unit-1","reader":"unit-1-in","direction":"in",'
    b'"credential":{"kind":"id_card","token":"' + b"ab" * 16 + b'","assurance":"L3"},'
    b'"holder":"h-00012","category":"resident","reason":"listed","list_version":12,"list_age_s":3600}'
)
SWIPE_RECORD = Record(
    v=1,
    gateway="east-01",
    epoch=1_795_000_000,
    seq=7,
    kind=Kind.ACCESS_GRANTED,
    at=1_795_000_123_000_000,
    boot="00112233aabbccdd",
    uptime_us=123_000_000,
    clock=ClockQuality.SYNCED,
    prev=GENESIS,
    door="unit-1",
    reader="unit-1-in",
    direction=Direction.IN,
    credential=Credential(kind="id_card", token="ab" * 16, assurance=AssuranceLevel.L3),
    holder="h-00012",
    category="resident",
    reason=Reason.LISTED,
    list_version=12,
    list_age_s=3600,
)


def test_the_canonical_bytes_are_the_documented_ones() -> None:
    assert encode_record(SWIPE_RECORD) == SWIPE
    assert decode_record(SWIPE) == SWIPE_RECORD


def test_the_hash_of_a_record_is_sha256_of_its_bytes() -> None:
    # sha256sum of the bytes above
    assert record_hash(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert record_hash(SWIPE) != record_hash(SWIPE.replace(b'"seq":7', b'"seq":8'))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        pytest.param(b'"v":1', b'"v":2', "version 2", id="a version of the future"),
        pytest.param(b'"listed"', b'"zhangsan"', "reason", id="an unknown reason"),
        pytest.param(b'"access_granted"', b'"access_grunted"', "kind", id="an unknown kind"),
        pytest.param(b'"seq":7', b'"seq":"7"', "seq", id="text for a number"),
        pytest.param(b'"seq":7', b'"seq":0', "seq", id="sequence zero"),
        pytest.param(b'"seq":7', b'"seq":7.0', "seq", id="a fraction for a number"),
        pytest.param(b'"seq":7', b'"seq":99999999999999999999', "seq", id="a number without end"),
        pytest.param(b'"seq":7', b'"seq": 7', "canonical", id="a space"),
        pytest.param(b'"seq":7', b'"seq":7,"seq":7', "canonical", id="a field twice"),
        pytest.param(b'"unit-1",', b'"unit-1","face":"x",', "unknown field", id="an unknown field"),
        pytest.param(b'"unit-1"', b'"Unit/1"', "door", id="a name that would break a topic"),
        pytest.param(b'"holder":"h-00012"', b'"holder":"h 12"', "holder", id="a holder with a space"),
        pytest.param(b'"ab', b'"AB', "token", id="a token in capitals"),
        pytest.param(b"3600}", b"3600", "truncated", id="cut short"),
        pytest.param(b"3600}", b"3600}x", "trailing", id="something after it"),
        pytest.param(b"unit-1", b"\xff\xfe", "decode byte", id="not UTF-8"),
    ],
)
def test_a_record_that_is_not_exactly_as_agreed_is_refused(old: bytes, new: bytes, says: str) -> None:
    assert old in SWIPE
    with pytest.raises(MessageError, match=says):
        decode_record(SWIPE.replace(old, new, 1))


def test_a_refusal_never_quotes_what_was_sent() -> None:
    for old in (b'"listed"', b'"door"', b'"unit-1"'):
        with pytest.raises(MessageError) as caught:
            decode_record(SWIPE.replace(old, b'"ZHANGSAN"', 1))
        assert "ZHANGSAN" not in str(caught.value)


def test_an_oversize_record_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(MessageError, match=str(MAX_RECORD_BYTES)):
        decode_record(b" " * (MAX_RECORD_BYTES + 1))


def test_an_oversize_payload_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(MessageError, match=str(MAX_PAYLOAD_BYTES)):
        decode_block(b" " * (MAX_PAYLOAD_BYTES + 1))


def test_a_block_gives_back_the_very_bytes_that_were_joined() -> None:
    other = SWIPE.replace(b'"seq":7', b'"seq":8')
    block = decode_block(join_block(1_795_000_000, 7, 2, SWIPE + b"," + other))
    assert (block.epoch, block.first, block.count) == (1_795_000_000, 7, 2)
    assert [bytes(body) for body in block.records] == [SWIPE, other]


@pytest.mark.parametrize("count", [0, 1, 3, 501])
def test_a_block_that_counts_wrong_is_refused(count: int) -> None:
    with pytest.raises(MessageError, match="count"):
        decode_block(join_block(1, 7, count, SWIPE + b"," + SWIPE))


def test_a_deeply_nested_payload_is_refused() -> None:
    with pytest.raises(MessageError):
        decode_block(b'{"v":1,"records":' + b"[" * 100_000)


def test_a_record_of_a_newer_gateway_still_tells_its_place_in_the_chain() -> None:
    newer = SWIPE.replace(b'"access_granted"', b'"door_forced"').replace(b'"v":1', b'"v":2')
    place = decode_place(newer)
    assert (place.gateway, place.epoch, place.seq, place.prev) == ("east-01", 1_795_000_000, 7, GENESIS)


def test_a_single_record_that_is_no_json_is_set_aside_by_its_place() -> None:
    torn = SWIPE[:40] + b"\x00\x00" + SWIPE[42:]
    assert unreadable_single(join_block(9, 7, 1, torn)) == (9, 7, torn)
    assert unreadable_single(join_block(9, 7, 2, torn)) is None
    assert unreadable_single(torn) is None


def test_an_acknowledgement_survives_the_way() -> None:
    ack = Ack(
        v=1, epochs=[EpochAck(epoch=5, through=40, hash="a" * 64, seen=90, missing=[(41, 50), (60, 60)])]
    )
    assert decode(encode(ack), Ack) == ack


def test_what_older_gateways_say_is_read_and_lacks_what_they_do_not_know() -> None:
    """Bytes of a gateway from before uptimes, revisions and signed acknowledgements."""
    state = decode(
        b'{"v":1,"online":true,"boot":"00112233aabbccdd","session":"00000000000000aa","at":7,'
        b'"epochs":[{"epoch":1,"oldest":1,"head":9,"hash":"' + b"ab" * 32 + b'"}],"acked":9,"list_version":4,'
        b'"devices":{"lobby-in":"ok"},"journal":"ok"}',
        State,
    )
    assert (state.list_version, state.uptime_us, state.settings_revision, state.whole) == (
        4,
        None,
        None,
        False,
    )
    about = decode(b'{"v":1,"software":"liuhen 0","label":"East wing","doors":[]}', About)
    assert (about.signed_acks, about.device_key) == (False, None)


def test_a_gateway_says_what_is_new_in_so_many_words() -> None:
    assert encode(About(1, "liuhen 0", "East wing", [], signed_acks=True)) == (
        b'{"v":1,"software":"liuhen 0","label":"East wing","doors":[],"signed_acks":true}'
    )
    state = State(1, True, "00112233aabbccdd", "00000000000000aa", uptime_us=5, settings_revision=0)
    assert encode(state) == (
        b'{"v":1,"online":true,"boot":"00112233aabbccdd","session":"00000000000000aa","uptime_us":5,'
        b'"settings_revision":0}'
    )


def test_a_will_says_only_that_the_gateway_is_gone() -> None:
    will = State(v=1, online=False, boot="0" * 16, session="1" * 16)
    assert encode(will) == b'{"v":1,"online":false,"boot":"0000000000000000","session":"1111111111111111"}'
    assert decode(encode(will), State) == will


def test_what_is_held_is_said_shortly_and_a_state_without_a_word_of_it_names_not_everything() -> None:
    state = State(v=1, online=True, boot="0" * 16, session="1" * 16, epochs=[EpochHead(7, 2, 90, "a" * 64)])
    begin = b'{"v":1,"online":true,"boot":"0000000000000000","session":"1111111111111111","epochs":['
    head = b'{"epoch":7,"oldest":2,"head":90,"hash":"' + b"a" * 64 + b'"'
    assert encode(state) == begin + head + b"}]}"
    assert decode(begin + head + b"}]}", State).whole is False
    told = begin + head + b',"holes":[[5,6],[8,8]]}],"whole":true}'
    read = decode(told, State)
    assert (read.whole, read.epochs) == (True, [EpochHead(7, 2, 90, "a" * 64, ((5, 6), (8, 8)))])
    assert encode(read) == told


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_in_words(payload: bytes) -> None:
    readers: tuple[Callable[[bytes], object], ...] = (
        decode_record,
        decode_block,
        decode_place,
        lambda p: decode(p, Ack),
        lambda p: decode(p, State),
    )
    for read in readers:
        try:
            read(payload)
        except MessageError:
            continue


def test_a_hundred_thousand_damaged_records_never_crash_the_reader() -> None:
    chance = random.Random(20_261_123)
    taken = 0
    for _ in range(100_000):
        damaged = bytearray(SWIPE)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            record = decode_record(bytes(damaged))
        except MessageError:
            continue
        taken += 1
        assert msgspec.json.encode(record) == bytes(damaged)
    assert taken > 0  # some damage makes another valid record: only the chain can tell
