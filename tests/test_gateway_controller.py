"""The controller over a real journal: what is recorded, in which order, and when doors are released."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime
from pathlib import Path

import pytest
from controller_support import (
    BLOCKED,
    ENTRIES,
    LIST,
    LISTED,
    OTHER_PIN,
    PEOPLE,
    PIN,
    STRANGER,
    House,
    house_in,
    no_room,
    read,
    running,
)
from gateway_support import EPOCH_S, until
from msgspec import structs

from drivers.base import (
    POWER_INPUT,
    TAMPER_INPUT,
    CardRemoved,
    CardUnreadable,
    DeviceChanged,
    DeviceState,
    Indication,
    InputChanged,
    InputState,
)
from gateway.access_list import AccessList
from gateway.events import (
    Acknowledged,
    AckRefused,
    ListRefused,
    LookBack,
    LookedBack,
    NewList,
    RecordsExported,
)
from gateway.journal import Head
from gateway.looking_back import REPLAYED
from gateway.unrecorded import Unrecorded
from messages.model import AssuranceLevel, Credential, Direction, Kind, Reason


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with house_in(tmp_path) as house:
        yield house


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[House]:
    with house_in(tmp_path, asks_pin=True) as house:
        yield house


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
