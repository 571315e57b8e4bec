"""Alarms about honey records that cannot be written at once: kept in the process until they can be.

Of whom is read in the register nothing else is written, so that a read answers while the store cannot be
written. Of a honey record's it must answer as well: a refusal of those alone would tell which they are.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection

from central.errors import StoreUnavailable
from central.store.changes import Changes

log = logging.getLogger(__name__)

MOST: Final = 1_000
WAIT_S: Final = 0.25
AGAIN_S: Final = 5.0

Alarming = Callable[[Connection], None]


class LateAlarms:
    """On one event loop. `most`: kept at once; `wait_s`: how long whoever raises one waits for it to be
    written; `again_s`: after a failure until the next try."""

    def __init__(
        self, changes: Changes, *, most: int = MOST, wait_s: float = WAIT_S, again_s: float = AGAIN_S
    ) -> None:
        self._changes = changes
        self._most, self._wait_s, self._again_s = most, wait_s, again_s
        self._kept: deque[Alarming] = deque()
        self._failing = False
        self._writing: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many are not written yet."""
        return len(self._kept)

    async def write(self, alarm: Alarming) -> None:
        """Usually written when it returns; where that takes long, or failed before, it is written later.
        Raises nothing: who reads is told nothing of it."""
        if len(self._kept) >= self._most:
            log.error("an alarm about the register is lost: %s wait already to be written", len(self._kept))
            return
        self._kept.append(alarm)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        if not self._failing:
            await asyncio.wait({self._writing}, timeout=self._wait_s)

    async def settle(self) -> None:
        """Returns when all that was kept is written."""
        if self._writing is not None:
            await self._writing

    async def _write_all(self) -> None:
        while self._kept:
            alarm = self._kept[0]
            try:
                await self._changes.make(alarm)
            except StoreUnavailable:
                if not self._failing:
                    log.warning("alarms about the register wait: the store cannot be written")
                self._failing = True
                await asyncio.sleep(self._again_s)
                continue
            except Exception as error:  # noqa: BLE001  one that can never be written must not keep back the others
                log.error("an alarm about the register is lost: %s", type(error).__name__)
            self._failing = False
            self._kept.popleft()
