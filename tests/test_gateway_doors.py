"""The doors of a building over real portals and access: who went in, what stands open, what is kept free."""

from zoneinfo import ZoneInfo

import pytest

from drivers.base import Assurance
from drivers.errors import DeviceUnavailable
from gateway.access import Access
from gateway.access_list import AccessList
from gateway.clock import Moment
from gateway.decision import Decision, DoorPolicy, Presented
from gateway.doors import AccessPoint, Doors, DoorTold, Doorway, Freed
from gateway.passes import PassBook
from gateway.portal import Portal, Told
from gateway.portal_table import Signal
from messages.access_list import Entry
from messages.model import Direction, Kind, Reason
from messages.site_settings import DoorMode, decode_site_settings

NOW = Moment(1_700_000_000_000_000)
TOKEN = "a" * 32
ENTRY = Entry(TOKEN, "h-7", "resident", ("*",))
PULSE_S = 5.0
AREAS = (
    b'{"v":1,"revision":1,"issued_us":1,"areas":{"house":{"passback":"hard"},"street":{"passback":"soft"}},'
    b'"doors":{"lobby":{"outside":"street","inside":"house"}}}'
)


class Lock:
    def __init__(self) -> None:
        self.pulses = 0
        self.broken = False

    def release(self) -> None:
        if self.broken:
            raise DeviceUnavailable("/dev/ttyUSB9", "it does not answer")
        self.pulses += 1


class House:
    """A lobby whose leaf has a reader on either side, and a garage without a contact."""

    def __init__(self, *, admits_unrecorded: bool = True) -> None:
        """`admits_unrecorded`: the way into the lobby does; all others do anyway."""
        self.lock, self.garage_lock = Lock(), Lock()
        self.way_in = AccessPoint(
            "lobby", Direction.IN, "board", self.lock.release, PULSE_S, admits_unrecorded
        )
        self.way_out = AccessPoint("lobby-out", Direction.OUT, "board", self.lock.release, PULSE_S)
        self.garage = AccessPoint("garage", Direction.IN, "board", self.garage_lock.release, PULSE_S)
        doors = dict.fromkeys(("lobby", "lobby-out", "garage"), DoorPolicy())
        self.access = Access(
            doors, ZoneInfo("Asia/Shanghai"), PassBook("north", "east"), contacts=("lobby", "lobby-out")
        )
        self.access.take_list(AccessList(5, 1, {TOKEN: ENTRY}))
        self.doors = Doors(
            [
                Doorway(_portal(has_contact=True), (self.way_in, self.way_out)),
                Doorway(_portal(has_contact=False), (self.garage,)),
            ],
            self.access,
        )
        self.doors.signal("lobby", Signal.CLOSED, NOW, 0.0)

    def comes(self, point: AccessPoint, seq: int | None, now_s: float) -> list[DoorTold]:
        decision = self.decision(point)
        assert decision.granted
        return self.doors.granted(decision, point, seq, NOW, now_s)

    def is_to_be_free(self, now_s: float) -> list[Freed]:
        """The garage, by a command; as yet it waits."""
        self.access.command_mode("garage", DoorMode.FREE, None)
        assert self.doors.turn(Reason.COMMAND, NOW, now_s) == []
        return self.doors.to_be_free()

    def stands_free(self, now_s: float) -> None:
        self.doors.begin_free(self.is_to_be_free(now_s), NOW, now_s)

    def decision(self, point: AccessPoint) -> Decision:
        return self.access.decide(Presented(Assurance.L0, token=TOKEN), point.door, point.direction, NOW)


def _portal(*, has_contact: bool) -> Portal:
    return Portal(release_s=PULSE_S, open_limit_s=30.0, has_contact=has_contact, exit_by_handle=False)


@pytest.fixture
def house() -> House:
    return House()


def test_a_decision_is_taken_when_its_door_is_opened(house: House) -> None:
    assert house.comes(house.way_in, 8, 10.0) == []
    assert house.doors.signal("lobby", Signal.OPENED, NOW, 12.0) == [
        DoorTold("lobby", Told(Kind.DOOR_OPENED, None, 8)),
        DoorTold("lobby", Told(Kind.ACCESS_TAKEN, None, 8)),
    ]


def test_what_follows_a_decision_is_told_under_the_door_where_it_was_made(house: House) -> None:
    house.comes(house.way_out, 8, 10.0)
    told = house.doors.signal("lobby", Signal.OPENED, NOW, 12.0)
    assert {each.door for each in told} == {"lobby-out"}
    closed = house.doors.signal("lobby", Signal.CLOSED, NOW, 13.0)
    assert closed == [DoorTold("lobby-out", Told(Kind.DOOR_CLOSED, None, 8))]


def test_nobody_is_inside_before_the_door_was_opened(house: House) -> None:
    house.access.take_settings(decode_site_settings(AREAS))
    house.comes(house.way_in, 8, 10.0)
    assert house.decision(house.way_in).reason is Reason.LISTED
    house.doors.signal("lobby", Signal.OPENED, NOW, 12.0)
    assert house.decision(house.way_in).reason is Reason.PASSED_BACK


def test_a_decision_that_nobody_takes_ends_with_its_release(house: House) -> None:
    house.comes(house.way_in, 8, 10.0)
    due_s = house.doors.due_s()
    assert due_s is not None
    assert house.doors.tick(NOW, due_s - 0.001) == []
    assert house.doors.tick(NOW, due_s) == [DoorTold("lobby", Told(Kind.ACCESS_NOT_TAKEN, None, 8))]
    assert house.doors.due_s() is None


