"""Periods: how time is cut for the keys of visitors' identity. Pure.

Gateways seal for a community's key pair of the month, such as `2026-11`: it changes seldom, and a gateway
that is offline for some days still seals for the right one. The centre opens what comes and seals it again
under keys of the day, such as `2026-11-05`, and its blind index is of the day, too (trust.md R-89): a day's
keys can be destroyed as soon as its retention is over, and with them every copy of the day in every backup.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Final

from central.times import local, micros

DAY_US: Final = 86_400_000_000
_MINUTE_US: Final = 60_000_000
_MONTH: Final = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
_DAY: Final = re.compile(_MONTH.pattern + r"-[0-9]{2}")


def month_of(at_us: int, zone: tzinfo) -> str:
    return f"{local(at_us, zone):%Y-%m}"


def day_of(at_us: int, zone: tzinfo) -> str:
    return _day_of_minute(at_us // _MINUTE_US, zone)


@lru_cache(4_096)
def _day_of_minute(minute: int, zone: tzinfo) -> str:
    """Each visitor asks, and many come in a minute. No zone has been off by less than one since 1972."""
    return local(minute * _MINUTE_US, zone).date().isoformat()


def month_of_day(day: str) -> str:
    return day[:7]


@lru_cache(512)
def is_period(text: str) -> bool:
    """A month or a day that a calendar has."""
    if _MONTH.fullmatch(text):
        return True
    if not _DAY.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


@lru_cache(512)
def ends_us(period: str, zone: tzinfo) -> int:
    """The first microsecond after that month or day. Raises ValueError for what is no period."""
    if _MONTH.fullmatch(period):
        year, month = int(period[:4]), int(period[5:])
        following = date(year + month // 12, month % 12 + 1, 1)
    else:
        following = date.fromisoformat(period) + timedelta(days=1)
    return micros(datetime.combine(following, time(), zone).astimezone(UTC))


def days_between(from_us: int, until_us: int, zone: tzinfo) -> Iterator[str]:
    """Each day of which a moment lies in `from_us` .. `until_us`, both included, oldest first."""
    day, last = local(from_us, zone).date(), local(until_us, zone).date()
    while day <= last:
        yield day.isoformat()
        day += timedelta(days=1)
