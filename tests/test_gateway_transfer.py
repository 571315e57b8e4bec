"""A list's chunks in any order, repeated and among others': put together once, and never beyond bounds."""

import random

import pytest
from orders_support import an_entry, entries, sent_list

from gateway.transfer import MAX_EARLY_BYTES, STALLED_S, Announced, Transfer
from messages.access_list import MAX_CHUNK_BYTES, decode_manifest
from messages.signing import body_unproved

SENT = sent_list(2, entries(2_600).values())
FORMER = sent_list(1, entries(1_100).values())


def announced(manifest: bytes) -> Announced:
    return Announced(decode_manifest(body_unproved(manifest)), manifest)


def test_a_list_of_no_credentials_is_complete_at_once() -> None:
    transfer = Transfer()
    transfer.begin(announced(sent_list(1, []).manifest), 0.0)
    complete = transfer.take()
    assert complete is not None
    assert complete[1] == []


@pytest.mark.parametrize("seed", range(5))
def test_chunks_may_come_in_any_order_repeated_and_among_those_of_an_older_list(seed: int) -> None:
    transfer, chance = Transfer(), random.Random(seed)
    transfer.begin(announced(FORMER.manifest), 0.0)
    transfer.begin(announced(SENT.manifest), 1.0)
    arriving = [*SENT.chunks, *SENT.chunks[:2], *FORMER.chunks]
    chance.shuffle(arriving)
    found = []
    for chunk in arriving:
        transfer.offer(chunk, 2.0)
        if complete := transfer.take():
            found.append(complete)
    assert len(found) == 1
    assert found[0][0].manifest.version == 2
    assert found[0][1] == SENT.chunks


def test_chunks_that_came_before_their_manifest_count() -> None:
    transfer = Transfer()
    for chunk in SENT.chunks:
        transfer.offer(chunk, 0.0)
    assert transfer.take() is None
    transfer.begin(announced(SENT.manifest), 1.0)
    complete = transfer.take()
    assert complete is not None
    assert complete[1] == SENT.chunks


def test_an_altered_chunk_is_not_taken_for_the_one_that_is_named() -> None:
    transfer = Transfer()
    transfer.begin(announced(SENT.manifest), 0.0)
    for chunk in SENT.chunks[:-1]:
        transfer.offer(chunk, 1.0)
    transfer.offer(SENT.chunks[-1].replace(b"resident", b"intruder", 1), 1.0)
    assert transfer.take() is None
    assert not transfer.is_lost(1.0 + STALLED_S / 2)
    assert transfer.is_lost(1.0 + STALLED_S)


def test_the_same_manifest_again_does_not_begin_again() -> None:
    transfer = Transfer()
    transfer.begin(announced(SENT.manifest), 0.0)
    for chunk in SENT.chunks[1:]:
        transfer.offer(chunk, 1.0)
    transfer.begin(announced(SENT.manifest), 2.0)
    transfer.offer(SENT.chunks[0], 3.0)
    assert transfer.take() is not None


def test_whoever_sends_more_than_there_is_room_for_fills_no_memory() -> None:
    transfer = Transfer()
    for number in range(400):
        transfer.offer(b"%d" % number * 20_000, 0.0)
    assert 0 < transfer._early_size <= MAX_EARLY_BYTES
    transfer.offer(b"x" * (MAX_CHUNK_BYTES + 1), 0.0)
    transfer.begin(announced(SENT.manifest), 1.0)
    transfer.drop()
    assert transfer._size + transfer._early_size <= MAX_EARLY_BYTES


def test_nothing_is_missed_where_nothing_was_announced() -> None:
    transfer = Transfer()
    transfer.offer(sent_list(1, [an_entry(1)]).chunks[0], 0.0)
    assert not transfer.is_lost(1e9)
