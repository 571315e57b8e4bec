"""A look-up as one act: on record before it is answered, masked, within limits, never alone when wide."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from central_support import DEADLINE_S
from database_support import forbid, new_database
from identity_support import COMMUNITY, DAY_US, NOON_US, VISITOR
from lookup_support import (
    APPROVER,
    CARD,
    COLLEAGUE,
    HOUR_US,
    NUMBER,
    OFFICER,
    STRANGER,
    SUPERVISOR,
    ZONE,
    World,
    run,
)
from sqlalchemy import Connection, event, select

from central.errors import (
    BadQuestion,
    CentralError,
    Clash,
    IdentityGone,
    NotAllowed,
    NotThere,
    StoreUnavailable,
    TooOften,
)
from central.lookup import acts, audit, reviews
from central.lookup.paging import Window
from central.lookup.revealing import reveal, reveal_beside
from central.lookup.rules import Asker, Asking
from central.lookup.service import Answer
from central.lookup.states import state_of
from central.lookup.words import Act, Asked, Happened, Shown
from central.store.engine import reading, writing
from central.store.lookup_tables import look_up_event


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    engine = new_database(tmp_path / "central.sqlite")
    made = World(engine, tmp_path)
    yield made
    made.close()
    engine.dispose()


def ask(world: World, asking: Asking | None = None, asker: Asker = OFFICER) -> Answer:
    return run(world.look_ups.ask(asker, asking or world.asking()))


def happened(world: World) -> list[tuple[Happened, dict[str, Any]]]:
    """Of the whole register, which must be unaltered."""
    with reading(world.reader) as connection:
        assert list(audit.verify(connection)) == []
        rows = connection.execute(select(look_up_event).order_by(look_up_event.c.id)).all()
    return [(Happened(row.kind), audit.facts_of(row)) for row in rows]


def kinds(world: World) -> list[Happened]:
    return [kind for kind, _ in happened(world)]


def decide(
    world: World, number: int, *, by: Asker = APPROVER, act: Act = Act.WHOLE, agreed: bool = True
) -> None:
    with writing(world.engine) as connection:
        acts.decide(connection, by, number, act=act, agreed=agreed, why="案情需要", now_us=world.now_us)


def ask_for(world: World, number: int, act: Act) -> None:
    with writing(world.engine) as connection:
        acts.ask_for(connection, OFFICER, number, act=act, why="案情需要", now_us=world.now_us)


# --- on the record ------------------------------------------------------------------------------------


def test_question_and_answer_are_on_record_with_all_that_makes_them_lawful(world: World) -> None:
    world.resident()
    world.enter(NOON_US - HOUR_US)
    answer = ask(world)
    (_, asked), (_, answered) = happened(world)
    assert asked["purpose"] == "missing_person"
    assert asked["basis"] == "peoples_police_law"
    assert (asked["case_number"], asked["role"], asked["unit"]) == ("A-2026-17", "officer", "一号警务室")
    assert (asked["from_at"], asked["until_at"]) == (NOON_US - DAY_US, NOON_US)
    assert "192.0.2.1" in asked["parameters"]
    assert answered["records"] == [each.id for each in answer.entries] == [1]
    assert (answered["more"], answered["complete"]) == (False, False)


def test_whom_it_asks_about_stands_nowhere_in_the_clear(world: World, tmp_path: Path) -> None:
    world.card(world.resident())
    ask(world)
    ask(world, world.asking(Asked.CARD))
    with pytest.raises(BadQuestion):
        ask(world, world.asking(case_number=NUMBER))
    for file in tmp_path.glob("central.sqlite*"):
        for secret in (NUMBER.encode(), CARD.encode()):
            assert secret not in file.read_bytes()
    assert NUMBER not in repr(world.asking())


@pytest.mark.parametrize("table", ["look_up", "look_up_event", "look_up_subject"])
def test_where_the_register_cannot_be_written_nothing_is_answered(world: World, table: str) -> None:
    world.resident()
    world.enter(NOON_US - HOUR_US)
    forbid(world.engine, "INSERT", table, "the disk is tired")
    with pytest.raises(StoreUnavailable, match="without it nothing is answered"):
        ask(world)


def test_where_only_the_answer_s_row_cannot_be_written_it_is_not_given_either(world: World) -> None:
    forbid(world.engine, "INSERT", "look_up_event", "tired", "NEW.kind = 'answered'")
    with pytest.raises(StoreUnavailable):
        ask(world)
    assert kinds(world) == [Happened.ASKED]


KILLED = """
import asyncio, sys, threading
from pathlib import Path
from lookup_support import OFFICER, World
from central.store.engine import open_writer

