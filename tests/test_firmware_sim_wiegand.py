"""Wiegand words and four converters against the examples of the manual (readers.md 5.2)."""

from functools import reduce
from operator import xor
from typing import Any

import pytest
from firmware_sim_support import carrying, made, number_of, vectors

from firmware_sim.profiles import REAL
from firmware_sim.wiegand import SIZES, data_bits, key_burst, number, word

WORDS = [each for each in vectors("wiegand")["word"] if not each["must_fail"]]
CONVERTERS = vectors("wiegand")["converter"]
KEYS = vectors("wiegand")["key"]


@pytest.mark.parametrize("vector", WORDS, ids=lambda each: each["name"])
def test_a_word_has_the_bits_that_the_manual_prints(vector: dict[str, Any]) -> None:
    data = int(vector["number"].partition(":")[2], 16)
    assert word(vector["bits"], data) == vector["line"]
    assert number(vector["bits"], data) == vector["number"]


@pytest.mark.parametrize("size", SIZES)
def test_a_wrong_parity_is_one_bit(size: int) -> None:
    for data in (0, 1, (1 << data_bits(size)) - 1):
        right, wrong = word(size, data), word(size, data, wrong_parity=True)
        assert sum(a != b for a, b in zip(right, wrong, strict=True)) == 1


@pytest.mark.parametrize("vector", CONVERTERS, ids=lambda each: each["name"])
def test_a_converter_sends_what_the_manual_prints(vector: dict[str, Any]) -> None:
    data = int(vector["number"].partition(":")[2], 16)
    options = f'framing = "{vector["framing"]}"\nbits = {vector["bits"]}'
    tag = b"\x01" + data.to_bytes(4, "big")
    reader = made("wiegand", options)
    reader.present(carrying(em_tag=tag))
    assert reader.sent(5.0) == bytes.fromhex(vector["hex"])
    assert number_of("wiegand", options, carrying(em_tag=tag)) == ("card_number", vector["number"])


# readers.md 4.7: 26DEFAE7 is 38,57082 from its first three bytes and 222,64231 from its last.
@pytest.mark.parametrize(
    ("options", "sent", "called"),
    [
        ('take = "first"\nnotation = "facility_card"', b"03857082\r\n", "26:26DEFA"),
        ('take = "last"\nnotation = "facility_card"', b"22264231\r\n", "26:DEFAE7"),
        ("bits = 34", b"0652147431\r\n", "34:26DEFAE7"),
        ('bits = 34\nbyte_order = "reversed"', b"3891977766\r\n", "34:26DEFAE7"),
    ],
)
def test_bytes_are_chosen_and_turned_as_the_reader_is_set(options: str, sent: bytes, called: str) -> None:
    options = f'framing = "decimal_line"\nsource = "uid"\n{options}'
    card = carrying(uid=bytes.fromhex("26DEFAE7"))
    reader = made("wiegand", options)
    reader.present(card)
    assert reader.sent(1.0) == sent
    assert number_of("wiegand", options, card) == ("card_number", called)


def test_a_three_byte_number_is_turned_within_its_three_bytes() -> None:
    reader = made("wiegand", 'byte_order = "reversed"')
    reader.present(carrying(em_tag=bytes.fromhex("00007BB26E")))
    assert reader.sent(1.0) == b"6EB27B\r"


@pytest.mark.parametrize("bits", SIZES)
def test_a_framed_number_has_8_or_10_digits_and_an_lrc_over_all(bits: int) -> None:
    reader = made("wiegand", f'framing = "stx_lrc"\nbits = {bits}')
    reader.present(carrying(em_tag=bytes.fromhex("0126DEFAE7")))
    sent = reader.sent(1.0)
    assert sent[0] == 0x02
    assert sent[-2] == 0x03
    assert reduce(xor, sent) == 0
    assert len(sent) - 3 == {26: 8, 34: 8, 35: 8, 37: 10}[bits]


@pytest.mark.parametrize("vector", WORDS, ids=lambda each: each["name"])
def test_a_word_is_printed_bit_by_bit_with_its_parity(vector: dict[str, Any]) -> None:
    data = int(vector["number"].partition(":")[2], 16)
    reader = made("wiegand", f'framing = "bits_line"\nbits = {vector["bits"]}')
    reader.present(carrying(em_tag=b"\x01" + data.to_bytes(4, "big")))
    assert reader.sent(1.0) == vector["line"].encode() + b"\r\n"
    reader.fault("wrong_checksum")
    reader.remove()
    reader.present(carrying(em_tag=b"\x01" + data.to_bytes(4, "big")))
    wrong = reader.sent(1.0).decode().strip()
    assert sum(a != b for a, b in zip(wrong, vector["line"], strict=True)) == 1


def test_a_wrong_checksum_is_the_lrc() -> None:
    reader = made("wiegand", 'framing = "stx_lrc"\nbits = 34')
    reader.faults.switch_on("wrong_checksum", {})
    reader.present(carrying(em_tag=bytes.fromhex("0126DEFAE7")))
    assert reader.sent(1.0) == bytes.fromhex("02 32 36 44 45 46 41 45 37 03 70")


@pytest.mark.parametrize("vector", KEYS, ids=lambda each: each["key"])
def test_a_key_is_4_bits_or_8(vector: dict[str, str]) -> None:
    assert key_burst(vector["key"], 4) == int(vector["short"], 2)
    assert key_burst(vector["key"], 8) == int(vector["long"], 2)


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ('framing = "decimal_line"\nkey_bits = 4', bytes.fromhex("05 0A 0B")),
        ('framing = "decimal_line"\nkey_bits = 8', bytes.fromhex("A5 5A 4B")),
        ("key_bits = 4", bytes.fromhex("05 0A 0B")),
        ('framing = "stx_lrc"\nkey_bits = 8', bytes.fromhex("A5 5A 4B")),
    ],
)
def test_keys_pass_the_converter_one_by_one(options: str, sent: bytes) -> None:
    reader = made("wiegand", options)
    reader.device.press("5*#", reader.now)
    assert reader.sent(1.0) == sent
    assert [notice.detail for notice in reader.device.notices()] == ["3 keys"]


def test_a_person_takes_a_moment_between_two_keys() -> None:
    reader = made("wiegand", 'framing = "decimal_line"\nkey_bits = 4', profile=REAL)
    reader.device.press("123", reader.now)
    assert [frame.due_s for frame in reader.frames(1.0)] == pytest.approx([0.0, 0.15, 0.3])


def test_a_reader_without_keys_says_so() -> None:
    with pytest.raises(ValueError, match="no keys"):
        made("wiegand").device.press("1", 0.0)
