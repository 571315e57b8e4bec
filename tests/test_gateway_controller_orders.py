"""The controller over a real journal: commands, settings, free hours, duress and disputed epochs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from controller_support import (
    ENTRIES,
    LISTED,
    OTHER_PIN,
    PEOPLE,
    PIN,
    STRANGER,
    House,
    house_in,
    no_room,
    read,
)
from gateway_support import EPOCH_S
from msgspec import structs

from drivers.base import (
    Indication,
    InputChanged,
    InputState,
)
from gateway.access_list import AccessList
from gateway.events import (
    Acknowledged,
    CommandGiven,
    CommandRefused,
    EpochDisputed,
    ListRefused,
    NewSettings,
    SettingsRefused,
)
from messages.commands import Action, Command, Outcome, RecordRange, Result, Why
from messages.model import ClockQuality, Kind, Reason
from messages.site_settings import DoorMode, decode_site_settings


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with house_in(tmp_path) as house:
        yield house


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[House]:
    with house_in(tmp_path, asks_pin=True) as house:
        yield house


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
