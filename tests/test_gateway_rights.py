"""What was in force before a start: taken up at once or as soon as it can be read, and never an older one."""

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from gateway_support import DOOR, READER, TurnedClock, files_limited_to, install, read_by_nobody, until
from orders_support import CENTRE, GATEWAY, SITE, digest_of, gateway_keys, sent_list

from drivers.base import Assurance, CardRead, CredentialKind
from gateway.assembly import make_access
from gateway.clock import Moment
from gateway.commanded import Turn
from gateway.controller import Controller
from gateway.doctor import Grade, Patient
from gateway.doctor_rights import rights as looked_at
from gateway.doors import AccessPoint, Doors, Doorway
from gateway.errors import RightsUnavailable
from gateway.events import Event, LookedBack, NewList
from gateway.journal import Journal
from gateway.journal_reader import JournalReader
from gateway.passes import PassBook
from gateway.portal import Portal
from gateway.rights import Rights
from gateway.rights_store import RightsStore
from gateway.senses import Senses
from gateway.settings import load_settings
from gateway.surroundings import Surroundings
from messages.access_list import LIST_VERSION, Entry, ListManifest, encode_manifest
from messages.commands import COMMAND_VERSION, Action, Command, Outcome, Result, Why, encode_order
from messages.model import Direction, Kind, Reason, Record
from messages.signing import Purpose, sign
from messages.site_settings import DoorMode, decode_site_settings
from messages.topics import Leaf

GUARD, LIMITED, RESIDENT, LATE = "a" * 32, "b" * 32, "c" * 32, "d" * 32
LISTED = [
    Entry(GUARD, "h-1", "guard", ("*",)),
    Entry(LIMITED, "h-2", "resident", ("*",), uses=1),
    Entry(RESIDENT, "holder-0", "resident", ("*",)),
    Entry(LATE, "h-4", "resident", ("*",)),
]
SETTINGS = (
    '{"v":1,"revision":5,"issued_us":7,"areas":{"house":{"passback":"hard"}},'
    f'"doors":{{"{DOOR}":{{"outside":"street","inside":"house","first_person":"guard"}}}}}}'
).encode()
HOUR_US = 3_600_000_000


