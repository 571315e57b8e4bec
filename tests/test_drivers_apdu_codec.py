"""Answers, ATRs and cards against the documented ones (readers.md 4, 9)."""

import os
import random
from collections.abc import Callable
from typing import Any

import pytest
from drivers_support import vectors

from drivers import pcsc_card, uid
from drivers.apdu_codec import (
    GET_CHIP_SERIAL,
    GET_UID,
    HOLD_STILL,
    MAX_ANSWER,
    CardClass,
    card_class,
    light_and_sound,
    parse_answer,
)
from drivers.base import CredentialKind, Indication
from drivers.errors import ProtocolViolation
from drivers.pcsc_card import Found, Missed, Refused, identify

INPUTS = int(os.environ.get("LIUHEN_FUZZ", "20000"))
ANSWERS = vectors("pcsc")["answer"]
ATRS = vectors("pcsc")["atr"]
LIGHTS = [bytes.fromhex(each["hex"]) for each in vectors("pcsc")["light"]]
TYPE_A, ID_CARD = (bytes.fromhex(ATRS[at]["hex"]) for at in (0, 3))
PLAIN = bytes.fromhex("3B 80 80 01 01")
UID_ANSWER, ZEROS, NO_UID, SERIAL, FAILED = (each["hex"] for each in ANSWERS)


def card(uid_answer: str, chip_answer: str = "6D 00") -> Callable[[bytes], bytes]:
    answers = {GET_UID: uid_answer, GET_CHIP_SERIAL: chip_answer}
    return lambda apdu: bytes.fromhex(answers[apdu])


@pytest.mark.parametrize("each", ANSWERS, ids=lambda each: str(each["name"]))
def test_a_documented_answer_is_its_data_and_status(each: dict[str, Any]) -> None:
    answer = parse_answer(bytes.fromhex(each["hex"]))
    assert (answer.data, answer.status) == (bytes.fromhex(each["data"]), each["status"])


def test_the_commands_are_the_documented_ones() -> None:
    assert {bytes.fromhex(each["command"]) for each in ANSWERS} == {GET_UID, GET_CHIP_SERIAL}


@pytest.mark.parametrize("received", [b"", b"\x90", bytes(MAX_ANSWER + 1)])
def test_what_is_no_answer_is_said_so(received: bytes) -> None:
    with pytest.raises(ProtocolViolation, match="no whole answer"):
        parse_answer(received)


def test_an_answer_shows_no_number() -> None:
    assert "26" not in repr(parse_answer(bytes.fromhex(UID_ANSWER)))
    assert "26DEFAE7" not in repr(identify(TYPE_A, card(UID_ANSWER)))


@pytest.mark.parametrize("each", ATRS, ids=lambda each: str(each["name"]))
def test_a_documented_atr_is_its_class(each: dict[str, str]) -> None:
    assert card_class(bytes.fromhex(each["hex"])) is CardClass[each["class"]]


def test_a_damaged_atr_tells_nothing() -> None:
    for at in range(1, len(TYPE_A)):
        damaged = TYPE_A[:at] + bytes((TYPE_A[at] ^ 0x10,)) + TYPE_A[at + 1 :]
        assert card_class(damaged) is CardClass.UNKNOWN
    assert card_class(b"") is CardClass.UNKNOWN


@pytest.mark.parametrize("standard", [0x09, 0x0C, 0x11])
def test_a_card_of_another_standard_is_refused_unasked(standard: int) -> None:
    body = bytearray(TYPE_A)
    body[12] ^= standard ^ 0x03
    body[12], body[-1] = standard, body[-1] ^ standard ^ 0x03  # TCK follows
    assert card_class(bytes(body)) is CardClass.OTHER
    assert identify(bytes(body), card("")) == Refused(pcsc_card.NOT_TYPE_A)


@pytest.mark.parametrize("number", ["26DEFAE7", "04112233445566", "04112233445566778899"])
@pytest.mark.parametrize("atr", [TYPE_A, PLAIN], ids=["storage card", "part 4"])
def test_a_type_a_card_is_its_uid(atr: bytes, number: str) -> None:
    assert identify(atr, card(number + "9000")) == Found(CredentialKind.CARD_UID, number)


