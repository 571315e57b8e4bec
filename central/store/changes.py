"""Changes to the database from the web: one after the other, each in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, Engine

from central.store.engine import writing

_T = TypeVar("_T")


class Changes:
    """One thread: SQLite has one writer, and what people change is little."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="change")

    async def make(self, change: Callable[[Connection], _T]) -> _T:
        """Runs `change` beside the event loop; its answer comes after the commit.

        Raises StoreUnavailable, RowRefused, and whatever `change` raises, with nothing changed.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._write, change)

    def _write(self, change: Callable[[Connection], _T]) -> _T:
        with writing(self._engine) as connection:
            return change(connection)
