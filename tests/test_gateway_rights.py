"""What was in force before a start: taken up at once or as soon as it can be read, and never an older one."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from gateway_support import DOOR, READER, TurnedClock, install, read_by_nobody, until
from orders_support import CENTRE, GATEWAY, SITE, digest_of, gateway_keys, sent_list

from drivers.base import Assurance, CardRead, CredentialKind
from gateway.assembly import make_access
from gateway.commanded import Turn
from gateway.controller import Controller
from gateway.doctor import Grade, Patient
from gateway.doctor_rights import rights as looked_at
from gateway.doors import AccessPoint, Doors, Doorway
from gateway.errors import RightsUnavailable
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
from messages.model import Direction, Kind, Reason, Record
from messages.signing import Purpose, sign
from messages.site_settings import decode_site_settings
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

    def __init__(self, folder: Path) -> None:
        self.settings = load_settings(install(folder, RESIDENT))
        self.clock = TurnedClock()
        self.journal = Journal(self.settings.journal.path, GATEWAY, self.clock)
        self.access = make_access(self.settings, PassBook(SITE))
        point = AccessPoint(DOOR, Direction.IN, "lobby-board", lambda: None)
        portal = Portal(release_s=5.0, open_limit_s=30.0, has_contact=False, exit_by_handle=True)
        self.controller = Controller(
            journal=self.journal,
            clock=self.clock,
            access=self.access,
            points={READER: point},
            doors=Doors([Doorway(portal, (point,))], self.access),
            senses=Senses({READER: point}, {}),
            surroundings=Surroundings(indicate=lambda *_: None, announce=lambda _: None),
            keep_acknowledged_days=7,
        )
        self.rights = Rights(
            self.settings,
            gateway_keys(),
            self.clock,
            post=self.controller.inbox.put,
            publish_result=lambda _: None,
            close_at_end=lambda close: setattr(self, "_close_rights", close),
        )
        self._close_rights: Callable[[], None]

    def starts(self) -> None:
        with closing(JournalReader(self.settings.journal.path)) as reader:
            self.rights.take_up(self.access, None, reader.newest)
        self.round()

    def round(self) -> None:
        """As the deciding thread's."""
        inbox = self.controller.inbox
        self.controller.handle([inbox.get() for _ in range(inbox.qsize())])
        self.controller.look_back()
        self.controller.tick()

    def decides_until(self, found: Callable[[], bool], what: str) -> None:
        def look() -> bool:
            self.round()
            return found()

        until(look, what)

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


def signed_by_the_centre(folder: Path, version: int = 17) -> Path:
    """The file of a gateway that had a list and settings of the centre."""
    path = folder / "data" / "rights.db"
    with closing(RightsStore(path, SITE, GATEWAY)) as store:
        manifest = ListManifest(LIST_VERSION, version, 7, (), len(LISTED), digest_of(LISTED))
        store.stage(LISTED)
        store.put_in_force(manifest, sign(CENTRE, Purpose.LIST, SITE, GATEWAY, encode_manifest(manifest)))
        revision = decode_site_settings(SETTINGS).revision
        store.keep_settings(revision, sign(CENTRE, Purpose.SETTINGS, SITE, GATEWAY, SETTINGS))
    return path


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
    with closing(building):
        building.decides_until(lambda: building.shows(GUARD) is Reason.PASSED_BACK, "the look back")
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
        building.decides_until(lambda: building.shows(GUARD) is Reason.PASSED_BACK, "the look back")
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
        assert store.use("a" * 32, ends_us, clock.now_us(), turn)
    with read_by_nobody(path):
        building = Building(tmp_path)
        building.starts()
        assert building.shows(RESIDENT) is Reason.LISTED
    with closing(building), building.taking_orders():
        building.decides_until(lambda: building.access.access_list.version == 17, "the list")
        assert building.shows(RESIDENT) is Reason.LOCKED_DOWN
        (locked,) = building.records(Kind.DOOR_LOCKED_DOWN)
        assert (locked.door, locked.reason) == (DOOR, Reason.COMMAND)


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
