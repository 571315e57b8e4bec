"""What is drawn for review, and what a public report keeps back."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from central_support import SITE
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from database_support import new_database
from identity_support import COMMUNITY, NOON_US
from lookup_support import HOUR_US, OFFICER, OTHER, ZONE, World, run
from sqlalchemy import update

from central.errors import BadQuestion
from central.lookup.revealing import reveal
from central.lookup.reviews import LEAST_A_MONTH, sample
from central.lookup.transparency import quarter_of, report
from central.lookup.words import Asked, Shown
from central.small_counts import kept_back
from central.store.engine import reading, writing
from central.store.register_tables import place
from central.store.visitor_tables import visitor_pass
from central.visitors.passes import Desk, Visitor, Wanted
from central.visitors.words import PassKind, VisitReason


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    engine = new_database(tmp_path / "central.sqlite")
    made = World(engine, tmp_path)
    yield made
    made.close()
    engine.dispose()


def look_ups(count: int, at: int = NOON_US, community: int = COMMUNITY) -> list[Any]:
    first = at // HOUR_US * 1_000 + community * 100_000
    numbers = range(first, first + count)
    return [
        SimpleNamespace(id=n, at=at, community_id=community, hash=sha256(b"%d" % n).digest()) for n in numbers
    ]


@pytest.mark.parametrize(("asked", "least"), [(4, 4), (10, 10), (60, 10), (400, 15)])
def test_of_a_month_one_in_twenty_is_reviewed_and_ten_at_least(asked: int, least: int) -> None:
    drawn = sample(look_ups(asked), ZONE)
    assert least <= len(drawn) <= max(LEAST_A_MONTH, asked // 10)


def test_each_month_and_each_community_has_its_own_sample() -> None:
    months = look_ups(30) + look_ups(30, NOON_US - 40 * 24 * HOUR_US) + look_ups(30, community=OTHER)
    assert len(sample(months, ZONE)) >= 3 * LEAST_A_MONTH


def test_who_is_drawn_once_is_drawn_again_or_makes_room_for_a_smaller_hash() -> None:
    rows = look_ups(200)
    for count in (20, 60, 120):
        late = sample(rows[: count + 40], ZONE) - sample(rows[:count], ZONE)
        assert late <= {row.id for row in rows[count:]}


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ({"a": 50, "b": 20, "c": 0}, {"a": 50, "b": 20, "c": 0}),
        ({"a": 50, "b": 20, "c": 3}, {"a": 50, "b": None, "c": None}),
        ({"a": 50, "b": 6, "c": 5}, {"a": 50, "b": None, "c": None}),
        ({"a": 50, "b": 2, "c": 1}, {"a": None, "b": None, "c": None}),
        ({"a": 7, "b": 0}, {"a": None, "b": 0}),
        ({}, {}),
    ],
)
def test_small_counts_are_kept_back_and_cannot_be_worked_out(
    counts: dict[str, int], told: dict[str, int | None]
) -> None:
    assert kept_back(counts) == told


def test_a_quarter_is_whole_in_the_community_s_own_time() -> None:
    assert quarter_of(2026, 3, ZONE, NOON_US)[1] == quarter_of(2026, 4, ZONE, NOON_US * 2)[0]
    assert quarter_of(2026, 4, ZONE, NOON_US * 2)[1] == quarter_of(2027, 1, ZONE, NOON_US * 2)[0]
    for year, quarter in ((2026, 4), (2026, 5), (2019, 1)):
        with pytest.raises(BadQuestion):
            quarter_of(year, quarter, ZONE, NOON_US)


def test_a_report_is_made_of_the_register_of_look_ups(world: World) -> None:
    world.resident()
    for _ in range(12):
        run(world.look_ups.ask(OFFICER, world.asking()))
    with pytest.raises(BadQuestion):
        run(world.look_ups.ask(OFFICER, world.asking(case_number="x")))
    with reading(world.reader) as connection:
        made = report(connection, COMMUNITY, NOON_US - HOUR_US, NOON_US + HOUR_US)
        before = report(connection, COMMUNITY, NOON_US - 2 * HOUR_US, NOON_US - HOUR_US)
        elsewhere = report(connection, OTHER, NOON_US - HOUR_US, NOON_US + HOUR_US)
    assert (made.look_ups, made.emergencies, made.deletions) == (12, 0, 0)
    assert (made.by_purpose["missing_person"], made.by_purpose["rescue"]) == (12, 0)
    assert (made.by_question["person"], made.by_role["officer"]) == (12, 12)
    assert (made.acts["not_asked"], made.acts["revealed"]) == (None, 0)
    assert before.look_ups == elsewhere.look_ups == 0


def test_of_a_visitor_with_a_pass_its_name_and_the_home_visited_can_be_revealed(world: World) -> None:
    from_us = (NOON_US - 3 * HOUR_US) // HOUR_US * HOUR_US
    wanted = Wanted(PassKind.PIN, SITE, VisitReason.FAMILY, from_us, from_us + 2 * HOUR_US, room=302)
    desk = Desk(world.vault, Ed25519PrivateKey.generate())
    with writing(world.engine) as connection:
        connection.execute(update(place).values(until_at=None))
        name = Visitor("赵访客", "")
        made = desk.issue(connection, wanted, name, by="account 1", now_us=from_us).made
        assert connection.execute(visitor_pass.select()).one().reference == made.reference
    world.enter(NOON_US - 2 * HOUR_US, holder=made.reference, category="visitor")
    answer = run(world.look_ups.ask(OFFICER, world.asking(Asked.DOOR)))
    [entry] = answer.entries
    assert entry.hidden == (Shown.NAME, Shown.VISITED, Shown.CARD)
    shown = {
        field: run(reveal(world.look_ups, OFFICER, answer.look_up, entry.id, shown=field, why="确认身份"))
        for field in (Shown.NAME, Shown.VISITED)
    }
    assert shown == {Shown.NAME: "赵访客", Shown.VISITED: "枫园 302"}
