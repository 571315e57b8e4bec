"""The oracle finds what is lost, doubled, untraced or out of order, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.oracle import Entry, Swipe, compare, swipes_from_events

_TOKEN = "ab" * 16
_OTHER = "cd" * 16
_SWIPE = Swipe(door="unit-1", token=_TOKEN, openings=1, read=True, disturbed=False)
_ENTRY = Entry("east", 5, 1, "unit-1", _TOKEN, granted=True, uptime_us=10, boot="b")


def test_one_opening_with_one_record_is_as_it_must_be() -> None:
    assert compare([_SWIPE], [_ENTRY]) == []


@pytest.mark.parametrize(
    ("swipes", "entries", "finding"),
    [
        pytest.param([_SWIPE], [], "lost", id="an opening without a record"),
        pytest.param([_SWIPE, _SWIPE], [_ENTRY], "lost", id="two openings with one record"),
        pytest.param([_SWIPE], [replace(_ENTRY, granted=False)], "lost", id="a denied one that opened"),
        pytest.param([_SWIPE], [replace(_ENTRY, door="unit-2")], "lost", id="a record of another door"),
        pytest.param([_SWIPE], [replace(_ENTRY, token=_OTHER)], "lost", id="a record of another card"),
        pytest.param([_SWIPE], [_ENTRY, replace(_ENTRY, seq=2)], "doubled", id="two records for one opening"),
        pytest.param([], [_ENTRY], "doubled", id="a record out of nowhere"),
        pytest.param(
            [replace(_SWIPE, disturbed=True)],
            [_ENTRY, replace(_ENTRY, seq=2), replace(_ENTRY, seq=3)],
            "doubled",
            id="more than one surplus record for one kill",
        ),
        pytest.param([replace(_SWIPE, openings=0)], [], "untraced", id="a read card without any record"),
        pytest.param(
            [_SWIPE, replace(_SWIPE, token=_OTHER)],
            [_ENTRY, replace(_ENTRY, token=_OTHER, seq=2, uptime_us=5)],
            "order",
            id="a later record with an earlier clock",
        ),
    ],
)
def test_the_oracle_names_what_is_wrong(swipes: list[Swipe], entries: list[Entry], finding: str) -> None:
    assert finding in {found.what for found in compare(swipes, entries)}


def test_a_gateway_killed_between_record_and_release_leaves_one_record_more() -> None:
    fallen = replace(_SWIPE, openings=0, disturbed=True)
    assert compare([fallen], [_ENTRY]) == []


def test_swipes_are_read_from_the_simulators_events() -> None:
    events = [
        {"n": 1, "t_ns": 10, "event": "presented", "card": "P1", "door": "unit-1", "device": "r"},
        {"n": 2, "t_ns": 20, "event": "read_sent", "card": "P1", "door": "unit-1", "device": "r"},
        {"n": 3, "t_ns": 25, "event": "relay_off", "channel": 2, "door": "unit-2", "device": "l"},
        {"n": 4, "t_ns": 30, "event": "relay_on", "channel": 1, "door": "unit-1", "device": "l"},
        {"n": 5, "t_ns": 40, "event": "removed", "card": "P1", "door": "unit-1", "device": "r"},
        {"n": 6, "t_ns": 50, "event": "presented", "card": "P2", "door": "unit-1", "device": "r"},
    ]
    tokens = {"P1": _TOKEN, "P2": _OTHER}
    first, second = swipes_from_events(events, lambda _door, card: tokens[card], {})
    assert first == _SWIPE
    assert second == Swipe("unit-1", _OTHER, openings=0, read=False, disturbed=False)
    [killed, _] = swipes_from_events(events, lambda _door, card: tokens[card], {"unit-1": [35]})
    assert killed.disturbed


def at(t_ns: int, event: str, card: str) -> dict[str, object]:
    return {"t_ns": t_ns, "event": event, "card": card, "door": "unit-1"}


@pytest.mark.parametrize(
    ("events", "openings"),
    [
        pytest.param(["P1", "read", "gone", "P2", "open", "read", "open"], [1, 1], id="late for the former"),
        pytest.param(["P1", "read", "open", "gone", "P2", "open"], [1, 1], id="the former had its answer"),
        pytest.param(["P1", "gone", "P2", "open"], [0, 1], id="the former was never read"),
        pytest.param(["P1", "read", "gone", "P2", "read", "open"], [0, 1], id="the next one was read"),
    ],
)
def test_a_door_opens_for_the_card_that_was_read(events: list[str], openings: list[int]) -> None:
    names = {"read": "read_sent", "gone": "removed", "open": "relay_on"}
    told = [at(n, names.get(word, "presented"), word) for n, word in enumerate(events)]
    found = swipes_from_events(told, lambda _door, card: card, {})
    assert [swipe.openings for swipe in found] == openings
