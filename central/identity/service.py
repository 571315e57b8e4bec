"""Beside ingest and pages: opens envelopes that waited, ends what is due, renews gateways' sealing keys.

One thread; whatever fails is tried again in the next round, and said once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import Connection, Engine

from central.errors import CentralError
from central.identity.opening import Opener
from central.identity.retention import Retention, open_waiting
from central.identity.sealing import SealingKeys
from central.store.engine import writing

log = logging.getLogger(__name__)

ROUND_S: Final = 10.0
RETENTION_EVERY_S: Final = 600.0


EndsWhatIsDue = Callable[[Connection, int], object]
"""Within a transaction of its own, as of a time."""


class IdentityService:
    """`start`, then it runs until `stop`."""

    def __init__(
        self,
        engine: Engine,
        opener: Opener,
        retention: Retention,
        sealing: SealingKeys,
        also: Sequence[EndsWhatIsDue] = (),
    ) -> None:
        """`also`: what else keeps identity for a time, and ends it when that is over."""
        self._engine = engine
        self._opener = opener
        self._retention = retention
        self._sealing = sealing
        self._also = also
        self._retained_s = float("-inf")
        self._said = ""
        self._stopping = threading.Event()
        self._worker = threading.Thread(target=self._run, name="identity", daemon=True)

    def start(self) -> None:
        self._worker.start()

    def stop(self) -> None:
        self._stopping.set()
        self._worker.join(timeout=1.0)

    def look(self, now_s: float, now_us: int) -> None:
        """One round. Raises StoreUnavailable, SettingsError."""
        after = open_waiting(self._engine, self._opener)
        while after and not self._stopping.is_set():
            after = open_waiting(self._engine, self._opener, after)
        with writing(self._engine) as connection:
            self._sealing.renew(connection, now_us)
        if now_s - self._retained_s >= RETENTION_EVERY_S:
            self._retention.run(now_us)
            for end in self._also:
                with writing(self._engine) as connection:
                    end(connection, now_us)
            self._retained_s = now_s

    def _run(self) -> None:
        """The thread's outermost frame: whatever happens, the next round begins."""
        while True:
            try:
                self.look(time.monotonic(), time.time_ns() // 1_000)
                self._said = ""
            except (CentralError, OSError) as error:
                if str(error) != self._said:
                    self._said = str(error)
                    log.error("identity: %s; tried again", error)
            except Exception:
                log.exception("identity: a fault of this program; tried again")
            if self._stopping.wait(ROUND_S):
                return
