"""What concerns oneself: own entries, who looked, and when that is told."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from database_support import forbid
from identity_support import COMMUNITY, DAY_US, NOON_US
from lookup_support import APPROVER, HOUR_US, OFFICER, World, run
from sqlalchemy import Engine, select

from central.accounts.who import Role, Who
from central.errors import BadQuestion, NotAllowed, StoreUnavailable
from central.lookup import acts
from central.lookup.audit import facts_of
from central.lookup.own import Looked, Own, OwnEntries
from central.lookup.paging import Window
from central.lookup.revealing import reveal
from central.lookup.words import Act, Asked, Happened, Shown
from central.store.engine import reading, writing
from central.store.lookup_tables import look_up_event

NEIGHBOUR = "000000198505050019"
WHY = "侦查需要"


@pytest.fixture
def world(engine: Engine, tmp_path: Path) -> Iterator[World]:
    made = World(engine, tmp_path)
    yield made
    made.close()


def resident(world: World, **changes: object) -> Who:
    """The account of somebody who is registered as `World.resident` does it."""
    number = world.resident(**changes)  # type: ignore[arg-type]
    return Who(90 + number, Role.RESIDENT, frozenset({COMMUNITY}), person=number)


def own_entries(world: World, who: Who, days: int = 7, cursor: str | None = None) -> OwnEntries:
    window = Window(world.now_us - days * DAY_US, world.now_us)
    return run(Own(world.look_ups).entries(who, window, cursor, None))


def told(world: World, who: Who) -> list[Looked]:
    return run(Own(world.look_ups).who_looked(who, None))


def a_day_later(world: World, days: int = 1) -> None:
    world.now_us += days * DAY_US + 1


def events(world: World, kind: Happened) -> list[dict[str, object]]:
    query = select(look_up_event).where(look_up_event.c.kind == kind)
    with reading(world.reader) as connection:
        return [facts_of(row) for row in connection.execute(query)]


def test_one_s_own_entries_are_all_of_them_and_nobody_else_s(world: World) -> None:
    mine = resident(world)
    resident(world, number=NEIGHBOUR, reference="H-2", room=302)
    world.enter(*(NOON_US - HOUR_US - n for n in range(30)))
    world.enter(NOON_US - HOUR_US, holder="H-2", door="door-2")
    first = own_entries(world, mine)
    assert (len(first.entries), first.cursor is None) == (25, False)
    rest = own_entries(world, mine, cursor=first.cursor)
    assert (len(rest.entries), rest.cursor) == (5, None)
    assert {each.door for each in (*first.entries, *rest.entries)} == {"door-1"}


def test_reading_one_s_own_leaves_its_row_and_says_nothing_of_whom(world: World) -> None:
    mine = resident(world)
    world.enter(NOON_US - HOUR_US)
    own_entries(world, mine)
    told(world, mine)
    facts = events(world, Happened.OWN_READ)
    assert [(each["what"], each["count"]) for each in facts] == [("entries", 1), ("look-ups", 0)]


def test_where_the_register_cannot_be_written_one_s_own_are_not_shown(world: World) -> None:
    mine = resident(world)
    forbid(world.engine, "INSERT", "look_up_event", "the disk is full")
    with pytest.raises(StoreUnavailable):
        own_entries(world, mine)


@pytest.mark.parametrize(
    "who",
    [
        pytest.param(Who(1, Role.OFFICER, frozenset({COMMUNITY})), id="nobody of the register"),
        pytest.param(Who(1, Role.RESIDENT, frozenset({COMMUNITY}), person=1, machine=True), id="a machine"),
    ],
)
def test_only_a_resident_s_own_account_reads_them(world: World, who: Who) -> None:
    with pytest.raises(NotAllowed):
        own_entries(world, who)
    with pytest.raises(NotAllowed):
        told(world, who)


@pytest.mark.parametrize("days", [0, 32])
def test_a_window_has_a_month_at_most(world: World, days: int) -> None:
    with pytest.raises(BadQuestion, match="at most 31 days"):
        own_entries(world, resident(world), days)


def test_a_look_up_by_number_is_told_the_next_day_with_its_unit_and_without_the_officer(world: World) -> None:
    mine = resident(world)
    number = run(world.look_ups.ask(OFFICER, world.asking())).look_up
    assert told(world, mine) == []
    a_day_later(world)
    [looked] = told(world, mine)
    assert (looked.number, looked.unit, looked.question) == (number, "一号警务室", Asked.PERSON)
    assert (looked.revealed, looked.exported) == ((), False)
    assert not hasattr(looked, "account")


def test_a_look_up_of_one_s_card_and_of_one_s_home_while_one_lived_there_is_told(world: World) -> None:
    mine = resident(world, until_us=NOON_US)
    world.card(mine.person or 0)
    for asked in (Asked.CARD, Asked.ROOM):
        run(world.look_ups.ask(OFFICER, world.asking(asked)))
    world.now_us += 2 * DAY_US
    run(world.look_ups.ask(OFFICER, world.asking(Asked.ROOM)))  # of a day on which others lived there
    a_day_later(world)
    assert [each.question for each in told(world, mine)] == [Asked.ROOM, Asked.CARD]


def test_a_look_up_of_others_is_not_told_and_a_door_s_is_where_one_s_own_name_was_unmasked(
    world: World,
) -> None:
    mine = resident(world)
    resident(world, number=NEIGHBOUR, reference="H-2", room=302)
    world.enter(NOON_US - HOUR_US)
    world.enter(NOON_US - 2 * HOUR_US, holder="H-2")
    run(world.look_ups.ask(OFFICER, world.asking(number=NEIGHBOUR)))
    door = run(world.look_ups.ask(OFFICER, world.asking(Asked.DOOR)))
    run(reveal(world.look_ups, OFFICER, door.look_up, door.entries[1].id, shown=Shown.NAME, why=WHY))
    a_day_later(world)
    assert told(world, mine) == []
    world.now_us -= DAY_US + 1
    run(reveal(world.look_ups, OFFICER, door.look_up, door.entries[0].id, shown=Shown.HOME, why=WHY))
    a_day_later(world)
    [looked] = told(world, mine)
    assert (looked.question, looked.revealed) == (Asked.DOOR, (Shown.HOME,))


def test_a_delay_holds_while_it_waits_and_when_it_is_agreed_to_and_ends_with_the_ninetieth_day(
    world: World,
) -> None:
    mine = resident(world)
    number = run(world.look_ups.ask(OFFICER, world.asking())).look_up
    with writing(world.engine) as connection:
        acts.ask_for(connection, OFFICER, number, act=Act.DELAY, why=WHY, now_us=world.now_us)
    a_day_later(world)
    assert told(world, mine) == []
    decide(world, number, agreed=True)
    a_day_later(world, 88)
    assert told(world, mine) == []
    a_day_later(world)
    assert [each.number for each in told(world, mine)] == [number]


def test_a_delay_that_is_refused_delays_nothing(world: World) -> None:
    mine = resident(world)
    number = run(world.look_ups.ask(OFFICER, world.asking())).look_up
    with writing(world.engine) as connection:
        acts.ask_for(connection, OFFICER, number, act=Act.DELAY, why=WHY, now_us=world.now_us)
    decide(world, number, agreed=False)
    a_day_later(world)
    assert [each.number for each in told(world, mine)] == [number]


def decide(world: World, number: int, *, agreed: bool) -> None:
    with writing(world.engine) as connection:
        acts.decide(connection, APPROVER, number, act=Act.DELAY, agreed=agreed, why=WHY, now_us=world.now_us)


def test_a_look_up_that_waits_for_approval_has_shown_nobody_anything(world: World) -> None:
    mine = resident(world)
    window = Window(NOON_US - 20 * DAY_US, NOON_US)
    assert run(world.look_ups.ask(OFFICER, world.asking(window=window))).waits
    a_day_later(world)
    assert told(world, mine) == []
