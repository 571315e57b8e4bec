"""What came from the centre and waits to be looked at: bounded, and a command never behind a list."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from messages.topics import Leaf

log = logging.getLogger(__name__)

MAX_WAITING_BYTES = 32 * 1024 * 1024
MAX_WAITING_COMMANDS = 64
"""What comes by the line and does not fit is lost, as on a bad line, and that is said: the centre sends lists
again, an operator a command. What was carried here by hand waits in its file until there is room."""


class Fate(Enum):
    FOR_GOOD = "for good"  # applied, or refused whenever it came again
    NOT_NOW = "not now"  # cannot be decided now, and may be taken again


Settle = Callable[[Fate], None]
"""Called once for what was taken, by any thread; returns at once and raises nothing."""


def untold(_: Fate) -> None:
    """For what came by the line: nobody keeps it."""


class Order(NamedTuple):
    leaf: Leaf
    payload: bytes
    settle: Settle = untold


class OrderQueue:
    """For any number of threads that put and one that takes."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._commands: deque[Order] = deque()
        self._others: deque[Order] = deque()
        self._waiting_bytes = 0
        self._full_logged = False
        self._closed = self._woken = False

    def put(self, order: Order, patience_s: float = 0.0) -> bool:
        """Whether there was room, for which it waits so long; else it is not here and `settle` not called."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._has_room(order), patience_s)
            if self._closed:
                return False
            if not self._has_room(order):
                self._say_full(order)
                return False
            self._full_logged = False
            if order.leaf is Leaf.COMMAND:
                self._commands.append(order)
            else:
                self._others.append(order)
                self._waiting_bytes += len(order.payload)
            self._changed.notify_all()
            return True

    def take(self, *, commands_only: bool, timeout_s: float) -> Order | None:
        """The next one; waits for it only where anything may be taken. None: nothing came, `wake`, or
        `close`."""
        with self._changed:
            if not (self._commands or self._others or commands_only or self._closed or self._woken):
                self._changed.wait(timeout_s)
            self._woken = False
            if self._commands:
                return self._commands.popleft()
            if commands_only or not self._others:
                return None
            order = self._others.popleft()
            self._waiting_bytes -= len(order.payload)
            self._changed.notify_all()
            return order

    def wake(self) -> None:
        """Who takes has something else to do: it waits no longer."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing more is put in, and nobody waits any longer; what is here can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _has_room(self, order: Order) -> bool:
        if order.leaf is Leaf.COMMAND:
            return len(self._commands) < MAX_WAITING_COMMANDS
        return self._waiting_bytes + len(order.payload) <= MAX_WAITING_BYTES

    def _say_full(self, order: Order) -> None:
        """Once, until something fits again."""
        if self._full_logged:
            return
        self._full_logged = True
        kept = "what is carried waits in its file" if order.settle is not untold else "it is dropped"
        log.error(
            "orders: %d commands and %d bytes of lists and settings wait already, there is no room for one"
            " more on %s: %s. More is sent than can be looked at; who may write to this gateway's topics?",
            len(self._commands),
            self._waiting_bytes,
            order.leaf,
            kept,
        )
