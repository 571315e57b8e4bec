"""What recorded commands have made of doors, on its way to the disk."""

from __future__ import annotations

import logging
import threading

from gateway.commanded import Turn
from gateway.errors import RightsUnavailable
from gateway.rights_store import RightsStore

log = logging.getLogger(__name__)

_RETRY_S = 5.0


class TurnsToKeep:
    """`add` is for any thread and returns at once; `keep` for the thread that uses the store.

    A turn comes here once its command is on the record, never before: a command that is refused after all
    must leave nothing behind for the next start, and no door may be free then without a record that says
    why. A process that is killed in between leaves the door as it was before the command.
    """

    def __init__(self, store: RightsStore) -> None:
        self._store = store
        self._changed = threading.Lock()
        self._waiting: dict[str, Turn] = {}  # by door: the last command counts
        self._failed = False
        self._again_s = 0.0

    def add(self, turn: Turn) -> None:
        with self._changed:
            self._waiting[turn.door] = turn

    def keep(self, now_s: float) -> None:
        """Writes what waits; what the disk does not take waits on."""
        if not self._waiting or (self._failed and now_s < self._again_s):
            return
        with self._changed:
            turns = list(self._waiting.values())
        for turn in turns:
            try:
                self._store.keep_turn(turn)
            except RightsUnavailable as error:
                self._say_not_kept(turn.door, error)
                self._again_s = now_s + _RETRY_S
                return
            self._failed = False
            with self._changed:
                if self._waiting.get(turn.door) is turn:
                    del self._waiting[turn.door]

    def _say_not_kept(self, door: str, error: RightsUnavailable) -> None:
        """Once, until the disk takes one."""
        if not self._failed:
            self._failed = True
            log.error(
                "orders: %s; what a command made of door %s holds, but is not known after a restart until"
                " the disk takes it",
                error,
                door,
            )
