"""UIDs that can be a credential, and those that cannot (readers.md 4.7)."""

import random

import pytest

from drivers.uid import ALL_ZERO, RANDOM, UNFINISHED, WRONG_SIZE, refusal, uid_number, without_cascade_tags


@pytest.mark.parametrize("uid", ["26DEFAE7", "86CFD936", "04112233445566", "04112233445566778899"])
def test_a_uid_of_each_size_is_its_bytes_in_the_order_on_air(uid: str) -> None:
    assert refusal(bytes.fromhex(uid)) is None
    assert uid_number(bytes.fromhex(uid)) == uid


@pytest.mark.parametrize(
    ("uid", "cause"),
    [
        ("00000000", ALL_ZERO),
        ("00000000000000", ALL_ZERO),
        ("08A1B2C3", RANDOM),
        ("88041122", UNFINISHED),
        ("", WRONG_SIZE),
        ("26DEFA", WRONG_SIZE),
        ("0102030405060708", WRONG_SIZE),
    ],
)
def test_what_cannot_be_a_credential_is_refused(uid: str, cause: str) -> None:
    assert refusal(bytes.fromhex(uid)) == cause


def test_only_a_number_of_four_bytes_is_random_when_it_begins_with_08() -> None:
    assert refusal(bytes.fromhex("08112233445566")) is None


@pytest.mark.parametrize(
    ("given", "uid"),
    [
        ("88 041122 33445566", "04112233445566"),
        ("88 041122 88 334455 66778899", "04112233445566778899"),
        ("26DEFAE7", "26DEFAE7"),
        ("01041122 33445566", "0104112233445566"),
        ("88 041122 01 334455 66778899", "8804112201334455 66778899"),
    ],
)
def test_cascade_tags_that_a_reader_left_in_are_taken_out(given: str, uid: str) -> None:
    assert without_cascade_tags(bytes.fromhex(given)) == bytes.fromhex(uid)


def test_any_bytes_are_either_a_uid_or_refused_and_no_cause_shows_them() -> None:
    chance = random.Random(3)
    for _ in range(5000):
        data = without_cascade_tags(chance.randbytes(chance.randrange(20)))
        cause = refusal(data)
        assert (cause is None) <= (len(data) in (4, 7, 10) and any(data) and data[0] != 0x88)
        assert cause is None or len(data) < 2 or data.hex() not in cause
