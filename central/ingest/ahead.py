"""Examines the next batch of messages while the one before it is being written: a database leaves the
interpreter to other threads for most of that time. At most one batch is ready, and one in hand.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from queue import Empty, Full, Queue
from typing import Final

from central.ingest.inbox import Delivery
from central.ingest.intake import Examined

log = logging.getLogger(__name__)

_LOOK_S: Final = 0.5

Batch = tuple[Sequence[Delivery], Sequence[Examined] | None]
"""Messages and what they come to; None where the program failed on one of them."""


class Ahead:
    """`start`, then `take` from one thread; ends once `stopping` is set."""

    def __init__(
        self,
        next_batch: Callable[[], Sequence[Delivery]],
        examine: Callable[[Delivery], Examined],
        stopping: threading.Event,
    ) -> None:
        """`next_batch`: waits for one for a while, and gives none after that."""
        self._next_batch = next_batch
        self._examine = examine
        self._stopping = stopping
        self._ready: Queue[Batch] = Queue(maxsize=1)
        self._thread = threading.Thread(target=self._run, name="examine", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def take(self) -> Batch:
        """Without messages where none came for a while."""
        try:
            return self._ready.get(timeout=_LOOK_S)
        except Empty:
            return (), None

    def _run(self) -> None:
        while not self._stopping.is_set():
            if batch := self._next_batch():
                self._hand_over((batch, self._examined(batch)))

    def _examined(self, batch: Sequence[Delivery]) -> Sequence[Examined] | None:
        """The thread's outermost frame: whoever takes the batch meets the fault again, and deals with it."""
        try:
            return [self._examine(delivery) for delivery in batch]
        except Exception as error:  # noqa: BLE001  it is raised again where it can be answered
            log.debug("ingest: a batch is not examined ahead (%s)", type(error).__name__)
            return None

    def _hand_over(self, batch: Batch) -> None:
        while not self._stopping.is_set():
            try:
                self._ready.put(batch, timeout=_LOOK_S)
            except Full:
                continue
            return
