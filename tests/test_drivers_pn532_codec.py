"""The PN532's frames against the documented ones, cut and disturbed in every way."""

from itertools import pairwise

import pytest
from drivers_support import vectors
from pn532_support import ACK, ID_CARD, WAKE_UP, said, sent

from drivers import pn532_codec as codec
from drivers.errors import ProtocolViolation
from drivers.pn532_codec import Answer, FrameParser, Signal, Status

COMMANDS = [value for value in vars(codec).values() if isinstance(value, codec.Command)]
DIALOGUES = {each["name"]: b"".join(map(said, each["chip"])) for each in vectors("pn532")["dialogue"]}
each_dialogue = pytest.mark.parametrize("stream", DIALOGUES.values(), ids=list(DIALOGUES))


def parsed(*pieces: bytes) -> list[Signal | tuple[int, bytes]]:
    parser = FrameParser()
    frames = [frame for piece in pieces for frame in parser.feed(piece)]
    return [(each.code, each.data) if isinstance(each, Answer) else each for each in frames]


def data_of(name: str) -> bytes:
    (answer,) = FrameParser().feed(said(name))
    assert isinstance(answer, Answer)
    return answer.data


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_is_framed_as_documented(command: codec.Command) -> None:
    assert command.frame == sent(command.name)


def test_every_documented_command_is_ours() -> None:
    assert {each["name"] for each in vectors("pn532")["command"]} == {each.name for each in COMMANDS}


def test_waking_and_breaking_off_are_as_documented() -> None:
    assert codec.WAKE_UP == WAKE_UP
    assert codec.ACK_FRAME == ACK


@pytest.mark.parametrize("name", ["ACK", "NACK", "ERROR"])
def test_frames_without_content_are_told_apart(name: str) -> None:
    assert parsed(said(name)) == [Signal[name]]


def test_the_version_is_told_in_words() -> None:
    assert codec.firmware_text(data_of("firmware version")) == "PN532 firmware 1.6"


@pytest.mark.parametrize("data", [b"", b"\x32", bytes(5)])
def test_a_version_of_a_wrong_length_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        codec.firmware_text(data)


@pytest.mark.parametrize(
    ("name", "uids"),
    [
        ("no card", []),
        ("type A, 4 bytes", ["26DEFAE7"]),
        ("type A, 7 bytes", ["04112233445566"]),
        ("type A, 10 bytes", ["04112233445566778899"]),
        ("type A with ATS", ["86CFD936"]),
        ("type A, all zero", ["00000000"]),
        ("two of type A", ["26DEFAE7", "86CFD936"]),
    ],
)
def test_listed_cards_are_read_by_their_uids(name: str, uids: list[str]) -> None:
    assert codec.parse_type_a(data_of(name)) == [bytes.fromhex(uid) for uid in uids]


@pytest.mark.parametrize("name", ["type A, 4 bytes", "type A, 7 bytes", "two of type A"])
def test_a_list_without_any_one_of_its_zeros_is_refused(name: str) -> None:
    """The check byte does not notice a lost zero: what follows moves up, the last zero takes its place."""
    data = data_of(name)
    for at in (at for at, byte in enumerate(data) if byte == 0):
        with pytest.raises(ProtocolViolation):
            codec.parse_type_a(data[:at] + data[at + 1 :] + b"\x2a")


@pytest.mark.parametrize("name", ["type A, 4 bytes", "type A, 7 bytes", "two of type A"])
def test_a_list_that_is_cut_short_is_refused(name: str) -> None:
    data = data_of(name)
    for length in range(len(data)):
        with pytest.raises(ProtocolViolation):
            codec.parse_type_a(data[:length])


def test_an_exchange_tells_a_silent_card_from_a_damaged_answer() -> None:
    assert codec.parse_exchange(data_of("card silent")).status is Status.TIME_OUT
    assert codec.parse_exchange(data_of("card's answer damaged")).status is Status.DAMAGED
    with pytest.raises(ProtocolViolation):
        codec.parse_exchange(b"")


