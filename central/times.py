"""Microseconds and the times people and programs write. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

_MICROS = 1_000_000


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
