"""What has arrived and is not yet settled: a queue between paho's thread and the worker, bounded in bytes.

A full inbox makes the network thread wait, and TCP makes the broker wait. MQTT 5's receive maximum alone is
not enough: Mosquitto 2.0 sends its whole queue at once when a client that was behind acknowledges again.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

from msgspec import Struct

MAX_BYTES: Final = 3_000_000
"""About 60 blocks of a hundred records; five transactions."""

OVERHEAD_BYTES: Final = 400
"""What a message takes in memory beside its payload."""


class Delivery(Struct, frozen=True):
    """A message and what is needed to confirm it to the broker, within the connection that brought it."""

    topic: str
    payload: bytes
    mid: int
    qos: int
    connection: int

    @property
    def size(self) -> int:
        return len(self.payload) + OVERHEAD_BYTES


class Inbox:
    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._waiting: deque[Delivery] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, delivery: Delivery) -> None:
        """Waits while the inbox is full; after `close` it forgets the message, which comes again."""
        with self._changed:
            while self._bytes >= self._max_bytes and not self._closed:
                self._changed.wait()
            if not self._closed:
                self._waiting.append(delivery)
                self._bytes += delivery.size
                self._changed.notify_all()

    def take(self, *, max_messages: int, max_bytes: int, timeout_s: float) -> list[Delivery]:
        """Waits for one message and takes what else is there, up to the limits; none at a timeout."""
        with self._changed:
            if not self._waiting and not self._closed:
                self._changed.wait(timeout_s)
            batch: list[Delivery] = []
            size = 0
            while self._waiting and len(batch) < max_messages and size < max_bytes:
                batch.append(self._waiting.popleft())
                size += batch[-1].size
            if batch:
                self._bytes -= size
                self._changed.notify_all()
            return batch

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
