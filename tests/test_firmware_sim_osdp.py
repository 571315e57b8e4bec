"""The simulated OSDP reader against the documented bytes, and what it does when things go wrong."""

import os
import random
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from firmware_sim_support import plain_card, vectors

from firmware_sim.faults import FaultSet
from firmware_sim.osdp_body import Led
from firmware_sim.osdp_crypto import DEFAULT_KEY, SessionKeys
from firmware_sim.osdp_packet import Command, Framer, Nak, Packet, Reply, Scs, parse
from firmware_sim.osdp_peripheral import OFFLINE_S, PACKET_GAP_S, OsdpPeripheral

PAPER = vectors("osdp_dialogue")
RANDOM_B = bytes.fromhex(PAPER["random_b"])
CLIENT_ID = bytes.fromhex(PAPER["client_id"])
RANDOM_A = bytes.fromhex(PAPER["keys"]["random_a"])
KEY = bytes(range(0x10, 0x20))
FUZZ_INPUTS = int(os.environ.get("LIUHEN_FUZZ", "20000"))


def packet(name: str) -> bytes:
    return bytes.fromhex(PAPER["packet"][name])


def peripheral(**options: Any) -> OsdpPeripheral:
    """One with the identity of the paper's dialogues."""
    settings: dict[str, Any] = {"address": 1, "random_bytes": lambda _: RANDOM_B, "client_id": CLIENT_ID}
    return OsdpPeripheral(options.pop("faults", FaultSet("osdp")), **settings | options)


def answer(device: OsdpPeripheral, command: bytes, now: float = 0.0) -> bytes:
    """All it says to one command."""
    device.feed(command, now)
    return b"".join(frame.data for frame in device.take(now))


def polled_to(device: OsdpPeripheral, sequence: int, *, with_crc: bool = True) -> OsdpPeripheral:
    """The device after polls with every sequence number before this one."""
    for number in range(sequence):
        answer(device, Packet(1, number, Command.POLL, with_crc=with_crc).to_bytes())
    return device


class Panel:
    """The other side of a dialogue, for what the paper has no bytes for."""

    def __init__(self, device: OsdpPeripheral, key: bytes = KEY, *, own: bool = True) -> None:
        self.device = device
        self.key = key
        self.own = own
        self.sequence = 0
        self.now = 0.0
        self.last = b""

    def send(self, packet: Packet) -> Packet | None:
        self.last = packet.to_bytes()
        said = answer(self.device, self.last, self.now)
        self.sequence = self.sequence % 3 + 1
        return parse(said) if said else None

    def plain(self, code: int, data: bytes = b"") -> Packet | None:
        return self.send(Packet(self.device.address, self.sequence, code, data))

    def shake_hands(self, random_a: bytes = RANDOM_A) -> Packet | None:
        """The reply to SCRYPT, or the one that ended it before."""
        self.sequence = 0
        self.plain(Command.POLL)
        block = bytes((Scs.CHLNG, self.own))
        reply = self.send(Packet(self.device.address, self.sequence, Command.CHLNG, random_a, security=block))
        if reply is None or reply.code != Reply.CCRYPT:
            return reply
        self.keys = SessionKeys.derive(self.key, random_a)
        random_b = reply.data[8:16]
        cryptogram = self.keys.server_cryptogram(random_a, random_b)
        block = bytes((Scs.SCRYPT, self.own))
        self.proved = reply.data[16:] == self.keys.client_cryptogram(random_a, random_b)
        reply = self.send(
            Packet(self.device.address, self.sequence, Command.SCRYPT, cryptogram, security=block)
        )
        self.mac = self.keys.first_mac(cryptogram)
        return reply

    def ask(self, code: int, data: bytes = b"") -> tuple[int, bytes]:
        """Reply code and clear data of a secured command."""
        block = bytes((Scs.COMMAND_DATA if data else Scs.COMMAND,))
        sealed = self.keys.encrypt(data, self.mac) if data else b""
        command = Packet(self.device.address, self.sequence, code, sealed, security=block)
        self.mac = self.keys.mac(command.before_mac(), self.mac)
        reply = self.send(replace(command, mac=self.mac[:4]))
        assert reply is not None
        if not reply.carries_mac:
            return reply.code, reply.data
        clear = self.keys.decrypt(reply.data, self.mac) if reply.data else b""
        self.mac = self.keys.mac(reply.before_mac(), self.mac)
        assert reply.mac == self.mac[:4]
        assert clear is not None
        return reply.code, clear


