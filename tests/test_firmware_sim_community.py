"""People come by the seed and the hour, queue, take their cards along, and leave no card behind."""

import threading
from itertools import islice, pairwise
from pathlib import Path
from random import Random

import pytest
from firmware_sim_support import DEADLINE_S, SCENE, cable, frame, relay, until

from firmware_sim.community import (
    HOUR_WEIGHTS,
    MAX_QUEUE,
    Act,
    CommunityClock,
    Crowd,
    Swing,
    Typing,
    Visit,
    doors_by_person,
    visits,
)
from firmware_sim.errors import RequestError
from firmware_sim.scene import CommunityPlan, DoorPlan, Terminal, parse_scene
from firmware_sim.simulator import Simulator

DOORS = (DoorPlan("a", "reader-a", "locks", 1), DoorPlan("b", "reader-b", "locks", 2))
ENROLLED = [f"P{n:04d}" for n in range(1, 101)]
STRANGERS = [f"P{n:04d}" for n in range(101, 106)]


def plan(seed: int, count: int, rate: float = 60.0, community: CommunityPlan | None = None) -> list[Visit]:
    stream = visits(
        community or CommunityPlan(unknown_share=0.1),
        Random(seed),
        rate_per_minute=rate,
        from_s=0.0,
        enrolled=ENROLLED,
        strangers=STRANGERS,
        doors=["a", "b"],
    )
    return list(islice(stream, count))


def visit(card: str = "P0001", door: str = "a", patience_s: float = 3.0) -> Visit:
    return Visit(0.0, card, door, patience_s, linger_s=0.5)


def test_the_same_seed_plans_the_same_visits_and_another_seed_others() -> None:
    assert plan(5, 500) == plan(5, 500)
    assert plan(5, 500) != plan(6, 500)


def test_visits_come_at_the_rate_and_in_the_order_of_time() -> None:
    planned = plan(1, 6000)
    assert all(sooner.at_s <= later.at_s for sooner, later in pairwise(planned))
    assert planned[-1].at_s == pytest.approx(6000, rel=0.06)
    assert {each.door for each in planned} == {"a", "b"}


def test_strangers_come_in_their_share() -> None:
    share = sum(each.card in STRANGERS for each in plan(1, 5000)) / 5000
    assert share == pytest.approx(0.1, abs=0.02)


def test_without_a_share_everyone_is_enrolled() -> None:
    assert all(each.card in ENROLLED for each in plan(1, 500, community=CommunityPlan()))


def test_the_morning_is_busier_than_the_night_in_simulated_hours() -> None:
    day = CommunityPlan(peaks=True, start_hour=0.0, speed=3600.0)  # one hour per second
    planned = plan(1, 3000, rate=6000, community=day)
    hours = [int(each.at_s) % 24 for each in planned if each.at_s < 24]
    assert hours.count(8) > 5 * max(1, hours.count(2))
    assert len(HOUR_WEIGHTS) == 24
    assert sum(HOUR_WEIGHTS) / 24 == pytest.approx(1.0, abs=0.05)


def test_without_peaks_every_hour_is_the_same() -> None:
    clock = CommunityClock(CommunityPlan())
    assert {clock.weight(hour * 3600.0) for hour in range(48)} == {1.0} == {clock.highest}


def test_someone_lays_the_card_waits_for_the_door_lingers_and_goes() -> None:
    crowd = Crowd(DOORS)
    crowd.arrive(visit(), 10.0)
    assert crowd.tick(10.0) == [Act("reader-a", "P0001")]
    assert crowd.next_due() == 13.0
    crowd.door_opened("a", 10.4)
    assert crowd.next_due() == pytest.approx(10.9)
    assert crowd.tick(10.8) == []
    assert crowd.tick(10.9) == [Act("reader-a", None)]
    assert (crowd.swiped, crowd.opened, crowd.next_due()) == (1, 1, None)


def test_patience_ends_in_front_of_a_shut_door() -> None:
    crowd = Crowd(DOORS)
    crowd.arrive(visit(), 0.0)
    crowd.tick(0.0)
    assert crowd.tick(2.9) == []
    assert crowd.tick(3.0) == [Act("reader-a", None)]
    assert (crowd.swiped, crowd.opened) == (1, 0)


def test_a_second_person_takes_the_free_door_and_a_third_queues() -> None:
    crowd = Crowd(DOORS)
    crowd.arrive(visit("P0001", "a"), 0.0)
    crowd.arrive(visit("P0002", "a"), 0.0)
    crowd.arrive(visit("P0003", "a"), 0.0)
    assert crowd.tick(0.0) == [Act("reader-a", "P0001"), Act("reader-b", "P0002")]
    assert crowd.tick(3.0) == [Act("reader-a", None), Act("reader-b", None)]
    assert crowd.tick(3.2) == []
    assert crowd.tick(3.3) == [Act("reader-a", "P0003")]


OWN = (
    DoorPlan("a", "reader-a", "locks", 1, used_by=frozenset({"P0001", "P0002"})),
    DoorPlan("b", "reader-b", "locks", 2, used_by=frozenset({"P0003"})),
    DoorPlan("c", "reader-c", "locks", 3),
)


