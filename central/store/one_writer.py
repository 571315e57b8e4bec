"""One writer at a time, of all processes: the serving centre beside `take`, `send` and `pack`.

SQLite lets one connection begin a checkpoint while another one commits, and before 3.51.3 a commit could be
lost so (trust.md R-03). Whoever writes holds a lock on the database's folder from before its transaction
until after the checkpoint that may follow: `flock`, which has nothing to do with SQLite's own locks on its
files, and ends with its process.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Final

from central.errors import StoreUnavailable

_LOOK_S: Final = 0.005


class OneWriter:
    """For one connection, used by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._handle: int | None = None

    def begin(self, patience_s: float) -> None:
        """Waits so long for whoever writes; nothing where it is begun already. Raises StoreUnavailable."""
        if self._handle is not None:
            return
        until_s = time.monotonic() + patience_s
        handle = self._open()
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if not isinstance(error, BlockingIOError) or time.monotonic() >= until_s:
                    os.close(handle)
                    raise StoreUnavailable(
                        f"{self._folder}: another program writes to the database ({error.strerror})"
                    ) from error
                time.sleep(_LOOK_S)
            else:
                self._handle = handle
                return

    def end(self) -> None:
        """Does nothing where nothing was begun."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def _open(self) -> int:
        try:
            return os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise StoreUnavailable(f"{self._folder}: cannot be opened ({error.strerror})") from error
