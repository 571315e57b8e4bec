"""What the bytes of an unknown line mean: documented, in noise, at a wrong speed; and no number is shown."""

import os
import random
from typing import Any

import pytest
from drivers_support import frame, invented_block, read_reply, vectors

from drivers.catalogue import LOCK_BOARDS, READERS
from drivers.probe_finding import Finding, Heard, Sureness, settings_block
from drivers.probe_guess import another_master, guess, leftover
from drivers.probe_meaning import HIDDEN, dissect

HEARD = vectors("probe")["heard"]
SECRET = [each for each in HEARD if "hidden" in each]
LINES = vectors("probe")["line"]
MASTERS = [bytes.fromhex(each["hex"]) for each in vectors("probe")["master"]]
FUZZ_INPUTS = int(os.environ.get("LIUHEN_FUZZ", "4000"))
RATE = 9_600


def the_bytes(each: dict[str, Any]) -> bytes:
    return bytes.fromhex(each["hex"])


def guessed(data: bytes, rate: int | None = RATE) -> Finding:
    findings = guess([Heard(rate, data)])
    assert findings, "nothing was guessed"
    return findings[0]


@pytest.mark.parametrize("each", HEARD, ids=lambda each: each["source"])
def test_a_documented_frame_is_one_piece_with_its_meaning(each: dict[str, Any]) -> None:
    (piece,) = dissect(the_bytes(each))
    assert piece.driver == each["driver"]
    assert each["says"] in piece.meaning
    assert piece.raw == the_bytes(each)


@pytest.mark.parametrize(
    "each", [each for each in HEARD if "hidden" in each], ids=lambda each: each["source"]
)
def test_what_may_be_somebodys_is_not_shown(each: dict[str, Any]) -> None:
    (piece,) = dissect(the_bytes(each))
    assert HIDDEN in piece.shown
    assert each["hidden"] not in piece.shown
    assert each["hidden"] not in repr(piece)


@pytest.mark.parametrize("each", HEARD, ids=lambda each: each["source"])
def test_a_documented_frame_is_certain_or_told_why_not(each: dict[str, Any]) -> None:
    finding = guessed(the_bytes(each))
    assert finding.driver == each["driver"]
    only_an_acknowledgement = each["hex"] == "00 00 FF 00 FF 00"
    assert finding.sureness is (Sureness.LIKELY if only_an_acknowledgement else Sureness.CERTAIN)
    assert finding.reason


@pytest.mark.parametrize("each", HEARD, ids=lambda each: each["source"])
def test_noise_around_a_frame_does_not_hide_it(each: dict[str, Any]) -> None:
    chance = random.Random(each["hex"])
    for _ in range(50):
        noise = [chance.randbytes(chance.randrange(1, 20)) for _ in range(2)]
        pieces = dissect(noise[0] + the_bytes(each) + noise[1])
        assert b"".join(piece.raw for piece in pieces) == noise[0] + the_bytes(each) + noise[1]
        assert each["driver"] in {piece.driver for piece in pieces}


@pytest.mark.parametrize("each", LINES, ids=lambda each: each["source"])
def test_a_documented_line_tells_its_reader_and_settings(each: dict[str, Any]) -> None:
    finding = guessed(the_bytes(each) * 2)
    assert finding.driver == each["driver"]
    assert dict(finding.options) == each["options"]
    assert finding.sureness is not Sureness.CERTAIN  # no check proves it


@pytest.mark.parametrize("each", LINES, ids=lambda each: each["source"])
def test_no_character_of_a_line_is_shown(each: dict[str, Any]) -> None:
    (piece,) = dissect(the_bytes(each))
    assert set(piece.shown.split()) <= {HIDDEN, "0D", "0A"}


def test_a_line_that_two_kinds_of_reader_send_is_a_guess_and_names_the_other() -> None:
    finding = guessed(b"0000123478\r\n0000123479\r\n")
    assert finding.sureness is Sureness.GUESS
    assert any('"text"' in mind for mind in finding.mind)


def test_hex_digits_without_a_letter_are_told_by_the_next_card() -> None:
    assert guessed(b"12345678\r\n").options["base"] == "decimal"
    assert "base" not in guessed(b"12345678\r\n1234ABCD\r\n").options


def test_facility_and_card_are_read_as_such() -> None:
    assert guessed(b"123,45678\r\n" * 2).options["pattern"] == "{facility},{card}"


def test_a_number_too_large_for_26_bits_is_read_as_34() -> None:
    assert guessed(b"0040856634\r\n").options == {"framing": "decimal_line", "bits": 34}


def test_a_speed_that_is_not_the_usual_one_is_written_down() -> None:
    assert guessed(the_bytes(HEARD[-1]), 19_200).options["rate"] == 19_200
    assert "rate" not in guessed(the_bytes(HEARD[-1])).options


def test_an_adapter_that_sets_the_speed_itself_leaves_it_out() -> None:
    finding = guessed(the_bytes(HEARD[-1]), None)
    assert finding.rate is None
    assert "rate" not in finding.options


def test_each_address_of_a_bus_is_a_finding() -> None:
    replies = bytes.fromhex("53 81 08 00 04 40 08 06")
    other = bytes.fromhex("53 82 07 00 01 40 E3")  # the same by checksum, address 2
    found = guess([Heard(RATE, replies + other)])
    assert [each.options["address"] for each in found] == [1, 2]
    assert [each.options["key_file"] for each in found] == ["osdp-1.key", "osdp-2.key"]


def osdp_says(code: int, data: str) -> bytes:
    """A reply of address 1 by section 6.1, with a checksum."""
    content = bytes((code,)) + bytes.fromhex(data)
    packet = bytes((0x53, 0x81, len(content) + 6, 0, 0)) + content
    return packet + bytes((-sum(packet) & 0xFF,))


