"""Mutated replies by the thousand: the parser neither falls nor grows nor takes what is not the answer.

`LIUHEN_FUZZ=1000000` raises the count; CI runs a few thousand.
"""

import os
import random

import pytest
from drivers_support import vectors
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus_codec import MAX_FRAME, Bits, ReplyParser, Request, read_inputs, with_crc, write_coil

INPUTS = int(os.environ.get("LIUHEN_FUZZ", "20000"))
PARTS = 4  # each with its own seed, so that the workers share them

ASK = read_inputs(1, 0, 8)
GOOD = bytes.fromhex("01 02 01 02 20 49")
EXCHANGES = vectors("modbus")["exchange"]
STREAMS = [bytes.fromhex(each[side]) for each in EXCHANGES for side in ("request", "reply")]
REQUESTS = [ASK, write_coil(1, 0, on=True), write_coil(1, 1, on=False), read_inputs(1, 196, 22)]


def mutated(chance: random.Random, request: Request) -> bytes:
    data = bytearray(GOOD if request is ASK else request.frame if chance.random() < 0.5 else b"")
    data += chance.choice(STREAMS) if chance.random() < 0.5 else b""
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(5):
            case 0:
                data[at : at + 1] = bytes((chance.getrandbits(8),))
            case 1:
                del data[at : at + 1]
            case 2:
                data[at:at] = chance.randbytes(chance.randrange(1, 20))
            case 3:
                data[at:at] = chance.choice(STREAMS)
            case _:
                del data[at:]
    return bytes(data) if chance.random() < 0.9 else chance.randbytes(chance.randrange(600))


@pytest.mark.parametrize("seed", range(PARTS))
def test_mutations_leave_the_parser_bounded_and_able(seed: int) -> None:
    chance = random.Random(seed)
    answered = 0
    for _ in range(INPUTS // PARTS):
        request = chance.choice(REQUESTS)
        data = mutated(chance, request)
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
