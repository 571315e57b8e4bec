"""Virtual contactless cards and their reader: APDUs from paper, without a wire."""

import os
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from firmware_sim_support import vectors

from firmware_sim.device import Notice
from firmware_sim.vpcd_card import (
    MAX_APDU,
    ContactlessCard,
    ContactlessReader,
    id_card,
    nameless_card,
    phone,
    type_a_card,
)

UID = bytes.fromhex("26 DE FA E7")
SERIAL = bytes.fromhex("11 12 13 14 15 16 17 18")
GET_UID = bytes.fromhex("FF CA 00 00 00")
GET_SERIAL = bytes.fromhex("00 36 00 00 08")
SUCCESS_SHOWN = bytes.fromhex("FF 00 40 2E 04 01 00 01 01")
INPUTS = int(os.environ.get("LIUHEN_FUZZ", "20000"))


class Switched:
    """Faults that are on, each for one use."""

    def __init__(self, **faults: Mapping[str, object]) -> None:
        self._left = dict(faults)

    def use(self, name: str) -> Mapping[str, Any] | None:
        return self._left.pop(name, None)


def card_of(case: Mapping[str, Any]) -> ContactlessCard:
    if "chip_serial" in case:
        return id_card("C1", bytes.fromhex(case["chip_serial"]))
    if "nameless" in case:
        return nameless_card("C1")
    return type_a_card("C1", bytes.fromhex(case["uid"]))


def reader_with(
    card: ContactlessCard | None, *, faults: Switched | None = None, **options: Any
) -> ContactlessReader:
    reader = ContactlessReader(Random(1), faults=faults, **options)
    if card is not None:
        reader.present(card)
    return reader


@pytest.mark.parametrize("case", vectors("pcsc_cards")["exchange"], ids=lambda case: case["name"])
def test_an_apdu_is_answered_as_documented(case: dict[str, Any]) -> None:
    reader = reader_with(card_of(case))
    assert reader.transmit(bytes.fromhex(case["apdu"])).data == bytes.fromhex(case["answer"])


@pytest.mark.parametrize("case", vectors("pcsc_cards")["atr"], ids=lambda case: case["name"])
def test_a_card_shows_the_documented_atr(case: dict[str, Any]) -> None:
    assert reader_with(card_of(case)).atr() == bytes.fromhex(case["hex"])


def test_an_empty_reader_has_no_atr_and_fails_every_apdu() -> None:
    reader = reader_with(None)
    assert reader.atr() == b""
    assert reader.transmit(GET_UID).data == bytes.fromhex("63 00")


def test_a_phone_shows_another_random_uid_each_time_it_is_laid_down() -> None:
    reader = reader_with(phone("P1"))
    first = reader.transmit(GET_UID).data
    assert first == reader.transmit(GET_UID).data
    reader.present(phone("P1"))
    second = reader.transmit(GET_UID).data
    assert first is not None
    assert second is not None
    assert first[:1] == second[:1] == b"\x08"
    assert first != second


def test_a_reader_that_passes_nothing_raw_hides_the_chip_serial() -> None:
    reader = reader_with(id_card("C1", SERIAL), passes_raw=False)
    assert reader.transmit(GET_SERIAL).data == bytes.fromhex("6A 81")


def test_a_reader_of_another_family_knows_no_light_command() -> None:
    reader = reader_with(type_a_card("C1", UID), acr122=False)
    assert reader.transmit(SUCCESS_SHOWN).data == bytes.fromhex("6A 81")


def test_what_is_shown_is_reported_and_stays_lit() -> None:
    reader = reader_with(type_a_card("C1", UID))
    reader.notices()
    reader.transmit(SUCCESS_SHOWN)
    assert reader.leds == (False, True)
    assert reader.notices() == [
        Notice("shown", detail="lit green, blinking nothing 1 x 100 + 0 ms, 1 beeps"),
    ]
    reader.power_cycle()
    assert reader.leds == (False, False)


def test_no_card_number_stands_in_what_a_reader_reports() -> None:
    reader = reader_with(id_card("C1", SERIAL))
    for apdu in (GET_UID, GET_SERIAL, SUCCESS_SHOWN):
        reader.transmit(apdu)
    reader.remove()
    notices = reader.notices()
    assert [notice.event for notice in notices] == ["presented", "shown", "removed"]
    assert SERIAL.hex() not in str(notices).lower()


