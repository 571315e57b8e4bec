"""The controller over a real journal: what is recorded, in which order, and when doors are released."""

import dataclasses
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from gateway_support import EPOCH_S, TurnedClock, files_limited_to, until
from msgspec import structs

from drivers.base import (
    POWER_INPUT,
    TAMPER_INPUT,
    Assurance,
    CardRead,
    CardRemoved,
    CardUnreadable,
    CredentialKind,
    DeviceChanged,
    DeviceState,
    Indication,
    InputChanged,
    InputState,
)
from drivers.errors import DeviceUnavailable
from gateway.access import Access
from gateway.access_list import AccessList
from gateway.controller import Controller
from gateway.decision import Admission, DoorPolicy
from gateway.doors import AccessPoint, Doors, Doorway
from gateway.events import (
    Acknowledged,
    AckRefused,
    CommandGiven,
    CommandRefused,
    EpochDisputed,
    ListRefused,
    LookBack,
    LookedBack,
    NewList,
    NewSettings,
    RecordsExported,
    SettingsRefused,
    Stop,
)
from gateway.facts import Fact
from gateway.journal import Head, Journal
from gateway.journal_reader import JournalReader
from gateway.looking_back import REPLAYED
from gateway.passes import PassBook
from gateway.portal import Portal
from gateway.senses import Senses
from gateway.sensing import InputFunction, Sensor
from gateway.surroundings import Surroundings
from gateway.unrecorded import Unrecorded
from messages.access_list import Entry
from messages.commands import Action, Command, Outcome, RecordRange, Result, Why
from messages.model import AssuranceLevel, ClockQuality, Credential, Direction, Kind, Reason, Record
from messages.site_settings import DoorMode, decode_site_settings

S = 1_000_000_000
LISTED, BLOCKED, STRANGER = "a" * 32, "b" * 32, "c" * 32
PIN, OTHER_PIN = "d" * 32, "e" * 32
ENTRIES = {
    LISTED: Entry(LISTED, "h-7", "resident", ("*",)),
    BLOCKED: Entry(BLOCKED, "h-8", "resident", ("*",), blocked=True),
}
PEOPLE = [f"{number:032x}" for number in range(200)]
ENTRIES |= {token: Entry(token, "h-9", "resident", ("*",)) for token in PEOPLE}
LIST = AccessList(5, (EPOCH_S - 90) * 1_000_000, ENTRIES)


class Board:
    """A lock board that, when a door is released, looks whether the record is already on the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.committed_before: list[Record] = []
        self.released = 0
        self.broken = False
        self.can_look = True
        self.lingers: Callable[[], object] = bool  # while the lock is driven

    def release(self) -> None:
        if self.broken:
            raise DeviceUnavailable("/dev/ttyUSB9", "it does not answer")
        self.released += 1
        if self.can_look:
            with closing(JournalReader(self._path)) as reader:
                self.committed_before.append(reader.newest(1)[0])
        self.lingers()


class House:
    """A building with two doors, its journal and what everybody was shown and told."""

    def __init__(self, folder: Path, *, asks_pin: bool = False) -> None:
        self.path = folder / "journal.db"
        self.clock = TurnedClock()
        self.journal = Journal(self.path, "east-1", self.clock)
        self.board = Board(self.path)
        self.shown: list[tuple[str, Indication]] = []
        self.announced: list[Head] = []
        self.answers: list[Result] = []
        self.sent_again: list[Command] = []
        self.disk: list[tuple[Kind, Reason | None]] = []
        lobby = AccessPoint("lobby", Direction.IN, "lobby-board", self.board.release)
        garage = dataclasses.replace(
            lobby, door="garage", direction=Direction.OUT, admit_listed_unrecorded=False
        )
        points = {"lobby-in": lobby, "garage-out": garage}
        both = DoorPolicy(frozenset(Admission))
        self.access = Access(
            {"lobby": dataclasses.replace(both, asks_pin=asks_pin), "garage": both},
            ZoneInfo("Asia/Shanghai"),
            PassBook("north", "east"),
            contacts=("garage",),
        )
        self.access.take_list(LIST)
        sensors = {
            ("lobby-board", 1): Sensor(InputFunction.CONTACT, ("garage",)),
            ("sensing-board", 1): Sensor(InputFunction.REX, ("garage",)),
        }
        portals = {
            door: Portal(release_s=5.0, open_limit_s=30.0, has_contact=door == "garage", exit_by_handle=True)
            for door in ("lobby", "garage")
        }
        self.controller = Controller(
            journal=self.journal,
            clock=self.clock,
            access=self.access,
            points=points,
            doors=Doors(
                [Doorway(portals["lobby"], (lobby,)), Doorway(portals["garage"], (garage,))], self.access
            ),
            senses=Senses(points, sensors),
            surroundings=Surroundings(
                indicate=lambda reader, signal: self.shown.append((reader, signal)),
                announce=self.announced.append,
                list_changed=lambda: None,
                answer=self.answers.append,
                send_again=self.sent_again.append,
                beat=lambda: None,
                troubles=lambda: [self.disk.pop() for _ in self.disk[:1]],
                input_changed=lambda _: None,
            ),
            keep_acknowledged_days=0,
        )

    def reads(self, *tokens: str, reader: str = "lobby-in", at_s: float = 0.0, level: str = "L0") -> None:
        self.controller.handle([read(token, reader=reader, at_s=at_s, level=level) for token in tokens])

    def gives_pins(self, pin: str) -> None:
        """Everybody on the list has this one."""
        entries = {token: structs.replace(entry, pin=pin) for token, entry in ENTRIES.items()}
        self.access.take_list(AccessList(LIST.version, LIST.issued_us, entries))

    def records(self) -> list[Record]:
        """Without the one that opened the journal."""
        with closing(JournalReader(self.path)) as reader:
            checked, flaws = reader.verify()
            assert flaws == []
            return reader.newest(checked)[1:]

    def happenings(self) -> list[Record]:
        """Without what is told of the journal's own storage."""
        storage = (Kind.STORAGE_FAULT, Kind.STORAGE_RESTORED, Kind.STORAGE_LOW)
        return [record for record in self.records() if record.kind not in storage]

    def reasons(self) -> list[Reason | None]:
        return [record.reason for record in self.records()]


