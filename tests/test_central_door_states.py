"""How doors stand, and what commands led to: said from records alone, and never beyond them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from central_support import SITE
from central_web_support import (
    COMMUNITY,
    NOW_US,
    Chain,
    Filled,
    Served,
    a_filled,
    about,
    gone,
    online,
    somebody,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine, event, select, text

from central.accounts.book import make_community
from central.accounts.who import Role
from central.alarms.book import Alarm
from central.alarms.kinds import AlarmKind, Urgency
from central.console.door_marks import Mark, door_marks, marks_of
from central.fleet.command_effects import effects_of
from central.fleet.completeness import Completeness, completeness
from central.fleet.door_states import DoorState, Leaf, Mode, door_states
from central.fleet.orders import make_command, note_command
from central.ingest.intake import examine, take_in
from central.store.engine import reading, writing
from central.store.tables import OF_LEAVES, OF_TURNS, record, sent_command
from messages import topics
from messages.commands import Action, Outcome, Why
from messages.model import Kind, Reason
from messages.wire import encode

GATEWAY = "east"
DOOR, GARAGE = "unit-1", "garage"
MINUTE_US = 60_000_000
NOTHING: dict[str, object] = {"credential": None, "holder": None, "category": None, "reason": None}
OF_DOOR = {**NOTHING, "door": DOOR, "reader": None}
UNTIL_US = NOW_US + 30 * MINUTE_US


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Filled]:
    with a_filled(tmp_path) as made:
        made.take(about("东楼", [(DOOR, "1 单元门", [DOOR]), (GARAGE, "车库门", [GARAGE])]), gateway=GATEWAY)
        yield made


class East:
    """A gateway that records one thing after the other, a second apart."""

    def __init__(self, filled: Filled) -> None:
        self._filled = filled
        self._chain = Chain(GATEWAY)
        self._at_us = NOW_US - 10 * MINUTE_US

    def says(self, kind: Kind, reason: Reason | None = None, count: int = 1, **more: object) -> int:
        """The number of the last record."""
        first = len(self._chain.bodies) + 1
        for _ in range(count):
            self._at_us += 1_000_000
            self._chain.grow(**{**OF_DOOR, "kind": kind, "reason": reason, "at": self._at_us, **more})
        state = online(self._chain.head(), at_us=self._at_us, devices={DOOR: "ok", GARAGE: "ok"})
        self._filled.take(self._chain.block(first), state, gateway=GATEWAY)
        return len(self._chain.bodies)

    def starts(self) -> None:
        self.says(Kind.GATEWAY_STARTED, door=None)


@pytest.fixture
def east(filled: Filled) -> East:
    made = East(filled)
    made.starts()
    return made


def state(filled: Filled, door: str = DOOR) -> DoorState:
    with filled.reader.connect() as db:
        return door_states(db, completeness(db), NOW_US)[SITE, GATEWAY, door]


def marks(filled: Filled, door: str = DOOR) -> tuple[Mark, ...]:
    with filled.reader.connect() as db:
        return marks_of(db, completeness(db), NOW_US)[SITE, GATEWAY, door].marks


def words(filled: Filled, door: str = DOOR) -> list[str]:
    return [each.word for each in marks(filled, door)]


def a_command(
    filled: Filled,
    action: Action,
    *,
    seq: int | None,
    until_us: int | None = None,
    outcome: Outcome = Outcome.DONE,
    number: int = 1,
) -> str:
    """One that the gateway answered, as record `seq` says."""
    command = make_command(
        f"{number:032x}", action, "account-7", Why.TEST, NOW_US, door=DOOR, until_us=until_us
    )
    with writing(filled.writer) as db:
        note_command(db, SITE, GATEWAY, command)
        answer = {"outcome": outcome, "answered_at": NOW_US, "epoch": 1, "seq": seq}
        db.execute(sent_command.update().where(sent_command.c.command == command.id).values(answer))
    return command.id


def led_to(filled: Filled, command: str) -> Kind | None:
    with filled.reader.connect() as db:
        return effects_of(db, db.execute(select(sent_command)).all()).get(command)


# --- how a door stands ------------------------------------------------------------------------------------


def test_a_door_of_which_no_record_says_anything_has_no_state(filled: Filled, east: East) -> None:
    assert state(filled) == DoorState()
    assert marks(filled) == ()


def test_a_lockdown_is_shown_beside_the_leaf_until_the_door_is_secured(filled: Filled, east: East) -> None:
    east.says(Kind.DOOR_LOCKED_DOWN, Reason.COMMAND)
    east.says(Kind.DOOR_OPENED)
    east.says(Kind.DOOR_CLOSED)
    found = state(filled)
    assert (found.mode, found.reason, found.leaf) == (Mode.LOCKED_DOWN, Reason.COMMAND, Leaf.CLOSED)
    assert words(filled) == ["locked_down", "closed"]
    assert words(filled, GARAGE) == []
    east.says(Kind.DOOR_SECURED, Reason.COMMAND)
    assert words(filled) == ["closed"]


@pytest.mark.parametrize("leaf", [Kind.DOOR_HELD, Kind.DOOR_FORCED, Kind.DOOR_CLOSED])
def test_a_busy_door_does_not_bury_what_its_contact_said(filled: Filled, east: East, leaf: Kind) -> None:
    """However many records follow."""
    east.says(Kind.DOOR_OPENED)
    east.says(leaf)
    east.says(Kind.ACCESS_DENIED, Reason.NO_RIGHT, 300)
    assert words(filled) == [leaf.removeprefix("door_")]
    east.says(Kind.DOOR_OPENED)
    assert words(filled) == ["open"]


def test_a_busy_door_does_not_bury_its_lockdown(filled: Filled, east: East) -> None:
    east.says(Kind.DOOR_LOCKED_DOWN, Reason.SCHEDULE)
    east.says(Kind.ACCESS_DENIED, Reason.LOCKED_DOWN, 100)
    assert words(filled) == ["locked_down"]


def test_what_was_said_before_the_gateway_s_last_start_counts_no_more(filled: Filled, east: East) -> None:
    """It says anew what still holds."""
    east.says(Kind.DOOR_FREED, Reason.COMMAND)
    east.starts()
    assert state(filled).mode is None
    east.says(Kind.DOOR_FREED, Reason.SCHEDULE)
    assert state(filled).mode is Mode.FREE


def test_what_a_contact_said_before_the_last_start_counts_no_more(filled: Filled, east: East) -> None:
    """It may have been taken away meanwhile: then nothing would ever end that door's alarm."""
    east.says(Kind.DOOR_FORCED)
    east.starts()
    assert words(filled) == []
    east.says(Kind.DOOR_OPENED)
    assert words(filled) == ["open"]


