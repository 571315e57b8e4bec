"""Keys and cards at one reader: what is one presentation, and when."""

from itertools import product
from typing import get_args

import pytest
from drivers_support import tokenise
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import Assurance, CardRead, CredentialKind, pin_number
from drivers.keypad import Entry, PinMode, PinPad, PinSettings

CARD = CardRead("gate", CredentialKind.EM_TAG, "token-a", Assurance.L0, 1)
OTHER = CardRead("gate", CredentialKind.EM_TAG, "token-b", Assurance.L0, 2)
MODES: tuple[PinMode, ...] = get_args(PinMode)


def pad(mode: PinMode, max_digits: int = 6) -> PinPad:
    return PinPad(mode, max_digits, timeout_s=10.0)


def typed(keys: str, to: PinPad, now: float = 0.0) -> list[Entry]:
    return [entry for key in keys for entry in to.key(key, now)]


def test_digits_alone_end_with_the_hash_key() -> None:
    assert typed("4711#", pad("alone")) == [Entry(None, "4711")]


def test_digits_alone_end_when_they_are_as_many_as_there_can_be_and_the_hash_key_adds_nothing() -> None:
    assert typed("471100#", pad("alone")) == [Entry(None, "471100")]


def test_the_star_key_clears_what_was_typed() -> None:
    assert typed("99*4711#", pad("alone")) == [Entry(None, "4711")]


def test_a_hash_key_after_nothing_is_no_pin() -> None:
    assert typed("###*#", pad("alone")) == []


def test_half_a_pin_is_forgotten_when_time_is_over() -> None:
    keys = pad("alone")
    assert typed("47", keys) == []
    assert keys.wait_s(4.0) == 6.0
    assert keys.tick(10.0) == []
    assert keys.wait_s(10.0) is None
    assert typed("11#", keys, now=11.0) == [Entry(None, "11")]


def test_time_that_is_over_counts_even_if_nobody_looked_at_the_clock() -> None:
    keys = pad("alone")
    typed("47", keys)
    assert typed("11#", keys, now=10.0) == [Entry(None, "11")]


def test_each_key_gives_the_full_time_again() -> None:
    keys = pad("alone")
    for now, key in enumerate("4711"):
        keys.key(key, now * 9.0)
    assert keys.key("#", 36.0) == [Entry(None, "4711")]


def test_a_card_goes_at_once_where_no_pin_is_asked_for_after_it() -> None:
    for mode in ("off", "alone"):
        keys = pad(mode)
        typed("47", keys)
        assert keys.card(CARD, 1.0) == [Entry(CARD)]
        assert keys.wait_s(1.0) is None
        assert not keys.holds_card


def test_keys_mean_nothing_when_they_are_off() -> None:
    assert typed("471147114711#", pad("off")) == []


def test_a_card_and_its_pin_are_one_entry() -> None:
    keys = pad("after_card")
    assert keys.card(CARD, 0.0) == []
    assert keys.holds_card
    assert typed("4711#", keys, 3.0) == [Entry(CARD, "4711")]
    assert not keys.holds_card


def test_digits_without_a_card_before_them_mean_nothing() -> None:
    keys = pad("after_card")
    assert typed("4711#", keys) == []
    keys.card(CARD, 1.0)
    assert typed("00#", keys, 2.0) == [Entry(CARD, "00")]


def test_a_card_goes_alone_when_nobody_types() -> None:
    keys = pad("after_card")
    keys.card(CARD, 0.0)
    assert keys.tick(9.9) == []
    assert keys.tick(10.0) == [Entry(CARD)]
    assert keys.tick(20.0) == []


def test_a_card_goes_alone_when_its_pin_is_left_half_typed() -> None:
    keys = pad("after_card")
    keys.card(CARD, 0.0)
    typed("47", keys, 5.0)
    assert keys.tick(15.0) == [Entry(CARD)]


def test_a_hash_key_right_after_the_card_lets_it_go_alone() -> None:
    keys = pad("after_card")
    keys.card(CARD, 0.0)
    assert keys.key("#", 1.0) == [Entry(CARD)]


def test_the_star_key_keeps_the_card_and_gives_the_full_time_again() -> None:
    keys = pad("after_card")
    keys.card(CARD, 0.0)
    assert typed("99*", keys, 5.0) == []
    assert keys.wait_s(5.0) == 10.0
    assert typed("4711#", keys, 14.0) == [Entry(CARD, "4711")]


