"""Packed entries are what was put in, and take little memory."""

import tracemalloc
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.packed_entries import PackedEntries, Packer
from messages.access_list import Entry

MANY = 50_000
MOST_BYTES_EACH = 120

FEW_TOKENS = [f"{number:032x}" for number in range(8)]
tokens = st.sampled_from(FEW_TOKENS) | st.binary(min_size=16, max_size=16).map(bytes.hex)
maybe_time = st.none() | st.integers(0, 2**53)
names = st.from_regex(r"[a-z0-9][a-z0-9-]{0,31}", fullmatch=True)
references = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)
any_entry = st.builds(
    Entry,
    token=tokens,
    holder=references,
    category=references,
    doors=st.lists(names.map("@{}".format) | st.just("*") | names, max_size=4).map(tuple),
    from_us=maybe_time,
    until_us=maybe_time,
    blocked=st.booleans(),
    lost=st.booleans(),
    schedule=st.none() | names,
    uses=st.none() | st.integers(1, 1_000),
    pin=st.none() | tokens,
    duress_pin=st.none() | tokens,
)
changes = st.lists(st.tuples(st.lists(any_entry, max_size=12), st.lists(tokens, max_size=4)), max_size=5)


def entry(number: int, pin: str | None = None) -> Entry:
    return Entry(f"{number:032x}", f"h-{number:05d}", "resident", ("lobby", "@garages"), pin=pin)


def packed(entries: Iterable[Entry]) -> PackedEntries:
    packer = Packer()
    packer.put(entries)
    return packer.packed()


@given(changes)
def test_they_are_what_a_dict_would_be_after_every_change(steps: list[tuple[list[Entry], list[str]]]) -> None:
    entries, expected = PackedEntries(), dict[str, Entry]()
    for put, drop in steps:
        before, had = entries, dict(expected)
        packer = entries.packer()
        packer.drop(drop)
        packer.put(put)
        entries = packer.packed()
        expected = {token: one for token, one in expected.items() if token not in drop}
        expected.update((one.token, one) for one in put)
        assert dict(entries) == expected
        assert len(entries) == len(packer) == len(expected)
        assert all(entries[token] == one for token, one in expected.items())
        assert dict(before) == had


def test_a_token_is_not_taken_for_the_same_bytes_in_a_pin_nor_the_pin_for_a_token() -> None:
    """Of 20,000 cards that have the PIN, some stand in one bucket with it whatever the hash."""
    card = entry(20_000)
    entries = packed([*(entry(number, pin=card.token) for number in range(20_000)), card])
    assert len(entries) == 20_001
    assert entries[card.token] == card
    packer = entries.packer()
    packer.drop([card.token])
    assert packer.packed().get(card.token) is None
    assert len(packer) == 20_000


@pytest.mark.parametrize(
    "token", ["", "ab", "AB" * 16, "ab " * 10 + "ab", "zz" * 16, "å" * 32, "ab" * 17], ids=repr
)
def test_what_is_no_token_is_on_no_list(token: str) -> None:
    entries = packed([Entry("ab" * 16, "h-1", "resident", ("*",))])
    assert entries.get(token) is None
    packer = entries.packer()
    packer.drop([token])
    assert len(packer) == 1


def test_fifty_thousand_take_a_tenth_of_what_objects_take() -> None:
    tracemalloc.start()
    try:
        entries = packed(entry(number, pin=f"{number:032x}") for number in range(MANY))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(entries) == MANY
    assert taken < MANY * MOST_BYTES_EACH


def test_rights_that_no_entry_has_any_more_are_forgotten() -> None:
    """A gateway that gets nothing but changes for years does not grow."""

    def of_its_own(number: int) -> Entry:
        return Entry("ab" * 16, "h-1", "visitor", (f"door-{number}",), uses=None if number else 3)

    entries = packed([of_its_own(0)])
    assert entries.any_limited()
    before = 0
    tracemalloc.start()
    try:
        for number in range(1, 1_200):
            packer = entries.packer()
            packer.put([of_its_own(number)])
            entries = packer.packed()
            if number == 1_000:
                before, _ = tracemalloc.get_traced_memory()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert dict(entries) == {"ab" * 16: of_its_own(1_199)}
    assert not entries.any_limited()
    assert after < before


def test_whether_somebody_is_limited_is_known() -> None:
    assert not PackedEntries().any_limited()
    assert not packed([entry(1)]).any_limited()
    assert packed([entry(1), Entry("ab" * 16, "h-1", "visitor", ("*",), uses=1)]).any_limited()