def test_people_come_to_their_own_doors_and_to_everybodys() -> None:
    people = ["P0001", "P0002", "P0003", "P0004"]
    theirs = doors_by_person(OWN, people)
    assert theirs == {"P0001": ("a", "c"), "P0002": ("a", "c"), "P0003": ("b", "c"), "P0004": ("c",)}
    stream = visits(
        CommunityPlan(unknown_share=0.1),
        Random(3),
        rate_per_minute=60.0,
        from_s=0.0,
        enrolled=people,
        strangers=["P0005"],
        doors=["a", "b", "c"],
        doors_of=theirs,
    )
    came = {(each.card, each.door) for each in islice(stream, 500)}
    assert came == {(card, door) for card, doors in theirs.items() for door in doors} | {
        ("P0005", door) for door in "abc"
    }


def test_whoever_has_no_door_stays_at_home() -> None:
    alone = [DoorPlan("a", "reader-a", "locks", 1, used_by=frozenset({"P0001"}))]
    theirs = doors_by_person(alone, ["P0001", "P0002"])
    stream = visits(
        CommunityPlan(),
        Random(3),
        rate_per_minute=60.0,
        from_s=0.0,
        enrolled=["P0001", "P0002"],
        strangers=[],
        doors=["a"],
        doors_of=theirs,
    )
    assert {each.card for each in islice(stream, 50)} == {"P0001"}


def test_where_nobody_is_named_every_door_is_everybodys() -> None:
    assert doors_by_person(DOORS, ENROLLED) == {}


def test_a_second_person_takes_no_free_door_of_others() -> None:
    crowd = Crowd(OWN[:2])
    crowd.arrive(visit("P0001", "a"), 0.0)
    crowd.arrive(visit("P0002", "a"), 0.0)
    assert crowd.tick(0.0) == [Act("reader-a", "P0001")]
    crowd.tick(3.0)
    assert crowd.tick(3.3) == [Act("reader-a", "P0002")]


def test_too_many_go_home_and_are_counted() -> None:
    crowd = Crowd(DOORS)
    for n in range(2 * MAX_QUEUE + 5):
        crowd.arrive(visit(f"P{n:04d}"), 0.0)
    assert crowd.turned_away == 5


def test_nobody_is_in_two_places_nor_back_within_seconds() -> None:
    crowd = Crowd(DOORS)
    crowd.arrive(visit("P0001", "a"), 0.0)
    crowd.arrive(visit("P0001", "b"), 0.0)
    crowd.tick(0.0)
    crowd.tick(3.0)
    crowd.arrive(visit("P0001", "b"), 4.0)
    assert crowd.turned_away == 2
    crowd.arrive(visit("P0001", "b"), 9.0)
    assert crowd.tick(9.0) == [Act("reader-b", "P0001")]


def test_an_opening_with_nobody_there_or_twice_changes_nothing() -> None:
    crowd = Crowd(DOORS)
    crowd.door_opened("a", 0.0)
    crowd.arrive(visit(), 1.0)
    crowd.tick(1.0)
    crowd.door_opened("a", 1.0)
    crowd.door_opened("a", 1.4)
    assert (crowd.opened, crowd.next_due()) == (1, 1.5)


def test_a_refused_card_sends_its_person_home() -> None:
    crowd = Crowd(DOORS)
    crowd.arrive(visit(), 0.0)
    crowd.tick(0.0)
    crowd.refused("reader-a", 0.0)
    assert (crowd.tick(10.0), crowd.turned_away, crowd.swiped) == ([], 1, 0)


def test_everyone_takes_the_card_along_when_going_home() -> None:
    crowd = Crowd(DOORS)
    for card in ("P0001", "P0002", "P0003"):
        crowd.arrive(visit(card), 0.0)
    crowd.tick(0.0)
    assert crowd.go_home() == [Act("reader-a", None), Act("reader-b", None)]
    assert crowd.next_due() is None


WALKED = DoorPlan("w", "reader-w", "locks", 1, contact=Terminal("locks", 1, "closed"))
PADDED = DoorPlan("p", "reader-p", "locks", 1, pin=True)


def test_who_is_let_in_walks_through_a_door_that_feels_it() -> None:
    crowd = Crowd([WALKED])
    crowd.arrive(visit(door="w"), 0.0)
    crowd.tick(0.0)
    crowd.door_opened("w", 1.0)
    assert crowd.tick(1.5) == [Act("reader-w", None)]
    assert crowd.next_due() == pytest.approx(1.9)
    assert crowd.tick(1.9) == [Swing("w", is_open=True)]
    assert crowd.tick(3.3) == []
    assert crowd.tick(3.5) == [Swing("w", is_open=False)]
    assert crowd.next_due() is None


def test_who_thinks_better_of_it_takes_the_card_along_and_leaves_the_door_shut() -> None:
    crowd = Crowd([WALKED])
    crowd.arrive(Visit(0.0, "P0001", "w", 3.0, linger_s=0.5, stays_out=True), 0.0)
    crowd.tick(0.0)
    crowd.door_opened("w", 1.0)
    assert crowd.tick(9.0) == [Act("reader-w", None)]
    assert (crowd.opened, crowd.stayed_out, crowd.next_due()) == (1, 1, None)


