"""Mutated inputs: no parser falls, grows, or misses the good frame that follows.

`LIUHEN_FUZZ=1000000` gives each parser a million; the suite's own number keeps it short.
"""

import contextlib
import random
from collections.abc import Iterator

import pytest
from drivers_support import frame, invented_block, read_reply, vectors
from fuzz_support import PARTS, inputs, mutated
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import ProtocolViolation
from drivers.id_card_codec import IdCard, parse_read_reply, parse_text
from drivers.lc_codec import RelayState, StatusParser
from drivers.sam_codec import SamFramer, Status

INPUTS = inputs(60_000)

GOOD_FRAMES = [bytes.fromhex(each["hex"]) for each in vectors("sam_v")["frame"] if not each["must_fail"]]
FOUND = frame("reply_found")
LONGEST_WAIT = 4096 + 7  # what an invented length can make the framer wait for


def mutations(good: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    chance = random.Random(seed)
    for _ in range(count):
        yield mutated(chance, chance.choice(good), [*good, b"\xff\xff"])


@pytest.mark.parametrize("seed", range(PARTS))
def test_the_framer_survives_mutations(seed: int) -> None:
    framer = SamFramer()
    capacity = len(framer._buffer)
    for number, data in enumerate(mutations(GOOD_FRAMES, INPUTS // PARTS, seed)):
        fed_before = framer.discarded
        replies = framer.feed(data)
        assert len(replies) * 11 <= framer._size + len(data) + LONGEST_WAIT
        assert framer.discarded >= fed_before
        if number % 50 == 0:  # what a driver does after a silence; the next frame must then be found
            framer.reset()
            assert [reply.status for reply in framer.feed(FOUND)] == [Status.FOUND]
    assert len(framer._buffer) == capacity


@pytest.mark.parametrize("seed", range(PARTS))
def test_a_good_frame_is_found_behind_any_noise_without_a_reset(seed: int) -> None:
    """Whatever came before, waiting ends after one longest frame at the latest."""
    chance = random.Random(seed)
    for _ in range(500):
        framer = SamFramer()
        framer.feed(
            chance.randbytes(chance.randrange(100)) + chance.choice(GOOD_FRAMES)[: chance.randrange(12)]
        )
        repeats = LONGEST_WAIT // len(FOUND) + 2
        found = sum(reply.status is Status.FOUND for reply in framer.feed(FOUND * repeats))
        assert found >= 1
        assert framer._size == 0


@pytest.mark.parametrize("seed", range(PARTS))
def test_the_text_of_a_card_is_parsed_or_refused(seed: int) -> None:
    chance = random.Random(seed)
    blocks = [bytes.fromhex(each["hex"]) for each in vectors("sam_v")["text_block"]] + [
        bytes(invented_block())
    ]
    outcomes = {"card": 0, "refused": 0}
    for _ in range(INPUTS // PARTS):
        block = bytearray(chance.choice(blocks))
        for _ in range(chance.randrange(3)):
            at = chance.randrange(256)
            block[at] = (
                chance.getrandbits(8) if chance.random() < 0.5 else chance.choice(b" 0129XJYI\x00\xd8")
            )
        try:
            card = parse_text(memoryview(block))
        except ProtocolViolation:
            outcomes["refused"] += 1
            continue
        outcomes["card"] += 1
        assert len(card.number) in (15, 18)
        assert card.valid_until is None or card.valid_from <= card.valid_until
    assert min(outcomes.values()) > INPUTS // PARTS // 10  # both ways were taken, and often


@pytest.mark.parametrize("seed", range(PARTS))
def test_the_status_parser_survives_mutations(seed: int) -> None:
    lines = [each["text"].encode() for each in vectors("lock_board")["status_reply"]]
    parser = StatusParser()
    for number, data in enumerate(mutations(lines, INPUTS // PARTS, seed)):
        for state in parser.feed(data):
            assert 1 <= state.channel <= 8
        assert len(parser._line) <= 64
        if number % 50 == 0:
            assert parser.feed(b"\r\nCH2: OFF\r\n")[-1:] == [RelayState(2, False)]


@given(st.lists(st.binary(max_size=300)), st.sampled_from(GOOD_FRAMES[15:]))
def test_pieces_of_anything_leave_the_framer_bounded_and_able(pieces: list[bytes], good: bytes) -> None:
    framer = SamFramer()
    for piece in pieces:
        framer.feed(piece)
    framer.reset()
    assert len(framer.feed(good)) == 1
    assert not any(framer._buffer)


@given(st.binary(max_size=200), st.binary(max_size=200), st.integers(min_value=1, max_value=64))
def test_cutting_a_stream_elsewhere_changes_nothing(head: bytes, tail: bytes, chunk: int) -> None:
    stream = head + FOUND + frame("reply_find_failed") + tail
    whole, cut = SamFramer(), SamFramer()
    expected = [(reply.status, bytes(reply.data)) for reply in whole.feed(stream)]
    pieces = [stream[at : at + chunk] for at in range(0, len(stream), chunk)]
    assert [(reply.status, bytes(reply.data)) for piece in pieces for reply in cut.feed(piece)] == expected
    assert (cut.discarded, cut.rejected, cut._size) == (whole.discarded, whole.rejected, whole._size)


@given(st.binary(min_size=256, max_size=256))
def test_any_256_bytes_are_a_card_or_a_refusal(block: bytes) -> None:
    with contextlib.suppress(ProtocolViolation):
        assert isinstance(parse_read_reply(bytearray(read_reply(block)[10:-1])), IdCard)