def test_a_clock_that_ran_ahead_does_not_keep_a_door_forced(filled: Filled, east: East) -> None:
    ahead_us = NOW_US + 40 * 24 * 60 * MINUTE_US
    east.says(Kind.DOOR_FORCED, at=ahead_us)
    east.says(Kind.DOOR_LOCKED_DOWN, Reason.COMMAND, at=ahead_us)
    east.says(Kind.DOOR_CLOSED)
    east.says(Kind.DOOR_SECURED, Reason.COMMAND)
    assert words(filled) == ["closed"]


@pytest.mark.parametrize(
    ("reason", "tone"),
    [
        pytest.param(Reason.SCHEDULE, "open", id="free hours are usual"),
        pytest.param(Reason.COMMAND, "warn", id="by command is not"),
    ],
)
def test_a_free_door_is_marked_as_what_made_it_so(
    filled: Filled, east: East, reason: Reason, tone: str
) -> None:
    east.says(Kind.DOOR_FREED, reason)
    assert [(each.word, each.tone, each.reason) for each in marks(filled)] == [("free", tone, reason)]


def test_the_end_of_a_command_stands_beside_what_it_made(filled: Filled, east: East) -> None:
    seq = east.says(Kind.COMMAND_DONE)
    east.says(Kind.DOOR_LOCKED_DOWN, Reason.COMMAND)
    a_command(filled, Action.LOCK_DOWN, seq=seq, until_us=UNTIL_US)
    assert state(filled).until_us == UNTIL_US
    a_command(filled, Action.FREE, seq=None, until_us=UNTIL_US, outcome=Outcome.REFUSED, number=2)
    assert state(filled).until_us == UNTIL_US
    a_command(filled, Action.BACK_TO_SCHEDULE, seq=seq + 2, number=3)
    assert state(filled).until_us is None


