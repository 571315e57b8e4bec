"""How long what is kept, as the settings say it. Pure (trust.md R-88 and section 5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from central.identity.periods import DAY_US, ends_us

EARLY_US: Final = 3_600_000_000
"""Keys are destroyed an hour before their period's last moment would reach its age: so the first moment of a
day is gone within 24 hours after its own time, also when the job is late."""

LONGEST_WAIT_US: Final = 30 * DAY_US
"""So long a month's key pair outlasts its time for a gateway that still seals for it (`retention`)."""


SHANGHAI: Final = ZoneInfo("Asia/Shanghai")
USUAL_DAYS: Final = 30
MOST_DAYS: Final = 90
"""With a cited rule; 30 without one (trust.md section 5)."""

USUAL_ENTRY_DAYS: Final = 180
LEAST_ENTRY_DAYS: Final = MOST_DAYS
"""So that no entry goes before the identity of whoever it was could be asked for."""

MOST_ENTRY_DAYS: Final = 3 * 365
"""With a cited rule; 180 without one (trust.md section 5)."""


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """For all communities of a centre."""

    visitor_days: int = USUAL_DAYS
    zone: tzinfo = SHANGHAI
    entry_days: int = USUAL_ENTRY_DAYS

    def due_us(self, period: str) -> int:
        """From when on a day's or a month's keys are to be destroyed."""
        return ends_us(period, self.zone) + self.visitor_days * DAY_US - EARLY_US