def read(
    token: str,
    *,
    reader: str = "lobby-in",
    at_s: float = 0.0,
    level: str = "L0",
    until: date | None = None,
    pin: str | None = None,
) -> CardRead:
    return CardRead(reader, CredentialKind.ID_CARD, token, Assurance(level), int(at_s * S), None, until, pin)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.journal.close()


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[House]:
    """The lobby asks for the PIN after the card."""
    house = House(tmp_path, asks_pin=True)
    yield house
    house.journal.close()


@contextmanager
def no_room(house: House) -> Iterator[None]:
    """Nothing can be written: as on a full disk."""
    house.board.can_look = False
    with files_limited_to(1):
        yield
    house.board.can_look = True


# What comes late.


def test_a_look_back_begins_and_ends_only_while_all_that_was_decided_is_recorded(house: House) -> None:
    twice = structs.replace(ENTRIES[LISTED], uses=2)
    house.access.take_list(AccessList(6, LIST.issued_us, {LISTED: twice, BLOCKED: ENTRIES[BLOCKED]}))
    begun: list[Head] = []

    def begin(count: int, head: Head) -> None:
        assert count == REPLAYED
        begun.append(head)

    with no_room(house):
        house.reads(LISTED)
        house.controller.handle([LookBack(begin)])
        house.controller.look_back()
        assert begun == []
    house.reads(BLOCKED, at_s=9)
    for _ in range(2):
        house.controller.look_back()
    (head,) = begun
    known = house.records()
    assert (known[0].reason, known[-1].seq) == (Reason.LISTED_UNRECORDED, head.seq)
    with no_room(house):
        house.reads(LISTED, at_s=20)
        house.controller.handle([LookedBack(known)])
        house.controller.look_back()
        house.reads(LISTED, at_s=30)
        assert house.shown[-1] == ("lobby-in", Indication.ASK_DESK)  # both uses are known all the time
    house.reads(BLOCKED, at_s=40)
    house.controller.look_back()
    house.reads(LISTED, at_s=50)
    assert house.reasons()[-1] is Reason.PASS_USED_UP


# One swipe.


def test_a_door_is_released_only_after_its_record_is_committed(house: House) -> None:
    for number in range(20):
        house.reads(LISTED, at_s=10 * number)
        assert house.board.committed_before[-1] == house.records()[-1]
    assert [record.seq for record in house.board.committed_before] == list(range(2, 22))
    assert {record.kind for record in house.board.committed_before} == {Kind.ACCESS_GRANTED}


def test_a_granted_read_is_recorded_with_everything_that_is_known_of_it(house: House) -> None:
    house.reads(LISTED, level="L3")
    (record,) = house.records()
    assert (record.kind, record.reason) == (Kind.ACCESS_GRANTED, Reason.LISTED)
    assert (record.door, record.reader, record.direction) == ("lobby", "lobby-in", Direction.IN)
    assert record.credential == Credential("id_card", LISTED, AssuranceLevel.L3)
    assert (record.holder, record.category) == ("h-7", "resident")
    assert (record.list_version, record.list_age_s) == (5, 90)
    assert record.at == EPOCH_S * 1_000_000
    assert house.shown == [("lobby-in", Indication.GRANTED)]
    assert house.announced == [house.journal.head]


@pytest.mark.parametrize(
    ("token", "level", "reason", "holder", "shown"),
    [
        (STRANGER, "L0", Reason.UNKNOWN_CREDENTIAL, None, Indication.DENIED),
        (BLOCKED, "L3", Reason.BLOCKED, "h-8", Indication.ASK_DESK),
    ],
    ids=["unknown", "blocked"],
)
def test_a_denied_read_is_recorded_and_never_releases(
    house: House, *, token: str, level: str, reason: Reason, holder: str | None, shown: Indication
) -> None:
    house.reads(token, level=level)
    (record,) = house.records()
    assert (record.kind, record.reason, record.holder) == (Kind.ACCESS_DENIED, reason, holder)
    assert house.board.committed_before == []
    assert house.shown == [("lobby-in", shown)]


def test_anybody_with_a_verified_document_is_admitted_and_traced(house: House) -> None:
    house.reads(STRANGER, level="L3")
    (record,) = house.records()
    assert (record.reason, record.holder) == (Reason.VERIFIED_ID, None)
    assert len(house.board.committed_before) == 1


@pytest.mark.parametrize(
    ("now", "granted"),
    [("2026-03-01T15:59:59Z", True), ("2026-03-01T16:00:00Z", False)],
    ids=["the last second of the day in Shanghai", "midnight in Shanghai"],
)
def test_a_document_ends_at_the_sites_midnight(house: House, now: str, granted: bool) -> None:
    house.clock.now = int(datetime.fromisoformat(now).timestamp()) * 1_000_000
    house.controller.handle([read(STRANGER, level="L3", until=date(2026, 3, 1))])
    assert (house.records()[0].kind is Kind.ACCESS_GRANTED) is granted


def test_an_unreadable_card_is_recorded_and_asked_for_again(house: House) -> None:
    house.controller.handle([CardUnreadable("lobby-in", "the card was taken away too soon")])
    (record,) = house.records()
    assert (record.kind, record.reason, record.door) == (Kind.ACCESS_DENIED, Reason.UNREADABLE, "lobby")
    assert record.credential is None
    assert house.shown == [("lobby-in", Indication.TRY_AGAIN)]


