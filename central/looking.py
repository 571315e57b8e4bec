"""What looks into the database again and again, in a thread of its own, until `stop`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from central.errors import RowRefused, StoreUnavailable

log = logging.getLogger(__name__)

_BREAK_OFF_EVERY_S: Final = 0.2


class Looking:
    """`look` says whether there is more at once; both it and `begin`, which comes before the first look, may
    raise StoreUnavailable and RowRefused: then it is looked again. So it is after anything else, which is a
    fault of ours and told each time."""

    def __init__(
        self, name: str, look: Callable[[], bool], every_s: float, begin: Callable[[], None] = lambda: None
    ) -> None:
        self._name = name
        self._begin = begin
        self._look = look
        self._every_s = every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, break_off: Callable[[], None] = lambda: None) -> None:
        """`break_off` ends what a look waits for; again and again: a look may be about to begin it."""
        self._stopping.set()
        while self._thread.is_alive():
            break_off()
            self._thread.join(_BREAK_OFF_EVERY_S)

    def _run(self) -> None:
        begun = told = False
        while not self._stopping.is_set():
            try:
                if not begun:
                    self._begin()
                    begun = True
                while self._look() and not self._stopping.is_set():
                    continue
                told = False
            except (StoreUnavailable, RowRefused) as error:
                if not told:
                    log.warning("%s: %s; looked at again when the database answers", self._name, error)
                told = True
            except Exception:
                log.exception("%s: failed; looked at again", self._name)
            self._stopping.wait(self._every_s)
