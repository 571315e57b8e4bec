"""The time of records: never behind what is recorded, believed where a source stands behind it."""

from pathlib import Path

import pytest
from gateway_support import DAY_US, EPOCH_S, TurnedClock, a_fact, opened
from hypothesis import given
from hypothesis import strategies as st

from gateway.facts import Fact, Placed, record_of
from gateway.journal import Journal
from gateway.journal_reader import JournalReader
from gateway.sqlite_file import parts
from gateway.timekeeping import LATEST_US, STEP_US, Timekeeper
from messages.chain import GENESIS
from messages.model import ClockQuality, Kind, Reason
from messages.wire import decode_record, encode_record

NOW_US = EPOCH_S * 1_000_000
SECOND_US = 1_000_000
IN_2069 = 3_124_224_000
ANY_TIME = st.integers(-(2**63), 2**63)

BEHIND = (Kind.CLOCK_STEPPED, Reason.BEHIND_RECORDS)
FORWARD = (Kind.CLOCK_STEPPED, Reason.CLOCK_FORWARD)
BACK = (Kind.CLOCK_STEPPED, Reason.CLOCK_BACK)


def a_clock(now_s: int = EPOCH_S, quality: ClockQuality = ClockQuality.UNKNOWN) -> TurnedClock:
    clock = TurnedClock(now_s)
    clock.synced = quality
    return clock


def told(keeper: Timekeeper) -> list[tuple[Kind, Reason]]:
    """Everything there is to tell now."""
    found = []
    while (step := keeper.stepped()) is not None:
        found.append(step)
        assert len(found) < 5
    return found


# The floor.


def test_a_board_that_starts_in_1970_goes_on_from_its_newest_record() -> None:
    clock = a_clock(now_s=12)
    keeper = Timekeeper(clock, NOW_US)
    assert keeper.now_us() == NOW_US
    clock.passes(90 * SECOND_US)
    assert keeper.now_us() == NOW_US + 90 * SECOND_US
    assert told(keeper) == [BEHIND]
    assert told(keeper) == []


def test_a_clock_ahead_of_the_records_is_used_as_it_is() -> None:
    clock = a_clock(EPOCH_S + 500)
    keeper = Timekeeper(clock, NOW_US)
    assert keeper.now_us() == NOW_US + 500 * SECOND_US
    assert told(keeper) == []


def test_when_the_clock_is_synchronised_after_a_start_in_1970_time_jumps_once_and_is_told() -> None:
    clock = a_clock(now_s=12)
    keeper = Timekeeper(clock, NOW_US)
    told(keeper)
    clock.passes(60 * SECOND_US)
    clock.now, clock.synced = NOW_US + DAY_US, ClockQuality.SYNCED
    assert keeper.now_us() == NOW_US + DAY_US
    assert told(keeper) == [FORWARD]
    assert told(keeper) == []


def test_a_time_in_2069_does_not_stay_for_ever() -> None:
    """The records of an empty battery's time are the newest; a synchronised clock may go back behind them."""
    clock = a_clock(IN_2069)
    keeper = Timekeeper(clock, NOW_US)
    assert told(keeper) == []
    keeper.not_before(keeper.now_us())
    clock.passes(SECOND_US)
    clock.now = NOW_US
    assert keeper.now_us() > IN_2069 * SECOND_US
    clock.synced = ClockQuality.SYNCED
    assert keeper.now_us() == NOW_US
    assert told(keeper) == [BACK]
    clock.synced = ClockQuality.HELD
    clock.passes(SECOND_US)
    assert keeper.now_us() == NOW_US + SECOND_US


@pytest.mark.parametrize("quality", [ClockQuality.UNKNOWN, ClockQuality.HELD])
def test_without_a_source_time_goes_on_when_the_clock_is_set_back(quality: ClockQuality) -> None:
    clock = a_clock(quality=quality)
    keeper = Timekeeper(clock, NOW_US)
    assert told(keeper) == []
    clock.passes(10 * SECOND_US)
    assert told(keeper) == []
    clock.now -= 50 * 365 * DAY_US
    assert keeper.now_us() == NOW_US + 10 * SECOND_US
    assert told(keeper) == [BEHIND]
    clock.passes(5 * SECOND_US)
    assert keeper.now_us() == NOW_US + 15 * SECOND_US
    clock.now = NOW_US + 15 * SECOND_US
    assert told(keeper) == []


# Steps.


