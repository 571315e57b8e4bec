"""Payloads taken apart: what is understood, what is set aside under its place, what is refused."""

from hashlib import sha256

import pytest
from central_support import GATEWAY, a_block, a_chain, topic
from hypothesis import given
from hypothesis import strategies as st

from central.ingest.intake import examine
from central.ingest.segments import UNKNOWN_PREV
from central.ingest.verify import Trouble, take_apart
from messages.topics import Leaf
from messages.wire import join_block

CHAIN = a_chain(5)


def with_word(body: bytes, old: bytes, new: bytes) -> bytes:
    assert old in body
    return body.replace(old, new)


def test_a_good_block_gives_every_record_with_the_hash_of_its_bytes() -> None:
    taken = take_apart(GATEWAY, a_block(CHAIN))
    assert (taken.epoch, taken.refused) == (1, [])
    assert [a.seq for a in taken.arrived] == [1, 2, 3, 4, 5]
    assert [a.hash for a in taken.arrived] == [sha256(body).digest() for body in CHAIN]
    assert [a.prev for a in taken.arrived[1:]] == [a.hash for a in taken.arrived[:-1]]
    assert all(a.record and a.record.seq == a.seq for a in taken.arrived)
    assert [list(run) for run in taken.runs()] == [taken.arrived]


def test_an_unknown_kind_is_set_aside_under_its_place_among_good_ones() -> None:
    strange = with_word(CHAIN[2], b"access_granted", b"door_melted")
    taken = take_apart(GATEWAY, a_block([*CHAIN[:2], strange, *CHAIN[3:]]))
    assert [(a.seq, a.record is None) for a in taken.arrived] == [
        (1, False), (2, False), (3, True), (4, False), (5, False),
    ]  # fmt: skip
    assert taken.arrived[2].body == strange
    assert taken.arrived[2].hash == sha256(strange).digest()
    assert taken.refused == []


def test_a_record_of_another_gateway_is_refused_and_named_so() -> None:
    taken = take_apart("west-9", a_block(CHAIN[:1]))
    assert taken.arrived == []
    assert [r.trouble for r in taken.refused] == [Trouble.WRONG_GATEWAY]


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_misplaced_record_among_others_is_refused_and_leaves_a_hole(at: int) -> None:
    bodies = list(CHAIN[:3])
    bodies[at] = CHAIN[4]
    taken = take_apart(GATEWAY, a_block(bodies))
    assert [a.seq for a in taken.arrived] == [s for s in (1, 2, 3) if s != at + 1]
    assert [r.body for r in taken.refused] == [CHAIN[4]]
    assert [a.seq for run in taken.runs() for a in run] == [a.seq for a in taken.arrived]
    assert len(taken.runs()) == (2 if at == 1 else 1)


def test_a_misplaced_record_alone_is_set_aside_where_its_block_says() -> None:
    taken = take_apart(GATEWAY, a_block(CHAIN[4:], first=3))
    assert [(a.seq, a.record, a.prev) for a in taken.arrived] == [(3, None, UNKNOWN_PREV)]


def test_one_that_is_no_json_is_set_aside_by_the_head_of_its_block() -> None:
    taken = take_apart(GATEWAY, join_block(4, 9, 1, b'{"v":1,"gate\xff'))
    assert taken.epoch == 4
    assert [(a.seq, a.record, a.body) for a in taken.arrived] == [(9, None, b'{"v":1,"gate\xff')]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"\xff\xfe",
        a_block(CHAIN)[:-1],
        join_block(1, 1, 2, CHAIN[0]),
        join_block(1, 1, 2, b"{,}"),
        join_block(0, 1, 1, b"{"),
        join_block(1, 0, 1, b"{"),
        join_block(2**40 + 1, 1, 1, b"{"),
        join_block(1, 2**48 + 1, 1, b"{"),
        a_block(CHAIN).replace(b'"v":1,"epoch"', b'"v":2,"epoch"'),
        b"9" * 300_000,
    ],
    ids=lambda payload: repr(payload[:40]),
)
def test_a_payload_without_a_place_is_refused_whole(payload: bytes) -> None:
    taken = take_apart(GATEWAY, payload)
    assert (taken.arrived, [r.body for r in taken.refused]) == ([], [payload])


def test_an_oversized_one_alone_is_set_aside_by_the_head_of_its_block() -> None:
    body = b"9" * 300_000
    assert [(a.seq, a.record, a.body) for a in take_apart(GATEWAY, join_block(1, 7, 1, body)).arrived] == [
        (7, None, body)
    ]


def test_reasons_quote_nothing_of_what_was_sent() -> None:
    canary = with_word(CHAIN[0], b"access_granted", b"canary_word")
    taken = take_apart(GATEWAY, a_block([canary]))
    assert "canary" not in taken.arrived[0].reason


def test_payloads_that_continue_each_other_are_joined() -> None:
    one, two = take_apart(GATEWAY, a_block(CHAIN[:2])), take_apart(GATEWAY, a_block(CHAIN[2:], first=3))
    assert one.continue_with(two)
    assert [a.seq for a in one.arrived] == [1, 2, 3, 4, 5]
    assert not one.continue_with(two)


BENT = st.builds(
    lambda payload, at, new: payload[: at % len(payload)] + new + payload[at % len(payload) + len(new) :],
    st.sampled_from([a_block(CHAIN), a_block(CHAIN[:1]), join_block(1, 1, 1, b"{")]),
    st.integers(0, 5_000),
    st.binary(max_size=6),
)


@given(st.sampled_from(Leaf), st.one_of(st.binary(max_size=400), BENT))
def test_nothing_that_arrives_makes_it_raise(leaf: Leaf, payload: bytes) -> None:
    examined = examine(topic(leaf), payload)
    if examined.taken:
        seqs = [a.seq for a in examined.taken.arrived]
        assert seqs == sorted(set(seqs))
        assert [a.seq for run in examined.taken.runs() for a in run] == seqs
