"""Mutated OSDP lines by the thousand: the framer neither falls nor grows, and finds the good packet behind.

`LIUHEN_FUZZ=1000000` raises the count; CI runs a few thousand.
"""

import contextlib
import os
import random

import pytest
from drivers_support import vectors
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import ProtocolViolation
from drivers.osdp_codec import (
    MAX_PACKET,
    Identity,
    Keys,
    OsdpFramer,
    Packet,
    RawCard,
    capabilities_from,
    meaning,
    packet_from,
)

INPUTS = int(os.environ.get("LIUHEN_FUZZ", "20000"))
PARTS = 4  # each with its own seed, so that the workers share them
GOOD = [bytes.fromhex(each["hex"]) for each in vectors("osdp")["packet"]]
ACK = bytes.fromhex("53 81 08 00 04 40 08 06")
SHORTEST = 7


def mutated(chance: random.Random) -> bytes:
    data = bytearray(b"\xff" + chance.choice(GOOD))
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(6):
            case 0:
                data[at : at + 1] = bytes((chance.getrandbits(8),))
            case 1:
                del data[at : at + 1]
            case 2:
                data[at:at] = chance.randbytes(chance.randrange(1, 20))
            case 3:
                del data[at:]
            case 4:
                data[at:at] = chance.choice(GOOD)
            case _:
                data[at:at] = b"\x53\x81\x40\x00\x04"
    return bytes(data) if chance.random() < 0.95 else chance.randbytes(chance.randrange(200))


@pytest.mark.parametrize("seed", range(PARTS))
def test_the_framer_survives_mutations_and_stays_small(seed: int) -> None:
    chance = random.Random(seed)
    framer = OsdpFramer()
    for number in range(INPUTS // PARTS):
        data = mutated(chance)
        packets = framer.feed(data)
        assert len(framer._buffer) < MAX_PACKET
        assert len(packets) * SHORTEST <= MAX_PACKET + len(data)
        for packet in packets:
            meaning(packet)
        if number % 50 == 0:  # what a driver does after a silence; the next packet must then be found
            framer.reset()
            assert framer.feed(ACK) == [packet_from(ACK)]


@pytest.mark.parametrize("seed", range(PARTS))
def test_the_same_line_gives_the_same_packets_however_it_is_cut(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(INPUTS // PARTS // 20):
        stream = b"".join(mutated(chance) for _ in range(3))
        whole = OsdpFramer()
        expected = whole.feed(stream)
        cut = OsdpFramer()
        packets: list[Packet] = []
        rest = stream
        while rest:
            size = chance.randrange(1, 40)
            packets += cut.feed(rest[:size])
            rest = rest[size:]
        assert packets == expected
        assert (cut.discarded, cut.broken) == (whole.discarded, whole.broken)


@pytest.mark.parametrize("seed", range(PARTS))
def test_a_good_packet_is_found_behind_any_noise_without_a_reset(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(100):
        framer = OsdpFramer()
        framer.feed(chance.randbytes(chance.randrange(100)) + chance.choice(GOOD)[: chance.randrange(12)])
        assert framer.feed(ACK * (MAX_PACKET // len(ACK) + 2))[-1] == packet_from(ACK)
        assert not framer.is_waiting


@given(st.binary(max_size=64))
def test_no_reply_data_makes_a_parser_fall(data: bytes) -> None:
    for parse in (Identity.from_bytes, RawCard.from_bytes, Keys.from_bytes, capabilities_from):
        with contextlib.suppress(ProtocolViolation):
            parse(data)


@given(st.binary(max_size=200))
def test_what_is_taken_for_a_packet_writes_the_same_bytes_again(body: bytes) -> None:
    """Whatever is accepted is accepted for what it says: nothing in it is lost or invented."""
    head = b"\x53\x81" + (len(body) + 5).to_bytes(2, "little") + body
    frame = head + bytes((-sum(head) & 0xFF,))
    with contextlib.suppress(ProtocolViolation):
        packet = packet_from(frame)
        unused_bits = frame[4] & ~0x0F  # of the control byte: nobody sets them
        assert bool(unused_bits) or packet.to_bytes() == frame
