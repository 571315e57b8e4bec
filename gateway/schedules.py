"""Schedules: whether one holds now, and until when, by the clocks on the walls of the site. Pure.

Hours are one stretch of time each, also where clocks are changed. Of an hour that comes twice, `from` is the
first and `to` the second: nobody is turned out in between. An hour that is left out ends as it begins, at the
moment of the change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from messages.site_settings import Day, Hours, Schedule

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)
_DAYS = tuple(Day)  # in the order of date.weekday()


@dataclass(frozen=True, slots=True)
class Span:
    """What holds from now on: `until_us` is when it might be otherwise, local midnight at the latest.

    `since_us` is when the hours that hold began; None while none do.
    """

    since_us: int | None
    until_us: int


def local_date(now_us: int, zone: ZoneInfo) -> date:
    return (_EPOCH + timedelta(microseconds=now_us)).astimezone(zone).date()


def midnight_us(day: date, zone: ZoneInfo) -> int:
    """When that day begins."""
    return _instant_us(day, 0, zone, fold=0)


def end_of_day_us(now_us: int, zone: ZoneInfo) -> int:
    """The next midnight, later than now: where clocks are put back over it, that comes twice."""
    tomorrow = local_date(now_us, zone) + _DAY
    first = midnight_us(tomorrow, zone)
    return first if first > now_us else max(now_us + 1, _instant_us(tomorrow, 0, zone, fold=1))


class Timetable:
    """One schedule at one place. Remembers its last answer, and the hours of the day of that."""

    def __init__(self, schedule: Schedule, holidays: Mapping[str, frozenset[date]], zone: ZoneInfo) -> None:
        """`holidays` by the name of their set; all that the schedule names must be there."""
        self._zone = zone
        self._weekdays = {
            day: tuple(window for window in schedule.windows if day in window.days) for day in Day
        }
        self._holidays = [(holidays[name], hours) for name, hours in schedule.on_holidays.items()]
        self._day: date | None = None
        self._stretches: tuple[tuple[int, int], ...] = ()
        self._asked_us, self._last = 0, Span(None, 0)

    def span(self, now_us: int) -> Span:
        if not self._asked_us <= now_us < self._last.until_us:
            self._asked_us, self._last = now_us, self._span(now_us)
        return self._last

    def holds(self, now_us: int) -> bool:
        return self.span(now_us).since_us is not None

    def _span(self, now_us: int) -> Span:
        stretches = self._on(local_date(now_us, self._zone))
        holding = [begin for begin, end in stretches if begin <= now_us < end]
        bounds = [bound for stretch in stretches for bound in stretch if bound > now_us]
        return Span(max(holding, default=None), min([*bounds, end_of_day_us(now_us, self._zone)]))

    def _on(self, day: date) -> tuple[tuple[int, int], ...]:
        if day != self._day:
            self._day, self._stretches = day, tuple(self._of_day(day))
        return self._stretches

    def _of_day(self, day: date) -> Iterator[tuple[int, int]]:
        """All hours that may lie in a day, those of the night before first; in microseconds UTC."""
        for begun in (day - _DAY, day):
            for hours in self._hours(begun):
                begin, end = _minutes(hours.begins), _minutes(hours.ends)
                last = begun if end > begin else begun + _DAY
                yield (
                    _instant_us(begun, begin, self._zone, fold=0),
                    _instant_us(last, end, self._zone, fold=1),
                )

    def _hours(self, day: date) -> tuple[Hours, ...]:
        for dates, hours in self._holidays:
            if day in dates:
                return hours
        return self._weekdays[_DAYS[day.weekday()]]


def _minutes(time_of_day: str) -> int:
    return int(time_of_day[:2]) * 60 + int(time_of_day[3:])


def _instant_us(day: date, minutes: int, zone: ZoneInfo, *, fold: int) -> int:
    """When clocks show this, the first time (`fold` 0) or the last (1); if never, when they skip it."""
    wall = datetime(day.year, day.month, day.day) + timedelta(minutes=minutes)  # noqa: DTZ001  it is local
    first, last = (_as_utc(wall, zone, fold=0), _as_utc(wall, zone, fold=1))
    skipped = last < first  # PEP 495: in a gap, fold 1 is taken for the time before the change
    moment = _change(last, first, zone) if skipped else (last if fold else first)
    return (moment - _EPOCH) // _MICROSECOND


def _as_utc(wall: datetime, zone: ZoneInfo, *, fold: int) -> datetime:
    return wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def _change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The second at which the offset changes, between two moments with one change between them."""
    old = before.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + (after - before) // 2
        middle -= timedelta(microseconds=middle.microsecond)
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after
