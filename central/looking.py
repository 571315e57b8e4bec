"""What looks into the database again and again, in a thread of its own, until `stop`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from central.errors import RowRefused, StoreUnavailable

log = logging.getLogger(__name__)


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

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

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