def connected(device: OsdpPeripheral) -> Panel:
    panel = Panel(device)
    reply = panel.shake_hands()
    assert reply is not None
    assert reply.code == Reply.RMAC_I
    return panel


# Paper


def test_the_documented_secure_dialogue_is_answered_bit_for_bit() -> None:
    device = peripheral()
    for step in PAPER["secure"]:
        if "card" in step:
            device.show_bits(step["card_bits"], bytes.fromhex(step["card"]))
        assert answer(device, bytes.fromhex(step["command"])) == bytes.fromhex(step["reply"]), step["name"]
    assert device.has_own_key


def test_the_documented_dialogue_is_answered_alike_byte_by_byte() -> None:
    device = peripheral()
    for step in PAPER["secure"][:5]:
        said = b"".join(answer(device, bytes((byte,))) for byte in bytes.fromhex(step["command"]))
        assert said == bytes.fromhex(step["reply"]), step["name"]


@pytest.mark.parametrize("sample", PAPER["plain"], ids=lambda sample: sample["name"])
def test_a_plain_sample_is_answered_as_printed(sample: dict[str, str]) -> None:
    command = bytes.fromhex(sample["command"])
    wanted = parse(command)
    assert wanted is not None
    device = polled_to(peripheral(secure=False), wanted.sequence, with_crc=wanted.with_crc)
    if wanted.code != Command.POLL:
        device.set_input(0, "bad", 0.0)
        device.set_input(2, "closed", 0.0)
        device.body.out(bytes((0, 2, 0, 0)), 0.0)
    assert answer(device, command) == bytes.fromhex(sample["reply"])


@pytest.mark.parametrize("sample", PAPER["acknowledged"], ids=lambda sample: sample["name"])
def test_a_plain_sample_without_a_printed_reply_is_acknowledged(sample: dict[str, str]) -> None:
    command = bytes.fromhex(sample["command"])
    wanted = parse(command)
    assert wanted is not None
    reply = parse(answer(polled_to(peripheral(secure=False), wanted.sequence), command))
    assert reply is not None
    assert (reply.code, reply.sequence) == (Reply.ACK, wanted.sequence)


@pytest.mark.parametrize("name", PAPER["packet"])
def test_a_documented_packet_is_taken_apart_and_put_together_again(name: str) -> None:
    parsed = parse(packet(name))
    assert parsed is not None
    assert parsed.to_bytes() == packet(name)


def test_keys_and_cryptograms_are_those_of_annex_e() -> None:
    paper = {name: bytes.fromhex(value) for name, value in PAPER["keys"].items()}
    keys = SessionKeys.derive(DEFAULT_KEY, RANDOM_A)
    assert (keys.encryption, keys.mac_1, keys.mac_2) == (paper["encryption"], paper["mac_1"], paper["mac_2"])
    assert keys.client_cryptogram(RANDOM_A, RANDOM_B) == paper["client_cryptogram"]
    assert keys.server_cryptogram(RANDOM_A, RANDOM_B) == paper["server_cryptogram"]
    assert keys.first_mac(paper["server_cryptogram"]) == paper["first_mac"]


def test_cards_and_keys_are_told_as_printed() -> None:
    device = polled_to(peripheral(secure=False, keys_together=True), 1)
    device.press("1234#", 0.0)
    assert answer(device, Packet(1, 1, Command.POLL).to_bytes()) == packet("keypad_1234")
    answer(device, Packet(1, 2, Command.POLL).to_bytes())
    device.show_bits(26, bytes.fromhex("51 B2 0E 80"))
    assert answer(device, Packet(1, 3, Command.POLL).to_bytes()) == packet("raw_26_bits")