def test_the_end_of_a_command_is_no_end_of_hours_that_began_after_it(filled: Filled, east: East) -> None:
    seq = east.says(Kind.COMMAND_DONE)
    east.says(Kind.DOOR_FREED, Reason.COMMAND)
    a_command(filled, Action.FREE, seq=seq, until_us=UNTIL_US)
    east.says(Kind.DOOR_SECURED, Reason.COMMAND)
    east.says(Kind.DOOR_FREED, Reason.SCHEDULE)
    assert (state(filled).mode, state(filled).until_us) == (Mode.FREE, None)


def test_an_end_that_has_passed_is_not_shown(filled: Filled, east: East) -> None:
    seq = east.says(Kind.COMMAND_DONE)
    east.says(Kind.DOOR_FREED, Reason.COMMAND)
    a_command(filled, Action.FREE, seq=seq, until_us=NOW_US - MINUTE_US)
    assert (state(filled).mode, state(filled).until_us) == (Mode.FREE, None)


def test_however_many_doors_there_are_it_takes_few_statements(filled: Filled, east: East) -> None:
    def counted() -> int:
        asked: list[str] = []
        with filled.reader.connect() as db:
            gateways = completeness(db)
            event.listen(db, "before_cursor_execute", lambda *told: asked.append(told[2]))
            assert marks_of(db, gateways, NOW_US)[SITE, GATEWAY, DOOR].marks
        return len(asked)

    east.says(Kind.DOOR_CLOSED)
    few = counted()
    for number in range(10):
        doors = [(f"d{each}", "门", [f"d{each}"]) for each in range(10)]
        filled.take(about("楼", doors), gateway=f"g{number}")
    assert counted() == few


def test_what_is_known_of_a_silent_gateway_says_up_to_when(filled: Filled, east: East) -> None:
    east.says(Kind.DOOR_LOCKED_DOWN, Reason.COMMAND)
    assert state(filled).as_of_us is None
    filled.take(gone(), gateway=GATEWAY)
    found = state(filled)
    assert (found.mode, found.as_of_us) == (Mode.LOCKED_DOWN, found.mode_since_us)
    assert words(filled) == ["offline", "locked_down"]


def test_a_lost_reader_and_a_forced_leaf_are_marked_the_worst_first(filled: Filled, east: East) -> None:
    east.says(Kind.DOOR_OPENED)
    east.says(Kind.DOOR_FORCED, Reason.NO_RELEASE)
    filled.take(online(devices={DOOR: "lost", GARAGE: "degraded"}), gateway=GATEWAY)
    assert words(filled) == ["forced", "reader_lost"]
    assert words(filled, GARAGE) == ["reader_degraded"]
    assert all(each.icon for each in marks(filled)), "no colour says it alone"


def test_a_tamper_that_lasts_goes_before_a_later_one_that_is_over(filled: Filled) -> None:
    """Both are about the door: one of its reader, and one of the gateway's enclosure."""
    (known,) = known_gateways(filled)
    lasts, over = a_tamper(1, device=None, over_us=None), a_tamper(2, device=DOOR, over_us=NOW_US)
    for tampers in ([over, lasts], [lasts, over]):
        (mark,) = door_marks(known, DOOR, DoorState(), tampers).marks[:1]
        assert (mark.word, mark.tone) == ("tampered", "bad")


def test_beside_a_gateway_s_line_and_readers_a_door_is_marked_for_itself_alone(
    filled: Filled, east: East
) -> None:
    east.says(Kind.DOOR_LOCKED_DOWN, Reason.COMMAND)
    filled.take(gone(), gateway=GATEWAY)
    with filled.reader.connect() as db:
        found = marks_of(db, completeness(db), NOW_US)
    assert [each.word for each in found[SITE, GATEWAY, DOOR].unusual] == ["locked_down"]
    assert found[SITE, GATEWAY, GARAGE].unusual == ()


