"""The PN532 against the frames of the manual (readers.md 4.1, 4.6, 5.3 and 9)."""

import os
from random import Random

import pytest
from firmware_sim_support import Made, carrying, made, number_of

from firmware_sim.pn532_frame import Command, CommandFinder, Signal, crc_b
from firmware_sim.profiles import REAL

WAKE_UP = bytes.fromhex("55 55") + bytes(14)
ACK = bytes.fromhex("00 00 FF 00 FF 00")
NACK = bytes.fromhex("00 00 FF FF 00 00")
ERROR = bytes.fromhex("00 00 FF 01 FF 7F 81 00")

FIRMWARE = bytes.fromhex("00 00 FF 02 FE D4 02 2A 00")
FIRMWARE_IS = bytes.fromhex("00 00 FF 06 FA D5 03 32 01 06 07 E8 00")
SAM = bytes.fromhex("00 00 FF 03 FD D4 14 01 17 00")
SAM_DONE = bytes.fromhex("00 00 FF 02 FE D5 15 16 00")
RETRY_ONCE = bytes.fromhex("00 00 FF 06 FA D4 32 05 00 01 02 F2 00")  # MxRtyPassiveActivation 2
FIELD_OFF = bytes.fromhex("00 00 FF 04 FC D4 32 01 00 F9 00")
CONFIGURED = bytes.fromhex("00 00 FF 02 FE D5 33 F8 00")
LIST_A = bytes.fromhex("00 00 FF 04 FC D4 4A 01 00 E1 00")
LIST_B = bytes.fromhex("00 00 FF 05 FB D4 4A 01 03 00 DE 00")
NOTHING = bytes.fromhex("00 00 FF 03 FD D5 4B 00 E0 00")
CARD_4 = bytes.fromhex("00 00 FF 0C F4 D5 4B 01 01 00 04 08 04 26 DE FA E7 E9 00")
CARD_7 = bytes.fromhex("00 00 FF 0F F1 D5 4B 01 01 00 44 00 07 04 11 22 33 44 55 66 2A 00")
CARD_B = bytes.fromhex("00 00 FF 12 EE D5 4B 01 01 50 00 00 00 00 D1 03 86 0C 00 80 80 01 08 1F 00")
READ_BLOCK = bytes.fromhex("00 00 FF 05 FB D4 40 01 30 04 B7 00")
EXCHANGE_GONE = bytes.fromhex("00 00 FF 03 FD D5 41 01 E9 00")
GET_SERIAL = bytes.fromhex("00 00 FF 07 F9 D4 42 00 36 00 00 08 AC 00")
RELEASE = bytes.fromhex("00 00 FF 03 FD D4 52 01 D9 00")
RELEASED = bytes.fromhex("00 00 FF 03 FD D5 53 00 D8 00")

SERIAL = bytes.fromhex("11 22 33 44 55 66 77 88")  # readers.md 9, vector 41
ID_CARD = carrying(chip_serial=SERIAL)
FOB = carrying(uid=bytes.fromhex("26 DE FA E7"))
COMMANDS = int(os.environ.get("LIUHEN_FUZZ", "3000"))


def host(*data: int) -> bytes:
    """A command frame by the rules of 5.3; the documented ones above say that the rules are right."""
    body = bytes((0xD4, *data))
    return bytes((0, 0, 0xFF, len(body), -len(body) & 0xFF)) + body + bytes((-sum(body) & 0xFF, 0))


def awake(options: str = "") -> Made:
    module = made("pn532", options)
    module.feed(WAKE_UP + SAM)
    assert module.sent() == ACK + SAM_DONE
    return module


def ask(module: Made, request: bytes) -> bytes:
    """The answer behind the ACK."""
    module.feed(request)
    sent = module.sent(1.0)
    assert sent.startswith(ACK)
    return sent.removeprefix(ACK)


def raw_type_b(module: Made) -> None:
    """Registers for type B without CRC by the chip (4.6)."""
    ask(module, host(0x32, 0x01, 0x01))
    ask(module, host(0x08, 0x63, 0x02, 0x03, 0x63, 0x03, 0x03))