@pytest.mark.parametrize(
    ("fault", "parameters", "expected"),
    [
        pytest.param("answer_status", {"status": 0x63}, "63 00", id="failed"),
        pytest.param("answer_status", {"status": 0x6A}, "6A 81", id="not supported"),
        pytest.param("answer_status", {"status": 0x6A, "command": "FFCA"}, "6A 81", id="for this command"),
        pytest.param(
            "answer_status", {"status": 0x6A, "command": "FF00"}, "26 DE FA E7 90 00", id="not for it"
        ),
        pytest.param("zero_uid", {}, "00 00 00 00 90 00", id="all zeros"),
        pytest.param("lifted", {}, "63 00", id="lifted while it is read"),
    ],
)
def test_a_fault_is_answered_once_and_then_over(
    fault: str, parameters: dict[str, object], expected: str
) -> None:
    reader = reader_with(type_a_card("C1", UID), faults=Switched(**{fault: parameters}))
    answer = reader.transmit(GET_UID)
    assert answer.data == bytes.fromhex(expected)
    assert answer.card_left is (fault == "lifted")
    assert (reader.card is None) is answer.card_left
    reader.present(type_a_card("C1", UID))
    assert reader.transmit(GET_UID).data == UID + b"\x90\x00"


def test_a_read_that_fails_gives_no_identity() -> None:
    reader = reader_with(type_a_card("C1", UID), faults=Switched(answer_status={"status": 0x63}))
    assert [reader.transmit(GET_UID).gives_identity for _ in range(2)] == [False, True]
    assert not reader.transmit(SUCCESS_SHOWN).gives_identity


def test_a_card_with_a_random_uid_begins_with_08() -> None:
    reader = reader_with(type_a_card("C1", UID), faults=Switched(random_uid={}))
    data = reader.transmit(GET_UID).data
    assert data is not None
    assert (data[:1], len(data), data[-2:]) == (b"\x08", 6, b"\x90\x00")


@pytest.mark.parametrize(
    ("faults", "delay_s"),
    [
        pytest.param({}, 0.02, id="as usual"),
        pytest.param({"slow": {"delay_s": None, "factor": 5.0}}, 0.1, id="five times the usual"),
        pytest.param({"slow": {"delay_s": 0.5, "factor": None}}, 0.5, id="half a second"),
    ],
)
def test_a_slow_reader_takes_its_time(faults: dict[str, dict[str, object]], delay_s: float) -> None:
    reader = reader_with(type_a_card("C1", UID), faults=Switched(**faults), usual_s=0.02)
    assert reader.transmit(GET_UID).delay_s == pytest.approx(delay_s)


def test_a_silent_reader_has_no_answer() -> None:
    reader = reader_with(type_a_card("C1", UID), faults=Switched(no_answer={}))
    assert reader.transmit(GET_UID).data is None


@pytest.mark.parametrize("size", [0, 3, 5, 8, 11])
def test_a_uid_has_a_size_of_the_standard(size: int) -> None:
    with pytest.raises(ValueError, match="4, 7 or 10"):
        type_a_card("C1", bytes(size))


def test_a_chip_serial_has_eight_bytes() -> None:
    with pytest.raises(ValueError, match="8 bytes"):
        id_card("C1", b"\x01")


def test_no_apdu_makes_a_reader_fail_or_answer_without_bounds() -> None:
    rng = Random(4)
    readers = [reader_with(type_a_card("C1", UID)), reader_with(id_card("C2", SERIAL)), reader_with(None)]
    heads = [bytes.fromhex(head) for head in ("", "FF", "FFCA", "FF00", "FF0040", "FF00000004D43201", "0036")]
    for _ in range(INPUTS):
        reader = rng.choice(readers)
        data = reader.transmit(rng.choice(heads) + rng.randbytes(rng.choice((0, 1, 3, 6, 40, 300)))).data
        assert data is not None
        assert 2 <= len(data) <= MAX_APDU
        reader.notices()