class Building:
    """A gateway's rights over real files, with the loop that decides; driven by hand."""

    def __init__(self, folder: Path, second: str = "") -> None:
        """`second`: a second file of the journal that readers are to look into."""
        settings = install(folder, RESIDENT)
        if second:
            text = settings.read_text("utf-8")
            settings.write_text(
                text.replace("[journal]", f'[journal]\nsecond_path = "data/{second}"'), "utf-8"
            )
        self.settings = load_settings(settings)
        self.clock = TurnedClock()
        self.journal = Journal(self.settings.journal.path, GATEWAY, self.clock)
        self.access = make_access(self.settings, PassBook(SITE, GATEWAY))
        self.answers: list[Result] = []
        point = AccessPoint(DOOR, Direction.IN, "lobby-board", lambda: None)
        portal = Portal(release_s=5.0, open_limit_s=30.0, has_contact=False, exit_by_handle=True)
        self.controller = Controller(
            journal=self.journal,
            clock=self.clock,
            access=self.access,
            points={READER: point},
            doors=Doors([Doorway(portal, (point,))], self.access),
            senses=Senses({READER: point}, {}),
            surroundings=Surroundings(
                indicate=lambda *_: None, announce=lambda _: None, answer=self.answers.append
            ),
            keep_acknowledged_days=7,
        )
        self.rights = Rights(
            self.settings,
            gateway_keys(),
            self.clock,
            post=self._post,
            publish_result=lambda _: None,
            close_at_end=lambda close: setattr(self, "_close_rights", close),
        )
        self._close_rights: Callable[[], None]
        self.posted: Callable[[Event], None] = lambda _: None
        self._looked_back = False

    def starts(self) -> None:
        journal = self.settings.journal
        with closing(JournalReader(journal.path, journal.second_path)) as reader:
            self.rights.take_up(self.access, None, reader.newest)
        self.round()

    def _post(self, event: Event) -> None:
        self.controller.inbox.put(event)
        self.posted(event)
        self._looked_back |= isinstance(event, LookedBack) and event.records is not None

    def round(self) -> None:
        """As the deciding thread's."""
        inbox = self.controller.inbox
        self.controller.handle(inbox.take(inbox.qsize()))
        self.controller.look_back()
        self.controller.tick()

    def decides_until(self, found: Callable[[], bool], what: str) -> None:
        def look() -> bool:
            self.round()
            return found()

        until(look, what)

    def decides_until_it_has_looked_back(self) -> None:
        self.decides_until(lambda: self._looked_back and self.controller.inbox.empty(), "the look back")

    def shows(self, token: str) -> Reason | None:
        self.clock.passes(60_000_000)
        read = CardRead(READER, CredentialKind.CARD_UID, token, Assurance.L1, self.clock.uptime_us() * 1_000)
        self.controller.handle([read])
        return self.records(Kind.ACCESS_GRANTED, Kind.ACCESS_DENIED)[-1].reason

    def records(self, *kinds: Kind) -> list[Record]:
        with closing(JournalReader(self.settings.journal.path)) as reader:
            return [record for record in reader.newest(1_000) if record.kind in kinds]

    @contextmanager
    def taking_orders(self) -> Iterator[None]:
        thread = threading.Thread(target=self.rights.run)
        thread.start()
        try:
            yield
        finally:
            until(self.rights.stop, "orders that can be stopped")
            thread.join(20)
            assert not thread.is_alive()

    def is_ordered(self, action: Action, number: int) -> None:
        """By the centre; waits until it is noted as used and told to who decides."""
        now_us = self.clock.now_us()
        until_us = None if action is Action.BACK_TO_SCHEDULE else now_us + HOUR_US
        command = Command(
            COMMAND_VERSION,
            f"{number:032x}",
            action,
            "op-7",
            Why.VISITOR,
            now_us,
            now_us + 8_000_000,
            DOOR,
            until_us,
        )
        signed = sign(CENTRE, Purpose.COMMAND, SITE, GATEWAY, encode_order(command))
        assert self.rights.take(Leaf.COMMAND, signed)
        until(lambda: not self.controller.inbox.empty(), "the command")

    def mode(self) -> DoorMode:
        return self.access.mode(DOOR, Moment(self.clock.now_us(), self.clock.synced, self.clock.uptime_us()))

    def close(self) -> None:
        self._close_rights()
        self.journal.close()


@contextmanager
def a_building(folder: Path) -> Iterator[Building]:
    building = Building(folder)
    try:
        yield building
    finally:
        building.close()


def signed_by_the_centre(folder: Path, version: int = 17, listed: Sequence[Entry] = LISTED) -> Path:
    """The file of a gateway that had a list and settings of the centre."""
    path = folder / "data" / "rights.db"
    with closing(RightsStore(path, SITE, GATEWAY)) as store:
        manifest = ListManifest(LIST_VERSION, version, 7, (), len(listed), digest_of(listed))
        store.stage(listed)
        store.put_in_force(manifest, sign(CENTRE, Purpose.LIST, SITE, GATEWAY, encode_manifest(manifest)))
        revision = decode_site_settings(SETTINGS).revision
        store.keep_settings(revision, sign(CENTRE, Purpose.SETTINGS, SITE, GATEWAY, SETTINGS))
    return path


def stored(folder: Path, question: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "data" / "rights.db")) as connection:
        return connection.execute(question).fetchall()


@contextmanager
def without_a_table(path: Path) -> Iterator[None]:
    """The file opens, and what is in it cannot be read."""

    def rename(former: str, later: str) -> None:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"ALTER TABLE {former} RENAME TO {later}")

    rename("list", "gone")
    try:
        yield
    finally:
        rename("gone", "list")


