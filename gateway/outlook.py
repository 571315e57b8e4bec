"""How long the journal's disk lasts: at today's rate, and if the centre took nothing any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from math import inf

from gateway.journal_reader import JournalReader
from gateway.storage_space import Space

_DAY_US = 86_400_000_000
WINDOW_DAYS = 7
"""A week has every kind of day in it."""

_LEAST_SPAN_US = _DAY_US // 24
"""The first minutes of a gateway tell little; they count as an hour."""

MOST_READ = 200_000
"""Records looked at; a building that makes more in a week is known well enough from these."""


@dataclass(frozen=True, slots=True)
class Outlook:
    records: int  # held now
    bytes_per_record: float  # with everything that the file needs around them
    per_day: float  # records, lately
    room: int  # bytes: free on the disk and inside the file, without the reserve
    reserve: int  # bytes

    @property
    def days(self) -> float:
        """Until the disk is full but for the reserve, if nothing is deleted meanwhile; `inf` at rest."""
        return self._days_in(self.room)

    @property
    def reserve_days(self) -> float:
        """How much longer the reserve lasts."""
        return self._days_in(self.reserve)

    def _days_in(self, room: int) -> float:
        a_day = self.per_day * self.bytes_per_record
        return room / a_day if a_day > 0 else inf


def per_day(newest_first: Sequence[int]) -> float:
    """Records a day over the week before the newest, or over as much of it as there is; pure.

    `newest_first` are their times in microseconds, in the order of their numbers: where a clock was set back
    or ahead by more than a week, only what was recorded since then counts.
    """
    if not newest_first:
        return 0.0
    newest_us, week_us = newest_first[0], WINDOW_DAYS * _DAY_US
    lately = list(takewhile(lambda at_us: abs(newest_us - at_us) <= week_us, newest_first))
    whole_week = len(lately) < len(newest_first)
    span_us = week_us if whole_week else newest_us - min(lately)
    return len(lately) * _DAY_US / max(span_us, _LEAST_SPAN_US)


def outlook(reader: JournalReader, space: Space, reserve: int) -> Outlook:
    """Of the first journal's file and disk. Raises JournalUnavailable."""
    used, spare = reader.size()
    held = reader.count()
    newest = [record.at for record in reversed(reader.newest(MOST_READ))]
    return Outlook(
        records=held,
        bytes_per_record=used / held if held else 0.0,
        per_day=per_day(newest),
        room=space.free + spare,
        reserve=reserve,
    )
