"""Schedules by the clocks on the wall: weekly, over midnight, on holidays, and when clocks are changed."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.schedules import Timetable, end_of_day_us, local_date, midnight_us
from messages.site_settings import Day, Hours, Schedule, Window

BERLIN = ZoneInfo("Europe/Berlin")
SHANGHAI = ZoneInfo("Asia/Shanghai")
AZORES = ZoneInfo("Atlantic/Azores")  # clocks are put back from 01:00 to 00:00: midnight comes twice
BEIRUT = ZoneInfo("Asia/Beirut")  # clocks are put forward at 00:00: that midnight is left out
MINUTE_US = 60_000_000
EVERY_DAY = tuple(Day)


def utc(text: str) -> int:
    """Microseconds of "2026-03-29 01:00", in UTC."""
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000


def timetable(
    begins: str, ends: str, *days: Day, zone: ZoneInfo = BERLIN, holidays: dict[str, set[date]] | None = None
) -> Timetable:
    schedule = Schedule((Window(begins=begins, ends=ends, days=days or EVERY_DAY),))
    return Timetable(schedule, {name: frozenset(dates) for name, dates in (holidays or {}).items()}, zone)


@pytest.mark.parametrize(
    ("at", "holds"),
    [
        ("2026-11-18 23:59", False),  # Thursday 07:59 in Shanghai
        ("2026-11-19 00:00", True),
        ("2026-11-19 09:59", True),
        ("2026-11-19 10:00", False),
        ("2026-11-20 02:00", False),  # Friday
    ],
)
def test_hours_hold_on_their_days_by_local_time(at: str, holds: bool) -> None:
    assert timetable("08:00", "18:00", Day.THU, zone=SHANGHAI).holds(utc(at)) is holds


@pytest.mark.parametrize(
    ("at", "holds"),
    [
        ("2026-11-20 13:59", False),  # Friday 21:59 in Shanghai
        ("2026-11-20 14:00", True),
        ("2026-11-20 16:30", True),  # Saturday, half past midnight
        ("2026-11-20 21:59", True),
        ("2026-11-20 22:00", False),  # Saturday 06:00
        ("2026-11-19 16:30", False),  # Friday, half past midnight: nothing began on Thursday
    ],
)
def test_hours_over_midnight_belong_to_the_day_on_which_they_begin(at: str, holds: bool) -> None:
    assert timetable("22:00", "06:00", Day.FRI, zone=SHANGHAI).holds(utc(at)) is holds


@pytest.mark.parametrize(
    ("at", "holds"),
    [
        ("2026-09-30 02:00", True),  # Wednesday
        ("2026-10-01 02:00", False),  # Thursday, a holiday: closed at ten o'clock
        ("2026-10-01 13:00", True),  # open late, past midnight
        ("2026-10-01 17:00", True),  # Friday 01:00: of the hours that began on the holiday
        ("2026-10-10 02:00", True),  # a Saturday to be worked
        ("2026-10-17 02:00", False),  # an ordinary Saturday
    ],
)
def test_on_holidays_other_hours_hold(at: str, holds: bool) -> None:
    schedule = Schedule(
        (Window(begins="09:00", ends="17:00", days=EVERY_DAY[:5]),),
        {
            "public": (Hours(begins="20:00", ends="02:00"),),
            "make-up": (Hours(begins="09:00", ends="17:00"),),
        },
    )
    holidays = {"public": frozenset({date(2026, 10, 1)}), "make-up": frozenset({date(2026, 10, 10)})}
    assert Timetable(schedule, holidays, SHANGHAI).holds(utc(at)) is holds


# In Berlin clocks go from 02:00 to 03:00 at 01:00 UTC on 29 March 2026, and from 03:00 back to 02:00 at
# 01:00 UTC on 25 October 2026.
@pytest.mark.parametrize(
    ("begins", "ends", "on", "since", "until"),
    [
        pytest.param(
            "01:30", "04:00", "2026-03-29", "00:30", "02:00", id="over the hour left out: shorter by it"
        ),
        pytest.param("02:30", "04:00", "2026-03-29", "01:00", "02:00", id="begins where the gap ends"),
        pytest.param("01:30", "02:30", "2026-03-29", "00:30", "01:00", id="ends where the gap begins"),
        pytest.param("01:30", "02:30", "2026-10-25", "23:30-", "01:30", id="to the second half past two"),
        pytest.param("02:30", "04:00", "2026-10-25", "00:30", "03:00", id="from the first half past two"),
        pytest.param("02:15", "02:45", "2026-10-25", "00:15", "01:45", id="within the hour that comes twice"),
        pytest.param("00:00", "24:00", "2026-10-25", "22:00-", "23:00", id="a day of 25 hours"),
        pytest.param("00:00", "24:00", "2026-03-29", "23:00-", "22:00", id="a day of 23 hours"),
    ],
)
def test_hours_are_one_stretch_when_clocks_are_changed(
    begins: str, ends: str, on: str, since: str, until: str
) -> None:
    day = date.fromisoformat(on)
    begin_day = day - timedelta(days=1) if since.endswith("-") else day
    since_us, until_us = utc(f"{begin_day} {since.rstrip('-')}"), utc(f"{day} {until}")
    table = timetable(begins, ends, EVERY_DAY[day.weekday()])
    span = table.span(since_us)
    assert (span.since_us, span.until_us) == (since_us, until_us)
    held = [at for at in range(since_us - MINUTE_US, until_us + MINUTE_US, MINUTE_US) if table.holds(at)]
    assert held == list(range(since_us, until_us, MINUTE_US))


def test_hours_within_the_hour_left_out_do_not_come() -> None:
    table = timetable("02:15", "02:45")
    day = range(utc("2026-03-28 23:00"), utc("2026-03-29 22:00"), MINUTE_US)
    assert not any(table.holds(at) for at in day)


def test_where_clocks_are_never_changed_every_day_has_its_24_hours() -> None:
    table = timetable("00:00", "24:00", zone=SHANGHAI)
    begin = utc("2026-03-28 16:00")
    assert table.span(begin).since_us == begin
    assert table.span(begin).until_us == begin + 86_400_000_000


def test_hours_that_overlap_count_from_the_latest_of_them() -> None:
    schedule = Schedule(
        (
            Window(begins="08:00", ends="18:00", days=EVERY_DAY),
            Window(begins="12:00", ends="14:00", days=EVERY_DAY),
        )
    )
    span = Timetable(schedule, {}, SHANGHAI).span(utc("2026-11-19 05:00"))
    assert (span.since_us, span.until_us) == (utc("2026-11-19 04:00"), utc("2026-11-19 06:00"))


def test_outside_its_hours_a_schedule_tells_when_they_come_but_looks_no_further_than_midnight() -> None:
    table = timetable("08:00", "18:00", zone=SHANGHAI)
    before, after = table.span(utc("2026-11-18 22:00")), table.span(utc("2026-11-19 11:00"))
    assert (before.since_us, before.until_us) == (None, utc("2026-11-19 00:00"))
    assert (after.since_us, after.until_us) == (None, utc("2026-11-19 16:00"))


def test_a_day_begins_when_a_midnight_left_out_would_have_been() -> None:
    # 29 March 2026 begins at 22:00 UTC on the 28th: clocks go from 00:00 to 01:00.
    assert midnight_us(date(2026, 3, 29), BEIRUT) == utc("2026-03-28 22:00")


def test_a_midnight_that_comes_twice_begins_its_day_the_first_time() -> None:
    # 25 October 2026: 00:00 is at 00:00 UTC, and at 01:00 UTC it is 00:00 again.
    assert midnight_us(date(2026, 10, 25), AZORES) == utc("2026-10-25 00:00")
    assert local_date(utc("2026-10-25 01:30"), AZORES) == date(2026, 10, 25)


MOMENTS = st.integers(0, 2**53)
TIMES = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
ZONES = st.sampled_from(
    [BERLIN, SHANGHAI, AZORES, BEIRUT, ZoneInfo("America/St_Johns"), ZoneInfo("Australia/Lord_Howe")]
)


@given(MOMENTS, TIMES, TIMES, ZONES)
def test_what_a_schedule_says_holds_until_it_says(at: int, begins: str, ends: str, zone: ZoneInfo) -> None:
    table = timetable(begins, ends if ends != begins else "24:00", zone=zone)
    span = table.span(at)
    assert span.until_us > at
    assert (span.since_us is not None) == table.holds(at)
    for now in (at, (at + span.until_us) // 2, span.until_us - 1):
        assert table.holds(now) == (span.since_us is not None)


@given(st.lists(MOMENTS, min_size=2, max_size=6), ZONES)
def test_the_answer_does_not_depend_on_what_was_asked_before(moments: list[int], zone: ZoneInfo) -> None:
    asked = timetable("22:00", "02:30", Day.SAT, Day.SUN, zone=zone)
    for at in moments:
        assert asked.span(at) == timetable("22:00", "02:30", Day.SAT, Day.SUN, zone=zone).span(at)


@given(MOMENTS, ZONES)
def test_days_follow_each_other(at: int, zone: ZoneInfo) -> None:
    ends = [at]
    for _ in range(4):
        ends.append(end_of_day_us(ends[-1], zone))
    assert all(before < after for before, after in pairwise(ends))
    assert ends[-1] - at < 5 * 86_400_000_000
