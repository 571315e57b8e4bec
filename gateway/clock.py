"""The one place that reads the machine's clocks; everything else is handed a `Clock`."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from messages.model import ClockQuality

_ADJTIMEX_BYTES = 512  # struct timex takes 208 on 64-bit Linux; zeroed means "read only"
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
_QUALITY_EVERY_S = 10.0
_NEVER_BEFORE_US = 1_767_225_600_000_000  # 2026-01-01: older than any release of this program


class Moment(Struct, frozen=True, gc=False):
    """One look at a clock."""

    now_us: int  # UTC since 1970
    clock: ClockQuality = ClockQuality.SYNCED
    uptime_us: int = 0  # since boot


class Clock(Protocol):
    @property
    def boot(self) -> str:
        """16 hex digits, new at every start of the machine."""

    def now_us(self) -> int:
        """UTC since 1970, microseconds; may jump."""

    def uptime_us(self) -> int:
        """Microseconds since boot, sleep included; never jumps."""

    def quality(self) -> ClockQuality: ...


class SystemClock:
    """`kept_by_host`: its host keeps the time right and the kernel does not know, as with some hypervisors.
    Such a time is `held` at most: enough for a command, never believed against the records, and no witness
    for another's clock. One before this program existed is not even that."""

    def __init__(self, *, kept_by_host: bool = False) -> None:
        self._kept_by_host = kept_by_host
        self.boot = Path("/proc/sys/kernel/random/boot_id").read_text().replace("-", "")[:16]
        self._libc = ctypes.CDLL(None)
        self._quality = ClockQuality.UNKNOWN
        self._asked_s = float("-inf")

    def now_us(self) -> int:
        return time.time_ns() // 1_000

    def uptime_us(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000

    def quality(self) -> ClockQuality:
        """Asks the kernel at most every ten seconds; once synchronised, a lost source is `held`."""
        now_s = time.monotonic()
        if now_s - self._asked_s >= _QUALITY_EVERY_S:
            self._asked_s = now_s
            self._quality = self._ask_kernel()
        return self._quality

    def _ask_kernel(self) -> ClockQuality:
        answer = self._libc.adjtimex(ctypes.create_string_buffer(_ADJTIMEX_BYTES))
        if 0 <= answer < _TIME_ERROR:
            return ClockQuality.SYNCED
        if self._kept_by_host and self.now_us() >= _NEVER_BEFORE_US:
            return ClockQuality.HELD
        return ClockQuality.UNKNOWN if self._quality is ClockQuality.UNKNOWN else ClockQuality.HELD


class Glance:
    """A Clock that stands still between two looks: what is done in one breath has one time.

    For one thread.
    """

    def __init__(self, clock: Clock, wall_us: Callable[[], int]) -> None:
        """`wall_us`: the time of day that decisions go by."""
        self.boot = clock.boot
        self._clock = clock
        self._wall_us = wall_us
        self.look()

    def look(self) -> Moment:
        """What it stands at from now on; for decisions."""
        clock = self._clock
        self._now_us, self._uptime_us, self._quality = clock.now_us(), clock.uptime_us(), clock.quality()
        self.moment = Moment(self._wall_us(), self._quality, self._uptime_us)
        return self.moment

    def now_us(self) -> int:
        return self._now_us

    def uptime_us(self) -> int:
        return self._uptime_us

    def quality(self) -> ClockQuality:
        return self._quality
