"""ID numbers against the documented ones."""

from datetime import date

import pytest
from drivers_support import INVENTED_NUMBER, vectors

from drivers.errors import ProtocolViolation
from drivers.id_number import (
    born_on,
    check_citizen_number,
    check_permanent_number,
    from_legacy,
    mrz_check_digit,
)

NUMBERS = vectors("id_numbers")["number"]
CITIZENS = [each for each in NUMBERS if each["kind"] in ("resident", "permit_j", "permanent_y")]
GOOD = [each for each in CITIZENS if each["valid"]]
PERMANENT = [each for each in NUMBERS if each["kind"] == "permanent_i"]


def check_of(body: str) -> str:
    """The rule of section 3.1, written out."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return "10X98765432"[sum(int(char) * weight for char, weight in zip(body, weights, strict=True)) % 11]


@pytest.mark.parametrize("each", GOOD, ids=lambda each: str(each["number"]))
def test_documented_numbers_are_good_and_hold_their_birth_date(each: dict[str, str]) -> None:
    assert check_citizen_number(each["number"]) == each["number"]
    assert born_on(each["number"]).strftime("%Y%m%d") == each["birth_date"]


@pytest.mark.parametrize(
    "each", [e for e in CITIZENS if not e["valid"]], ids=lambda each: str(each["number"])
)
def test_documented_wrong_numbers_are_refused_without_being_repeated(each: dict[str, str]) -> None:
    with pytest.raises(ProtocolViolation) as refusal:
        check_citizen_number(each["number"])
    assert each["number"] not in str(refusal.value)
    assert check_citizen_number(each["number"][:-1] + each["expected_check"])


def test_a_small_x_is_folded() -> None:
    (number,) = {each["number"] for each in GOOD if each["number"].endswith("X")}
    assert check_citizen_number(number.lower()) == number


def test_area_codes_that_were_never_assigned_are_good() -> None:
    assert check_citizen_number(INVENTED_NUMBER) == INVENTED_NUMBER


def test_every_single_wrong_digit_and_every_swap_is_found() -> None:
    number = INVENTED_NUMBER
    wrong = {number[:at] + digit + number[at + 1 :] for at in range(18) for digit in "0123456789X"}
    wrong |= {number[:at] + number[at + 1] + number[at] + number[at + 2 :] for at in range(17)}
    for text in wrong - {number}:
        with pytest.raises(ProtocolViolation):
            check_citizen_number(text)


@pytest.mark.parametrize("born", ["19900230", "19901301", "19900100", "00000101", "19900431"])
def test_a_birth_date_that_no_calendar_has_is_refused(born: str) -> None:
    body = "000000" + born + "001"
    with pytest.raises(ProtocolViolation, match="no calendar"):
        check_citizen_number(body + check_of(body))


@pytest.mark.parametrize(
    "text", ["", " " * 18, "０" * 18, "1" * 17, "1" * 19, "X" * 18, "1" * 17 + "\n", "²" * 18]
)
def test_what_has_not_the_shape_is_refused(text: str) -> None:
    for check in (check_citizen_number, check_permanent_number, from_legacy):
        with pytest.raises(ProtocolViolation):
            check(text)


@pytest.mark.parametrize("each", PERMANENT, ids=lambda each: str(each["number"]))
def test_numbers_of_the_2017_permanent_card_are_good(each: dict[str, str]) -> None:
    number = each["number"]
    assert check_permanent_number(number.lower()) == number
    assert mrz_check_digit(number[:-1]) == number[-1]
    with pytest.raises(ProtocolViolation):
        check_permanent_number(number[:-1] + str((int(number[-1]) + 1) % 10))


def test_the_2017_number_needs_a_calendar_day_in_some_century() -> None:
    leap = "XXX0000000229" + "0"
    assert check_permanent_number(leap + mrz_check_digit(leap))
    never = "XXX0000990230" + "0"
    with pytest.raises(ProtocolViolation, match="no calendar"):
        check_permanent_number(never + mrz_check_digit(never))


@pytest.mark.parametrize(
    "each", [e for e in NUMBERS if e["kind"] == "legacy"], ids=lambda e: str(e["number"])
)
def test_old_numbers_become_what_is_documented(each: dict[str, str]) -> None:
    assert from_legacy(each["number"]) == each["converts_to"]


def test_people_over_a_hundred_were_given_their_own_sequence() -> None:
    assert born_on(from_legacy("000000" + "950101" + "996")) == date(1895, 1, 1)


def test_filler_counts_nothing_in_travel_documents() -> None:
    assert mrz_check_digit("<<<") == "0"
    assert mrz_check_digit("<A<") == "0"  # 10 x 3
