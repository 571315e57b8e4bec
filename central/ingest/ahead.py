"""Examines messages while those before them are being written: a database leaves the interpreter to other
threads for most of that time. What is examined gathers until the worker takes all of it, at most one batch.

While the worker itself computes on a large batch, nothing is examined: both would be slower, and nothing
would be left to do while the database writes. Small batches are soon computed, and who waits for what comes
after them waits for one thing less.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from central.ingest.inbox import Delivery
from central.ingest.intake import Examined

log = logging.getLogger(__name__)

Batch = tuple[Sequence[Delivery], Sequence[Examined | None]]
"""Messages and what they come to; None for those on one of which the program failed."""


class Ahead:
    """`start`, then `take` from one thread, then `close`."""

    def __init__(
        self,
        next_few: Callable[[], Sequence[Delivery]],
        examine: Callable[[Delivery], Examined],
        *,
        max_messages: int,
        max_bytes: int,
    ) -> None:
        """`next_few`: waits for some a while, and gives none after that."""
        self._next_few = next_few
        self._examine = examine
        self._max_messages, self._max_bytes = max_messages, max_bytes
        self._changed = threading.Condition()
        self._closed = False
        self._rests = False
        self._bytes = 0
        self._batch: tuple[list[Delivery], list[Examined | None]] = ([], [])
        self._thread = threading.Thread(target=self._run, name="examine", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def take(self, timeout_s: float) -> Batch:
        """Waits for one message, and takes all that are examined; none at a timeout. After a batch that is at
        least half as large as one may be, none are examined until `go_on` or the next `take`."""
        with self._changed:
            self._go_on()
            if not self._batch[0] and not self._closed:
                self._changed.wait(timeout_s)
            batch, self._batch = self._batch, ([], [])
            self._rests = 2 * self._bytes >= self._max_bytes or 2 * len(batch[0]) >= self._max_messages
            self._bytes = 0
            self._changed.notify_all()
            return batch

    def go_on(self) -> None:
        """What was taken is ready to be written."""
        with self._changed:
            self._go_on()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def join(self, timeout_s: float) -> bool:
        """After `close`: whether the thread has ended within that time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _go_on(self) -> None:
        self._rests = False
        self._changed.notify_all()

    def _run(self) -> None:
        while not self._closed:
            if few := self._next_few():
                with self._changed:
                    self._changed.wait_for(lambda: self._closed or not self._rests)
                self._add(few, self._examined(few))

    def _examined(self, few: Sequence[Delivery]) -> Sequence[Examined | None]:
        """The thread's outermost frame: whoever takes them meets the fault again, and deals with it."""
        try:
            return [self._examine(delivery) for delivery in few]
        except Exception as error:  # noqa: BLE001  it is raised again where it can be answered
            log.debug("ingest: some messages are not examined ahead (%s)", type(error).__name__)
            return [None] * len(few)

    def _add(self, few: Sequence[Delivery], examined: Sequence[Examined | None]) -> None:
        with self._changed:
            while self._is_full and not self._closed:
                self._changed.wait()
            self._batch[0].extend(few)
            self._batch[1].extend(examined)
            self._bytes += sum(delivery.size for delivery in few)
            self._changed.notify_all()

    @property
    def _is_full(self) -> bool:
        return len(self._batch[0]) >= self._max_messages or self._bytes >= self._max_bytes