# Sequence and line


def test_a_repeated_command_is_answered_from_the_store_and_acts_once() -> None:
    device = polled_to(peripheral(secure=False), 1)
    first = answer(device, packet("out_pulse_3_s"))
    device.notices()
    assert answer(device, packet("out_pulse_3_s"), 1.0) == first
    assert device.notices() == []


def test_a_card_whose_reply_was_lost_is_told_again_to_the_same_command() -> None:
    device = polled_to(peripheral(secure=False), 1)
    device.present(plain_card_with_uid(), 0.0)
    poll = Packet(1, 1, Command.POLL).to_bytes()
    lost = answer(device, poll)
    again = answer(device, poll)
    assert lost == again
    assert parse(again) is not None
    assert parse(answer(device, Packet(1, 2, Command.POLL).to_bytes())) == Packet(1, 2, Reply.ACK, reply=True)


def test_a_wrong_sequence_number_is_refused_as_printed() -> None:
    device = polled_to(peripheral(secure=False), 1)
    assert answer(device, Packet(1, 2, Command.POLL).to_bytes()) == packet("nak_sequence_2")


def test_sequence_zero_starts_over_and_forgets_cards_nobody_fetched() -> None:
    device = peripheral(secure=False)
    device.present(plain_card_with_uid(), 0.0)
    assert answer(device, packet("poll_0")) == packet("ack_0")


def test_other_addresses_and_replies_of_others_are_left_unanswered() -> None:
    device = peripheral()
    assert answer(device, Packet(2, 0, Command.POLL).to_bytes()) == b""
    assert answer(device, packet("ack_0")) == b""


def test_the_broadcast_address_is_answered_under_the_broadcast_address() -> None:
    reply = answer(peripheral(), packet("poll_broadcast"))
    assert reply[1] == 0xFF
    assert parse(reply) == Packet(0x7F, 0, Reply.ACK, reply=True)


@pytest.mark.parametrize("noise", ["FF", "FF FF FF", "00 01 02", "53 01 FF FF 00 60"])
def test_a_packet_is_found_behind_noise(noise: str) -> None:
    assert answer(peripheral(), bytes.fromhex(noise) + packet("poll_0")) == packet("ack_0")


@pytest.mark.parametrize("noise", ["53", "53 53", "53 01 80 00 04"])
def test_behind_noise_that_looks_like_a_packet_the_next_try_is_found(noise: str) -> None:
    device = peripheral()
    answer(device, bytes.fromhex(noise) + packet("poll_0"))
    assert answer(device, packet("poll_0"), PACKET_GAP_S * 2) == packet("ack_0")


def test_a_damaged_packet_gets_no_answer() -> None:
    poll = packet("poll_0")
    assert answer(peripheral(), poll[:-1] + bytes((poll[-1] ^ 1,))) == b""


def test_an_unfinished_packet_is_forgotten_after_a_silence() -> None:
    device = peripheral()
    device.feed(packet("comset_crc")[:6], 0.0)
    assert answer(device, packet("poll_0"), PACKET_GAP_S * 2) == packet("ack_0")


def test_after_eight_silent_seconds_the_channel_is_gone() -> None:
    panel = connected(peripheral(key=KEY))
    panel.now = OFFLINE_S - 0.1
    assert panel.ask(Command.POLL) == (Reply.ACK, b"")
    panel.now += OFFLINE_S + 0.1
    assert panel.ask(Command.POLL) == (Reply.NAK, bytes((Nak.SEQUENCE,)))
    assert not panel.device.channel_up


