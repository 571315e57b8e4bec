"""What chaos draws, what it excuses, and what it takes for wrong, for recovered, and for no proof."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from bench.chaos_faults import Hit
from bench.chaos_judge import (
    disorders,
    late,
    opened_in,
    policy_findings,
    proves_nothing,
    recorded_against_policy,
    recoveries,
    unrecordable,
)
from bench.chaos_plan import DISK_TROUBLE, TRACKS, Fault, What, drawn
from bench.oracle import Entry, Finding, Swipe, compare, swipes_from_events
from bench.plan import Building, Door

S = 1_000_000_000
TOKEN = "ab" * 16
EAST = Building(
    "east",
    "东楼",
    (
        Door("admits", "门一", when_not_recordable="admit_listed"),
        Door("denies", "门二", when_not_recordable="deny"),
    ),
)
WEST = Building("west", "西楼", (Door("west-1", "门三"),))
STRANGERS = frozenset({"P9"})


def hit(what: What, begun_s: float, over_s: float, *, stood: bool = False, real: bool = True) -> Hit:
    begun, over = int(begun_s * S), int(over_s * S)
    fault = Fault(what, "east", "admits", after_s=0.0, lasts_s=1.0)
    return Hit(fault, begun, over, real, ((begun, over),) if stood else ())


def event(at_s: float, what: str, door: str, card: str = "P1") -> dict[str, object]:
    return {"t_ns": int(at_s * S), "event": what, "door": door, "card": card}


def swiped(door: str, laid_s: float, opened_s: float | None, card: str = "P1") -> list[dict[str, object]]:
    opened = [] if opened_s is None else [event(opened_s, "relay_on", door)]
    return [event(laid_s, "presented", door, card), event(laid_s, "read_sent", door, card), *opened]


# What is drawn.


def test_a_seed_gives_the_same_faults_again() -> None:
    every = list(What)
    first, again = (list(drawn(Random(3), (EAST, WEST), 20, every)) for _ in range(2))
    assert first == again
    assert first != list(drawn(Random(4), (EAST, WEST), 20, every))


def test_each_round_has_a_fault_of_every_track_and_a_short_run_meets_each_kind() -> None:
    rounds = list(drawn(Random(3), (EAST, WEST), 4, list(What)))
    assert [len(faults) for faults in rounds] == [len(TRACKS)] * 4
    assert {fault.what for faults in rounds for fault in faults} == set(What)


def test_what_is_not_possible_is_not_drawn() -> None:
    rounds = list(drawn(Random(3), (EAST, WEST), 4, [What.CENTRE_KILLED, What.CLOCK_STEPPED]))
    assert [{fault.what for fault in faults} for faults in rounds] == [
        {What.CENTRE_KILLED, What.CLOCK_STEPPED}
    ] * 4


def test_a_disk_whose_power_is_cut_has_no_other_trouble_in_that_round() -> None:
    for faults in drawn(Random(3), (EAST, WEST), 300, list(What)):
        cut = {fault.building for fault in faults if fault.what is What.POWER_CUT}
        assert not any(fault.building in cut for fault in faults if fault.what in DISK_TROUBLE)


# What is excused.


def found(hits: list[Hit], events: list[dict[str, object]]) -> set[str]:
    """What the oracle says where nothing at all was recorded."""
    excuses = disorders(hits, opened_in(events), (EAST,), STRANGERS)
    swipes = swipes_from_events(events, lambda _door, _card: TOKEN, {}, excuses)
    return {finding.what for finding in compare(swipes, [])}


FULL, KILLED = hit(What.DISK_FULL, 10, 14), hit(What.GATEWAY_KILLED, 16, 17)


def test_a_record_in_memory_may_fall_with_the_process_at_the_door_that_admits_unrecorded() -> None:
    assert found([FULL, KILLED], swiped("admits", 12, 12.1)) == set()


@pytest.mark.parametrize(
    ("hits", "events"),
    [
        pytest.param([FULL, KILLED], swiped("denies", 12, 12.1), id="the door that opens for nobody then"),
        pytest.param([FULL, KILLED], swiped("admits", 12, 12.1, "P9"), id="a stranger"),
        pytest.param([FULL, KILLED], swiped("admits", 9, 9.1), id="before the trouble"),
        pytest.param([FULL, KILLED], swiped("admits", 18, 18.1), id="after the kill"),
        pytest.param([FULL], swiped("admits", 12, 12.1), id="nobody was killed"),
        pytest.param([KILLED], swiped("admits", 12, 12.1), id="the disk was good"),
        pytest.param(
            [hit(What.DISK_FULL, 20, 22), KILLED], swiped("admits", 12, 12.1), id="killed before it"
        ),
        pytest.param([hit(What.POWER_CUT, 20, 21)], swiped("admits", 12, 12.1), id="stored before a cut"),
    ],
)
def test_any_other_opening_without_a_record_is_a_loss(
    hits: list[Hit], events: list[dict[str, object]]
) -> None:
    assert "lost" in found(hits, events)


def test_after_it_was_made_up_for_a_kill_excuses_nothing() -> None:
    """The strict door has opened after the trouble and before the kill: everything was recorded by then."""
    made_up = event(15, "relay_on", "denies")
    assert "lost" in found([FULL, KILLED], [*swiped("admits", 12, 12.1), made_up])


def test_between_the_cut_and_the_end_of_the_process_the_policy_of_a_failing_disk_holds() -> None:
    assert found([hit(What.POWER_CUT, 20, 21)], swiped("admits", 20.2, 20.3)) == set()


def test_a_card_read_over_a_broken_cable_need_not_have_arrived() -> None:
    unread = swiped("admits", 12, None)
    assert found([], unread) == {"untraced"}
    assert found([hit(What.READER_BABBLES, 11, 13)], unread) == set()


# The declared policy.

FAILS = hit(What.DISK_FAILS, 10, 16, stood=True)


def policies(events: list[dict[str, object]], *more: Hit) -> list[str]:
    return [each.text for each in policy_findings([FAILS, *more], events, (EAST,), STRANGERS)]


def test_while_nothing_can_be_recorded_each_door_follows_its_policy() -> None:
    events = [*swiped("admits", 12, 12.1), *swiped("denies", 12.2, None), *swiped("admits", 12.5, None, "P9")]
    assert policies(events) == []


def test_breaches_of_the_policy_are_named() -> None:
    assert policies(swiped("denies", 12, 12.1)) == ["door denies: opened while nothing could be recorded"]
    assert policies(swiped("admits", 12, 12.1, "P9")) == [
        "door admits: let a stranger in while nothing could be recorded"
    ]
    assert policies(swiped("admits", 12, None)) == [
        "door admits: kept enrolled people out while nothing could be recorded"
    ]


def test_a_cable_that_is_broken_too_excuses_a_shut_door_and_no_open_one() -> None:
    babble = hit(What.READER_BABBLES, 11, 13)
    assert policies(swiped("admits", 12, None), babble) == []
    assert policies(swiped("admits", 12, 12.1, "P9"), babble) != []


def test_what_is_certainly_not_recordable_begins_a_little_later_and_ends_with_the_process() -> None:
    assert unrecordable([FAILS], "east") == [(11 * S, 16 * S)]
    assert unrecordable([FAILS, hit(What.GATEWAY_KILLED, 13, 14)], "east") == [(11 * S, 13 * S)]
    assert unrecordable([FAILS], "west") == []


def test_a_record_of_an_unrecorded_entry_at_a_strict_door_is_a_breach() -> None:
    kinds = Counter({("denies", "access_granted", "listed_unrecorded"): 2})
    assert recorded_against_policy(kinds, (EAST,)) == [Finding("policy", "door denies: let 2 in unrecorded")]


def test_a_record_made_after_its_door_had_opened_is_late() -> None:
    swipe = Swipe("denies", TOKEN, 1, read=True, disturbed=False, opened_ns=(5 * S,))
    boot_ns = 100 * S  # the machine slept
    entry = Entry("east", 1, 1, "denies", TOKEN, granted=True, uptime_us=105_000_001, boot="b")
    assert [each.what for each in late([swipe], [entry], boot_ns)] == ["late"]
    assert late([swipe], [entry], boot_ns + 1_000) == []


# Recovery.


def test_each_fault_is_over_when_what_it_had_hit_works_again() -> None:
    opened = {"admits": [9 * S, 20 * S], "denies": [18 * S]}
    commits = [(9 * S, 5), (12 * S, 5), (13 * S, 6)]
    hits = [KILLED, hit(What.READER_UNPLUGGED, 10, 19), FULL, hit(What.CENTRE_KILLED, 10, 12)]
    assert recoveries(hits, opened, commits, (EAST,)) == {
        What.GATEWAY_KILLED: [1.0],
        What.READER_UNPLUGGED: [1.0],
        What.DISK_FULL: [4.0],
        What.CENTRE_KILLED: [1.0],
    }


# A campaign that could not fail.

LET_IN = [Swipe("admits", TOKEN, 1, read=True, disturbed=False)]
NOTICED = Counter({("", "clock_stepped", "clock_back"): 1, ("a", "access_granted", "listed_unrecorded"): 1})
POSSIBLE = [What.CLOCK_STEPPED, What.DISK_FAILS]
HITS = [hit(What.CLOCK_STEPPED, 1, 1), FAILS]


def test_a_run_proves_nothing_unless_everything_happened_and_was_felt() -> None:
    assert proves_nothing(HITS, POSSIBLE, NOTICED, LET_IN) == []
    assert proves_nothing([], [], Counter(), []) == ["nobody was let in: that proves nothing"]
    not_real = [HITS[0], hit(What.DISK_FAILS, 10, 16, real=False)]
    assert proves_nothing(not_real, POSSIBLE, NOTICED, LET_IN) == [
        "never happened: disk: writes and syncs fail: that proves nothing"
    ]
    assert len(proves_nothing(HITS, POSSIBLE, Counter(), LET_IN)) == 2