def test_some_stay_out_in_their_share_and_nobody_unless_it_is_said() -> None:
    some = plan(3, 4_000, community=CommunityPlan(stays_out_share=0.25))
    assert sum(each.stays_out for each in some) == pytest.approx(1_000, rel=0.15)
    assert not any(each.stays_out for each in plan(3, 4_000))


def test_a_door_locked_again_is_not_walked_through() -> None:
    crowd = Crowd([WALKED])
    crowd.arrive(visit(door="w"), 0.0)
    crowd.tick(0.0)
    crowd.door_opened("w", 1.0)
    crowd.tick(2.0)
    crowd.kept_out("w")
    assert (crowd.tick(9.0), crowd.kept_outside) == ([], 1)


def test_a_door_that_stands_open_falls_shut_when_all_go_home() -> None:
    crowd = Crowd([WALKED])
    crowd.arrive(visit(door="w"), 0.0)
    crowd.tick(0.0)
    crowd.door_opened("w", 1.0)
    crowd.tick(2.0)
    assert crowd.go_home() == [Swing("w", is_open=False)]


def test_the_pin_is_typed_once_after_the_card_was_read() -> None:
    crowd = Crowd([PADDED])
    crowd.arrive(visit(door="p"), 0.0)
    crowd.tick(0.0)
    crowd.card_read("reader-p", "P0002", 0.1)
    crowd.card_read("reader-a", "P0001", 0.1)
    assert crowd.next_due() == 3.0
    for _ in range(2):
        crowd.card_read("reader-p", "P0001", 0.2)
    assert crowd.tick(0.7) == [Typing("reader-p", "P0001")]
    assert crowd.tick(2.0) == []


PAD_SCENE = """
people = 6
profile = "instant"
[[reader]]
name = "pad"
kind = "wiegand"
framing = "decimal_line"
key_bits = 4
[[reader]]
name = "board"
kind = "osdp"
[[door]]
name = "front"
reader = "pad"
lock_board = "board"
contact = { board = "board", input = 1 }
pin = true
[community]
swipes_per_minute = 600
patience_s = 1
"""


def test_a_community_types_its_pins(tmp_path: Path) -> None:
    scene = parse_scene(PAD_SCENE)
    with Simulator(scene, tmp_path) as sim, cable(sim.address("pad"), 9600) as end:
        line = end.read(12)
        keys = end.read(5)
        sim.set_community_rate(0)
        people = {f"{int.from_bytes(p.card.em_tag[2:], 'big'):010d}": p.card.pin for p in scene.everyone()}
    pin = people[line[:10].decode()]
    assert keys[:4] == bytes(int(digit) for digit in pin)
    assert keys[4:5] == b"\x0b"


def gatekeeper(simulator: Simulator, stop: threading.Event) -> None:
    """A program that selects whatever card lies there, reads it, and opens the door."""
    with cable(simulator.address("east-1")) as reader, cable(simulator.address("east-locks"), 9600) as locks:
        while not stop.is_set():
            if reader.answer("request_find") != frame("reply_found"):
                continue
            reader.answer("request_select")
            if len(reader.answer("request_read")) == 1295:
                locks.send(relay("channel_1_on"))
                locks.send(relay("channel_1_off"))


def test_a_community_swipes_through_real_ports_and_is_let_in(tmp_path: Path) -> None:
    scene = parse_scene(SCENE + "[community]\nswipes_per_minute = 3000\nlinger_s = 0.01\npatience_s = 2\n")
    stop = threading.Event()
    with Simulator(scene, tmp_path) as sim:
        keeper = threading.Thread(target=gatekeeper, args=(sim, stop))
        keeper.start()
        try:
            until(lambda: sim.status()["community"]["opened"] >= 3, "three people let in")
            sim.set_community_rate(0)
            assert sim.status()["community"]["rate"] == 0
        finally:
            stop.set()
            keeper.join(DEADLINE_S)
        laid = [event.card for event in sim.events() if event.event == "presented"]
    assert len(set(laid)) >= 3
    assert set(laid) <= {f"P{n:04d}" for n in range(1, 21)}


def test_a_card_laid_by_hand_keeps_the_community_away(tmp_path: Path) -> None:
    with Simulator(parse_scene(SCENE), tmp_path) as sim:
        sim.present("east-1", "P0001")
        sim.set_community_rate(6000)
        until(lambda: sim.status()["community"]["turned_away"] >= 1, "someone sent home")
        assert sim.status()["devices"]["east-1"]["card"] == "P0001"


def test_a_rate_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    with Simulator(parse_scene("people = 5"), tmp_path) as sim:
        with pytest.raises(RequestError, match="no people or no doors"):
            sim.set_community_rate(1)
        with pytest.raises(RequestError, match="0 to 60000 per minute"):
            sim.set_community_rate(-1)
        sim.set_community_rate(0)