def test_a_door_without_a_contact_tells_nothing_more(house: House) -> None:
    assert house.comes(house.garage, 8, 10.0) == []
    assert house.doors.tick(NOW, 100.0) == []


def test_a_door_that_nothing_released_is_forced(house: House) -> None:
    told = house.doors.signal("lobby", Signal.OPENED, NOW, 12.0)
    assert [each.told.kind for each in told] == [Kind.DOOR_OPENED, Kind.DOOR_FORCED]


def test_a_free_door_is_kept_released_and_then_let_go(house: House) -> None:
    house.stands_free(10.0)
    assert house.doors.to_be_free() == []
    for now_s in (10.0, 11.0, 12.4, 12.5, 15.0):
        house.doors.keep_free(now_s)
    assert house.garage_lock.pulses == 3  # at 10, 12.5 and 15: each before the one before has ended
    house.access.command_mode("garage", None, None)
    assert house.doors.tick(NOW, 17.6) == [DoorTold("garage", Told(Kind.DOOR_SECURED, Reason.SCHEDULE))]
    house.doors.keep_free(30.0)
    assert house.garage_lock.pulses == 3


def test_a_door_that_is_to_be_free_stays_as_it_is_until_that_is_recorded(house: House) -> None:
    assert house.is_to_be_free(10.0) == [Freed("garage", Reason.COMMAND, admits_unrecorded=True)]
    house.doors.keep_free(10.0)
    assert house.doors.tick(NOW, 11.0) == []
    assert house.doors.to_be_free() == [Freed("garage", Reason.COMMAND, admits_unrecorded=True)]
    assert not house.doors.stands_free("garage")
    assert house.garage_lock.pulses == 0


@pytest.mark.parametrize("instead", [None, DoorMode.CONTROLLED, DoorMode.LOCKED_DOWN])
def test_a_door_that_is_not_to_be_free_any_more_waits_no_longer(
    house: House, instead: DoorMode | None
) -> None:
    house.is_to_be_free(10.0)
    house.access.command_mode("garage", instead, None)
    house.doors.tick(NOW, 11.0)
    assert house.doors.to_be_free() == []


def test_a_leaf_waits_for_its_record_where_one_of_its_doors_denies_without() -> None:
    house = House(admits_unrecorded=False)
    house.access.command_mode("lobby", DoorMode.FREE, None)
    house.doors.tick(NOW, 10.0)
    assert house.doors.to_be_free() == [Freed("lobby", Reason.SCHEDULE, admits_unrecorded=False)]


def test_a_door_that_is_opened_while_it_waits_to_be_free_is_forced(house: House) -> None:
    house.access.command_mode("lobby", DoorMode.FREE, None)
    house.doors.tick(NOW, 10.0)
    told = house.doors.signal("lobby", Signal.OPENED, NOW, 11.0)
    assert [each.told.kind for each in told] == [Kind.DOOR_OPENED, Kind.DOOR_FORCED]


def test_a_lock_that_does_not_take_it_is_tried_again_and_told_once(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.garage_lock.broken = True
    house.stands_free(10.0)
    for now_s in (10.0, 12.5, 15.0):
        house.doors.keep_free(now_s)
    assert caplog.text.count("its lock was not driven") == 1
    house.garage_lock.broken = False
    house.doors.keep_free(17.5)
    assert house.garage_lock.pulses == 1


def test_a_door_goes_from_free_to_locked_down_at_once(house: House) -> None:
    house.stands_free(10.0)
    house.access.command_mode("garage", DoorMode.LOCKED_DOWN, None)
    told = house.doors.turn(Reason.COMMAND, NOW, 11.0)
    assert [each.told.kind for each in told] == [Kind.DOOR_LOCKED_DOWN]
    assert not house.decision(house.garage).granted


def test_a_release_by_command_is_taken_like_a_decision(house: House) -> None:
    house.doors.commanded("lobby", 9, NOW, 10.0)
    told = house.doors.signal("lobby", Signal.OPENED, NOW, 12.0)
    assert told[-1] == DoorTold("lobby", Told(Kind.ACCESS_TAKEN, Reason.COMMAND, 9))


def test_an_interlocked_door_waits_for_the_other_to_be_shut(house: House) -> None:
    pair = b'{"v":1,"revision":1,"issued_us":1,"interlocks":[{"doors":["lobby","garage"]}]}'
    house.access.take_settings(decode_site_settings(pair))
    house.comes(house.way_in, 8, 10.0)
    house.doors.signal("lobby", Signal.OPENED, NOW, 12.0)
    assert house.decision(house.garage).reason is Reason.INTERLOCKED
    house.doors.signal("lobby", Signal.CLOSED, NOW, 14.0)
    assert house.decision(house.garage).granted


def test_of_another_epoch_no_outcome_is_told(house: House) -> None:
    house.comes(house.way_in, 8, 10.0)
    house.doors.forget_decisions()
    told = house.doors.signal("lobby", Signal.OPENED, NOW, 12.0)
    assert [each.told for each in told] == [Told(Kind.DOOR_OPENED)]


def test_a_door_that_is_not_here_says_nothing(house: House) -> None:
    assert house.doors.signal("cellar", Signal.OPENED, NOW, 12.0) == []
    assert house.doors.point_of("cellar") is None