@pytest.mark.parametrize(
    ("abilities", "drivers", "outputs"),
    [
        ("03 01 01 02 04 02", ["osdp", "osdp_out"], 2),  # cards, and two outputs
        ("03 01 01 02 00 00", ["osdp"], 0),
        ("02 04 04 01 01 04", ["osdp_out"], 4),  # outputs and inputs only
        ("02 04", ["osdp"], 0),  # no threes: it does not say
    ],
)
def test_an_osdp_device_is_a_reader_or_a_board_by_what_it_says_it_has(
    abilities: str, drivers: list[str], outputs: int
) -> None:
    found = guess([Heard(RATE, osdp_says(0x46, abilities))])
    assert [each.driver for each in found] == drivers
    assert sum(int(each.options["channels"]) for each in found if each.is_lock_board) == outputs


def test_a_board_tells_how_many_relays_it_has() -> None:
    board = guessed(b"CH1: OFF\r\nCH2: ON\r\nCH3: OFF\r\nCH4: OFF\r\n")
    assert (board.driver, board.is_lock_board) == ("lc_relay", True)
    assert board.options == {"channels": 4, "status_query": True}


@pytest.mark.parametrize("data", MASTERS, ids=lambda data: data.hex())
def test_somebody_elses_commands_are_noticed_and_name_no_device(data: bytes) -> None:
    assert "another program" in str(another_master([Heard(RATE, b"\x00" + data)]))
    assert guess([Heard(RATE, data)]) == []


@pytest.mark.parametrize("each", HEARD + LINES, ids=lambda each: each["source"])
def test_a_device_that_answers_is_no_master(each: dict[str, Any]) -> None:
    assert another_master([Heard(RATE, the_bytes(each))]) is None


def test_a_persons_card_is_overwritten_in_what_is_shown() -> None:
    (piece,) = dissect(read_reply(bytes(invented_block())))
    assert set(piece.shown.split("...", maxsplit=1)[0].split()[10:]) == {HIDDEN}


def test_only_the_end_of_a_cut_frame_is_missing_from_what_is_understood() -> None:
    whole = frame("reply_sam_number")
    for cut in range(1, len(whole)):
        heard = Heard(RATE, whole[:cut])
        assert guess([heard]) == []
        assert 0 < leftover(heard) <= cut


def garbled(chance: random.Random, size: int) -> bytes:
    return chance.randbytes(size)


def test_what_a_wrong_speed_makes_of_a_card_is_nearly_never_taken_for_something() -> None:
    chance = random.Random(1)
    wrong = [
        finding
        for _ in range(FUZZ_INPUTS)
        for finding in guess([Heard(RATE, garbled(chance, chance.randrange(1, 170)))])
    ]
    assert len(wrong) <= FUZZ_INPUTS / 1000


def test_anything_is_dissected_completely_and_shown_short() -> None:
    chance = random.Random(2)
    parts = [the_bytes(each) for each in HEARD + LINES] + MASTERS
    for _ in range(FUZZ_INPUTS):
        data = b"".join(
            chance.choice(parts)[chance.randrange(3) :] if chance.random() < 0.6 else garbled(chance, 9)
            for _ in range(chance.randrange(1, 5))
        )
        pieces = dissect(data)
        assert b"".join(piece.raw for piece in pieces) == data
        assert all(len(piece.shown) < 120 and len(piece.meaning) < 120 for piece in pieces)
        guess([Heard(RATE, data)])


# --- the settings to paste ---------------------------------------------------------------------------------


@pytest.mark.parametrize("each", HEARD + LINES, ids=lambda each: each["source"])
def test_what_is_printed_is_what_the_driver_takes(each: dict[str, Any]) -> None:
    finding = guessed(the_bytes(each) * 2, 19_200)
    kinds = LOCK_BOARDS if finding.is_lock_board else READERS
    if finding.driver in kinds:
        kinds[finding.driver]().settings.model_validate({"port": "/dev/ttyS0", **finding.options})


FORMS = {
    b"123,45678\r\n": "text",
    b"12345678\n": "text",
    b"0040856634\n": "text",
    b"26DEFAE7\n": "text",
    b"01026F6C3A\t": "text",
    b"04112233445566\r": "text",
    b"26DEFAE7\r": "wiegand",
    b"01026F6C3\r": "wiegand",
    b"10111101110110010011011101\r": "wiegand",
    b"\x02https://example.org/k/1\x03": "qr",
    "访客通行码-0001\r\n".encode(): "qr",
    b"6901234567892\r": "qr",
}
"""Numbers of readers.md 4.7, 5.1 and 5.2 in the forms of 5.4, and codes."""


@pytest.mark.parametrize("line", FORMS, ids=repr)
def test_each_form_of_a_line_names_a_driver_with_settings_that_it_takes(line: bytes) -> None:
    finding = guessed(line * 2)
    assert finding.driver == FORMS[line]
    READERS[finding.driver]().settings.model_validate({"port": "/dev/ttyS0", **finding.options})


def test_the_block_names_table_driver_and_port_and_says_what_to_check() -> None:
    finding = guessed(b"7BB26E\r" * 2, 4_800)
    assert settings_block(finding, "/dev/serial/by-id/x", "east-1") == (
        "[[readers]]\n"
        'name = "east-1"\n'
        'driver = "wiegand"\n'
        'port = "/dev/serial/by-id/x"\n'
        'framing = "hex_line"\n'
        "bits = 26\n"
        "rate = 4800\n"
        "# byte_order: compare a number with the one printed on its card\n"
    )
