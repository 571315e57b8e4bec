"""Works on imports beside ingest and pages: one after the other, the oldest first.

One thread; what the database did not take just now is tried again, and what cannot go on says so.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable
from datetime import tzinfo
from typing import Final

from sqlalchemy import Engine

from central.errors import CentralError, StoreUnavailable
from central.identity.vault import Vault
from central.register.imports.work import TakenOver, Worker

log = logging.getLogger(__name__)

ROUND_S: Final = 0.5
_PAUSE_S: Final = 0.005
"""Between two transactions: records that wait for the database come first."""


class ImportService:
    """`start`, then it runs until `stop`."""

    def __init__(
        self, writer: Engine, reader: Engine, vault: Vault, zone: tzinfo, now_us: Callable[[], int]
    ) -> None:
        self._stopping = threading.Event()
        self._worker = Worker(
            writer,
            reader,
            vault,
            zone,
            now_us,
            word=secrets.token_hex(8),
            pause=lambda: self._stopping.wait(_PAUSE_S),
        )
        self._thread = threading.Thread(target=self._run, name="imports", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """After the part that is being written."""
        self._stopping.set()
        self._thread.join(timeout=5.0)

    def look(self) -> bool:
        """Works on what is due; whether there was anything. Raises StoreUnavailable."""
        due = self._worker.due()
        if due is None:
            return False
        try:
            self._worker.work(due.id)
            log.info("import %d of community %d: worked on", due.id, due.community_id)
        except TakenOver:
            log.info("import %d: somebody else goes on with it, or stopped it", due.id)
        except StoreUnavailable:
            raise
        except CentralError as error:
            log.error("import %d: %s", due.id, error)
            self._worker.give_up(due.id, str(error))
        except Exception:
            log.exception("import %d: a fault of this program", due.id)
            self._worker.give_up(due.id, "the centre has a fault of its own; what happened stands in its log")
        return True

    def _run(self) -> None:
        """The thread's outermost frame: whatever happens, the next round begins."""
        told = False
        while not self._stopping.wait(ROUND_S):
            try:
                while self.look() and not self._stopping.is_set():
                    told = False
            except StoreUnavailable as error:
                if not told:
                    log.warning("imports: %s; tried again", error)
                told = True
            except Exception:
                log.exception("imports: a fault of this program; tried again")