def exchange(module: Made, frame: str) -> bytes:
    """InCommunicateThru of a card's frame with its CRC: status and data."""
    data = bytes.fromhex(frame)
    answer = ask(module, host(0x42, *data, *crc_b(data)))
    assert answer[5:7] == bytes.fromhex("D5 43")
    return answer[7:-2]


def test_the_frames_of_the_manual_follow_the_rules() -> None:
    assert host(0x02) == FIRMWARE
    assert host(0x4A, 1, 3, 0) == LIST_B
    assert host(0x42, 0x00, 0x36, 0x00, 0x00, 0x08) == GET_SERIAL


@pytest.mark.parametrize(
    ("data", "crc"),
    [("05 00 00", "71 FF"), ("1D 00 00 00 00 00 08 01 08", "F3 10"), ("00 36 00 00 08", "57 44")],
)
def test_crc_b_is_that_of_the_manual(data: str, crc: str) -> None:
    assert crc_b(bytes.fromhex(data)) == bytes.fromhex(crc)


@pytest.mark.parametrize(
    ("request_frame", "reply"),
    [
        (FIRMWARE, FIRMWARE_IS),
        (SAM, SAM_DONE),
        (bytes.fromhex("00 00 FF 05 FB D4 14 01 14 01 02 00"), SAM_DONE),
        (RETRY_ONCE, CONFIGURED),
        (FIELD_OFF, CONFIGURED),
        (RELEASE, RELEASED),
        (READ_BLOCK, EXCHANGE_GONE),
        (host(0x99), ERROR),
        (host(0x4A), ERROR),
        (host(0x4A, 0, 0), ERROR),
        (host(0x08, 0x63), ERROR),
    ],
)
def test_a_command_is_acknowledged_and_answered(request_frame: bytes, reply: bytes) -> None:
    assert ask(awake(), request_frame) == reply


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 64])
def test_commands_are_found_at_every_cut_and_between_noise(cut: int) -> None:
    stream = b"\x13\x00" + FIRMWARE + b"\xfe\x00\xff" + SAM[:4] + SAM + FIRMWARE[:-2] + b"\x00\x00" + RELEASE
    finder = CommandFinder()
    found = [each for at in range(0, len(stream), cut) for each in finder.feed(stream[at : at + cut])]
    assert found == [Command(0x02, b""), Command(0x14, b"\x01"), Command(0x52, b"\x01")]


def test_an_extended_frame_is_understood() -> None:
    body = bytes((0xD4, 0x00)) + bytes(260)
    length = len(body).to_bytes(2, "big")
    check = -sum(length) & 0xFF
    stream = b"\x00\x00\xff\xff\xff" + length + bytes((check,)) + body + bytes((-sum(body) & 0xFF, 0))
    assert CommandFinder().feed(stream) == [Command(0x00, bytes(260))]


def test_signals_are_told_from_commands() -> None:
    assert CommandFinder().feed(ACK + NACK) == [Signal(repeat=False), Signal(repeat=True)]


@pytest.mark.parametrize("bad", [3, 4, 5, 6, 7, -2])
def test_a_damaged_command_is_not_acknowledged(bad: int) -> None:
    damaged = bytearray(SAM)
    damaged[bad] ^= 0x01
    module = awake()
    module.feed(bytes(damaged))
    module.now += 1.0
    assert module.sent(1.0) == b""
    assert ask(module, FIRMWARE) == FIRMWARE_IS


def test_a_sleeping_chip_hears_nothing_but_its_wake_up() -> None:
    module = made("pn532")
    module.feed(FIRMWARE)
    assert module.sent(1.0) == b""
    assert module.device.describe(0.0)["state"] == "asleep"
    for value in WAKE_UP:
        module.feed(bytes((value,)))
    assert ask(module, FIRMWARE[1:]) == FIRMWARE_IS  # the last zero was the preamble


