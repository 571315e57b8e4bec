"""A hold keeps who the visitors of an approved look-up were: for its case alone, and for its time."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from identity_support import COMMUNITY, DAY_US, NOON_US, VISITOR
from lookup_support import APPROVER, HOUR_US, OFFICER, World, run
from sqlalchemy import Engine, func, select

from central.errors import BadQuestion, IdentityGone, NotAllowed
from central.identity.rotation import reseal
from central.lookup import acts, audit
from central.lookup.holding import Hold, end_holds, hold, holds_on
from central.lookup.revealing import reveal
from central.lookup.service import Answer
from central.lookup.words import Act, Asked, Happened, Shown
from central.store.engine import reading, writing
from central.store.lookup_tables import case_hold_entry, look_up_event


@pytest.fixture
def world(engine: Engine, tmp_path: Path) -> Iterator[World]:
    made = World(engine, tmp_path)
    made.visit(NOON_US - HOUR_US)
    yield made
    made.close()


def at_the_door(world: World, case: str = "A-2026-17") -> Answer:
    asking = world.asking(Asked.DOOR, gateway="east-1", door="door-2", case_number=case)
    return run(world.look_ups.ask(OFFICER, asking))


def held(world: World, number: int, days: int = 90) -> Hold:
    with writing(world.engine) as connection:
        acts.ask_for(connection, OFFICER, number, act=Act.HOLD, why="证据保全", now_us=NOON_US)
        acts.decide(connection, APPROVER, number, act=Act.HOLD, agreed=True, why="同意保全", now_us=NOON_US)
    return run(hold(world.look_ups, OFFICER, number, days))


def name(world: World, answer: Answer) -> str | None:
    record = answer.entries[0].id
    return run(reveal(world.look_ups, OFFICER, answer.look_up, record, shown=Shown.NAME, why="确认身份"))


def newest(world: World) -> tuple[str, dict[str, object]]:
    with reading(world.reader) as connection:
        assert list(audit.verify(connection)) == []
        row = connection.execute(select(look_up_event).order_by(look_up_event.c.id.desc())).first()
    assert row is not None
    return row.kind, audit.facts_of(row)


def test_what_is_held_outlasts_its_day_for_its_case_and_no_other(world: World) -> None:
    made = held(world, at_the_door(world).look_up)
    assert (made.records, made.identities, made.until_us) == (1, 1, NOON_US + 90 * DAY_US)
    kind, facts = newest(world)
    assert (kind, facts["records"], facts["until"]) == (Happened.HELD, 1, made.until_us)
    world.vault.destroy_period(COMMUNITY, "2026-11-04")
    assert name(world, at_the_door(world)) == VISITOR.name
    with pytest.raises(IdentityGone):
        name(world, at_the_door(world, case="B-2026-1"))


def test_a_hold_ends_with_its_time_and_what_it_kept_is_gone(world: World) -> None:
    made = held(world, at_the_door(world).look_up, days=10)
    world.vault.destroy_period(COMMUNITY, "2026-11-04")
    with writing(world.engine) as connection:
        assert end_holds(connection, made.until_us - 1) == 0
        assert holds_on(connection, 3, 1, 1) == 1
        assert end_holds(connection, made.until_us) == 1
        assert end_holds(connection, made.until_us) == 0
        assert holds_on(connection, 3, 1, 1) == 0
        assert connection.execute(select(func.count()).select_from(case_hold_entry)).scalar() == 0
    assert newest(world)[0] == Happened.HOLD_ENDED
    with pytest.raises(IdentityGone):
        name(world, at_the_door(world))


def test_what_is_held_is_sealed_again_when_the_register_s_key_changes(world: World) -> None:
    held(world, at_the_door(world).look_up)
    world.vault.rotate_register(COMMUNITY)
    reseal(world.engine, world.vault, COMMUNITY, columns=[case_hold_entry.c.sealed])
    world.vault.drop_former_registers(COMMUNITY)
    world.vault.destroy_period(COMMUNITY, "2026-11-04")
    assert name(world, at_the_door(world)) == VISITOR.name


def test_nothing_is_held_without_a_second_person_or_for_longer_than_180_days(world: World) -> None:
    number = at_the_door(world).look_up
    with pytest.raises(NotAllowed, match="another unit"):
        run(hold(world.look_ups, OFFICER, number, 10))
    for days in (0, 181):
        with pytest.raises(BadQuestion, match="1 to 180"):
            run(hold(world.look_ups, OFFICER, number, days))