def test_a_uid_with_its_cascade_tag_is_the_uid() -> None:
    assert identify(TYPE_A, card("88 04112233445566 9000")) == Found(
        CredentialKind.CARD_UID, "04112233445566"
    )


def test_a_resident_id_card_is_its_chip_s_serial() -> None:
    for first in (ZEROS, NO_UID):
        found = identify(ID_CARD, card(first, SERIAL))
        assert found == Found(CredentialKind.ID_CARD_CHIP, "1122334455667788")


@pytest.mark.parametrize("answer", ["6A 81", "6D 00", "6E 00", "68 00", "90 00", "11 22 90 00"])
def test_a_reader_that_keeps_the_id_card_s_command_to_itself_is_told(answer: str) -> None:
    assert identify(ID_CARD, card(ZEROS, answer)) == Refused(pcsc_card.NOT_PASSED_ON)


@pytest.mark.parametrize(
    ("atr", "answer", "cause"),
    [
        (TYPE_A, "00 00 00 00 90 00", uid.ALL_ZERO),
        (TYPE_A, "08 11 22 33 90 00", uid.RANDOM),
        (PLAIN, "08 11 22 33 90 00", uid.RANDOM),
        (TYPE_A, "88 04 11 22 90 00", uid.UNFINISHED),
        (TYPE_A, "90 00", uid.WRONG_SIZE),
        (ID_CARD, "26 DE FA E7 90 00", pcsc_card.TYPE_B_NUMBER),
    ],
)
def test_a_number_that_is_no_card_s_own_is_refused(atr: bytes, answer: str, cause: str) -> None:
    assert identify(atr, card(answer)) == Refused(cause)


def test_a_chip_that_gives_zeros_is_refused() -> None:
    assert identify(ID_CARD, card(ZEROS, "00 00 00 00 00 00 00 00 90 00")) == Refused(uid.ALL_ZERO)


def test_a_card_that_left_is_to_be_held_still() -> None:
    assert identify(TYPE_A, card(FAILED)) == Missed(HOLD_STILL)
    assert identify(ID_CARD, card(ZEROS, FAILED)) == Missed(pcsc_card.CHIP_NOT_READ)


def test_a_reader_that_wants_another_length_is_asked_with_it() -> None:
    asked = []

    def transmit(apdu: bytes) -> bytes:
        asked.append(apdu)
        return bytes.fromhex("6C 04" if len(asked) == 1 else UID_ANSWER)

    assert identify(TYPE_A, transmit) == Found(CredentialKind.CARD_UID, "26DEFAE7")
    assert asked == [GET_UID, bytes.fromhex("FF CA 00 00 04")]


def test_each_indication_has_its_own_light_of_at_most_a_second() -> None:
    commands = [light_and_sound(signal) for signal in Indication]
    assert len(set(commands)) == len(commands)
    assert LIGHTS[1] in commands
    for command in commands:
        assert command[:3] == LIGHTS[0][:3]
        first, second, times = command[5:8]
        assert (first + second) * times <= 10  # tenths of a second


def test_no_answer_whatever_it_is_makes_the_reading_fall() -> None:
    chance = random.Random(5)
    atrs = [bytes.fromhex(each["hex"]) for each in ATRS]
    good = [bytes.fromhex(each["hex"]) for each in ANSWERS]

    def transmit(_apdu: bytes) -> bytes:
        data = bytearray(chance.choice(good) if chance.random() < 0.7 else chance.randbytes(12))
        if data and chance.random() < 0.5:
            data[chance.randrange(len(data))] = chance.getrandbits(8)
        return bytes(data[: chance.randrange(len(data) + 1)] if chance.random() < 0.2 else data)

    for _ in range(INPUTS):
        atr = chance.choice(atrs) if chance.random() < 0.8 else chance.randbytes(chance.randrange(34))
        finding = identify(atr, transmit)
        if isinstance(finding, Found):
            sizes = (16,) if finding.kind is CredentialKind.ID_CARD_CHIP else (8, 14, 20)
            assert len(finding.number) in sizes
            assert finding.number.strip("0")