def known_gateways(filled: Filled) -> list[Completeness]:
    with filled.reader.connect() as db:
        return completeness(db)


def a_tamper(number: int, *, device: str | None, over_us: int | None) -> Alarm:
    began_us = NOW_US - (10 - number) * MINUTE_US
    return Alarm(
        number,
        AlarmKind.TAMPER,
        Urgency.NOW,
        *(SITE, GATEWAY, None, device),
        *(began_us, began_us, began_us, 1),
        over_us=over_us,
        seen_us=None,
        seen_by=None,
        note=None,
        rule_id=1,
    )


def test_either_database_says_how_a_door_stands(engine: Engine) -> None:
    chain = Chain(GATEWAY)
    chain.grow(**{**OF_DOOR, "kind": Kind.GATEWAY_STARTED, "door": None})
    chain.grow(**{**OF_DOOR, "kind": Kind.DOOR_LOCKED_DOWN, "reason": Reason.COMMAND})
    for kind in (Kind.DOOR_OPENED, Kind.DOOR_HELD, *[Kind.ACCESS_DENIED] * 100):
        chain.grow(**{**OF_DOOR, "kind": kind})
    command = make_command(
        "1" * 32, Action.LOCK_DOWN, "account-7", Why.TEST, NOW_US, door=DOOR, until_us=UNTIL_US
    )
    answer = {"outcome": Outcome.DONE, "answered_at": NOW_US, "epoch": 1, "seq": 1}
    told = [(topics.Leaf.ABOUT, encode(about("东楼", [(DOOR, "1 单元门", [DOOR])]))), chain.block(1)]
    with writing(engine) as db:
        make_community(db, "310101001001", "枫园社区", [SITE], NOW_US)
        take_in(
            db, [examine(str(topics.GatewayTopic(SITE, GATEWAY, leaf)), body) for leaf, body in told], NOW_US
        )
        note_command(db, SITE, GATEWAY, command)
        db.execute(sent_command.update().values(answer))
    with reading(engine) as db:
        found = door_states(db, completeness(db), NOW_US)[SITE, GATEWAY, DOOR]
        led = effects_of(db, db.execute(select(sent_command)).all())
    assert (found.mode, found.leaf) == (Mode.LOCKED_DOWN, Leaf.HELD)
    assert led == {command.id: Kind.DOOR_LOCKED_DOWN}


@pytest.mark.parametrize(
    ("kinds", "index"),
    [
        pytest.param(OF_TURNS, "record_of_turns", id="modes"),
        pytest.param(OF_LEAVES, "record_of_leaves", id="leaves"),
    ],
)
def test_what_was_said_last_is_found_by_its_index(filled: Filled, kinds: str, index: str) -> None:
    here = select(record.c.kind).where(record.c.gateway_id == 1, record.c.door == DOOR, text(kinds))
    newest = here.order_by(record.c.epoch.desc(), record.c.seq.desc()).limit(1)
    asked = newest.compile(filled.reader, compile_kwargs={"literal_binds": True})
    with filled.reader.connect() as db:
        plan = [row.detail for row in db.execute(text(f"EXPLAIN QUERY PLAN {asked}"))]
    assert any(index in each for each in plan)


# --- what commands led to ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "became"),
    [
        pytest.param(Action.LOCK_DOWN, Kind.DOOR_LOCKED_DOWN, id="lock down"),
        pytest.param(Action.FREE, Kind.DOOR_FREED, id="free"),
        pytest.param(Action.BACK_TO_SCHEDULE, Kind.DOOR_SECURED, id="back to schedule"),
    ],
)
def test_a_command_led_to_what_the_gateway_recorded_next(
    filled: Filled, east: East, action: Action, became: Kind
) -> None:
    seq = east.says(Kind.COMMAND_DONE)
    ends = UNTIL_US if action is not Action.BACK_TO_SCHEDULE else None
    command = a_command(filled, action, seq=seq, until_us=ends)
    assert led_to(filled, command) is None
    east.says(Kind.ACCESS_DENIED, Reason.NO_RIGHT, door=GARAGE)
    east.says(became, Reason.COMMAND)
    assert led_to(filled, command) is became


