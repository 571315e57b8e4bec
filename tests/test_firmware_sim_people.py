"""Invented people: valid in form, impossible in fact, the same for the same seed."""

from collections import Counter
from typing import Any

import pytest
from firmware_sim_support import vectors

from firmware_sim.cards import Layout, field_at
from firmware_sim.people import check_character, make_people, old_check_digit

NUMBERS = vectors("id_numbers")["number"]
LONG = [each for each in NUMBERS if len(each["number"]) == 18]


@pytest.mark.parametrize("vector", LONG, ids=lambda vector: vector["number"][-5:])
def test_the_18th_character_agrees_with_the_documented_numbers(vector: dict[str, Any]) -> None:
    number = vector["number"]
    assert check_character(number[:17]) == vector.get("expected_check", number[17])
    assert (check_character(number[:17]) == number[17]) is vector["valid"]


@pytest.mark.parametrize("vector", [each for each in NUMBERS if each["kind"] == "permanent_i"])
def test_the_15th_digit_agrees_with_the_documented_numbers(vector: dict[str, Any]) -> None:
    assert old_check_digit(vector["number"][:14]) == vector["number"][14]


def test_the_same_seed_gives_the_same_people_and_another_seed_others() -> None:
    assert make_people(50, seed=7) == make_people(50, seed=7)
    assert {p.id_number for p in make_people(50, seed=7)} != {p.id_number for p in make_people(50, seed=8)}


def test_a_larger_crowd_begins_with_the_smaller_one() -> None:
    assert make_people(100, seed=7)[:30] == make_people(30, seed=7)


def test_numbers_are_unique_and_references_run_on() -> None:
    people = make_people(2000, seed=1)
    assert len({person.id_number for person in people}) == 2000
    assert [person.ref for person in people[:3]] == ["P0001", "P0002", "P0003"]
    assert people[-1].ref == "P2000"
    assert all(person.ref == person.card.ref for person in people)


def test_most_are_residents_and_every_layout_is_there() -> None:
    layouts = Counter(person.card.layout for person in make_people(200, seed=1))
    assert set(layouts) == set(Layout)
    assert layouts[Layout.RESIDENT] == 170


def test_no_number_can_have_been_issued_and_every_check_is_right() -> None:
    heads = {
        Layout.RESIDENT: ("000000",),
        Layout.PERMIT_J: ("810000", "820000", "830000"),
        Layout.FOREIGNER_I: ("XXX0000",),
        Layout.FOREIGNER_Y: ("900000",),
    }
    for person in make_people(400, seed=2):
        number = person.id_number
        assert number.startswith(heads[person.card.layout])
        if person.card.layout is Layout.FOREIGNER_I:
            assert len(number) == 15
            assert old_check_digit(number[:14]) == number[14]
        else:
            assert len(number) == 18
            assert check_character(number[:17]) == number[17]


def test_the_card_carries_number_birth_date_and_sex_of_its_person() -> None:
    for person in make_people(100, seed=2):
        card, number = person.card, person.id_number

        def text(name: str, block: bytes = card.text, layout: Layout = card.layout) -> str:
            return block[field_at(layout, name)].decode("utf-16-le").rstrip()

        assert text("id_number") == number
        born = number[7:13] if card.layout is Layout.FOREIGNER_I else number[6:14]
        assert text("birth_date").endswith(born)
        assert (text("sex") == "1") is (int(number[-2]) % 2 == 1)


def test_names_and_numbers_stay_out_of_what_is_printed() -> None:
    for person in make_people(40, seed=1):
        assert repr(person) == f"Person(ref='{person.ref}')"


@pytest.mark.parametrize("count", [-1, 100_001])
def test_an_impossible_count_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="people: 0 to 100000"):
        make_people(count, seed=1)
