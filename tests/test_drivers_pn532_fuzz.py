"""Mutated answers of a PN532 by the thousand: the parser neither falls nor grows nor makes a card up.

`LIUHEN_FUZZ=1000000` raises the count; CI runs a few thousand.
"""

import contextlib
import random

import pytest
from drivers_support import vectors
from fuzz_support import PARTS, inputs, mutated
from hypothesis import given
from hypothesis import strategies as st
from pn532_support import said

from drivers import pn532_codec as codec
from drivers.errors import ProtocolViolation
from drivers.pn532_codec import Answer, FrameParser

INPUTS = inputs(20_000)
LONGEST = 2 * codec._CAPACITY

GOOD = [bytes.fromhex(each["hex"]) for kind in ("answer", "signal") for each in vectors("pn532")[kind]]
CARD = said("type A, 4 bytes")
LONG = bytes.fromhex("00 00 FF FF FF 01 04 FB")
PIECES = [*GOOD, LONG, b"\x00\xff"]


def spoilt_frame(chance: random.Random) -> bytes:
    return mutated(chance, chance.choice(GOOD), PIECES)


@pytest.mark.parametrize("seed", range(PARTS))
def test_mutations_leave_the_parser_bounded_and_able(seed: int) -> None:
    chance = random.Random(seed)
    parser = FrameParser()
    answers = 0
    for number in range(INPUTS // PARTS):
        for frame in parser.feed(spoilt_frame(chance)):
            if isinstance(frame, Answer):
                answers += 1
                digest(frame.data)
        assert len(parser._buffer) <= LONGEST
        if number % 10 == 0:  # what a driver does before each command
            parser.reset()
            (answer,) = parser.feed(CARD)
            assert isinstance(answer, Answer)
    assert answers > INPUTS // PARTS // 5  # many are still good


def digest(data: bytes) -> None:
    """All that is ever made of an answer's content: a result, or a refusal."""
    for parse in (codec.parse_type_a, codec.firmware_text, codec.parse_exchange):
        with contextlib.suppress(ProtocolViolation):
            parse(data)
    codec.is_id_card(data)
    codec.chip_serial(data)


@pytest.mark.parametrize("seed", range(PARTS))
def test_a_frame_is_found_behind_any_noise_without_a_reset(seed: int) -> None:
    """Whatever came before, waiting ends after one longest frame at the latest."""
    chance = random.Random(seed)
    for _ in range(INPUTS // PARTS // 20):
        parser = FrameParser()
        parser.feed(chance.randbytes(chance.randrange(100)) + chance.choice(GOOD)[: chance.randrange(12)])
        assert parser.feed(CARD * (codec._CAPACITY // len(CARD) + 2))


@given(st.lists(st.binary(max_size=300)))
def test_pieces_of_anything_leave_the_parser_bounded_and_able(pieces: list[bytes]) -> None:
    parser = FrameParser()
    for piece in pieces:
        parser.feed(piece)
        assert len(parser._buffer) <= LONGEST
    parser.reset()
    assert len(parser.feed(CARD)) == 1


@given(st.binary(max_size=400), st.binary(max_size=400), st.integers(min_value=1, max_value=64))
def test_cutting_a_stream_elsewhere_changes_nothing(head: bytes, tail: bytes, chunk: int) -> None:
    stream = head + CARD + said("ACK") + tail
    whole, cut = FrameParser(), FrameParser()
    expected = whole.feed(stream)
    assert [
        frame for at in range(0, len(stream), chunk) for frame in cut.feed(stream[at : at + chunk])
    ] == expected
    assert (cut.discarded, cut.rejected, cut.echoed) == (whole.discarded, whole.rejected, whole.echoed)
    assert cut._buffer == whole._buffer


@given(st.binary(max_size=64))
def test_any_content_is_a_result_or_a_refusal(data: bytes) -> None:
    digest(data)
