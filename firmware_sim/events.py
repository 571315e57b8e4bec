"""What happened, numbered and stamped: in memory for who waits, in DIR/events.jsonl for who compares.

Holds references of cards only, never a name or a number of a person.
"""

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

KEPT = 100_000  # events in memory; the file keeps all


@dataclass(frozen=True, slots=True)
class Event:
    """A line of the file. `n` runs from 1 in each run of the simulator; `t_ns` is time.monotonic_ns()."""

    n: int
    t_ns: int
    device: str
    event: str
    card: str | None = None
    channel: int | None = None
    door: str | None = None
    edge: bool | None = None  # relay events: whether the relay moved
    t_before_ns: int | None = None  # read_sent: before the write whose end is t_ns
    detail: str | None = None  # faults: the name; replugged: the port's path or address

    def as_json(self) -> dict[str, Any]:
        """Without what does not apply."""
        values = ((name, getattr(self, name)) for name in self.__slots__)
        return {name: value for name, value in values if value is not None}


class EventLog:
    """Appended to by any thread; the file line is flushed before a waiter hears of it."""

    def __init__(self, path: Path) -> None:
        self._file: TextIO = path.open("a", encoding="utf-8")
        self._changed = threading.Condition()
        self._kept: deque[Event] = deque(maxlen=KEPT)
        self._last = 0
        self._closed = False
        self._released = False

    @property
    def last(self) -> int:
        """Number of the newest event."""
        return self._last

    def append(
        self,
        device: str,
        event: str,
        *,
        t_ns: int | None = None,
        card: str | None = None,
        channel: int | None = None,
        door: str | None = None,
        edge: bool | None = None,
        t_before_ns: int | None = None,
        detail: str | None = None,
    ) -> Event:
        """Number, stamp (now, unless given), write and announce one event."""
        stamp = time.monotonic_ns() if t_ns is None else t_ns
        with self._changed:
            new = Event(self._last + 1, stamp, device, event, card, channel, door, edge, t_before_ns, detail)
            if not self._closed:
                self._file.write(json.dumps(new.as_json(), separators=(",", ":")) + "\n")
                self._file.flush()
            self._last = new.n
            self._kept.append(new)
            self._changed.notify_all()
        return new

    def after(self, n: int, limit: int) -> list[Event]:
        """Up to `limit` events numbered above `n`, oldest first."""
        with self._changed:
            return self._after(n, limit)

    def wait_after(self, n: int, limit: int, timeout_s: float) -> list[Event]:
        """As `after`, but waits up to `timeout_s` for the first one."""
        with self._changed:
            self._changed.wait_for(lambda: self._last > n or self._released, timeout_s)
            return self._after(n, limit)

    def wait_for(self, wanted: Callable[[Event], bool], after: int, timeout_s: float) -> Event | None:
        """The first event above `after` that is wanted; None: none in time, or the waiters were released."""
        deadline_s = time.monotonic() + timeout_s
        seen = after
        with self._changed:
            while True:
                for event in self._after(seen, KEPT):
                    if wanted(event):
                        return event
                seen = self._last
                left_s = deadline_s - time.monotonic()
                if left_s <= 0 or self._released:
                    return None
                self._changed.wait(left_s)

    def release(self) -> None:
        """Nobody waits here any more, now or later: the simulator is stopping."""
        with self._changed:
            self._released = True
            self._changed.notify_all()

    def close(self) -> None:
        """No more lines to the file."""
        self.release()
        with self._changed:
            self._closed = True
            self._file.close()

    def _after(self, n: int, limit: int) -> list[Event]:
        missing = min(self._last - n, len(self._kept))
        if missing <= 0:
            return []
        start = len(self._kept) - missing
        return [self._kept[at] for at in range(start, min(start + limit, len(self._kept)))]