def test_a_lying_card_is_one_presentation(house: House) -> None:
    for tenth in range(100):
        house.reads(LISTED, at_s=tenth / 10)
    house.controller.handle([CardRemoved("lobby-in")])
    assert house.reasons() == [Reason.LISTED]
    assert len(house.board.committed_before) == 1
    house.reads(LISTED, at_s=20)
    assert len(house.board.committed_before) == 2


def test_readers_that_belong_to_no_door_do_nothing(house: House) -> None:
    house.reads(LISTED, reader="spare")
    house.controller.handle([CardUnreadable("spare", "torn")])
    assert house.records() == []


def test_reads_that_wait_together_share_a_commit_and_keep_their_order(house: House) -> None:
    house.reads(*PEOPLE[:30])
    assert [head.seq for head in house.announced] == [31]
    assert {record.seq for record in house.board.committed_before} == {31}
    assert [r.credential.token for r in house.records() if r.credential] == PEOPLE[:30]


def test_of_reads_that_share_a_commit_none_is_released_before_all_are_stored(house: House) -> None:
    events = [
        read(LISTED),
        read(LISTED, reader="garage-out"),
        read(STRANGER, at_s=1),
        read(STRANGER, reader="garage-out", level="L3", at_s=1),
    ]
    house.controller.handle(events)
    assert [record.seq for record in house.board.committed_before] == [5, 5, 5]
    assert house.reasons() == [
        Reason.LISTED,
        Reason.LISTED,
        Reason.UNKNOWN_CREDENTIAL,
        Reason.VERIFIED_ID,
    ]
    assert house.shown == [
        ("lobby-in", Indication.GRANTED),
        ("garage-out", Indication.GRANTED),
        ("lobby-in", Indication.DENIED),
        ("garage-out", Indication.GRANTED),
    ]


def test_a_lock_that_fails_is_recorded_with_the_decision_it_belongs_to(house: House) -> None:
    house.board.broken = True
    house.reads(STRANGER, LISTED)
    denied, granted, failed = house.records()
    assert (failed.kind, failed.reason, failed.door) == (Kind.RELEASE_FAILED, Reason.LOST_DRIVE, "lobby")
    assert failed.links == granted.seq
    assert denied.kind is Kind.ACCESS_DENIED
    assert house.shown == [("lobby-in", Indication.DENIED)]
    assert house.announced[-1].seq == failed.seq


# Lists and devices.


def test_a_new_list_decides_from_the_next_read_on_also_within_one_round(house: House) -> None:
    fresh = AccessList(6, EPOCH_S * 1_000_000, {})
    house.controller.handle([read(LISTED), NewList(fresh), read(LISTED, at_s=9)])
    granted, applied, denied = house.records()
    assert (granted.reason, granted.list_version) == (Reason.LISTED, 5)
    assert (applied.kind, applied.list_version, applied.list_age_s) == (Kind.LIST_APPLIED, 6, 0)
    assert (denied.reason, denied.list_version) == (Reason.UNKNOWN_CREDENTIAL, 6)


def test_a_refused_list_is_recorded_and_the_former_one_decides(house: House) -> None:
    house.controller.handle([ListRefused(), read(LISTED)])
    refused, granted = house.records()
    assert (refused.kind, refused.reason, refused.list_version) == (Kind.LIST_REFUSED, Reason.BAD_FILE, 5)
    assert granted.reason is Reason.LISTED


@pytest.mark.parametrize(
    ("state", "reader", "lock"),
    [
        (
            DeviceState.LOST,
            (Kind.READER_LOST, Reason.NO_ANSWER),
            (Kind.LOCK_LOST, Reason.NO_ANSWER),
        ),
        (
            DeviceState.DEGRADED,
            (Kind.READER_DEGRADED, Reason.DEVICE_FAULT),
            (Kind.LOCK_DEGRADED, Reason.DEVICE_FAULT),
        ),
        (DeviceState.RECOVERING, (Kind.READER_RECOVERING, None), (Kind.LOCK_RECOVERING, None)),
        (DeviceState.OK, (Kind.READER_RESTORED, Reason.ANSWERS_AGAIN), (Kind.LOCK_RESTORED, None)),
    ],
    ids=str,
)
def test_a_device_is_recorded_at_every_door_it_serves(
    house: House, state: DeviceState, reader: tuple[Kind, Reason | None], lock: tuple[Kind, Reason | None]
) -> None:
    house.controller.handle(
        [DeviceChanged("garage-out", state, "cause"), DeviceChanged("lobby-board", state, "cause")]
    )
    assert [(r.door, r.reader, (r.kind, r.reason)) for r in house.records()] == [
        ("garage", "garage-out", reader),
        ("lobby", None, lock),
        ("garage", None, lock),
    ]


def test_a_device_that_could_not_prove_itself_says_so_whatever_its_state(house: House) -> None:
    house.controller.handle(
        [
            DeviceChanged("lobby-in", DeviceState.LOST, "wrong key", insecure=True),
            DeviceChanged("garage-out", DeviceState.DEGRADED, "plain text", insecure=True),
        ]
    )
    assert [(r.kind, r.reason) for r in house.records()] == [
        (Kind.READER_LOST, Reason.NOT_SECURE),
        (Kind.READER_DEGRADED, Reason.NOT_SECURE),
    ]


# Cards with a PIN.


def test_a_door_that_asks_for_a_pin_opens_with_the_right_one_only(strict: House) -> None:
    strict.gives_pins(PIN)
    strict.controller.handle(
        [read(LISTED), read(LISTED, pin=OTHER_PIN, at_s=1), read(LISTED, pin=PIN, at_s=2)]
    )
    assert strict.reasons() == [Reason.PIN_MISSING, Reason.PIN_WRONG, Reason.LISTED]
    assert strict.board.released == 1