def test_a_door_that_was_locked_down_already_stays_so(filled: Filled, east: East) -> None:
    """A second command lengthens it, and no record says it anew."""
    east.says(Kind.DOOR_LOCKED_DOWN, Reason.COMMAND)
    seq = east.says(Kind.COMMAND_DONE)
    command = a_command(filled, Action.LOCK_DOWN, seq=seq, until_us=UNTIL_US)
    assert led_to(filled, command) is Kind.DOOR_LOCKED_DOWN


@pytest.mark.parametrize("became", [Kind.ACCESS_TAKEN, Kind.ACCESS_NOT_TAKEN])
def test_a_release_says_whether_somebody_went_through(filled: Filled, east: East, became: Kind) -> None:
    seq = east.says(Kind.REMOTE_RELEASE)
    east.says(Kind.ACCESS_TAKEN, links=1)
    east.says(became, links=seq)
    assert led_to(filled, a_command(filled, Action.RELEASE, seq=seq)) is became


def test_a_command_that_was_refused_led_to_nothing(filled: Filled, east: East) -> None:
    seq = east.says(Kind.COMMAND_REFUSED, Reason.TOO_LATE)
    east.says(Kind.DOOR_LOCKED_DOWN, Reason.COMMAND)
    command = a_command(filled, Action.LOCK_DOWN, seq=seq, until_us=UNTIL_US, outcome=Outcome.REFUSED)
    assert led_to(filled, command) is None


def test_however_many_commands_there_are_it_takes_as_many_statements(filled: Filled, east: East) -> None:
    """Three a page; each is told of its own all the same."""
    wanted: dict[str, Kind] = {}
    for number in range(12):
        turned = Kind.DOOR_LOCKED_DOWN if number % 2 else Kind.DOOR_FREED
        action = Action.LOCK_DOWN if number % 2 else Action.FREE
        if number % 3:
            seq = east.says(Kind.COMMAND_DONE)
            east.says(turned, Reason.COMMAND)
            wanted[a_command(filled, action, seq=seq, until_us=UNTIL_US, number=number)] = turned
        else:
            seq = east.says(Kind.REMOTE_RELEASE)
            east.says(Kind.ACCESS_TAKEN, links=seq)
            wanted[a_command(filled, Action.RELEASE, seq=seq, number=number)] = Kind.ACCESS_TAKEN
    asked: list[str] = []
    with filled.reader.connect() as db:
        rows = db.execute(select(sent_command)).all()
        event.listen(db, "before_cursor_execute", lambda *told: asked.append(told[2]))
        assert effects_of(db, rows) == wanted
    assert len(asked) == 3


# --- on the pages -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lang", "door", "ordered"),
    [
        pytest.param("zh", "已封闭", "30 分钟，至", id="Chinese"),
        pytest.param("en", "locked down", "30 minutes, until", id="English"),
    ],
)
def test_pages_say_the_state_its_end_and_what_a_command_led_to(
    filled: Filled, east: East, lang: str, door: str, ordered: str
) -> None:
    seq = east.says(Kind.COMMAND_DONE)
    a_command(filled, Action.LOCK_DOWN, seq=seq, until_us=UNTIL_US)
    east.says(Kind.DOOR_LOCKED_DOWN, Reason.COMMAND)
    who = somebody(Role.OPERATOR, COMMUNITY)
    with Served(filled, who=who, signing=Ed25519PrivateKey.generate()) as served:

        def page(path: str) -> str:
            found = httpx.get(f"{served.address}{path}", cookies={"liuhen-language": lang}).raise_for_status()
            return " ".join(found.text.split())

        one = page(f"/operations/{SITE}/{GATEWAY}")
        lists = [page("/operations"), page("/operations/coverage")]
        commands = page("/operations/commands")
        told = served.get("/api/v1/commands").json()["commands"][0]
    assert [door in each for each in (one, *lists)] == [True] * 3
    assert all(ordered in each for each in (one, commands))
    assert (told["led_to"], told["until_at"] is not None) == ("door_locked_down", True)
