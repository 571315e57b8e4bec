"""What came from the centre and waits to be looked at: bounded, and a command never behind a list."""

from __future__ import annotations

import threading
from collections import deque

from messages.topics import Leaf

MAX_WAITING_BYTES = 32 * 1024 * 1024
MAX_WAITING_COMMANDS = 64
"""What does not fit is lost, as on a bad line: the centre sends lists again, an operator a command."""


class OrderQueue:
    """For any number of threads that put and one that takes."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._commands: deque[bytes] = deque()
        self._others: deque[tuple[Leaf, bytes]] = deque()
        self._waiting_bytes = 0

    def put(self, leaf: Leaf, payload: bytes) -> None:
        with self._changed:
            if leaf is Leaf.COMMAND and len(self._commands) < MAX_WAITING_COMMANDS:
                self._commands.append(payload)
            elif leaf is not Leaf.COMMAND and self._waiting_bytes + len(payload) <= MAX_WAITING_BYTES:
                self._others.append((leaf, payload))
                self._waiting_bytes += len(payload)
            self._changed.notify()

    def take(self, *, commands_only: bool, timeout_s: float) -> tuple[Leaf, bytes] | None:
        """The next one; waits for it only where anything may be taken. None: nothing came, or `wake`."""
        with self._changed:
            if not (self._commands or self._others or commands_only):
                self._changed.wait(timeout_s)
            if self._commands:
                return Leaf.COMMAND, self._commands.popleft()
            if commands_only or not self._others:
                return None
            leaf, payload = self._others.popleft()
            self._waiting_bytes -= len(payload)
            return leaf, payload

    def wake(self) -> None:
        with self._changed:
            self._changed.notify()
