"""The days: midnights of the community's clock, as UTC microseconds. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from central.times import micros

ZONE: Final = ZoneInfo("Asia/Shanghai")
MINUTE_US: Final = 60_000_000
HOUR_US: Final = 60 * MINUTE_US
DAY_US: Final = 24 * HOUR_US


@dataclass(frozen=True, slots=True)
class Days:
    """So many; the last of them is that of `now_us`."""

    now_us: int
    count: int

    @property
    def last(self) -> int:
        return self.count - 1

    @property
    def today(self) -> date:
        return datetime.fromtimestamp(self.now_us / 1_000_000, ZONE).date()

    def date(self, day: int) -> date:
        return self.today - timedelta(days=self.last - day)

    def begins(self, day: int) -> int:
        """Its midnight; days before the first one are negative."""
        at = self.date(day)
        return micros(datetime(at.year, at.month, at.day, tzinfo=ZONE))

    def at(self, day: int, hour: float) -> int:
        return self.begins(day) + int(hour * HOUR_US)

    def ends(self, day: int) -> int:
        """Or now, where that is earlier."""
        return min(self.begins(day + 1), self.now_us)
