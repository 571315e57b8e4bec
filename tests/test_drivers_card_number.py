"""Words and card numbers against the documented ones; every single wrong bit is found."""

import pytest
from drivers_support import vectors
from hypothesis import given
from hypothesis import strategies as st

from drivers.card_number import (
    FORMATS,
    MAX_BITS,
    card_number,
    data_bits,
    hex_digits,
    may_be_reversed,
    number_of_bytes,
    number_of_parts,
    number_of_word,
)
from drivers.errors import ProtocolViolation

WORDS = vectors("wiegand")["word"]
GOOD = [each for each in WORDS if not each["must_fail"]]
BAD = [each for each in WORDS if each["must_fail"]]


@pytest.mark.parametrize("each", GOOD, ids=lambda each: str(each["name"]))
def test_a_documented_word_is_its_number(each: dict[str, str]) -> None:
    bits = int(each["bits"])
    assert number_of_bytes(bits, bytes.fromhex(each["hex"])) == each["number"]
    assert number_of_word(bits, int(each["line"], 2)) == each["number"]


def test_facility_and_card_are_where_the_formats_say() -> None:
    for each in GOOD:
        assert number_of_parts(each["bits"], each.get("facility", 0), each["card"]) == each["number"]
    for bits, facility, card in ((26, 256, 1), (26, 1, 65536), (35, 4096, 1), (37, 1, 1 << 19)):
        with pytest.raises(ProtocolViolation, match="'bits'"):
            number_of_parts(bits, facility, card)


@pytest.mark.parametrize("each", BAD, ids=lambda each: str(each["name"]))
def test_a_word_with_wrong_parity_is_refused(each: dict[str, str]) -> None:
    with pytest.raises(ProtocolViolation, match="parity"):
        number_of_bytes(int(each["bits"]), bytes.fromhex(each["hex"]))


@pytest.mark.parametrize("each", GOOD, ids=lambda each: str(each["name"]))
def test_no_single_wrong_bit_goes_unseen(each: dict[str, str]) -> None:
    bits, word = int(each["bits"]), int(each["line"], 2)
    seen = 0
    for at in range(bits):
        try:
            number = number_of_word(bits, word ^ 1 << at)
        except ProtocolViolation:
            seen += 1
        else:
            assert number == each["number"]  # no parity covers the bit, and it carries nothing
    assert seen == bits


def test_the_same_card_is_the_same_number_in_words_and_digits() -> None:
    assert card_number(26, 0x7BB26E) == "26:7BB26E"
    assert card_number(26, 123478) == "26:01E256"


def test_bytes_are_turned_round_where_the_reader_sends_them_backwards() -> None:
    assert card_number(34, 0xE7FADE26, "reversed") == "34:26DEFAE7"
    assert card_number(26, 0x6EB27B, "reversed") == "26:7BB26E"
    assert [bits for bits in FORMATS if not may_be_reversed(bits)] == [37]


def test_a_word_of_another_length_is_all_data() -> None:
    assert number_of_bytes(32, bytes.fromhex("26 DE FA E7")) == "32:26DEFAE7"
    assert number_of_bytes(56, bytes.fromhex("04 11 22 33 44 55 66")) == "56:04112233445566"
    assert (data_bits(33), hex_digits(33)) == (33, 9)


@pytest.mark.parametrize(("bits", "value"), [(26, 1 << 24), (34, 1 << 32), (37, 1 << 35), (26, -1)])
def test_a_number_that_does_not_fit_is_refused(bits: int, value: int) -> None:
    with pytest.raises(ProtocolViolation, match="'bits'"):
        card_number(bits, value)


def test_zeros_are_no_credential() -> None:
    with pytest.raises(ProtocolViolation, match="zeros"):
        card_number(34, 0)
    with pytest.raises(ProtocolViolation, match="zeros"):
        number_of_word(26, 1)


@pytest.mark.parametrize("bits", [0, MAX_BITS + 1])
def test_a_word_of_impossible_length_is_refused(bits: int) -> None:
    with pytest.raises(ProtocolViolation):
        number_of_word(bits, 1)


def test_bytes_that_are_not_as_many_as_the_bits_need_are_refused() -> None:
    for data in (b"\xbd\xd9\x37", b"\xbd\xd9\x37\x40\x00"):
        with pytest.raises(ProtocolViolation):
            number_of_bytes(26, data)


def test_no_refusal_tells_the_number() -> None:
    for bits, value in ((26, 0xABCDEF01), (34, 0)):
        with pytest.raises(ProtocolViolation) as refused:
            card_number(bits, value)
        assert not {"ABCDEF01", str(0xABCDEF01)} & set(str(refused.value).upper().split())


@given(st.integers(1, MAX_BITS), st.binary(max_size=40))
def test_any_word_is_a_number_or_a_refusal(bits: int, data: bytes) -> None:
    try:
        number = number_of_bytes(bits, data)
    except ProtocolViolation:
        return
    size, digits = number.split(":")
    assert (int(size), len(digits)) == (bits, hex_digits(bits))
    assert int(digits, 16) >> data_bits(bits) == 0
