"""What waits for a decision: events in the order in which they came, and a bell for the thread that waits.

The bell stands apart from the events, so that only whoever has the turn takes these: what came before a card
is never overtaken by it.
"""

from __future__ import annotations

import queue
from collections import deque

from gateway.events import Event


class Inbox:
    """`put` from any thread."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()

    def put(self, event: Event) -> None:
        self._events.append(event)
        self.ring()

    def ring(self) -> None:
        """Whoever waits looks again. A bell that is still to be heard tells of whatever is there by then."""
        if self._bell.empty():
            self._bell.put(None)

    def wait(self, timeout_s: float) -> None:
        """For one thread: until something was put, for so long at most. It may have been taken already."""
        try:
            self._bell.get(timeout=timeout_s)
        except queue.Empty:
            return

    def take(self, most: int) -> list[Event]:
        """For whoever has the turn: the oldest, `most` of them."""
        if not self._bell.empty():  # it told of what is taken now; of what comes from here on it rings again
            self.wait(0)
        events = self._events
        return [events.popleft() for _ in range(min(most, len(events)))]

    def empty(self) -> bool:
        return not self._events

    def qsize(self) -> int:
        return len(self._events)
