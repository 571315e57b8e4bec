"""Microseconds and the times people and programs write. Pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, tzinfo
from typing import Annotated

from pydantic import BeforeValidator

_MICROS = 1_000_000


def _written(value: object) -> object:
    """A bare number is no time: nobody could say from when it counts, and what unit."""
    if isinstance(value, str) and not re.match(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        raise ValueError("is written as in 2026-11-23T08:00:00+08:00")
    if isinstance(value, int | float):
        raise ValueError("is written as a text, as in 2026-11-23T08:00:00+08:00")  # noqa: TRY004  pydantic's way
    return value


def _written_day(value: object) -> object:
    if isinstance(value, int | float) or (
        isinstance(value, str) and not re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII)
    ):
        raise ValueError("is written as in 2026-11-23")
    return value


Moment = Annotated[datetime, BeforeValidator(_written)]
"""A time that somebody asks with; `micros` demands its offset."""

CalendarDay = Annotated[date, BeforeValidator(_written_day)]


FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2200, 12, 31)
"""What lies outside is a slip of the hand: nobody lived then, and nothing is agreed for then."""


def utc_text(at_us: int) -> str:
    """RFC 3339 in UTC with microseconds."""
    return f"{_datetime(at_us, UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def local(at_us: int, zone: tzinfo) -> datetime:
    return _datetime(at_us, zone)


def micros(at: datetime) -> int:
    """Raises ValueError for a time without its offset from UTC: nobody could say which moment it means."""
    if at.tzinfo is None:
        raise ValueError("a time needs its offset from UTC, such as 2026-11-23T08:00:00+08:00")
    delta = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * _MICROS + delta.microseconds


def _datetime(at_us: int, zone: tzinfo) -> datetime:
    seconds, micro = divmod(at_us, _MICROS)
    return datetime.fromtimestamp(seconds, zone).replace(microsecond=micro)
