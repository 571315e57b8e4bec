"""The time that records and decisions go by: never earlier than what is recorded, unless a source says so.

A board without a battery starts in 1970, one with an empty battery in 2069 (trust.md R-18, R-19). Records are
ordered by their numbers, never by time; this only keeps times as near to the truth as can be known here.
"""

from __future__ import annotations

import logging

from gateway.clock import Clock
from messages.model import ClockQuality, Kind, Reason

log = logging.getLogger(__name__)

LATEST_US = 2**53
"""What a record can say (messages.model): the year 2255."""

STEP_US = 1_000_000
"""A difference between time of day and uptime that grows by more within one look is a step. Disciplining
changes a clock by a thousandth at most, and the uptime with it."""


class Timekeeper:
    """A Clock over the machine's. For one thread, but `now_us` may be asked by any.

    While the machine's clock is synchronised it is believed, also when it goes back. While it is not, time
    never goes back: it goes on from the newest record by the uptime until the clock has caught up.
    """

    def __init__(self, clock: Clock, floor_us: int) -> None:
        """`floor_us`: when the newest record was made, 0 without one."""
        self._clock = clock
        self._floor = _possible(floor_us), clock.uptime_us()  # a time, and the uptime when it was
        self._offset_us: int | None = None  # time of day less uptime, when it was looked at last
        self._behind = False

    @property
    def boot(self) -> str:
        return self._clock.boot

    def uptime_us(self) -> int:
        return self._clock.uptime_us()

    def quality(self) -> ClockQuality:
        return self._clock.quality()

    def now_us(self) -> int:
        """UTC since 1970 in microseconds, 0 to 2**53."""
        wall_us = _possible(self._clock.now_us())
        if self._clock.quality() is ClockQuality.SYNCED:
            return wall_us
        return max(wall_us, self._least_us())

    def not_before(self, at_us: int) -> None:
        """A record says `at_us`: to be called with each newest one, cheap."""
        uptime_us = self._clock.uptime_us()
        if self._clock.quality() is ClockQuality.SYNCED:
            least_us = _possible(at_us)
        else:
            least_us = max(_possible(at_us), self._least_us())
        self._floor = least_us, uptime_us

    def stepped(self) -> tuple[Kind, Reason] | None:
        """Whether the time that is given out has jumped, or the machine's clock has fallen behind the
        records, since this was asked last; to be asked every few seconds, the first answer is about the
        start."""
        if (behind := self._fell_behind()) is not None:
            return behind
        offset_us = self.now_us() - self._clock.uptime_us()
        former_us, self._offset_us = self._offset_us, offset_us
        self.not_before(self.now_us())
        if former_us is None or abs(offset_us - former_us) <= STEP_US:
            return None
        log.warning("the clock was set by %.1f s", (offset_us - former_us) / 1e6)
        forward = offset_us > former_us
        return Kind.CLOCK_STEPPED, Reason.CLOCK_FORWARD if forward else Reason.CLOCK_BACK

    def _fell_behind(self) -> tuple[Kind, Reason] | None:
        """Told once for each time that it happens."""
        synced = self._clock.quality() is ClockQuality.SYNCED
        behind_us = 0 if synced else self._least_us() - _possible(self._clock.now_us())
        was_behind, self._behind = self._behind, behind_us > (0 if self._behind else STEP_US)
        if was_behind or not self._behind:
            return None
        log.warning("the clock is %.0f s behind the newest record, whose time is used", behind_us / 1e6)
        return Kind.CLOCK_STEPPED, Reason.BEHIND_RECORDS

    def _least_us(self) -> int:
        floor_us, then_us = self._floor
        return _possible(floor_us + self._clock.uptime_us() - then_us)


def _possible(us: int) -> int:
    return min(max(us, 0), LATEST_US)
