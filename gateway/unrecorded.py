"""Facts that wait in memory until the journal can take them. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from gateway.facts import Fact
from messages.model import Kind, Reason


class Unrecorded:
    """The newest so many facts, oldest first. Where older ones had no room, one that says so stands before
    them: nothing may be missing in silence. For one thread, but `facts` may be asked for by any."""

    def __init__(self, most: int) -> None:
        """`most` facts are kept, beside the one that tells of lost ones."""
        self._most = most
        self._facts: deque[Fact] = deque()
        self.lost = 0
        """Facts that had no room, since `clear`."""

    def __len__(self) -> int:
        return len(self._facts)

    @property
    def facts(self) -> tuple[Fact, ...]:
        """The first may be of kind `records_lost`, as of when the oldest of the lost ones happened; what
        follows it is the oldest that is kept."""
        return tuple(self._facts.copy())

    def keep(self, facts: Iterable[Fact]) -> int:
        """Returns how many older ones had no room any more."""
        before = self.lost
        for fact in facts:
            if len(self._facts) - (self.lost > 0) >= self._most:
                self._lose_the_oldest()
            self._facts.append(fact)
        return self.lost - before

    def clear(self) -> None:
        """All are recorded."""
        self._facts.clear()
        self.lost = 0

    def _lose_the_oldest(self) -> None:
        if self.lost:
            del self._facts[1]
        else:
            self._facts[0] = _lost_since(self._facts[0])
        self.lost += 1


def _lost_since(oldest: Fact) -> Fact:
    return Fact(
        kind=Kind.RECORDS_LOST,
        at_us=oldest.at_us,
        uptime_us=oldest.uptime_us,
        clock=oldest.clock,
        reason=Reason.WRITE_FAILED,
    )