def test_another_pin_after_the_same_card_is_another_try_and_the_same_one_is_not(strict: House) -> None:
    strict.gives_pins(PIN)
    strict.controller.handle(
        [read(LISTED, pin=OTHER_PIN), read(LISTED, pin=OTHER_PIN), read(LISTED, pin=PIN)]
    )
    assert strict.reasons() == [Reason.PIN_WRONG, Reason.LISTED]


# Inputs.


def test_a_contact_is_recorded_at_its_door_when_it_changes(house: House) -> None:
    for state in (InputState.NORMAL, InputState.ACTIVE, InputState.ACTIVE, InputState.NORMAL):
        house.controller.handle([InputChanged("lobby-board", 1, state, 0)])
    assert [(r.kind, r.door, r.reader) for r in house.records()] == [
        (Kind.DOOR_OPENED, "garage", None),
        (Kind.DOOR_CLOSED, "garage", None),
    ]


def test_a_board_that_comes_back_and_says_the_same_again_is_no_news(house: House) -> None:
    opened = InputChanged("lobby-board", 1, InputState.ACTIVE, 0)
    house.controller.handle([opened])
    house.controller.handle([DeviceChanged("lobby-board", DeviceState.LOST, "cause"), opened])
    assert [r.kind for r in house.records()].count(Kind.DOOR_OPENED) == 1


def test_what_a_device_says_of_itself_is_recorded_at_each_of_its_doors(house: House) -> None:
    house.controller.handle(
        [
            InputChanged("lobby-in", TAMPER_INPUT, InputState.ACTIVE, 0),
            InputChanged("lobby-board", POWER_INPUT, InputState.ACTIVE, 0),
        ]
    )
    assert [(r.kind, r.door, r.reader) for r in house.records()] == [
        (Kind.TAMPER, "lobby", "lobby-in"),
        (Kind.MAINS_FAILED, "lobby", None),
        (Kind.MAINS_FAILED, "garage", None),
    ]


def test_a_door_that_closed_while_its_line_was_cut_is_recorded_as_closed(house: House) -> None:
    for state in (InputState.ACTIVE, InputState.CUT, InputState.SHORTED, InputState.NORMAL):
        house.controller.handle([InputChanged("lobby-board", 1, state, 0)])
    assert [(r.kind, r.reason) for r in house.records()] == [
        (Kind.DOOR_OPENED, None),
        (Kind.TAMPER, Reason.LINE_CUT),
        (Kind.TAMPER, Reason.LINE_SHORTED),
        (Kind.TAMPER_RESTORED, None),
        (Kind.DOOR_CLOSED, None),
    ]


def test_a_board_that_only_senses_is_recorded_at_the_doors_that_it_senses(house: House) -> None:
    house.controller.handle(
        [
            DeviceChanged("sensing-board", DeviceState.LOST, "cause"),
            InputChanged("sensing-board", TAMPER_INPUT, InputState.ACTIVE, 0),
        ]
    )
    assert [(r.kind, r.door) for r in house.records()] == [
        (Kind.LOCK_LOST, "garage"),
        (Kind.TAMPER, "garage"),
    ]


def test_inputs_that_are_wired_to_nothing_do_nothing(house: House) -> None:
    house.controller.handle([InputChanged("lobby-board", 7, InputState.ACTIVE, 0)])
    assert house.records() == []


# When nothing can be recorded.


def test_without_a_journal_each_door_does_what_was_declared_and_it_is_made_up_for(house: House) -> None:
    with no_room(house):
        house.reads(LISTED)
        assert house.shown[-1] == ("lobby-in", Indication.GRANTED)
        house.reads(LISTED, reader="garage-out", at_s=1)
        assert house.shown[-1] == ("garage-out", Indication.OUT_OF_ORDER)
        house.reads(STRANGER, level="L3", at_s=2)
        assert house.shown[-1] == ("lobby-in", Indication.OUT_OF_ORDER)
        house.reads(BLOCKED, at_s=3)
        assert house.shown[-1] == ("lobby-in", Indication.ASK_DESK)
    assert house.records() == []
    house.reads(LISTED, at_s=60)
    assert [(record.kind, record.reason) for record in house.happenings()] == [
        (Kind.ACCESS_GRANTED, Reason.LISTED_UNRECORDED),
        (Kind.ACCESS_DENIED, Reason.NOT_RECORDABLE),
        (Kind.ACCESS_DENIED, Reason.NOT_RECORDABLE),
        (Kind.ACCESS_DENIED, Reason.BLOCKED),
        (Kind.ACCESS_GRANTED, Reason.LISTED),
    ]
    assert [record.door for record in house.happenings()] == ["lobby", "garage", "lobby", "lobby", "lobby"]
    told = [record.kind for record in house.records() if record not in house.happenings()]
    assert told == [Kind.STORAGE_FAULT, Kind.STORAGE_RESTORED]


def test_an_export_is_noted_only_by_a_record_that_is_durable(house: House) -> None:
    noted: list[str] = []
    with no_room(house):
        house.controller.handle([RecordsExported(lambda: noted.append("without room"))])
    house.controller.handle([RecordsExported(lambda: noted.append("with room"))])
    assert noted == ["with room"]
    assert [record.kind for record in house.happenings()] == [Kind.RECORDS_EXPORTED] * 2


def test_an_acknowledgement_that_is_not_the_centres_is_on_the_record_and_licenses_nothing(
    house: House,
) -> None:
    house.controller.handle([AckRefused(Reason.NOT_SIGNED)])
    [refused] = house.happenings()
    assert (refused.kind, refused.reason) == (Kind.ACK_REFUSED, Reason.NOT_SIGNED)


def test_a_door_let_go_without_a_journal_is_really_released(house: House) -> None:
    with no_room(house):
        house.reads(LISTED)
        assert house.board.released == 1
        house.reads(STRANGER, level="L3", at_s=9)
        house.reads(LISTED, reader="garage-out")
        assert house.board.released == 1


