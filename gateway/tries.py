"""Wrong tries: counted for whatever is tried at, and over for a while when there were too many. Pure.

trust.md R-35: an alarm after five wrong tries at the latest. The memory is bounded; what has been quiet for
longest goes first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

MAX_TRIES = 5
PAUSE_US = 300_000_000
"""After the last of five wrong tries nothing is taken for five minutes: a thousand tries take half a day."""

_MAX_KEPT = 4_096


class Tries:
    """Times are UTC microseconds. A clock that is put back ends a pause, as one that is put forward does."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()  # how many, when the last was

    def wrong(self, key: Hashable, now_us: int) -> bool:
        """Counts one more; whether that makes five, or ten, and so on."""
        count = self._recent(key, now_us) + 1
        self._kept[key] = (count, now_us)
        self._kept.move_to_end(key)
        if len(self._kept) > _MAX_KEPT:
            self._kept.popitem(last=False)
        return count % MAX_TRIES == 0

    def are_over(self, key: Hashable, now_us: int) -> bool:
        return self._recent(key, now_us) >= MAX_TRIES

    def forget(self, key: Hashable) -> None:
        self._kept.pop(key, None)

    def _recent(self, key: Hashable, now_us: int) -> int:
        """Wrong tries of which each came within the pause after the one before."""
        count, last_us = self._kept.get(key, (0, now_us))
        return count if abs(now_us - last_us) < PAUSE_US else 0