def test_an_id_card_is_known_by_its_zeros() -> None:
    atqb, other = (codec.parse_exchange(data_of(name)).data for name in ("ATQB", "ATQB of another card"))
    assert codec.is_id_card(atqb)
    assert codec.is_atqb(other)
    assert not codec.is_id_card(other)
    assert not codec.is_atqb(atqb[:-1])
    assert not codec.is_atqb(b"\x51" + atqb[1:])


def test_the_chip_serial_is_the_eight_bytes_of_a_good_answer() -> None:
    good = codec.parse_exchange(data_of(ID_CARD["chip serial"])).data
    assert codec.chip_serial(good) == bytes.fromhex("1122334455667788")
    assert codec.chip_serial(good[:-2] + b"\x6a\x81") is None
    assert codec.chip_serial(good[1:]) is None
    assert codec.chip_serial(codec.parse_exchange(data_of("chip serial, all zero")).data) is None


@each_dialogue
def test_a_dialogue_is_the_same_at_every_cut(stream: bytes) -> None:
    whole = parsed(stream)
    assert whole.count(Signal.ACK) == len(whole) / 2
    for at in range(len(stream) + 1):
        assert parsed(stream[:at], stream[at:]) == whole
    assert parsed(*(stream[at : at + 1] for at in range(len(stream)))) == whole


@each_dialogue
def test_a_dialogue_cut_short_at_any_byte_makes_nothing_up(stream: bytes) -> None:
    whole = parsed(stream)
    lengths = [len(parsed(stream[:at])) for at in range(len(stream) + 1)]
    assert all(parsed(stream[:at]) == whole[:length] for at, length in enumerate(lengths))
    assert all(0 <= after - before <= 1 for before, after in pairwise(lengths))


@each_dialogue
def test_a_flipped_bit_never_makes_another_answer(stream: bytes) -> None:
    whole = parsed(stream)
    for at in range(len(stream)):
        for bit in range(8):
            damaged = bytearray(stream)
            damaged[at] ^= 1 << bit
            for each in parsed(bytes(damaged)):
                assert each in whole or each in (Signal.ACK, Signal.NACK)


@pytest.mark.parametrize("name", [each["name"] for each in vectors("pn532")["answer"]])
def test_a_lost_byte_never_makes_another_answer(name: str) -> None:
    """Nothing follows an answer before the next command, so a frame that lost a zero is not complete."""
    for at in range(len(said(name))):
        assert parsed(said(name)[:at], said(name)[at + 1 :]) in ([], parsed(said(name)))


@pytest.mark.parametrize(
    "noise", ["FF FF", "00 FF", "00 00 FF", "55 55", "00 00 FF 02", "00 00 FF 05 FA", "AA AA"]
)
def test_a_frame_behind_noise_is_found(noise: str) -> None:
    expected = parsed(said("type A, 4 bytes"))
    assert parsed(bytes.fromhex(noise) + said("type A, 4 bytes")) == expected


def test_our_own_command_given_back_by_the_line_is_no_answer() -> None:
    parser = FrameParser()
    assert parser.feed(sent("list type A") + ACK) == [Signal.ACK]
    assert parser.echoed == 1


def test_a_long_frame_is_read() -> None:
    """The extended form by its sums: 01 04 FB, 260 bytes; D5 41 00 and 257 times 5A give DCS 90."""
    body = bytes.fromhex("D5 41 00") + b"\x5a" * 257
    check = 0x100 - (0xD5 + 0x41 + 0x5A * 257) % 0x100
    stream = bytes.fromhex("00 00 FF FF FF 01 04 FB") + body + bytes((check, 0))
    assert parsed(stream) == [(0x41, body[2:])]
    assert parsed(stream[:100], stream[100:]) == [(0x41, body[2:])]


def test_a_length_that_no_frame_has_is_not_waited_for() -> None:
    impossible = bytes.fromhex("00 00 FF FF FF FF FF 02")
    assert parsed(impossible + said("no card")) == parsed(said("no card"))


def test_nothing_that_is_printed_shows_a_number() -> None:
    shown = repr(FrameParser().feed(said("type A, 4 bytes")))
    shown += repr(codec.parse_exchange(data_of("chip serial")))
    assert "Answer(4B, 10 bytes)" in shown
    assert "26de" not in shown.lower()
    assert "1122" not in shown
