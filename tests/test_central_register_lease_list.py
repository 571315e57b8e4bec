"""The list of leases, cut and counted in the store: as their dates say, in one order, nothing twice."""

from itertools import product
from pathlib import Path

import pytest
from register_support import Estate, an_estate
from sqlalchemy import Engine, insert, update

from central.errors import BadQuestion
from central.register.lease_list import (
    URGENT_FIRST,
    Mark,
    lease_buildings,
    lease_counts,
    listed_leases,
    mark_of,
)
from central.register.lease_states import LeaseState
from central.register.leases import Lease, extend_lease, leases
from central.store.engine import writing
from central.store.register_tables import tenancy


@pytest.fixture
def estate(engine: Engine, tmp_path: Path) -> Estate:
    """Leases of every kind in one room, and some in a room of another building."""
    made = an_estate(engine, tmp_path)
    days = (None, -90, -8, -7, -3, 0, 1, 29, 30, 31, 400)
    rows = [
        {
            "community_id": made.community,
            "place_id": made.places[room],
            "from_at": made.at(begun),
            "until_at": None if until is None else made.at(until),
            "ended_at": None if ended is None else made.at(ended),
            "notice_days": 30,
            "grace_days": 7,
        }
        for room, begun, until, ended in (
            *product(["101"], [-100, 0, 3], days, days),
            *product(["201"], [-100], [5, 300], [None]),
        )
    ]
    with writing(engine) as connection:
        connection.execute(insert(tenancy), rows)
    return made


def every(estate: Estate, size: int, **asked: int | LeaseState) -> list[Lease]:
    found: list[Lease] = []
    after: Mark | None = None
    while True:
        with estate.reading() as db:
            page, after = listed_leases(
                db,
                estate.community,
                estate.now_us,
                after=after,
                limit=size,
                **asked,  # type: ignore[arg-type]
            )
        found += page
        assert len(page) <= size
        if after is None:
            return found
        assert mark_of(str(after)) == after


def test_the_store_knows_each_lease_s_state_as_its_dates_say_and_cuts_pages_anywhere(estate: Estate) -> None:
    with estate.reading() as db:
        known = leases(db, estate.community, estate.now_us, limit=10_000)
        counts = lease_counts(db, estate.community, estate.now_us)
        buildings = lease_buildings(db, estate.community, estate.now_us)
    wanted = [each for each in known if each.state in URGENT_FIRST]
    wanted.sort(key=lambda each: URGENT_FIRST.index(each.state))
    assert {each.state for each in wanted} == set(URGENT_FIRST)
    for size in (1_000, 7):
        assert every(estate, size) == wanted
    assert counts == {state: sum(each.state is state for each in wanted) for state in URGENT_FIRST}
    assert set(buildings) == {estate.places["east"], estate.places["west"]}


def test_a_list_of_one_state_or_building_has_that_alone(estate: Estate) -> None:
    everything = every(estate, 1_000)
    for state in URGENT_FIRST:
        assert every(estate, 9, state=state) == [each for each in everything if each.state is state]
    west = estate.places["west"]
    assert every(estate, 1, building=west) == [
        each for each in everything if each.place_id == estate.places["201"]
    ]
    with estate.reading() as db:
        counts = lease_counts(db, estate.community, estate.now_us, west)
    assert counts == {LeaseState.IN_NOTICE: 1, LeaseState.RUNNING: 1}


def test_whoever_extends_the_last_of_a_page_misses_none_on_the_next(estate: Estate) -> None:
    """What is voided is in no list."""
    all_of_it = [each.id for each in every(estate, 1_000)]
    with estate.reading() as db:
        page, after = listed_leases(db, estate.community, estate.now_us, limit=5)
    assert after is not None
    last = next(each for each in reversed(page) if each.dates.ended_us is None)
    with estate.desk() as desk:
        extend_lease(desk, last.id, until_us=estate.at(900))
        desk.connection.execute(update(tenancy).where(tenancy.c.id == all_of_it[6]).values(voided_at=1))
    with estate.reading() as db:
        following, _ = listed_leases(db, estate.community, estate.now_us, after=after, limit=3)
    assert [each.id for each in following] == [all_of_it[5], *all_of_it[7:9]]


@pytest.mark.parametrize(
    "typed", ["", "1", "1.2", "1.2.x", "1.2.3.4", "-1.2.3", "1.2.٣", f"1.2.{10**18}", "4.2.3"]
)
def test_a_mark_that_somebody_typed_is_none(typed: str) -> None:
    with pytest.raises(BadQuestion):
        mark_of(typed)
