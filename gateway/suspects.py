"""Records that were sent and did not arrive: the more often, the smaller the messages that hold them. Pure.

A block that was lost once was probably a queue that ran over somewhere, and is sent again as it is. One that
is lost again and again may hold a record over which somebody stumbles: it is cut until that one stands alone.
"""

from __future__ import annotations

from typing import Final

from gateway.ranges import Ranges

SIZES: Final = (10, 1)
"""Records in a message after so many losses: the second, the third."""


class Suspects:
    def __init__(self) -> None:
        self._lost = [Ranges() for _ in range(len(SIZES) + 1)]  # once, twice, more often

    def lost(self, records: Ranges) -> None:
        for times in range(len(self._lost) - 1, 0, -1):
            before = self._lost[times - 1]
            self._lost[times] |= records - (records - before)
        self._lost[0] |= records

    def cleared(self, records: Ranges) -> None:
        """They have arrived, or are gone."""
        self._lost = [lost - records for lost in self._lost]

    def size(self, first: int, most: int) -> int:
        """How many records a message that begins with `first` may hold."""
        for times in range(len(SIZES), 0, -1):
            if self._lost[times].overlaps(first, first):
                return min(most, SIZES[times - 1])
        return most