@pytest.fixture
def lived_in(tmp_path: Path) -> Path:
    """A guard came first; then the one use was used, and its holder is inside."""
    signed_by_the_centre(tmp_path)
    with a_building(tmp_path) as building:
        building.starts()
        assert building.shows(LIMITED) is Reason.FIRST_PERSON_MISSING
        assert building.shows(GUARD) is Reason.LISTED
        assert building.shows(LIMITED) is Reason.LISTED
    return tmp_path


def test_a_start_that_reads_its_rights_knows_what_was_before(lived_in: Path) -> None:
    with a_building(lived_in) as building:
        building.starts()
        assert building.shows(LIMITED) is Reason.PASS_USED_UP
        assert building.shows(GUARD) is Reason.PASSED_BACK
        assert building.shows(LATE) is Reason.LISTED  # the guard has come already


def test_so_does_one_that_could_not_open_them_as_soon_as_it_can(lived_in: Path) -> None:
    with read_by_nobody(lived_in / "data" / "rights.db"):
        building = Building(lived_in)
        building.starts()
        _is_late(building)
    _knows_all(building)


def test_so_does_one_that_could_open_and_not_read_them(lived_in: Path) -> None:
    building = Building(lived_in)
    with without_a_table(lived_in / "data" / "rights.db"):
        building.starts()
        _is_late(building)
    _knows_all(building)


def test_so_does_one_that_could_not_read_its_journal_as_soon_as_it_can(lived_in: Path) -> None:
    with read_by_nobody(lived_in / "data" / "journal.db"):
        building = Building(lived_in)
        building.starts()
    with closing(building), building.taking_orders():
        assert building.shows(LATE) is Reason.FIRST_PERSON_MISSING
        building.decides_until_it_has_looked_back()
        assert building.shows(LATE) is Reason.LISTED
        assert building.shows(GUARD) is Reason.PASSED_BACK
        assert building.shows(LIMITED) is Reason.PASS_USED_UP


@pytest.fixture
def half_read(lived_in: Path) -> Iterator[Building]:
    """One of the two files of its journal cannot be read, until it is taken away."""
    (lived_in / "data" / "second.db").write_bytes(b"no journal" * 999)
    building = Building(lived_in, "second.db")
    building.starts()
    yield building
    building.close()


def looks_back(building: Building) -> bool:
    """Whether the thread of the orders had something to say to the one that decides, which has heard it."""
    building.rights.look_back()
    posted = not building.controller.inbox.empty()
    with read_by_nobody(building.settings.journal.path):  # who decides reads nothing
        building.round()
    return posted