def test_a_power_dip_and_power_down_put_it_to_sleep() -> None:
    module = awake()
    module.device.power_cycle(module.now)
    module.feed(FIRMWARE)
    assert module.sent(1.0) == b""
    module = awake()
    assert ask(module, host(0x16, 0x20)) == bytes.fromhex("00 00 FF 03 FD D5 17 00 14 00")
    module.feed(FIRMWARE)
    assert module.sent(1.0) == b""


@pytest.mark.parametrize(("uid", "reply"), [("26DEFAE7", CARD_4), ("04112233445566", CARD_7)])
def test_a_type_a_card_is_listed_with_its_uid(uid: str, reply: bytes) -> None:
    module = awake()
    card = carrying(uid=bytes.fromhex(uid))
    module.present(card)
    assert ask(module, LIST_A) == reply
    assert number_of("pn532", "", card) == ("card_uid", uid)
    module.feed(LIST_A)
    assert [frame.read_of for frame in module.frames(1.0)] == [None, "P0001"]


def test_without_a_card_it_waits_until_one_comes_or_the_retries_are_over() -> None:
    module = awake()
    assert ask(module, LIST_A) == b""
    assert module.device.describe(0.0)["state"] == "waiting"
    module.present(FOB)
    assert module.sent(1.0) == CARD_4
    module.remove()
    ask(module, RETRY_ONCE)
    assert ask(module, LIST_A) == NOTHING
    assert ask(module, LIST_B) == NOTHING


def test_an_ack_of_the_host_breaks_off_the_search() -> None:
    module = awake()
    ask(module, LIST_A)
    module.feed(ACK)
    module.present(FOB)
    assert module.sent(1.0) == b""
    assert ask(module, FIRMWARE) == FIRMWARE_IS


def test_a_nack_of_the_host_has_the_answer_repeated() -> None:
    module = awake()
    ask(module, FIRMWARE)
    module.feed(NACK)
    assert module.sent(1.0) == FIRMWARE_IS


def test_an_id_card_gives_its_serial_over_raw_type_b() -> None:
    module = awake('source = "chip_serial"')
    raw_type_b(module)
    module.present(ID_CARD)
    assert exchange(module, "00 36 00 00 08") == b"\x01"  # nobody selected it
    atqb = exchange(module, "05 00 00")
    assert atqb[:13] == bytes.fromhex("00 50 00 00 00 00 D1 03 86 0C 00 80 80")
    assert exchange(module, "1D 00 00 00 00 00 08 01 08")[:2] == b"\x00\x08"
    serial = exchange(module, "00 36 00 00 08")
    assert serial == b"\x00" + SERIAL + b"\x90\x00" + crc_b(SERIAL + b"\x90\x00")
    assert number_of("pn532", 'source = "chip_serial"', ID_CARD) == ("id_card_chip", "1122334455667788")


def test_the_serial_is_given_in_the_manuals_frame_once_the_chip_adds_the_crc() -> None:
    module = awake('source = "chip_serial"\nlists_id_cards = true')
    module.present(ID_CARD)
    assert ask(module, LIST_B) == CARD_B
    module.feed(GET_SERIAL)
    acknowledged, answer = module.frames(1.0)
    assert acknowledged.data == ACK
    assert answer.data[5:-2] == bytes.fromhex("D5 43 00") + SERIAL + b"\x90\x00"
    assert answer.read_of == "P0001"


def test_an_id_card_is_not_listed_by_the_usual_module_and_is_no_type_a_card() -> None:
    module = awake('source = "chip_serial"')
    ask(module, RETRY_ONCE)
    module.present(ID_CARD)
    assert ask(module, LIST_B) == NOTHING
    assert ask(module, LIST_A) == NOTHING


