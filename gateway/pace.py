"""How fast a gateway may send and how often it may call: pure, time and chance are arguments.

Thousands of gateways lose one broker at one moment and find it again at one moment. What keeps that from
becoming a storm: calls are spread by full jitter, older records begin some moments later at each gateway,
begin with a few blocks and then double as long as the centre keeps up (slow start, RFC 5681), and whatever is
not acknowledged is tried less and less often (trust.md R-23).
"""

from __future__ import annotations

from random import Random
from typing import Final

from gateway.delivery import BLOCK_RECORDS, WINDOW_BLOCKS, WINDOW_FRESH

FIRST_WINDOW: Final = 4
"""Blocks that may be on their way before the centre has acknowledged any."""

SLOWEST_PER_S: Final = 50.0
"""However polite: 10,000 records are away in 200 s (trust.md R-23 allows 300)."""

BLOCK_PAUSE_S: Final = 0.002
"""Between two messages of a backlog: doors decide in between, and a drain never owns the interpreter."""

MOST_PATIENCE: Final = 32
"""What nobody acknowledges is at last sent again only after so many times the usual wait."""

UNHEARD_FRESH: Final = 4
"""Messages with new records on their way while nobody acknowledges: enough to notice that someone does."""

_EASED_AFTER_S: Final = 30.0
"""So long after the last complaint of the broker the rate is doubled again."""

_LARGER_AFTER: Final = 32
"""Blocks that arrived before larger ones are tried again."""


def first_call_s(spread_s: float, chance: Random) -> float:
    """How long to wait before the first call: after a power cut of a district all gateways start at once."""
    return chance.uniform(0.0, spread_s)


class Backoff:
    """How long to wait before the next try: any time up to a bound that doubles (full jitter)."""

    def __init__(self, first_s: float, longest_s: float, chance: Random) -> None:
        self._first_s, self._longest_s = first_s, longest_s
        self._chance = chance
        self.bound_s = first_s

    def next_s(self) -> float:
        wait_s = self._chance.uniform(0.0, self.bound_s)
        self.bound_s = min(2 * self.bound_s, self._longest_s)
        return wait_s

    def stay_away(self) -> None:
        """The next wait is drawn from the longest there is."""
        self.bound_s = self._longest_s

    def reset(self) -> None:
        self.bound_s = self._first_s


class Pace:
    """How many older records may be on their way, how many in a message, and how soon after each other."""

    def __init__(self, most_per_s: float) -> None:
        """`most_per_s`: older records a second at most."""
        self._most_per_s = self._per_s = most_per_s
        self._slowed_s = float("-inf")
        self._arrived = 0
        self._most_records = BLOCK_RECORDS
        self.window = FIRST_WINDOW
        self.block_records = BLOCK_RECORDS
        self.patience = 1

    @property
    def per_s(self) -> float:
        return self._per_s

    @property
    def window_fresh(self) -> int:
        return WINDOW_FRESH if self.patience == 1 else UNHEARD_FRESH

    def begin(self) -> None:
        """A new connection, or a centre that has come back: slow start."""
        self.window = FIRST_WINDOW
        self.patience = 1

    def pause_s(self, records: int, now_s: float) -> float:
        """How long to wait after a message of so many older records."""
        if self._per_s < self._most_per_s and now_s - self._slowed_s >= _EASED_AFTER_S:
            self._per_s = min(2 * self._per_s, self._most_per_s)
            self._slowed_s = now_s
        return max(BLOCK_PAUSE_S, records / self._per_s)

    def arrived(self, blocks: int) -> None:
        """The centre has committed so many of the messages that were on their way."""
        if not blocks:
            return
        self.patience = 1
        self.window = min(WINDOW_BLOCKS, self.window + blocks)
        self._arrived += blocks
        if self._arrived >= _LARGER_AFTER:
            self._arrived = 0
            self.block_records = min(2 * self.block_records, self._most_records)

    def lost(self) -> None:
        """Something did not arrive although other things did: somewhere a queue ran over."""
        self.window = max(1, self.window // 2)

    def unheard(self) -> None:
        """Nothing at all was acknowledged for the whole patience. One small block at a time finds out when
        that changes; small, because a broker without reason codes may drop large messages unsaid."""
        self.window = 1
        self.patience = min(2 * self.patience, MOST_PATIENCE)
        self._arrived = 0
        self.block_records = max(1, self.block_records // 2)

    def too_large(self) -> None:
        """The broker does not take blocks of this size, and is not asked to again."""
        self._most_records = self.block_records = max(1, self.block_records // 2)

    def slow_down(self, now_s: float) -> None:
        """The broker has asked for it (MQTT 5: quota exceeded, rate too high, receive maximum exceeded)."""
        self._slowed_s = now_s
        self._per_s = max(min(SLOWEST_PER_S, self._most_per_s), self._per_s / 2)
        self.window = 1
