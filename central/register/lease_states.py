"""What state a lease is in: it follows from its dates alone, so that no job has to run in time. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

DAY_US: Final = 86_400_000_000


class LeaseState(StrEnum):
    UPCOMING = "upcoming"
    RUNNING = "running"
    IN_NOTICE = "in_notice"  # ends soon: somebody should ask whether it goes on
    IN_GRACE = "in_grace"  # is over, and the doors still open: somebody must ask now
    ENDED = "ended"  # the doors do not open any more


@dataclass(frozen=True, slots=True)
class LeaseDates:
    """`until_us` exclusive, None: without an end; `ended_us`: ended early, by notice from either side."""

    from_us: int
    until_us: int | None
    notice_days: int
    grace_days: int
    ended_us: int | None = None

    @property
    def over_us(self) -> int | None:
        """When it is over, as agreed or early."""
        ends = [end for end in (self.until_us, self.ended_us) if end is not None]
        return min(ends, default=None)

    @property
    def rights_until_us(self) -> int | None:
        """Doors open until then (exclusive): the grace period comes after every end, an early one too, so
        that nobody is locked out between two visits of the register's office."""
        return None if self.over_us is None else self.over_us + self.grace_days * DAY_US


def lease_state(dates: LeaseDates, now_us: int) -> LeaseState:
    over, last = dates.over_us, dates.rights_until_us
    if over is not None and last is not None:
        if now_us >= last:
            return LeaseState.ENDED
        if now_us >= over:
            return LeaseState.IN_GRACE
    if now_us < dates.from_us:
        return LeaseState.UPCOMING
    if over is not None and now_us >= over - dates.notice_days * DAY_US:
        return LeaseState.IN_NOTICE
    return LeaseState.RUNNING