folder = Path(sys.argv[1])
world = World.again(open_writer(f"sqlite:///{folder / 'central.sqlite'}"), folder)

async def waits_for_ever(question):
    print("before the answer", flush=True)
    threading.Event().wait()

world.look_ups.questions.ask = waits_for_ever
asyncio.run(world.look_ups.ask(OFFICER, world.asking()))
"""


def test_a_process_killed_between_row_and_answer_leaves_the_row(world: World, tmp_path: Path) -> None:
    helpers = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=helpers) as started:
        assert started.stdout is not None
        said = started.stdout.readline()
        started.send_signal(signal.SIGKILL)
        assert started.wait(DEADLINE_S) == -signal.SIGKILL
    assert said == "before the answer\n"
    assert kinds(world) == [Happened.ASKED]


def test_what_is_refused_is_on_record_too(world: World) -> None:
    refused: list[tuple[Asking, Asker, type[CentralError], str]] = [
        (world.asking(case_number="x"), OFFICER, BadQuestion, "case_number"),
        (world.asking(number=None), OFFICER, BadQuestion, "number"),
        (world.asking(Asked.DOOR, door=None), OFFICER, BadQuestion, "door"),
        (world.asking(Asked.DOOR, number=NUMBER), OFFICER, BadQuestion, "number"),
        (world.asking(window=Window(NOON_US, NOON_US + 1)), OFFICER, BadQuestion, "until"),
        (world.asking(window=Window(NOON_US - 31 * DAY_US, NOON_US)), OFFICER, BadQuestion, "until"),
        (world.asking(emergency="x"), OFFICER, BadQuestion, "emergency"),
        (world.asking(emergency=f"找 {NUMBER}"), OFFICER, BadQuestion, "emergency"),
        (world.asking(), STRANGER, NotThere, ""),
    ]
    for asking, asker, error, _field in refused:
        with pytest.raises(error):
            ask(world, asking, asker)
    assert [kind for kind, _ in happened(world)] == [Happened.NOT_ASKED] * len(refused)
    assert [facts["field"] or "" for _, facts in happened(world)] == [field for *_, field in refused]


# --- how far alone ------------------------------------------------------------------------------------


def test_how_complete_an_answer_is_was_asked_before_its_records(world: World) -> None:
    """Else a record that comes in between is said to be in the answer, and is not."""
    world.enter(NOON_US - HOUR_US, token=world.card(world.resident()))
    asked: list[str] = []
    event.listen(
        world.reader, "before_cursor_execute", lambda _, __, statement, *___: asked.append(statement)
    )
    assert len(ask(world).entries) == 1
    heads = [at for at, statement in enumerate(asked) if "FROM epoch_head" in statement]
    records = [at for at, statement in enumerate(asked) if "record.holder" in statement]
    assert heads[0] < records[0], asked


def test_more_than_25_records_need_somebody_of_another_unit(world: World) -> None:
    world.resident()
    world.enter(*(NOON_US - HOUR_US - n for n in range(30)))
    answer = ask(world)
    assert (len(answer.entries), answer.more, answer.cursor) == (25, True, None)
    with pytest.raises(NotAllowed, match="another unit"):
        run(world.look_ups.page(OFFICER, answer.look_up, cursor="MS4x"))
    assert len(run(world.look_ups.page(OFFICER, answer.look_up, limit=500)).entries) == 25
    ask_for(world, answer.look_up, Act.WHOLE)
    for nobody in (OFFICER, COLLEAGUE, replace(APPROVER, unit=None)):
        with pytest.raises(NotAllowed):
            decide(world, answer.look_up, by=nobody)
    with pytest.raises(NotThere):
        decide(world, answer.look_up, by=STRANGER)
    decide(world, answer.look_up)
    first = run(world.look_ups.page(OFFICER, answer.look_up))
    rest = run(world.look_ups.page(OFFICER, answer.look_up, first.cursor))
    assert (len(first.entries), len(rest.entries), rest.more) == (25, 5, False)
    with pytest.raises(Clash):
        decide(world, answer.look_up)


@pytest.mark.parametrize(
    ("changes", "asked", "why"),
    [
        ({"window": Window(NOON_US - 7 * DAY_US - 1, NOON_US)}, Asked.PERSON, "more than 7 days"),
        ({}, Asked.SITE, "several buildings"),
        ({"gateway": None}, Asked.DENIED, "several buildings"),
    ],
)
def test_a_wide_question_is_answered_only_once_somebody_agreed(
    world: World, changes: dict[str, Any], asked: Asked, why: str
) -> None:
    world.resident()
    world.enter(NOON_US - HOUR_US, kind="access_denied")
    answer = ask(world, world.asking(asked, **changes))
    assert (answer.waits, answer.entries) == ((why,), ())
    with pytest.raises(NotAllowed, match="must approve"):
        run(world.look_ups.page(OFFICER, answer.look_up))
    with reading(world.reader) as connection:
        assert [each.why for each in acts.waiting(connection, APPROVER)] == [why]
        assert acts.waiting(connection, COLLEAGUE) == acts.waiting(connection, STRANGER) == []
    decide(world, answer.look_up)
    assert len(run(world.look_ups.page(OFFICER, answer.look_up)).entries) == 1


def test_seven_days_and_one_building_are_not_wide(world: World) -> None:
    world.resident()
    assert ask(world, world.asking(window=Window(NOON_US - 7 * DAY_US, NOON_US))).waits == ()
    assert ask(world, world.asking(Asked.BUILDING)).waits == ()


def test_what_somebody_refused_stays_shut(world: World) -> None:
    answer = ask(world, world.asking(Asked.SITE))
    decide(world, answer.look_up, agreed=False)
    with pytest.raises(NotAllowed):
        run(world.look_ups.page(OFFICER, answer.look_up))


def test_twenty_an_hour_and_sixty_a_day_unless_an_approver_raises_it(world: World) -> None:
    for _ in range(20):
        ask(world)
    with pytest.raises(TooOften, match="20 look-ups an hour") as refused:
        ask(world)
    assert refused.value.wait_s == 3_601
    raised = {"community": COMMUNITY, "account": OFFICER.account, "an_hour": 25, "a_day": 60, "hours": 1}
    with writing(world.engine) as connection:
        acts.raise_limit(connection, APPROVER, **raised, why="大案要案", now_us=world.now_us)
        with pytest.raises(NotAllowed):
            acts.raise_limit(
                connection, APPROVER, **{**raised, "account": APPROVER.account}, why="大案要案", now_us=0
            )
    for _ in range(5):
        ask(world)
    with pytest.raises(TooOften, match="25 look-ups an hour"):
        ask(world)
    for hours in (2, 4):
        world.now_us = NOON_US + hours * HOUR_US
        for _ in range(20 if hours == 2 else 15):
            ask(world)
    with pytest.raises(TooOften, match="60 look-ups a day"):
        ask(world)


def test_an_emergency_is_answered_at_once_and_reviewed_within_a_day_or_look_ups_rest(world: World) -> None:
    world.resident()
    world.enter(*(NOON_US - HOUR_US - n for n in range(30)))
    wide = world.asking(window=Window(NOON_US - 20 * DAY_US, NOON_US), emergency="老人走失，夜间低温")
    answer = ask(world, wide)
    assert (answer.waits, len(answer.entries), answer.cursor is not None) == ((), 25, True)
    world.now_us += DAY_US
    with pytest.raises(NotAllowed, match=f"emergency look-up {answer.look_up} was not reviewed"):
        ask(world)
    with pytest.raises(NotAllowed, match="rest"):
        run(world.look_ups.page(OFFICER, answer.look_up, answer.cursor))
    review(world, answer.look_up, explained=True)
    assert not ask(world).waits
    review(world, answer.look_up, explained=False)
    with pytest.raises(NotAllowed, match="found unexplained"):
        ask(world)


def review(world: World, number: int, *, explained: bool, by: Asker = SUPERVISOR) -> None:
    with writing(world.engine) as connection:
        reviews.review(connection, by, number, explained=explained, why="已核对案卷", now_us=world.now_us)


def to_review(connection: Connection, who: Asker) -> list[reviews.Due]:
    """What is left two days later."""
    later_us = NOON_US + 2 * DAY_US
    return reviews.to_review(connection, who, 0, zone=ZONE, now_us=later_us, all_of_them=False)


def test_a_supervisor_is_shown_what_must_be_reviewed_and_why(world: World) -> None:
    world.resident()
    plain = ask(world).look_up
    emergency = ask(world, world.asking(emergency="老人走失")).look_up
    wide = ask(world, world.asking(Asked.SITE)).look_up
    ask_for(world, plain, Act.EXPORT)
    with reading(world.reader) as connection:
        due = to_review(connection, SUPERVISOR)
        assert to_review(connection, STRANGER) == []
    found = {each.row.id: each.why for each in due}
    assert found == {emergency: ("emergency",), wide: ("wide",), plain: ("exported or held",)}
    assert [each.row.id for each in due if each.late] == [emergency]
    assert reviews.counted(due) == reviews.Counts(waiting=3, late=1, emergencies=1, unexplained=0)
    review(world, wide, explained=True)
    with pytest.raises(NotAllowed):
        review(world, wide, explained=True, by=replace(SUPERVISOR, account=OFFICER.account))
    with reading(world.reader) as connection:
        left = to_review(connection, SUPERVISOR)
        assert [each.row.id for each in left] == [plain, emergency]


# --- masked until revealed ----------------------------------------------------------------------------


def revealed(world: World, answer: Answer, shown: Shown, record: int | None = None) -> str | None:
    number = answer.entries[0].id if record is None else record
    return run(reveal(world.look_ups, OFFICER, answer.look_up, number, shown=shown, why="确认身份"))


def test_each_field_is_revealed_with_a_reason_and_a_row_before_it(world: World) -> None:
    token = world.card(world.resident())
    world.enter(NOON_US - HOUR_US, token=token)
    answer = ask(world)
    text = str(answer)
    for secret in ("H-1", token.hex(), "b2c3", "王居民", NUMBER, CARD):
        assert secret not in text
    shown = {field: revealed(world, answer, field) for field in answer.entries[0].hidden}
    assert shown == {Shown.NAME: "王居民", Shown.ID_NUMBER: NUMBER, Shown.HOME: "枫园 301", Shown.CARD: CARD}
    rows = [facts for kind, facts in happened(world) if kind is Happened.REVEALED]
    assert [facts["shown"] for facts in rows] == list(shown)
    assert rows[0]["why"] == "确认身份"
    forbid(world.engine, "INSERT", "look_up_event", "tired")
    with pytest.raises(StoreUnavailable):
        revealed(world, answer, Shown.NAME)


def test_a_name_is_revealed_at_each_entry_of_the_same_person_by_one_act(world: World) -> None:
    world.resident()
    world.enter(*(NOON_US - hours * HOUR_US for hours in (1, 2, 3)))
    world.enter(NOON_US - 4 * HOUR_US, holder="H-2")
    answer = ask(world, world.asking(Asked.DOOR))
    mine = [each.id for each in answer.entries if each.alias == answer.entries[0].alias]
    every = [each.id for each in answer.entries]
    assert (len(mine), len(every)) == (3, 4)
    for shown, also in ((Shown.NAME, mine), (Shown.HOME, [mine[0]])):
        found = run(
            reveal_beside(
                *(world.look_ups, OFFICER, answer.look_up, mine[0]),
                shown=shown,
                why="确认身份",
                beside=[*every, max(every) + 1],  # of which this look-up has shown nothing
            )
        )
        assert {mine[0], *found.also} == set(also)
        facts = [facts for kind, facts in happened(world) if kind is Happened.REVEALED][-1]
        assert set(facts.get("also", ())) == set(also) - {mine[0]}
        assert found.value is not None
        assert found.value not in repr(found)
    with world.engine.connect() as db:
        revealed_of = state_of(db, answer.look_up).revealed
    assert revealed_of == {*((each, Shown.NAME) for each in mine), (mine[0], Shown.HOME)}


def test_a_visitor_is_revealed_until_the_day_s_keys_are_destroyed(world: World) -> None:
    world.visit(NOON_US - HOUR_US)
    answer = ask(world, world.asking(number=VISITOR.number))
    assert revealed(world, answer, Shown.NAME) == VISITOR.name
    assert revealed(world, answer, Shown.ID_NUMBER) == VISITOR.number
    with pytest.raises(Clash, match="no such field"):
        revealed(world, answer, Shown.HOME)
    world.vault.destroy_period(COMMUNITY, "2026-11-04")
    with pytest.raises(IdentityGone):
        revealed(world, answer, Shown.NAME)


def test_only_what_this_look_up_has_shown_can_be_revealed(world: World) -> None:
    world.resident()
    world.enter(NOON_US - HOUR_US)
    world.enter(NOON_US - HOUR_US, holder="H-2")
    answer = ask(world)
    with pytest.raises(NotThere):
        revealed(world, answer, Shown.NAME, record=2)
    with pytest.raises(NotThere):
        run(reveal(world.look_ups, APPROVER, answer.look_up, 1, shown=Shown.NAME, why="确认身份"))


def test_an_alias_ties_entries_of_one_look_up_and_none_of_another(world: World) -> None:
    world.enter(NOON_US - HOUR_US, NOON_US - 2 * HOUR_US)
    world.enter(NOON_US - 3 * HOUR_US, holder="H-2")
    one, other = ([each.alias for each in ask(world, world.asking(Asked.DOOR)).entries] for _ in range(2))
    assert one[0] == one[1] != one[2]
    assert not set(one) & set(other)