def test_comset_is_answered_at_the_old_rate_and_holds_from_then_on() -> None:
    device = polled_to(peripheral(secure=False), 2)
    device.feed(bytes.fromhex(next(s for s in PAPER["plain"] if "COMSET" in s["name"])["command"]), 0.0)
    assert [frame.rate for frame in device.take(0.0)] == [9600]
    assert (device.address, device.rate) == (5, 38400)
    assert answer(device, Packet(5, 0, Command.POLL).to_bytes())[1] == 0x85


def test_a_power_cycle_drops_relays_and_channel_and_keeps_the_key() -> None:
    panel = connected(peripheral(key=KEY))
    panel.ask(Command.OUT, bytes((0, 2, 0, 0)))
    panel.device.notices()
    panel.device.power_cycle(1.0)
    assert [(notice.event, notice.channel) for notice in panel.device.notices()] == [("relay_off", 1)]
    assert not panel.device.channel_up
    panel.now = 1.0
    reply = panel.shake_hands()
    assert reply is not None
    assert reply.code == Reply.RMAC_I


# What it does


def test_a_pulse_ends_by_itself_when_nobody_asks_any_more() -> None:
    device = polled_to(peripheral(secure=False), 1)
    answer(device, packet("out_pulse_3_s"))
    assert [(n.event, n.channel, n.edge) for n in device.notices()] == [("relay_on", 1, True)]
    assert device.next_due() == pytest.approx(3.0)
    assert device.take(2.9) == []
    assert device.body.outputs[0].on
    device.take(3.0)
    assert [(n.event, n.channel, n.edge) for n in device.notices()] == [("relay_off", 1, True)]
    assert device.next_due() is None


@pytest.mark.parametrize(
    ("before", "code", "during", "after"),
    [
        (False, 1, False, False),
        (False, 2, True, True),
        (False, 5, True, False),
        (True, 6, False, True),
        (False, 0, False, False),
    ],
)
def test_an_output_follows_each_code(before: bool, code: int, during: bool, after: bool) -> None:
    device = peripheral(secure=False)
    device.body.out(bytes((1, 2 if before else 1, 0, 0)), 0.0)
    device.body.out(bytes((1, code, 10, 0)), 0.0)
    assert device.body.outputs[1].on is during
    device.take(1.0)
    assert device.body.outputs[1].on is after


def test_codes_3_and_4_let_a_running_timer_end_first() -> None:
    device = peripheral(secure=False)
    device.body.out(bytes((0, 5, 10, 0)), 0.0)
    device.body.out(bytes((0, 3, 0, 0)), 0.5)
    assert device.body.outputs[0].on
    device.take(1.0)
    assert not device.body.outputs[0].on


def test_lights_sounds_and_texts_are_reported_without_what_a_text_says() -> None:
    device = peripheral(secure=False)
    for sample in PAPER["acknowledged"][:3]:
        wanted = parse(bytes.fromhex(sample["command"]))
        assert wanted is not None
        polled_to(device, wanted.sequence)
        answer(device, bytes.fromhex(sample["command"]))
    assert [(n.event, n.detail) for n in device.notices()] == [
        ("led", "steady red"),
        ("led", "green for 3.0 s"),
        ("buzzer", "3 x 0.2 s"),
        ("text", "2 characters"),
    ]
    assert device.body.led.temporary == "green"
    device.take(3.0)
    assert device.body.led == Led("red")


def test_keys_come_one_by_one_with_star_and_hash_translated() -> None:
    panel = connected(peripheral(key=KEY))
    panel.device.press("1*#", 0.0)
    assert [panel.ask(Command.POLL)[1] for _ in range(3)] == [b"\0\x01\x31", b"\0\x01\x7f", b"\0\x01\x0d"]


def test_a_change_of_tamper_power_and_contacts_is_told_to_a_poll() -> None:
    panel = connected(peripheral(key=KEY))
    panel.device.set_input(0, "bad", 0.0)
    assert panel.ask(Command.POLL) == (Reply.LSTATR, b"\1\0")
    panel.device.set_input(-1, "bad", 0.0)
    panel.device.set_input(1, "closed", 0.0)
    assert [panel.ask(Command.POLL) for _ in range(3)] == [
        (Reply.LSTATR, b"\1\1"),
        (Reply.ISTATR, b"\1\0"),
        (Reply.ACK, b""),
    ]
    assert panel.ask(Command.RSTAT) == (Reply.RSTATR, b"\2")


