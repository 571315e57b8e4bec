"""Mutated OSDP lines by the thousand: the framer neither falls nor grows, and finds the good packet behind.

`LIUHEN_FUZZ=1000000` raises the count; CI runs a few thousand.
"""

import contextlib
import random

import pytest
from drivers_support import vectors
from fuzz_support import PARTS, inputs, mutated
from hypothesis import given
from hypothesis import strategies as st
from osdp_channel import Channel

from drivers.errors import ProtocolViolation
from drivers.osdp_codec import (
    MAX_PACKET,
    SOM,
    Command,
    Identity,
    Keys,
    OsdpFramer,
    Packet,
    RawCard,
    Reply,
    capabilities_from,
    meaning,
    packet_from,
)
from drivers.osdp_guard import Guard, Verdict
from drivers.osdp_keys import Key
from drivers.osdp_panel import Panel, local_wish

INPUTS = inputs(20_000)
GOOD = [bytes.fromhex(each["hex"]) for each in vectors("osdp")["packet"]]
ACK = bytes.fromhex("53 81 08 00 04 40 08 06")
SHORTEST = 7
PIECES = [*GOOD, b"\x53\x81\x40\x00\x04"]


def spoilt_packet(chance: random.Random) -> bytes:
    return mutated(chance, b"\xff" + chance.choice(GOOD), PIECES)


@pytest.mark.parametrize("seed", range(PARTS))
def test_the_framer_survives_mutations_and_stays_small(seed: int) -> None:
    chance = random.Random(seed)
    framer = OsdpFramer()
    for number in range(INPUTS // PARTS):
        data = spoilt_packet(chance)
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
        stream = b"".join(spoilt_packet(chance) for _ in range(3))
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


# --- the library behind the guard --------------------------------------------------------------------------

KEY = bytes.fromhex("10 21 32 43 54 65 76 87 98 A9 BA CB DC ED FE 0F")
EVENTS = [
    Reply.RAW,
    Reply.FMT,
    Reply.KEYPAD,
    Reply.LSTATR,
    Reply.ISTATR,
    Reply.OSTATR,
    Reply.RSTATR,
    Reply.MFGREP,
]
FIRST = {
    Command.ID: Reply.PDID,
    Command.CAP: Reply.PDCAP,
    Command.CHLNG: Reply.CCRYPT,
    Command.SCRYPT: Reply.RMAC_I,
}


class Device:
    """Answers with its key; `spoil` makes something else of an answer."""

    def __init__(self) -> None:
        self.channel = Channel(KEY, bytes(8), bytes(8))

    def answer(self, command: Packet) -> bytes:
        match command.code:
            case Command.ID:
                return self.plain(command, Reply.PDID, bytes(12))
            case Command.CAP:
                return self.plain(command, Reply.PDCAP, bytes.fromhex("09 01 01"))
            case Command.CHLNG:
                self.channel = Channel(KEY, command.data, bytes(8))
                return self.plain(command, Reply.CCRYPT, bytes(16) + self.channel.client, 0x12)
            case Command.SCRYPT:
                return self.plain(command, Reply.RMAC_I, self.channel.first_mac, 0x14)
        self.channel.hear(command)
        return self.channel.say(command, Reply.ACK, b"")

    def plain(self, command: Packet, code: int, data: bytes, block: int | None = None) -> bytes:
        return Packet(
            command.address,
            code,
            data,
            command.sequence,
            is_reply=True,
            block=block,
            block_data=b"" if block is None else b"\1",
            with_crc=command.with_crc,
        ).to_bytes()


class Wire:
    """Panel and guard with a device, without a line: an exchange costs no time."""

    def __init__(self) -> None:
        self.panel = Panel(1, Key(KEY))
        self.guard = Guard(1)
        self.device = Device()
        self._next: bytes | None = None

    def begin(self) -> None:
        self.panel.begin()
        self.guard.begin()
        self._next = None

    def command(self) -> Packet | None:
        """What the library sends, if it does within the states that it passes through."""
        for _ in range(6):
            self._next = self._next or self.panel.refresh()
            if self._next is not None or self.panel.gave_up:
                break
        if self._next is None:
            return None
        packet, self._next = packet_from(self._next[self._next.index(SOM) :]), None
        assert self.guard.sends(packet)
        return packet

    def reply(self, frame: bytes) -> bool:
        if self.guard.hears(packet_from(frame)) is not Verdict.PASS:
            return False
        self._next = self.panel.deliver(frame)
        return True

    def is_secured(self) -> bool:
        """Whether a device that behaves gets through from here."""
        for _ in range(4):
            if command := self.command():
                self.reply(self.device.answer(command))
        return self.panel.is_secure


def spoilt(chance: random.Random, device: Device, command: Packet) -> bytes:
    code, block = FIRST.get(Command(command.code), Reply.ACK), {0x76: 0x12, 0x77: 0x14}.get(command.code)
    match chance.randrange(5):
        case 0:
            return device.plain(command, code, chance.randbytes(chance.randrange(1400)), block)
        case 1:
            return device.plain(command, Reply.NAK, chance.randbytes(chance.randrange(10)))
        case 2:
            return device.plain(command, Reply.BUSY, b"")
        case 3:
            capabilities = b"\x09\x01\x01" + chance.randbytes(3 * chance.randrange(39))
            return device.plain(command, code, capabilities if code == Reply.PDCAP else b"", block)
    return device.plain(command, chance.choice(list(Reply)), chance.randbytes(chance.randrange(100)))


@pytest.mark.parametrize("seed", range(PARTS))
def test_after_any_handshake_the_library_takes_up_a_good_device(seed: int) -> None:
    chance = random.Random(seed)
    wire = Wire()
    for _ in range(INPUTS // PARTS // 20):
        wire.begin()
        for _ in range(chance.randrange(1, 6)):
            command = wire.command()
            if command is None:
                break
            is_good = chance.random() < 0.6
            frame = wire.device.answer(command) if is_good else spoilt(chance, wire.device, command)
            if not wire.reply(frame):
                break
        wire.panel.end()
        wire.begin()
        assert wire.is_secured()
        wire.panel.end()


@pytest.mark.parametrize("seed", range(PARTS))
def test_a_device_that_has_the_key_and_talks_nonsense_harms_nothing(seed: int) -> None:
    """What it reports is a report or is dropped: the library neither falls nor sticks."""
    chance = random.Random(seed)
    wire = Wire()
    for _ in range(INPUTS // PARTS // 20):
        wire.begin()
        assert wire.is_secured()
        command = asked_now(wire)
        wire.device.channel.hear(command)
        data = chance.randbytes(chance.randrange(64))
        if chance.random() < 0.5:  # lengths that fit what is said, so that it gets further in
            data = bytes((0, 1, 8 * len(data) & 0xFF, 8 * len(data) >> 8)) + data
        wire.reply(wire.device.channel.say(command, chance.choice(EVENTS), data))
        wire.panel.take_reports()
        wire.panel.end()


def asked_now(wire: Wire) -> Packet:
    """A poll would have to be waited for; a question goes out at once."""
    assert wire.panel.submit(local_wish())
    command = wire.command()
    assert command is not None
    return command