def test_a_card_that_lost_its_field_must_be_selected_again() -> None:
    module = awake('source = "chip_serial"')
    raw_type_b(module)
    module.present(ID_CARD)
    exchange(module, "05 00 00")
    exchange(module, "1D 00 00 00 00 00 08 01 01")
    ask(module, FIELD_OFF)
    assert exchange(module, "05 00 00") == b"\x01"
    ask(module, host(0x32, 0x01, 0x01))
    assert exchange(module, "00 36 00 00 08") == b"\x01"
    assert exchange(module, "05 00 00")[0] == 0


def test_a_chip_that_hangs_comes_back_with_the_field() -> None:
    module = awake('source = "chip_serial"')
    module.fault("chip_hangs", count=1)
    raw_type_b(module)
    module.present(ID_CARD)

    def serial() -> bytes:
        exchange(module, "05 00 00")
        exchange(module, "1D 00 00 00 00 00 08 01 08")
        return exchange(module, "00 36 00 00 08")[:9]

    assert serial() == b"\x00" + SERIAL
    assert serial() == b"\x01"
    ask(module, FIELD_OFF)
    ask(module, host(0x32, 0x01, 0x01))
    assert serial() == b"\x00" + SERIAL


def test_wrong_registers_or_a_wrong_crc_reach_no_id_card() -> None:
    module = awake('source = "chip_serial"')
    module.present(ID_CARD)
    ask(module, host(0x32, 0x01, 0x01))
    assert exchange(module, "05 00 00") == b"\x01"
    raw_type_b(module)
    assert ask(module, host(0x42, 0x05, 0x00, 0x00, 0x71, 0xFE))[7:-2] == b"\x01"
    assert ask(module, host(0x06, 0x63, 0x02, 0x63, 0x03))[5:-2] == bytes.fromhex("D5 07 03 03")


def test_the_uids_of_faulty_cards_are_zero_random_or_two() -> None:
    module = awake()
    module.present(FOB)
    module.fault("zero_uid", count=1)
    assert ask(module, LIST_A)[13:17] == bytes(4)
    module.fault("random_uid", count=2)
    first, second = ask(module, LIST_A)[13:17], ask(module, LIST_A)[13:17]
    assert first[0] == second[0] == 0x08
    assert first != second
    module.fault("two_in_field", count=1)
    both = ask(module, host(0x4A, 2, 0))
    assert both[7] == 2
    assert ask(module, LIST_A) == CARD_4


def test_a_card_lifted_in_between_answers_no_more() -> None:
    module = awake()
    module.present(FOB)
    assert ask(module, READ_BLOCK)[7] == 0x14  # it has a key
    module.fault("lifted", count=1)
    assert ask(module, READ_BLOCK) == EXCHANGE_GONE
    assert module.device.card is None


def test_a_stuck_chip_acknowledges_and_stays_silent() -> None:
    module = awake()
    module.fault("stuck_busy")
    assert ask(module, FIRMWARE) == b""
    module.faults.clear()
    assert ask(module, FIRMWARE) == FIRMWARE_IS


def test_a_real_chip_takes_its_time() -> None:
    module = made("pn532", profile=REAL)
    module.feed(WAKE_UP + FIRMWARE)
    assert [frame.due_s for frame in module.frames(1.0)] == pytest.approx([0.002, 0.007])


def test_any_bytes_leave_it_alive() -> None:
    rng = Random(532)
    module = awake()
    pieces = [FIRMWARE, SAM, LIST_A, LIST_B, GET_SERIAL, ACK, NACK, WAKE_UP, host(0x08, 0x63, 0x02, 0x83)]
    for _ in range(COMMANDS):
        piece = bytearray(rng.choice(pieces) if rng.random() < 0.7 else rng.randbytes(rng.randrange(40)))
        if piece and rng.random() < 0.3:
            piece[rng.randrange(len(piece))] = rng.randrange(256)
        module.feed(bytes(piece))
        if rng.random() < 0.1:
            module.device.present(rng.choice((FOB, ID_CARD)), module.now)
        module.frames(0.01)
    module.now += 1.0
    module.device.power_cycle(module.now)
    module.feed(WAKE_UP)
    assert ask(module, FIRMWARE) == FIRMWARE_IS
