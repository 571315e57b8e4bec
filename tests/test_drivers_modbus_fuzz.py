"""Mutated replies by the thousand: the parser neither falls nor grows nor takes what is not the answer.

`LIUHEN_FUZZ=1000000` raises the count; CI runs a few thousand.
"""

import random

import pytest
from drivers_support import vectors
from fuzz_support import PARTS, inputs, mutated
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus_codec import MAX_FRAME, Bits, ReplyParser, Request, read_inputs, with_crc, write_coil

INPUTS = inputs(20_000)

ASK = read_inputs(1, 0, 8)
GOOD = bytes.fromhex("01 02 01 02 20 49")
EXCHANGES = vectors("modbus")["exchange"]
STREAMS = [bytes.fromhex(each[side]) for each in EXCHANGES for side in ("request", "reply")]
REQUESTS = [ASK, write_coil(1, 0, on=True), write_coil(1, 1, on=False), read_inputs(1, 196, 22)]


def spoilt_reply(chance: random.Random, request: Request) -> bytes:
    echo = GOOD if request is ASK else request.frame if chance.random() < 0.5 else b""
    return mutated(chance, echo + (chance.choice(STREAMS) if chance.random() < 0.5 else b""), STREAMS)


@pytest.mark.parametrize("seed", range(PARTS))
def test_mutations_leave_the_parser_bounded_and_able(seed: int) -> None:
    chance = random.Random(seed)
    answered = 0
    for _ in range(INPUTS // PARTS):
        request = chance.choice(REQUESTS)
        data = spoilt_reply(chance, request)
        parser = ReplyParser(request, echoes=chance.random() < 0.3)
        reply = parser.feed(data)
        assert len(parser._buffer) <= 2 * MAX_FRAME
        answered += reply is not None
        if reply is not None:
            assert bytes((request.unit,)) in data
        elif request is ASK:
            assert parser.feed(GOOD) == Bits((False, True, False, False, False, False, False, False))
    assert INPUTS // PARTS // 10 < answered < INPUTS // PARTS * 9 // 10  # both ways were taken, and often


@given(
    st.binary(max_size=300),
    st.binary(max_size=100),
    st.integers(min_value=1, max_value=64),
    st.sampled_from(REQUESTS),
    st.booleans(),
)
def test_cutting_a_stream_elsewhere_changes_nothing(
    head: bytes, tail: bytes, chunk: int, request: Request, echoes: bool
) -> None:
    stream = head + request.frame + request.frame + GOOD + with_crc(b"\x01\x85\x02") + tail
    whole, cut = ReplyParser(request, echoes=echoes), ReplyParser(request, echoes=echoes)
    pieces = (stream[at : at + chunk] for at in range(0, len(stream), chunk))
    assert next((r for piece in pieces if (r := cut.feed(piece)) is not None), None) == whole.feed(stream)