@pytest.mark.parametrize(("number", "state"), [(3, "open"), (-2, "good"), (0, "open"), (1, "short")])
def test_an_input_that_is_not_there_is_refused(number: int, state: str) -> None:
    with pytest.raises(ValueError, match="not"):
        peripheral().set_input(number, state, 0.0)


@pytest.mark.parametrize(
    ("code", "data"),
    [
        (Command.OUT, "05 05 1E 00"),
        (Command.OUT, "00 09 00 00"),
        (Command.OUT, "00"),
        (Command.LED, "00"),
        (Command.BUZ, "00 02"),
        (Command.TEXT, "00 03 03 01 01 09 4F"),
        (Command.KEYSET, "01 05 00"),
    ],
)
def test_a_record_that_does_not_fit_is_refused(code: Command, data: str) -> None:
    panel = connected(peripheral(key=KEY))
    assert panel.ask(code, bytes.fromhex(data)) == (Reply.NAK, bytes((Nak.RECORD,)))
    assert panel.ask(Command.POLL) == (Reply.ACK, b""), "the channel goes on"


def test_an_unknown_command_is_refused() -> None:
    assert connected(peripheral(key=KEY)).ask(0x73) == (Reply.NAK, bytes((Nak.UNKNOWN_COMMAND,)))


# Security


def plain_card_with_uid() -> Any:
    return replace(plain_card(), uid=bytes.fromhex("26 DE FA E7"))


def test_a_card_is_told_only_through_the_channel() -> None:
    device = peripheral(key=KEY)
    panel = Panel(device)
    panel.plain(Command.POLL)
    device.present(plain_card_with_uid(), 0.0)
    reply = panel.plain(Command.POLL)
    assert reply is not None
    assert reply.code == Reply.ACK
    for code in (Command.LSTAT, Command.OUT, Command.LED, Command.COMSET, Command.KEYSET):
        refused = panel.plain(code, b"\0\5\x1e\0")
        assert refused is not None
        assert (refused.code, refused.data) == (Reply.NAK, bytes((Nak.SECURITY_NEEDED,)))


def test_a_card_laid_down_is_told_once_with_its_uid() -> None:
    panel = connected(peripheral(key=KEY))
    panel.device.present(plain_card_with_uid(), 0.0)
    assert panel.ask(Command.POLL) == (Reply.RAW, bytes.fromhex("00 01 20 00 26 DE FA E7"))
    assert panel.ask(Command.POLL) == (Reply.ACK, b"")
    panel.device.remove(0.0)
    assert [notice.event for notice in panel.device.notices()][-2:] == ["presented", "removed"]


def test_plain_text_in_an_open_channel_ends_it() -> None:
    panel = connected(peripheral(key=KEY))
    refused = panel.plain(Command.POLL)
    assert refused is not None
    assert (refused.code, refused.data) == (Reply.NAK, bytes((Nak.SECURITY_NEEDED,)))
    assert not panel.device.channel_up


def test_a_wrong_mac_ends_the_channel() -> None:
    panel = connected(peripheral(key=KEY))
    panel.mac = bytes(16)
    assert panel.ask(Command.POLL) == (Reply.NAK, bytes((Nak.SECURITY_NEEDED,)))
    assert not panel.device.channel_up


def test_a_panel_with_another_key_is_refused() -> None:
    panel = Panel(peripheral(key=KEY), key=bytes(16))
    reply = panel.shake_hands()
    assert reply is not None
    assert reply.code == Reply.NAK
    assert not panel.proved


def test_a_reader_with_its_own_key_refuses_the_default_key() -> None:
    reply = Panel(peripheral(key=KEY), DEFAULT_KEY, own=False).shake_hands()
    assert reply is not None
    assert (reply.code, reply.data) == (Reply.NAK, bytes((Nak.SECURITY_NEEDED,)))