def test_another_card_lets_the_first_go_alone_and_takes_its_place() -> None:
    keys = pad("after_card")
    keys.card(CARD, 0.0)
    typed("47", keys, 1.0)
    assert keys.card(OTHER, 2.0) == [Entry(CARD, None)]
    assert typed("11#", keys, 3.0) == [Entry(OTHER, "11")]


def test_the_same_card_again_begins_its_pin_anew_and_is_not_told_twice() -> None:
    keys = pad("after_card")
    keys.card(CARD, 0.0)
    typed("99", keys, 1.0)
    assert keys.card(CARD, 8.0) == []
    assert typed("4711#", keys, 17.0) == [Entry(CARD, "4711")]


def test_a_card_whose_time_is_over_goes_before_the_next_one() -> None:
    keys = pad("after_card")
    keys.card(CARD, 0.0)
    assert keys.card(CARD, 10.0) == [Entry(CARD)]
    assert keys.holds_card


def test_a_lost_reader_lets_its_card_go_and_forgets_digits() -> None:
    for mode in MODES:
        keys = pad(mode)
        keys.card(CARD, 0.0)
        typed("47", keys)
        assert keys.give_up() == ([Entry(CARD)] if mode == "after_card" else [])
        assert typed("11#", keys) == ([Entry(None, "11")] if mode == "alone" else [])


def test_the_pin_after_a_card_is_tokenised_with_the_card() -> None:
    read = Entry(CARD, "4711").as_read("gate", tokenise, 99)
    assert read.pin == tokenise(CredentialKind.PIN, pin_number("token-a", "4711"))
    assert (read.token, read.kind, read.at_ns) == ("token-a", CredentialKind.EM_TAG, 99)
    assert read.pin != Entry(OTHER, "4711").as_read("gate", tokenise, 99).pin


def test_a_card_alone_is_told_as_it_was_read() -> None:
    assert Entry(CARD).as_read("gate", tokenise, 99) is CARD


def test_a_pin_alone_is_a_credential_that_anyone_can_copy() -> None:
    assert Entry(None, "4711").as_read("gate", tokenise, 7) == CardRead(
        "gate", CredentialKind.PIN, tokenise(CredentialKind.PIN, "4711"), Assurance.L0, 7
    )


def test_digits_are_shown_nowhere() -> None:
    keys = pad("after_card")
    keys.card(CARD, 0.0)
    typed("4711", keys)
    assert "4711" not in repr(keys)
    assert "4711" not in repr(Entry(None, "4711"))


def test_settings_begin_without_keys() -> None:
    assert PinSettings().pin == "off"


@given(
    st.sampled_from(MODES),
    st.lists(st.tuples(st.sampled_from([*"0123456789*#A", "", "12", CARD, OTHER]), st.floats(0, 12))),
)
def test_whatever_is_pressed_digits_are_bounded_and_no_card_is_lost_or_told_twice(
    mode: PinMode, acts: list[tuple[str | CardRead, float]]
) -> None:
    keys, now, told, shown = pad(mode), 0.0, list[Entry](), list[str]()
    for act, pause in acts:
        now += pause
        held = keys._held.token if keys._held else None
        if isinstance(act, CardRead):
            expires = keys.wait_s(now) == 0
            if expires or held != act.token:
                shown.append(act.token)
            told += keys.card(act, now)
        else:
            told += keys.key(act, now)
        assert len(keys._digits) < 6
        assert (keys.wait_s(now) is None) == (not keys.holds_card and not keys._digits)
    told += keys.give_up()
    assert [entry.card.token for entry in told if entry.card] == shown
    assert all(entry.digits is None or entry.digits.isdigit() for entry in told)


@pytest.mark.parametrize(("mode", "key"), list(product(MODES, "0#*")))
def test_every_key_has_a_meaning_in_every_mode_and_state(mode: PinMode, key: str) -> None:
    for begin in ("", "1"):
        for card in (None, CARD):
            keys = pad(mode)
            if card:
                keys.card(card, 0.0)
            typed(begin, keys)
            assert len(keys.key(key, 1.0)) <= 1