@pytest.mark.parametrize(
    ("step_us", "expected"),
    [
        (3 * DAY_US, [FORWARD]),
        (-3 * DAY_US, [BACK]),
        (-50 * 365 * DAY_US, [BACK]),
        (STEP_US + 1, [FORWARD]),
        (-STEP_US - 1, [BACK]),
        (STEP_US, []),
        (-STEP_US, []),
    ],
)
def test_a_step_of_a_synchronised_clock_is_told_once(
    step_us: int, expected: list[tuple[Kind, Reason]]
) -> None:
    clock = a_clock(quality=ClockQuality.SYNCED)
    keeper = Timekeeper(clock, NOW_US - 100 * SECOND_US)
    assert told(keeper) == []
    clock.passes(SECOND_US)
    assert told(keeper) == []
    clock.now += step_us
    assert keeper.now_us() == NOW_US + SECOND_US + step_us
    assert told(keeper) == expected
    assert told(keeper) == []


def test_time_that_only_passes_is_no_step() -> None:
    clock = a_clock(quality=ClockQuality.SYNCED)
    keeper = Timekeeper(clock, 0)
    for us in (0, 1, 60 * SECOND_US, 40 * DAY_US):
        clock.passes(us)
        assert told(keeper) == []


def test_it_is_the_machines_clock_in_everything_else() -> None:
    clock = a_clock(quality=ClockQuality.HELD)
    keeper = Timekeeper(clock, 0)
    assert (keeper.boot, keeper.uptime_us(), keeper.quality()) == (
        clock.boot,
        clock.uptime,
        ClockQuality.HELD,
    )


@given(
    ANY_TIME, ANY_TIME, st.lists(st.tuples(ANY_TIME, st.integers(0, 2**40), st.sampled_from(ClockQuality)))
)
def test_whatever_the_clock_does_the_time_is_one_that_a_record_can_say(
    floor: int, now: int, course: list[tuple[int, int, ClockQuality]]
) -> None:
    clock = a_clock()
    clock.now = now
    keeper = Timekeeper(clock, floor)
    before = 0
    for at, passed, quality in course:
        clock.now, clock.synced = at, quality
        clock.uptime += passed
        given_us = keeper.now_us()
        assert 0 <= given_us <= LATEST_US
        if quality is not ClockQuality.SYNCED:
            assert given_us >= min(before, LATEST_US)
        keeper.not_before(given_us)
        keeper.stepped()
        before = given_us


# Records at any time.


@given(ANY_TIME, ANY_TIME, st.integers(-(2**50), 2**60))
def test_no_clock_makes_a_record_that_cannot_be_read(at: int, uptime: int, age: int) -> None:
    fact = Fact(kind=Kind.REX, at_us=at, uptime_us=uptime, clock=ClockQuality.UNKNOWN, list_age_s=age)
    body = encode_record(record_of(fact, "east-1", "0" * 16, epoch=1, seq=1, prev=GENESIS))
    record = decode_record(body)
    assert record.at == min(max(at, 0), 2**53)


@pytest.mark.parametrize("now_s", [-(10**9), -1, 0, 2**53 // 10**6 + 1, 10**12])
def test_a_journal_begins_and_goes_on_whatever_the_clock_says(tmp_path: Path, now_s: int) -> None:
    clock = TurnedClock(now_s)
    fact = Fact(kind=Kind.REX, at_us=clock.now, uptime_us=7, clock=ClockQuality.UNKNOWN)
    with opened(tmp_path / "journal.db", clock) as journal:
        assert journal.append([fact]) == [2]
    clock.now = EPOCH_S * 1_000_000
    with opened(tmp_path / "journal.db", clock) as journal:
        assert journal.append([fact]) == [3]
        reader = JournalReader(journal.path)
        assert reader.verify() == (3, [])
        reader.close()


def test_a_link_holds_within_its_epoch_only() -> None:
    fact = Fact(
        kind=Kind.ACCESS_TAKEN, at_us=1, uptime_us=1, clock=ClockQuality.SYNCED, links=Placed(5, epoch=7)
    )
    in_it = record_of(fact, "east-1", "0" * 16, epoch=7, seq=9, prev=GENESIS)
    elsewhere = record_of(fact, "east-1", "0" * 16, epoch=8, seq=9, prev=GENESIS)
    assert (in_it.links, elsewhere.links) == (5, None)
    assert decode_record(encode_record(in_it)).links == 5


def test_the_floor_is_the_newest_records_time(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    reader = JournalReader(path)
    assert reader.newest_at_us() == 0
    journal = Journal(path, "east-1", TurnedClock(EPOCH_S + 77))
    assert reader.newest_at_us() == (EPOCH_S + 77) * 1_000_000
    journal.append([a_fact()])
    assert reader.newest_at_us() == EPOCH_S * 1_000_000  # the newest, not the latest
    journal.close()
    reader.close()
    for part in parts(path):
        part.write_bytes(b"no journal" * 99)
    assert reader.newest_at_us() == 0
    reader.close()