def test_where_one_of_two_files_cannot_be_read_that_is_said_once_and_tried_every_half_minute(
    half_read: Building, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(3):
        half_read.clock.passes(29_999_999)
        assert not looks_back(half_read)
        half_read.clock.passes(1)
        assert looks_back(half_read)  # it begins
        assert looks_back(half_read)  # and could not be made
    (half_read.settings.journal.path.parent / "second.db").unlink()
    half_read.clock.passes(30_000_000)
    assert looks_back(half_read)
    assert "known again" not in caplog.text
    assert looks_back(half_read)
    assert not looks_back(half_read)
    assert half_read.shows(GUARD) is Reason.PASSED_BACK
    assert half_read.shows(LIMITED) is Reason.PASS_USED_UP
    said = [record.levelname for record in caplog.records if record.name == "gateway.looking_back"]
    assert said == ["INFO"]  # the warning was at the start


def test_what_happens_while_records_are_looked_back_at_is_counted_once(tmp_path: Path) -> None:
    five_times = Entry(LIMITED, "h-2", "resident", ("*",), uses=5)
    with closing(sqlite3.connect(signed_by_the_centre(tmp_path, listed=[five_times]))) as connection:
        connection.execute("DELETE FROM settings")
        connection.commit()
    with a_building(tmp_path) as building:
        building.starts()
        assert building.shows(LIMITED) is Reason.LISTED
    second = tmp_path / "data" / "second.db"
    second.write_bytes(b"no journal" * 999)
    building = Building(tmp_path, second.name)
    with closing(building):
        building.starts()
        second.unlink()
        assert building.shows(LIMITED) is Reason.LISTED
        assert looks_back(building)  # it begins
        assert building.shows(LIMITED) is Reason.LISTED
        building.rights.look_back()  # has read
        assert building.shows(LIMITED) is Reason.LISTED
        building.round()  # has heard what was read
        assert building.shows(LIMITED) is Reason.LISTED
        assert building.shows(LIMITED) is Reason.PASS_USED_UP


def _is_late(building: Building) -> None:
    """The file of the list holds meanwhile, and what happens by it is recorded."""
    assert building.shows(LATE) is Reason.UNKNOWN_CREDENTIAL
    assert building.shows(RESIDENT) is Reason.LISTED
    with pytest.raises(RightsUnavailable):
        building.rights.run()
    assert building.controller.inbox.empty()


def _knows_all(building: Building) -> None:
    with closing(building), building.taking_orders():
        building.decides_until(lambda: building.access.access_list.version == 17, "the list")
        building.decides_until_it_has_looked_back()
        assert building.access.settings.revision == 5
        assert building.shows(LIMITED) is Reason.PASS_USED_UP
        assert building.shows(GUARD) is Reason.PASSED_BACK
        assert building.shows(RESIDENT) is Reason.PASSED_BACK  # let in by the file meanwhile
        assert building.shows(LATE) is Reason.LISTED


def test_a_door_that_a_command_locked_down_is_locked_down_when_that_can_be_read(tmp_path: Path) -> None:
    path = signed_by_the_centre(tmp_path)
    clock = TurnedClock()
    ends_us = clock.now_us() + HOUR_US
    with closing(RightsStore(path, SITE, GATEWAY)) as store:
        turn = Turn(DOOR, "locked_down", ends_us, clock.now_us(), clock.boot, clock.uptime_us() + HOUR_US)
        store.keep_turn(turn)
    with read_by_nobody(path):
        building = Building(tmp_path)
        building.starts()
        assert building.shows(RESIDENT) is Reason.LISTED
    with closing(building), building.taking_orders():
        building.decides_until(lambda: building.access.access_list.version == 17, "the list")
        assert building.shows(RESIDENT) is Reason.LOCKED_DOWN
        (locked,) = building.records(Kind.DOOR_LOCKED_DOWN)
        assert (locked.door, locked.reason) == (DOOR, Reason.COMMAND)


# The files, read again by an operator while what the centre signed comes into force.


def test_files_read_again_just_when_a_late_list_of_the_centre_is_taken_up_do_not_replace_it(
    lived_in: Path,
) -> None:
    with read_by_nobody(lived_in / "data" / "rights.db"):
        building = Building(lived_in)
        building.starts()
    again = threading.Thread(target=building.rights.reload)
    began = threading.Event()

    def read_again(event: Event) -> None:
        if isinstance(event, NewList) and event.access_list.version == 17:
            again.start()
            began.set()
            again.join(0.5)  # ends now only if it does not wait for its turn

    building.posted = read_again
    with closing(building), building.taking_orders():
        building.decides_until(lambda: building.access.access_list.version == 17, "the list")
        assert began.wait(20)  # the list is posted a moment before
        again.join(20)
        building.round()
        assert building.access.access_list.version == 17
        assert building.access.settings.revision == 5


def test_a_list_of_the_centre_that_comes_while_the_file_is_read_again_is_the_one_in_force(
    tmp_path: Path,
) -> None:
    with a_building(tmp_path) as building:
        building.starts()
        file = tmp_path / "list.json"
        text = file.read_bytes()
        file.unlink()
        os.mkfifo(file)
        again = threading.Thread(target=building.rights.reload)
        with building.taking_orders():
            again.start()
            with file.open("wb") as slow:  # opened: it is being read
                for payload in sent_list(17, LISTED).payloads:
                    assert building.rights.take(Leaf.LIST, payload)
                until(lambda: stored(tmp_path, "SELECT version FROM list") == [(17,)], "it on the disk")
                slow.write(text)
            again.join(20)
            building.decides_until(lambda: len(building.records(Kind.LIST_APPLIED)) == 3, "both")
        assert [each.list_version for each in building.records(Kind.LIST_APPLIED)] == [1, 1, 17]


# Commands that turn a door, and what is left of them after a restart.


def after_a_restart(folder: Path) -> DoorMode:
    with a_building(folder) as again:
        again.starts()
        return again.mode()


@pytest.fixture
def locked_down(tmp_path: Path) -> Path:
    """The door was locked down by a command that is on the record."""
    signed_by_the_centre(tmp_path)
    with a_building(tmp_path) as building:
        building.starts()
        with building.taking_orders():
            building.is_ordered(Action.LOCK_DOWN, 1)
            building.round()
        building.rights.keep_turns()
        assert [record.kind for record in building.records(Kind.COMMAND_DONE)] == [Kind.COMMAND_DONE]
    return tmp_path


def test_a_recorded_command_outlives_a_restart_also_one_that_was_obeyed_while_the_gateway_stopped(
    locked_down: Path,
) -> None:
    assert after_a_restart(locked_down) is DoorMode.LOCKED_DOWN
    with a_building(locked_down) as building:
        building.starts()
        with building.taking_orders():
            building.is_ordered(Action.BACK_TO_SCHEDULE, 2)
        building.round()  # the thread that writes has ended
        building.rights.keep_turns()
    assert after_a_restart(locked_down) is DoorMode.CONTROLLED


def test_a_recorded_command_is_kept_while_the_gateway_runs(tmp_path: Path) -> None:
    signed_by_the_centre(tmp_path)
    with a_building(tmp_path) as building:
        building.starts()
        with building.taking_orders():
            building.is_ordered(Action.LOCK_DOWN, 1)
            assert stored(tmp_path, "SELECT mode FROM turns") == []
            building.round()
            until(
                lambda: stored(tmp_path, "SELECT mode FROM turns") == [("locked_down",)],
                "the turn on the disk",
            )


@pytest.mark.parametrize("action", [Action.FREE, Action.LOCK_DOWN, Action.BACK_TO_SCHEDULE])
@pytest.mark.parametrize("reason", [Reason.NOT_RECORDABLE, Reason.TOO_LATE])
def test_a_refused_command_leaves_its_door_as_it_was_also_after_a_restart(
    locked_down: Path, action: Action, reason: Reason
) -> None:
    with a_building(locked_down) as building:
        building.starts()
        with building.taking_orders():
            building.is_ordered(action, 2)
        if reason is Reason.TOO_LATE:
            building.clock.passes(9_000_000)
            building.round()
        else:
            with files_limited_to(1):
                building.round()
        building.rights.keep_turns()
        assert [(each.outcome, each.reason) for each in building.answers] == [(Outcome.REFUSED, reason)]
        assert building.mode() is DoorMode.LOCKED_DOWN
    assert after_a_restart(locked_down) is DoorMode.LOCKED_DOWN


@pytest.mark.parametrize("action", [Action.FREE, Action.BACK_TO_SCHEDULE])
def test_a_command_that_nobody_came_to_record_before_the_end_changes_nothing_and_stays_used(
    locked_down: Path, action: Action
) -> None:
    with a_building(locked_down) as building:
        building.starts()
        with building.taking_orders():
            building.is_ordered(action, 2)
    assert after_a_restart(locked_down) is DoorMode.LOCKED_DOWN
    with a_building(locked_down) as building:
        building.starts()
        with building.taking_orders():
            building.is_ordered(action, 2)
        building.round()
        assert building.records(Kind.COMMAND_REFUSED)[-1].reason is Reason.REPLAYED


# Damage.


@pytest.fixture
def damaged(lived_in: Path) -> Path:
    with (lived_in / "data" / "rights.db").open("r+b") as file:
        file.write(bytes(100))
    return lived_in


def test_after_damage_the_file_holds_and_records_say_so(damaged: Path) -> None:
    with a_building(damaged) as building:
        building.starts()
        told = [
            (record.kind, record.reason, record.list_version)
            for record in building.records(Kind.LIST_REFUSED, Kind.SETTINGS_REFUSED, Kind.LIST_APPLIED)
        ]
        assert told[-3:] == [
            (Kind.LIST_REFUSED, Reason.INCOMPLETE, 1),
            (Kind.SETTINGS_REFUSED, Reason.INCOMPLETE, None),
            (Kind.LIST_APPLIED, None, 1),
        ]
        assert building.shows(RESIDENT) is Reason.LISTED
    with a_building(damaged) as again:
        again.starts()
        assert len(again.records(Kind.LIST_REFUSED)) == 1  # said once


def test_after_damage_a_former_list_is_refused_and_recorded_and_the_last_one_taken(damaged: Path) -> None:
    with a_building(damaged) as building:
        building.starts()
        with building.taking_orders():
            for version in (1, 16):
                _hears(building, version)
                reasons = [record.reason for record in building.records(Kind.LIST_REFUSED)]
                assert reasons[-1] is Reason.OLDER
                assert building.access.access_list.version == 1  # the file's
            _hears(building, 17)
            building.decides_until(lambda: building.access.access_list.version == 17, "the list")
    with a_building(damaged) as again:
        again.starts()
        assert again.access.access_list.version == 17
        assert again.records(Kind.LIST_REFUSED)[-1].reason is Reason.OLDER


def _hears(building: Building, version: int) -> None:
    before = len(building.records(Kind.LIST_REFUSED, Kind.LIST_APPLIED))
    for payload in sent_list(version, LISTED).payloads:
        assert building.rights.take(Leaf.LIST, payload)
    building.decides_until(
        lambda: len(building.records(Kind.LIST_REFUSED, Kind.LIST_APPLIED)) > before,
        "word of the list",
    )


# The doctor.


def findings(folder: Path) -> list[tuple[Grade, str]]:
    patient = Patient(load_settings(install(folder, RESIDENT)), TurnedClock().now_us())
    return [(finding.grade, finding.what) for finding in looked_at(patient)]


def test_the_doctor_tells_which_list_of_the_centre_is_in_force(tmp_path: Path) -> None:
    assert [grade for grade, _ in findings(tmp_path)] == [Grade.MIND]
    path = signed_by_the_centre(tmp_path)
    assert findings(tmp_path) == [(Grade.OK, f"{path}: sound; list 17 of the centre")]


def test_the_doctor_tells_that_the_centres_list_was_lost_and_which_one_holds(damaged: Path) -> None:
    with a_building(damaged):
        (aside, lost) = findings(damaged)
    assert aside == (Grade.MIND, "1 damaged files were set aside, the newest rights.db.damaged")
    assert lost[0] is Grade.MIND
    assert f"{damaged / 'list.json'} is in force instead; the next one must be newer than 16" in lost[1]


def test_a_damaged_file_that_is_still_in_its_place_is_a_finding(damaged: Path) -> None:
    patient = Patient(load_settings(install(damaged, RESIDENT)), TurnedClock().now_us())
    with pytest.raises(RightsUnavailable, match=r"rights\.db: cannot be read"):
        list(looked_at(patient))
