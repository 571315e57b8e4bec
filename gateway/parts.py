"""The daemon's parts, each on a thread of its own and begun again when it falls: one bad part stays one."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from drivers.errors import ConfigurationError

log = logging.getLogger(__name__)

_RESTART_S = 1.0
_LONGEST_RESTART_S = 60.0
"""A part that falls again and again is begun again less and less often."""

_HELD_S = 60.0
"""A part that ran for so long had recovered."""

_JOIN_S = 3.0
"""Parts that do not let go within this are left behind, all together: the process ends anyway."""


class Parts:
    def __init__(self, stopped: threading.Event, fell: Callable[[str], None]) -> None:
        """No part is begun again once `stopped` is set; `fell(name)` is told each time that one ended."""
        self._stopped = stopped
        self._fell = fell
        self._threads: dict[str, threading.Thread] = {}

    def start(self, name: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=self._keep_going, args=(name, work), name=name, daemon=True)
        self._threads[name] = thread
        thread.start()

    def join(self) -> bool:
        """Whether all have ended."""
        until_s = time.monotonic() + _JOIN_S
        for thread in self._threads.values():
            thread.join(max(0.0, until_s - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads.values())

    def join_one(self, name: str) -> None:
        """Waits for one that was told to stop, as long as for all of them."""
        if name in self._threads:
            self._threads[name].join(_JOIN_S)

    def _keep_going(self, name: str, work: Callable[[], None]) -> None:
        restart_s = _RESTART_S
        while not self._stopped.is_set():
            begun_s = time.monotonic()
            try:
                work()
                log.log(logging.DEBUG if self._stopped.is_set() else logging.ERROR, "%s has ended", name)
            except ConfigurationError as error:
                log.error("%s: %s; mend that and start the gateway again", name, error)
                self._fell(name)
                return
            except Exception:  # a thread's outermost frame: whatever it was, only this part fell
                log.exception("%s fell; begun again in %.0f s", name, restart_s)
            if not self._stopped.is_set():
                self._fell(name)
            if time.monotonic() - begun_s >= _HELD_S:
                restart_s = _RESTART_S
            self._stopped.wait(restart_s)
            restart_s = min(restart_s * 2, _LONGEST_RESTART_S)