def test_a_lock_that_fails_without_a_journal_is_made_up_for_too(house: House) -> None:
    house.board.broken = True
    with no_room(house):
        house.reads(LISTED)
    house.controller.handle([ListRefused()])
    assert [(r.kind, r.reason) for r in house.happenings()][:2] == [
        (Kind.ACCESS_GRANTED, Reason.LISTED_UNRECORDED),
        (Kind.RELEASE_FAILED, Reason.LOST_DRIVE),
    ]
    assert house.shown == []


def test_news_of_devices_and_lists_waits_for_the_journal(house: House) -> None:
    with no_room(house):
        house.controller.handle([DeviceChanged("lobby-in", DeviceState.LOST, "cause"), NewList(LIST)])
    house.reads(LISTED)
    assert [record.kind for record in house.happenings()] == [
        Kind.READER_LOST,
        Kind.LIST_APPLIED,
        Kind.ACCESS_GRANTED,
    ]


def test_of_what_waits_for_the_journal_the_newest_stay_and_a_record_says_since_when_others_are_lost(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.controller._recorder._unrecorded = Unrecorded(5)
    with no_room(house):
        for number in range(8):
            house.clock.passes(1_000_000)
            house.reads(PEOPLE[number], at_s=number * 10)
        assert len(house.controller.unrecorded) == 6
    assert caplog.text.count("from now on the oldest are lost") == 1
    house.controller.handle([ListRefused()])
    lost, oldest, *_ = house.records()
    assert (lost.kind, lost.reason) == (Kind.RECORDS_LOST, Reason.WRITE_FAILED)
    assert (lost.at, lost.uptime_us) == ((EPOCH_S + 1) * 1_000_000, 6_000_000)  # when the first one happened
    assert oldest.credential is not None
    assert [r.credential.token for r in house.records() if r.credential] == PEOPLE[3:8]
    assert "5 records made up for" in caplog.text
    assert "4 records before them are lost" in caplog.text  # with the one that the disk had failed
    assert not house.controller.unrecorded


def test_neither_tokens_nor_holders_are_logged(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    house.board.broken = True
    house.reads(LISTED)
    with no_room(house):
        house.reads(STRANGER, BLOCKED, LISTED, at_s=50)
    house.reads(LISTED, at_s=99)
    assert caplog.text
    assert not any(word in caplog.text for word in (LISTED, BLOCKED, STRANGER, "h-7", "h-8"))


# The thread.


@contextmanager
def running(house: House) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=house.controller.run)
    thread.start()
    try:
        yield thread
    finally:
        house.controller.inbox.put(Stop())
        thread.join(20)
        assert not thread.is_alive()


def test_a_run_begins_and_ends_with_a_record_and_does_all_that_came_before_the_end(house: House) -> None:
    for token in PEOPLE:
        house.controller.inbox.put(read(token))
    with running(house):
        pass
    kinds = [record.kind for record in house.records()]
    assert kinds[0] is Kind.GATEWAY_STARTED
    assert kinds[-1] is Kind.GATEWAY_STOPPED
    assert kinds[1:-1] == [Kind.ACCESS_GRANTED] * 200
    assert house.announced[-1].seq == 203


def test_what_could_not_be_recorded_is_made_up_for_without_another_event(house: House) -> None:
    with running(house):
        until(lambda: len(house.announced) == 1, "the start")
        with no_room(house):
            house.controller.inbox.put(read(LISTED))
            until(lambda: house.shown, "the release")
        until(lambda: len(house.announced) > 1, "the record")
        until(lambda: Reason.LISTED_UNRECORDED in house.reasons(), "its reason")


def test_acknowledged_records_are_pruned_between_events(house: House) -> None:
    with running(house):
        for token in PEOPLE[:30]:
            house.controller.inbox.put(read(token))
        until(lambda: house.journal.head.seq == 32, "the records")
        house.controller.inbox.put(Acknowledged(house.journal.head.epoch, 20))
        until(lambda: oldest(house) == 21, "the pruning")
        house.controller.inbox.put(Acknowledged(house.journal.head.epoch, 32))
        until(lambda: oldest(house) == 32, "the rest of it")


def oldest(house: House) -> int:
    with closing(sqlite3.connect(f"file:{house.path}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT min(id) FROM records").fetchone()[0])


# --- commands, duress, and what doors say ------------------------------------------------------------------


def ordered(action: Action, door: str | None = None, **more: Any) -> CommandGiven:
    now_us = EPOCH_S * 1_000_000
    command = Command(
        1, "0" * 32, action, "op-1", Why.VISITOR, now_us - 1_000_000, now_us + 7_000_000, door, **more
    )
    return CommandGiven(command)


def told(house: House) -> list[tuple[Kind, Reason | None, int | None]]:
    return [(record.kind, record.reason, record.links) for record in house.records()]


def test_a_release_by_command_is_recorded_first_with_its_operator_and_answered_with_its_record(
    house: House,
) -> None:
    house.controller.handle([ordered(Action.RELEASE, "lobby")])
    (record,) = house.records()
    assert (record.kind, record.door, record.holder) == (Kind.REMOTE_RELEASE, "lobby", "op-1")
    assert [each.kind for each in house.board.committed_before] == [Kind.REMOTE_RELEASE]
    assert house.answers == [Result(1, "0" * 32, Outcome.DONE, None, record.epoch, record.seq)]


def test_a_release_that_the_lock_did_not_take_is_answered_so(house: House) -> None:
    house.board.broken = True
    house.controller.handle([ordered(Action.RELEASE, "lobby")])
    assert told(house) == [
        (Kind.REMOTE_RELEASE, Reason.COMMAND, None),
        (Kind.RELEASE_FAILED, Reason.LOST_DRIVE, 2),
    ]
    assert (house.answers[0].outcome, house.answers[0].reason) == (Outcome.REFUSED, Reason.LOST_DRIVE)


def test_a_command_that_waited_too_long_is_not_carried_out(house: House) -> None:
    house.clock.passes(8_000_000)
    house.controller.handle([ordered(Action.RELEASE, "lobby")])
    assert told(house) == [(Kind.COMMAND_REFUSED, Reason.TOO_LATE, None)]
    assert house.answers == [
        Result(1, "0" * 32, Outcome.REFUSED, Reason.TOO_LATE, house.records()[0].epoch, 2)
    ]
    assert house.board.released == 0


def test_a_command_that_cannot_be_recorded_is_not_carried_out(house: House) -> None:
    with no_room(house):
        house.controller.handle([ordered(Action.RELEASE, "lobby")])
    assert house.board.released == 0
    assert house.answers == [Result(1, "0" * 32, Outcome.REFUSED, Reason.NOT_RECORDABLE)]


def test_a_refused_command_is_answered_with_its_record(house: House) -> None:
    house.controller.handle([CommandRefused("1" * 32, Reason.REPLAYED, "lobby")])
    (record,) = house.records()
    assert (record.kind, record.reason, record.door) == (Kind.COMMAND_REFUSED, Reason.REPLAYED, "lobby")
    assert house.answers == [Result(1, "1" * 32, Outcome.REFUSED, Reason.REPLAYED, record.epoch, record.seq)]


def test_a_forgery_is_recorded_and_answered_to_nobody(house: House) -> None:
    house.controller.handle([CommandRefused(None, Reason.NOT_SIGNED)])
    assert told(house) == [(Kind.COMMAND_REFUSED, Reason.NOT_SIGNED, None)]
    assert house.answers == []


def test_a_door_is_locked_down_by_command_and_given_back_to_its_schedule(house: House) -> None:
    until_us = (EPOCH_S + 3_600) * 1_000_000
    house.controller.handle([ordered(Action.LOCK_DOWN, "lobby", until_us=until_us)])
    house.reads(LISTED)
    house.controller.handle([ordered(Action.BACK_TO_SCHEDULE, "lobby")])
    house.reads(LISTED, at_s=9)
    assert [(kind, reason) for kind, reason, _ in told(house)] == [
        (Kind.COMMAND_DONE, Reason.COMMAND),
        (Kind.DOOR_LOCKED_DOWN, Reason.COMMAND),
        (Kind.ACCESS_DENIED, Reason.LOCKED_DOWN),
        (Kind.COMMAND_DONE, Reason.COMMAND),
        (Kind.DOOR_SECURED, Reason.COMMAND),
        (Kind.ACCESS_GRANTED, Reason.LISTED),
    ]


def test_records_that_the_centre_asks_for_are_passed_on(house: House) -> None:
    asked = ordered(Action.SEND_RECORDS, ranges=(RecordRange(1, 1, 9),))
    house.controller.handle([asked])
    assert house.sent_again == [asked.command]
    assert house.answers[0].outcome is Outcome.DONE


def test_a_decision_is_followed_by_who_went_in_and_linked_to_it(house: House) -> None:
    house.controller.handle([InputChanged("lobby-board", 1, InputState.NORMAL, 0)])
    house.reads(LISTED, reader="garage-out")
    house.controller.handle([InputChanged("lobby-board", 1, InputState.ACTIVE, 0)])
    house.controller.handle([InputChanged("lobby-board", 1, InputState.NORMAL, 0)])
    assert told(house) == [
        (Kind.ACCESS_GRANTED, Reason.LISTED, None),
        (Kind.DOOR_OPENED, None, 2),
        (Kind.ACCESS_TAKEN, None, 2),
        (Kind.DOOR_CLOSED, None, 2),
    ]


def test_duress_opens_like_any_pin_and_is_on_the_disk_with_the_decision(strict: House) -> None:
    entry = structs.replace(ENTRIES[LISTED], pin=PIN, duress_pin=OTHER_PIN)
    strict.access.take_list(AccessList(6, 1, {LISTED: entry}))
    strict.controller.handle([read(LISTED, pin=OTHER_PIN)])
    assert [(kind, reason) for kind, reason, _ in told(strict)] == [
        (Kind.ACCESS_GRANTED, Reason.LISTED),
        (Kind.DURESS, None),
    ]
    assert strict.board.committed_before[-1].kind is Kind.DURESS
    assert strict.shown == [("lobby-in", Indication.GRANTED)]


def test_five_wrong_cards_in_a_row_raise_an_alarm_once(house: House) -> None:
    house.reads(*(f"{number:032x}" for number in range(1_000, 1_006)))
    kinds = [record.kind for record in house.records()]
    assert kinds.count(Kind.REPEATED_DENIALS) == 1
    assert kinds[:6] == [Kind.ACCESS_DENIED] * 5 + [Kind.REPEATED_DENIALS]


def test_new_site_settings_are_recorded_and_turn_the_doors(house: House) -> None:
    settings = decode_site_settings(
        b'{"v":1,"revision":3,"issued_us":1,"doors":{"lobby":{"mode":"locked_down"}}}'
    )
    house.controller.handle([NewSettings(settings), SettingsRefused(Reason.OLDER)])
    assert [(kind, reason) for kind, reason, _ in told(house)] == [
        (Kind.SETTINGS_APPLIED, None),
        (Kind.DOOR_LOCKED_DOWN, Reason.SCHEDULE),
        (Kind.SETTINGS_REFUSED, Reason.OLDER),
    ]


def test_a_grant_that_could_not_be_carried_out_costs_no_use(house: House) -> None:
    once = structs.replace(ENTRIES[LISTED], uses=1)
    house.access.take_list(AccessList(6, 1, {LISTED: once}))
    with no_room(house):
        house.reads(LISTED, reader="garage-out")
    house.controller.handle([ListRefused()])
    house.reads(LISTED, at_s=60)
    assert house.reasons()[-1] is Reason.LISTED


def test_a_free_door_is_driven_once_it_is_recorded_as_free(house: House) -> None:
    house.access.command_mode("lobby", DoorMode.FREE, None)
    house.controller.tick()
    assert [record.kind for record in house.board.committed_before] == [Kind.DOOR_FREED]


def test_at_a_free_door_nobody_is_sent_away_while_nothing_can_be_recorded(house: House) -> None:
    house.access.command_mode("lobby", DoorMode.FREE, None)
    with no_room(house):
        house.reads(STRANGER)
    assert house.shown == [("lobby-in", Indication.GRANTED)]
    house.controller.handle([ListRefused()])
    assert (Kind.ACCESS_GRANTED, Reason.FREE_HOURS) in [(r.kind, r.reason) for r in house.records()]


def frees(house: House, door: str) -> None:
    house.access.command_mode(door, DoorMode.FREE, None)
    house.controller.tick()


def test_a_door_that_denies_unrecorded_entry_is_free_only_once_that_is_durable(house: House) -> None:
    with no_room(house):
        frees(house, "garage")
        house.controller.tick()
        house.reads(STRANGER, reader="garage-out")
        assert house.board.released == 0
        assert house.shown == [("garage-out", Indication.OUT_OF_ORDER)]
    house.controller._care_for_the_journal()
    house.controller.tick()
    assert [record.kind for record in house.board.committed_before] == [Kind.DOOR_FREED]
    assert [(record.kind, record.reason, record.door) for record in house.happenings()] == [
        (Kind.ACCESS_DENIED, Reason.NOT_RECORDABLE, "garage"),
        (Kind.DOOR_FREED, Reason.SCHEDULE, "garage"),
    ]


def test_a_door_freed_by_command_waits_for_its_record_too_and_keeps_its_reason(house: House) -> None:
    house.controller.handle([ordered(Action.FREE, "garage", until_us=(EPOCH_S + 60) * 1_000_000)])
    with no_room(house):
        house.controller.tick()
        assert house.board.released == 0
    house.controller._care_for_the_journal()
    house.controller.tick()
    assert house.board.released == 1
    assert house.happenings()[-1].kind is Kind.DOOR_FREED
    assert house.happenings()[-1].reason is Reason.COMMAND


def test_free_hours_that_end_before_they_could_be_recorded_never_were(house: House) -> None:
    with no_room(house):
        frees(house, "garage")
        house.access.command_mode("garage", None, None)
        house.controller.tick()
    house.controller._care_for_the_journal()
    house.controller.tick()
    assert house.board.released == 0
    assert house.happenings() == []


def test_a_door_that_admits_unrecorded_is_free_at_its_hour_and_that_is_made_up_for(house: House) -> None:
    with no_room(house):
        frees(house, "lobby")
        house.reads(STRANGER)
        assert house.board.released == 2
        assert house.shown == [("lobby-in", Indication.GRANTED)]
    house.controller._care_for_the_journal()
    assert [(record.kind, record.reason) for record in house.happenings()] == [
        (Kind.DOOR_FREED, Reason.SCHEDULE),
        (Kind.ACCESS_GRANTED, Reason.FREE_HOURS),
    ]


def test_a_door_that_is_free_stays_so_when_nothing_can_be_recorded_any_more(house: House) -> None:
    frees(house, "garage")
    with no_room(house):
        house.reads(STRANGER, reader="garage-out")
        house.controller.tick()
    assert house.shown == [("garage-out", Indication.GRANTED)]
    house.controller._care_for_the_journal()
    assert [(record.kind, record.reason) for record in house.happenings()] == [
        (Kind.DOOR_FREED, Reason.SCHEDULE),
        (Kind.ACCESS_GRANTED, Reason.FREE_HOURS),
    ]


def test_decisions_go_by_the_clock_as_it_stands_and_records_by_the_best_that_is_known(house: House) -> None:
    """A board without a battery-backed clock has started: what ends cannot be judged, residents get in."""
    ends = structs.replace(ENTRIES[LISTED], until_us=(EPOCH_S + 86_400) * 1_000_000)
    house.access.take_list(
        AccessList(6, (EPOCH_S - 90) * 1_000_000, {LISTED: ends, PEOPLE[0]: ENTRIES[PEOPLE[0]]})
    )
    house.controller._clock._wall_us = lambda: 5_000_000
    house.clock.synced = ClockQuality.UNKNOWN
    house.reads(LISTED)
    house.reads(PEOPLE[0], at_s=9)
    assert house.reasons() == [Reason.CLOCK_NOT_SET, Reason.LISTED]
    assert {record.at // 1_000_000 for record in house.records()} == {EPOCH_S}


def test_an_acknowledgement_that_says_nothing_new_is_not_written_again(house: House) -> None:
    written = []

    def acknowledge(_epoch: int, through: int, _least: int | None = None) -> bool:
        written.append(through)
        return True

    house.reads(LISTED)
    house.journal.acknowledge = acknowledge  # type: ignore[assignment, method-assign]
    for through in (1, 1, 2, 2, 0):
        house.controller.handle([Acknowledged(house.journal.head.epoch, through)])
        house.controller._care_for_the_journal()
    assert written == [1, 2, 0]


def test_where_the_centre_has_other_records_a_new_epoch_begins_once_and_doors_go_on(house: House) -> None:
    house.reads(LISTED)
    former = house.journal.head
    for _ in range(5):  # said with each acknowledgement
        house.controller.handle([EpochDisputed(former.epoch)])
    assert house.announced[-1] == house.journal.head
    assert (house.journal.head.epoch > former.epoch, house.journal.head.seq) == (True, 1)
    house.reads(LISTED)
    [opened] = [each for each in house.happenings() if each.reason is Reason.OLDER_COPY]
    assert (opened.kind, opened.epoch, opened.seq) == (Kind.JOURNAL_OPENED, former.epoch + 1, 1)


def test_whoever_disputes_everything_makes_no_epoch_each_time(house: House) -> None:
    first = house.journal.head.epoch
    for _ in range(20):
        house.controller.handle([EpochDisputed(house.journal.head.epoch)])
    assert house.journal.head.epoch == first + 3


def test_a_new_epoch_that_cannot_be_begun_now_begins_with_the_next_record(house: House) -> None:
    former = house.journal.head.epoch
    with no_room(house):
        house.controller.handle([EpochDisputed(former)])
        assert house.journal.head.epoch == former
    house.reads(LISTED)
    assert house.journal.head.epoch > former


# On the reader's own thread.


@contextmanager
def another_decides(house: House) -> Iterator[None]:
    """A card is being let in on another thread: its lock takes its time."""
    driven, goes_on = threading.Event(), threading.Event()

    def linger() -> None:
        driven.set()
        goes_on.wait(20)

    house.board.lingers = linger
    thread = threading.Thread(target=house.controller.read, args=(read(PEOPLE[1]),))
    thread.start()
    assert driven.wait(20)
    try:
        yield
    finally:
        goes_on.set()
        thread.join(20)


def test_a_card_is_decided_on_its_readers_own_thread_while_nobody_else_decides(house: House) -> None:
    with running(house):
        until(lambda: len(house.announced) == 1, "the start")
        until(lambda: decided_before_it_returns(house), "a moment in which nobody else decides")
        assert house.board.committed_before[-1].kind is Kind.ACCESS_GRANTED
        assert set(house.shown) == {("lobby-in", Indication.GRANTED)}


def decided_before_it_returns(house: House) -> bool:
    before = len(house.board.committed_before)
    house.controller.read(read(LISTED))
    return len(house.board.committed_before) > before


def test_cards_that_are_read_while_another_is_decided_wait_and_share_a_commit(house: House) -> None:
    with running(house):
        until(lambda: len(house.announced) == 1, "the start")
        with another_decides(house):
            for token in PEOPLE[2:6]:
                house.controller.read(read(token))
            assert house.board.released == 1
        until(lambda: house.board.released == 5, "the others")
        last = house.records()[-1].seq
        assert [before.seq for before in house.board.committed_before] == [last - 4] + [last] * 4


def test_what_came_before_a_card_is_not_overtaken_by_it(house: House) -> None:
    fresh = AccessList(6, LIST.issued_us, {})
    with running(house):
        until(lambda: len(house.announced) == 1, "the start")
        with another_decides(house):
            house.controller.inbox.put(NewList(fresh))
            house.controller.read(read(LISTED))
        until(lambda: house.controller.inbox.empty() and len(house.shown) == 2, "the decision")
        assert house.reasons()[-1] is Reason.UNKNOWN_CREDENTIAL


def test_a_card_before_the_start_and_one_after_the_end_are_not_decided_on_a_readers_thread(
    house: House,
) -> None:
    house.controller.read(read(LISTED))
    assert house.board.released == 0
    with running(house):
        until(lambda: house.board.released == 1, "the card that waited")
    house.controller.read(read(PEOPLE[0]))
    assert house.board.released == 1
    kinds = [record.kind for record in house.records()]
    assert (kinds[0], kinds[-1]) == (Kind.GATEWAY_STARTED, Kind.GATEWAY_STOPPED)


def test_a_decision_that_fails_on_a_readers_thread_is_the_last_one_of_all(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever supervises starts the gateway again; until then nothing may be decided in a state unknown."""
    with running(house) as thread:
        until(lambda: len(house.announced) == 1, "the start")
        with monkeypatch.context() as patched:
            patched.setattr(house.journal, "append", lambda _: 1 // 0)
            with pytest.raises(ZeroDivisionError):
                house.controller.read(read(LISTED))
        thread.join(20)
        assert not thread.is_alive()
        house.controller.read(read(PEOPLE[0]))
    assert house.board.released == 0
    assert [record.kind for record in house.records()] == [Kind.GATEWAY_STARTED]


def test_an_end_that_a_readers_thread_finds_before_its_card_is_an_end(house: House) -> None:
    with running(house) as thread:
        until(lambda: len(house.announced) == 1, "the start")
        with another_decides(house):
            house.controller.inbox.put(Stop())
        house.controller.read(read(LISTED))
        thread.join(20)
        assert not thread.is_alive()
    assert house.records()[-1].kind is Kind.GATEWAY_STOPPED


def test_a_rehearsal_goes_the_way_of_the_last_card_and_leaves_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.controller._STAYS_WARM_S", 0.0)
    rehearsed: list[Fact] = []
    rehearse = house.journal.rehearse

    def noted(fact: Fact) -> None:
        rehearsed.append(fact)
        rehearse(fact)

    monkeypatch.setattr(house.journal, "rehearse", noted)
    with running(house):
        until(lambda: len(house.announced) == 1, "the start")
        house.controller.rehearse("lobby-in")  # nobody was there yet
        assert rehearsed == []
        house.controller.read(read(LISTED))
        before = house.records()
        house.controller.rehearse("garage-out")
        house.controller.rehearse("spare")
        assert [(fact.door, fact.holder, fact.reason) for fact in rehearsed] == [
            ("garage", "h-7", Reason.LISTED)
        ]
        assert (house.records(), house.board.released, len(house.shown)) == (before, 1, 1)
        house.controller.read(read(LISTED, reader="garage-out", at_s=9))
        assert house.records()[-1].seq == before[-1].seq + 1


def test_no_rehearsal_is_held_so_soon_after_a_decision_or_beside_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house.journal, "rehearse", lambda _: pytest.fail("a rehearsal"))
    with running(house):
        until(lambda: len(house.announced) == 1, "the start")
        monkeypatch.setattr("gateway.controller._STAYS_WARM_S", 3_600.0)
        house.controller.read(read(LISTED))
        house.controller.rehearse("lobby-in")
        monkeypatch.setattr("gateway.controller._STAYS_WARM_S", 0.0)
        with another_decides(house):
            house.controller.rehearse("lobby-in")
