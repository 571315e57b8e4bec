"""Goals for speed and size: how they are told, and the lists that come from the centre meanwhile."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from bench import goals
from bench.estate import SITE, Estate
from bench.goals_list import Lists
from bench.plan import BUILDINGS, Plan
from bench.prefill import PREPARED_EPOCH, prepared
from bench.thin_centre import ThinCentre
from gateway.clock import SystemClock
from gateway.events import NewList
from gateway.keys import load_keys
from gateway.orders import Orders, Told
from gateway.rights_store import RightsStore
from gateway.settings import load_settings
from messages.chain import record_hash
from messages.topics import Leaf
from messages.wire import Ack, EpochAck, decode, join_block

EAST = BUILDINGS[0]
CREDENTIALS = 1_200
FIGURES = {name: [1.0] for goal in goals.GOALS for name in (goal.figure, goal.bare, goal.ours) if name}


def row_of(figure: str, figures: dict[str, list[float]]) -> tuple[str, ...]:
    (row,) = (row for row in goals.goal_rows({**FIGURES, **figures}) if row[1] == figure)
    return row


# What is told.


def test_a_goal_is_told_with_its_bare_loop_ours_the_spread_and_whether_it_is_met() -> None:
    figures = {
        "bare commit, same pace: p50 ms": [0.5, 0.3, 0.4],
        "swipe p50 ms": [0.6, 0.4, 0.5],
        "swipe p50 : bare commit's": [1.2, 1.9, 1.25],
    }
    told = ("P1", "swipe p50 : bare commit's", "0.40", "0.50", "1.25 (1.20 – 1.90)", "≤ 1.5", "yes")
    assert row_of("swipe p50 : bare commit's", figures) == told


def test_a_rate_below_its_limit_is_not_met() -> None:
    row = row_of("8 doors: with delivery : without", {"8 doors: with delivery : without": [0.79]})
    assert row[-3:] == ("0.79 (0.79 – 0.79)", "≥ 0.8", "no")


def test_what_is_no_ratio_has_no_bare_loop() -> None:
    row = row_of("first decision after the start, s", {"first decision after the start, s": [0.9, 1.2, 2.0]})
    assert row[2:4] == ("", "1.20")
    assert row[-1] == "yes"


def test_each_goal_is_told_once_and_in_order() -> None:
    assert [row[:2] for row in goals.goal_rows(FIGURES)] == [(g.name, g.figure) for g in goals.GOALS]
    assert list(dict.fromkeys(goal.name for goal in goals.GOALS)) == ["P1", "P2", "P3", "P11"]


# Lists of the centre.


class Gateway:
    """What the gateway does with lists, on the estate's own settings and file; nothing else of it runs."""

    def __init__(self, estate: Estate) -> None:
        settings = load_settings(estate.gateway_settings("east"))
        self.told: list[Told] = []
        self.store = RightsStore(settings.rights_path, SITE, "east")
        self.orders = Orders(
            store=self.store,
            keys=load_keys(settings.keys.device_key_file, settings.keys.centre_keys_file),
            site=SITE,
            gateway="east",
            doors=(),
            clock=SystemClock(),
            post=self.told.append,
            publish_result=lambda _: None,
        )
        self.orders.restore()

    def takes(self, messages: Sequence[bytes]) -> None:
        for payload in messages:
            self.orders.handle(Leaf.LIST, payload)

    def works(self) -> None:
        while self.orders.busy:
            self.orders.go_on()

    @property
    def in_force(self) -> dict[str, str]:
        """Token and holder, of the last list that was told."""
        newest = self.told[-1]
        assert isinstance(newest, NewList)
        return {entry.token: entry.holder for entry in newest.access_list.entries.values()}


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    return Estate(tmp_path, Plan(buildings=(EAST,), people=20))


def test_the_gateway_believes_the_lists_and_everybody_stays_on_them(estate: Estate) -> None:
    lists = Lists(estate, EAST, CREDENTIALS)
    gateway = Gateway(estate)
    (version, messages), (later, more) = lists.make(2)
    assert later > version
    gateway.takes(messages)
    gateway.works()
    first = gateway.in_force
    assert len(first) == CREDENTIALS
    assert {estate.token_of(person, EAST.doors[0].name) for person in estate.people()} <= set(first)
    gateway.takes(more)
    gateway.works()
    second = gateway.in_force
    assert second.keys() == first.keys()
    assert all(second[token] != holder for token, holder in first.items()), "each entry has to be new"


def test_a_list_is_in_force_when_the_former_one_is_gone_from_the_disk(estate: Estate) -> None:
    lists = Lists(estate, EAST, CREDENTIALS)
    gateway = Gateway(estate)
    (version, messages), (later, more) = lists.make(2)
    assert not lists.in_force(version), "there is none at all"
    gateway.takes(messages)
    assert not lists.in_force(version), "nothing was done with it yet"
    gateway.works()
    assert lists.in_force(version)
    gateway.takes(more)
    while gateway.store.version != later:
        gateway.orders.go_on()
    assert not lists.in_force(later), "the former one is still there"
    gateway.works()
    assert lists.in_force(later)
    assert not lists.in_force(version)


# The least of a centre.


def test_the_thin_centre_names_what_it_misses_and_the_hash_of_what_it_has_without_a_hole() -> None:
    bodies = prepared("east", 9)
    centre = ThinCentre()

    def acknowledged(first: int, last: int) -> EpochAck:
        taken = bodies[first - 1 : last]
        payload = centre.take(join_block(PREPARED_EPOCH, first, len(taken), b",".join(taken)))
        (found,) = decode(payload, Ack).epochs
        return found

    assert acknowledged(1, 3) == EpochAck(PREPARED_EPOCH, 3, record_hash(bodies[2]), 3, [])
    assert acknowledged(7, 8) == EpochAck(PREPARED_EPOCH, 3, record_hash(bodies[2]), 8, [(4, 6)])
    assert acknowledged(4, 6) == EpochAck(PREPARED_EPOCH, 8, record_hash(bodies[7]), 8, [])
    assert acknowledged(9, 9) == EpochAck(PREPARED_EPOCH, 9, record_hash(bodies[8]), 9, [])


def test_the_thin_centre_has_nothing_without_a_hole_before_the_first_record_came() -> None:
    bodies = prepared("east", 3)
    payload = ThinCentre().take(join_block(PREPARED_EPOCH, 2, 2, b",".join(bodies[1:])))
    assert decode(payload, Ack).epochs == [EpochAck(PREPARED_EPOCH, 0, None, 3, [(1, 1)])]
