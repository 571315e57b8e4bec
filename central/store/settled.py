"""Up to which number the records that are there are all that there will be, for whoever reads them in order.

Several processes may take records in: whoever drew the lower numbers may commit later.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

_WRITING = text(
    "SELECT transactionid::text FROM pg_locks"
    " WHERE locktype = 'transactionid' AND mode = 'ExclusiveLock' AND granted"
)
"""Each transaction holds a lock on its own number from its first write until its end (PostgreSQL, 13.3)."""


class Settled:
    """For one reader, who asks again and again. On SQLite one writes after the other: all of it is settled.

    On PostgreSQL: a number is drawn by a transaction that is under way already, as it has locked the rows of
    its gateways. When all those are over that were under way at a look, what was there then is settled.
    """

    def __init__(self) -> None:
        self._settled = 0
        self._seen = 0
        self._waits_for: frozenset[str] = frozenset()

    def through(self, connection: Connection, newest: int) -> int:
        """`newest`: the highest number that `connection` saw, before this."""
        if connection.dialect.name == "sqlite":
            return newest
        writing = frozenset(connection.execute(_WRITING).scalars())
        self._waits_for &= writing
        if not self._waits_for:
            self._settled = self._seen
            self._seen, self._waits_for = newest, writing
            if not writing:
                self._settled = newest
        return self._settled