def test_a_reader_without_a_key_takes_one_and_then_refuses_the_default_key() -> None:
    device = peripheral()
    panel = Panel(device, DEFAULT_KEY, own=False)
    panel.shake_hands()
    assert panel.ask(Command.KEYSET, b"\x01\x10" + KEY) == (Reply.ACK, b"")
    assert panel.ask(Command.POLL) == (Reply.ACK, b""), "the open channel goes on with the old key"
    refused = Panel(device, DEFAULT_KEY, own=False).shake_hands()
    assert refused is not None
    assert refused.code == Reply.NAK
    connected(device)


def faulty(fault: str, **options: Any) -> OsdpPeripheral:
    faults = FaultSet("osdp")
    faults.switch_on(fault, {})
    return peripheral(faults=faults, key=KEY, **options)


def test_a_reader_with_the_wrong_key_cannot_prove_itself() -> None:
    panel = Panel(faulty("wrong_key"))
    panel.shake_hands()
    assert not panel.proved


def test_a_reader_that_lost_its_key_refuses_the_own_and_takes_the_default_key() -> None:
    device = faulty("default_key")
    refused = Panel(device).shake_hands()
    assert refused is not None
    assert refused.code == Reply.NAK
    taken = Panel(device, DEFAULT_KEY, own=False).shake_hands()
    assert taken is not None
    assert taken.code == Reply.RMAC_I


def test_a_reader_that_fell_back_to_plain_text_refuses_security_and_tells_cards_openly() -> None:
    panel = Panel(faulty("plain_text"))
    refused = panel.shake_hands()
    assert refused is not None
    assert (refused.code, refused.data) == (Reply.NAK, bytes((Nak.NO_SECURITY,)))
    panel.device.present(plain_card_with_uid(), 0.0)
    told = panel.plain(Command.POLL)
    assert told is not None
    assert told.code == Reply.RAW
    capabilities = panel.plain(Command.CAP, b"\0")
    assert capabilities is not None
    assert (9, 0, 0) in [tuple(capabilities.data[at : at + 3]) for at in range(0, 30, 3)]


def test_a_replayed_session_is_the_old_one_byte_for_byte() -> None:
    faults = FaultSet("osdp")
    panel = connected(peripheral(faults=faults, key=KEY, random_bytes=random.Random(1).randbytes))
    panel.device.present(plain_card_with_uid(), 0.0)
    assert panel.ask(Command.POLL)[0] == Reply.RAW
    recorded = answer(panel.device, panel.last)
    faults.switch_on("replays_session", {}, count=1)
    again = Panel(panel.device)
    again.shake_hands()
    assert again.proved, "the same RND.A makes the same keys: an unseeded panel is fooled"
    assert answer(panel.device, Packet(1, 3, Command.POLL).to_bytes()) == recorded
    fresh = Panel(panel.device)
    faults.switch_on("replays_session", {}, count=1)
    fresh.shake_hands(bytes(8))
    assert not fresh.proved


def test_a_busy_reader_says_so_outside_the_sequence_and_acts_later() -> None:
    faults = FaultSet("osdp")
    device = polled_to(peripheral(faults=faults, secure=False), 1)
    faults.switch_on("stuck_busy", {}, count=2)
    assert [answer(device, packet("out_pulse_3_s")) for _ in range(2)] == [packet("busy")] * 2
    assert device.notices() == []
    answer(device, packet("out_pulse_3_s"))
    assert [notice.event for notice in device.notices()] == ["relay_on"]


def test_only_the_relay_that_is_meant_does_not_follow() -> None:
    faults = FaultSet("osdp")
    faults.switch_on("does_not_follow", {"channel": 2})
    panel = connected(peripheral(faults=faults, key=KEY))
    assert panel.ask(Command.OUT, bytes((1, 2, 0, 0))) == (Reply.OSTATR, b"\0\0")
    assert panel.ask(Command.OUT, bytes((0, 2, 0, 0))) == (Reply.OSTATR, b"\1\0")
    assert panel.device.relays == (True, False)


