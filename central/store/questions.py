"""Questions to the database from the web: few threads, each question in one consistent view.

On PostgreSQL in a role that sees rows of the asker's communities alone (`row_policies`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, Engine

from central.store.engine import READERS, reading
from central.store.row_policies import bind
from central.store.scope import asked_within

_T = TypeVar("_T")


class Questions:
    """As many threads as there are connections to read with: more would only wait for each other."""

    def __init__(self, engine: Engine, *, bound: bool = True) -> None:
        """`bound`: to what `scope.ask_within` said last in the asker's request."""
        self._engine = engine
        self._bound = bound
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="question")

    async def ask(self, question: Callable[[Connection], _T]) -> _T:
        """Runs `question` beside the event loop. Raises StoreUnavailable."""
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, self._read, question, asked_within()
        )

    def _read(self, question: Callable[[Connection], _T], communities: frozenset[int]) -> _T:
        with reading(self._engine) as connection:
            if self._bound:
                bind(connection, communities)
            return question(connection)
