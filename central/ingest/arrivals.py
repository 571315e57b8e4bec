"""When records came here, as exactly as the feed has to know it: a mark every half minute in which some do.

A record says when its gateway made it, and nothing of when it came. A time of arrival in each of them would
be written and kept millions of times, for what a few marks tell.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

from central.store.engine import Statement
from central.store.tables import arrival_mark, record

EVERY_US: Final = 30_000_000
"""Between two marks: so much less late than it was a record may seem."""

KEPT_US: Final = 30 * 86_400_000_000
"""Of what came before nobody is told any more that it came late."""

_AHEAD_US: Final = 86_400_000_000
"""A mark so far in the future was noted by a clock that was put right since."""

_NOTED: Final = f"SELECT 1 FROM {arrival_mark.name} WHERE noted_at > ? AND noted_at <= ? LIMIT 1"  # noqa: S608
_NOTE: Final = text(f"""
    INSERT INTO {arrival_mark.name} (noted_at, last_id)
    SELECT :now, (SELECT COALESCE(max(id), 0) FROM {record.name})
    ON CONFLICT DO NOTHING
""")  # noqa: S608  our own names
_FORGET: Final = text(
    f"DELETE FROM {arrival_mark.name} WHERE noted_at < :oldest OR noted_at > :newest"  # noqa: S608
)


def asked_of_arrivals(now_us: int) -> list[Statement]:
    """For `answers`: something, where they were noted a moment ago."""
    return [(_NOTED, (now_us - EVERY_US, now_us))]


def note_arrivals(connection: Connection, now_us: int) -> None:
    """Before records are stored that come at `now_us`: each gets a higher number than those that are there.
    For whoever found that they were not noted a moment ago."""
    connection.execute(_NOTE, {"now": now_us})
    connection.execute(_FORGET, {"oldest": now_us - KEPT_US, "newest": now_us + _AHEAD_US})