# Robustness

DIALOGUE = [bytes.fromhex(step["command"]) for step in PAPER["secure"]]
SAMPLES = DIALOGUE + [bytes.fromhex(step["command"]) for step in PAPER["plain"] + PAPER["acknowledged"]]


@pytest.mark.parametrize("cut", range(1, len(DIALOGUE[1])))
def test_a_command_is_understood_at_every_cut(cut: int) -> None:
    device = peripheral()
    answer(device, DIALOGUE[0])
    assert answer(device, DIALOGUE[1][:cut]) == b""
    assert answer(device, DIALOGUE[1][cut:]) == bytes.fromhex(PAPER["secure"][1]["reply"])


def spoiled(chance: random.Random, data: bytes) -> bytes:
    """Some bytes changed, lost, or too many."""
    spoiled = bytearray(data)
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(spoiled) + 1)
        spoiled[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
    return bytes(spoiled)


@pytest.mark.parametrize("seed", range(2))
def test_no_input_makes_it_fall_grow_or_miss_the_next_poll(seed: int) -> None:
    chance = random.Random(seed)
    device = peripheral(secure=False)
    now = 0.0
    for number in range(FUZZ_INPUTS // 2):
        now += 0.001
        device.feed(spoiled(chance, chance.choice(SAMPLES)), now)
        device.take(now)
        device.notices()
        if number % 50 == 0:
            now += PACKET_GAP_S * 2
            assert answer(device, Packet(device.address, 0, Command.POLL).to_bytes(), now)
            device = peripheral(secure=False) if device.address != 1 else device
        assert len(device._framer._buffer) < 2048


@pytest.mark.parametrize("secure", [False, True])
def test_any_command_with_any_data_is_answered_in_its_turn(secure: bool) -> None:
    chance = random.Random(11)
    samples = [wanted for raw in SAMPLES if (wanted := parse(raw)) is not None and not wanted.carries_mac]
    panel = connected(peripheral(key=KEY))
    for _ in range(FUZZ_INPUTS // 4):
        sample = chance.choice(samples)
        code = chance.randrange(256) if chance.random() < 0.1 else sample.code
        data = spoiled(chance, sample.data)
        if code in (Command.COMSET, Command.KEYSET, Command.CHLNG, Command.SCRYPT):
            continue  # they end this session
        if secure:
            reply_code, _ = panel.ask(code, data)
            assert panel.device.channel_up
            assert reply_code in set(Reply)
        else:
            panel.device._secure = False
            panel.device._channel.drop()
            reply = panel.plain(code, data)
            assert reply is not None
            assert reply.code in set(Reply)


def test_random_secured_packets_never_pass_the_mac() -> None:
    chance = random.Random(7)
    for _ in range(500):
        panel = connected(peripheral(key=KEY))
        block = bytes((chance.choice((Scs.COMMAND, Scs.COMMAND_DATA)),))
        data = chance.randbytes(chance.choice((0, 16, 32)))
        forged = Packet(
            1, panel.sequence, chance.randrange(0x60, 0xA8), data, security=block, mac=chance.randbytes(4)
        )
        reply = panel.send(forged)
        assert reply is not None
        assert (reply.code, reply.data) == (Reply.NAK, bytes((Nak.SECURITY_NEEDED,)))


def test_the_framer_gives_the_same_packets_at_every_cut() -> None:
    stream = b"\xff".join(SAMPLES)
    whole = [raw for raw, _ in Framer().feed(stream)]
    assert whole == SAMPLES
    for size in (1, 2, 3, 7, 64):
        framer = Framer()
        bounds = [*range(0, len(stream), size), len(stream)]
        pieces = [stream[start:end] for start, end in pairwise(bounds)]
        assert [raw for piece in pieces for raw, _ in framer.feed(piece)] == whole
