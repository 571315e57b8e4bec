"""What a gateway decided about a card, as its own journal has it: words for whoever laid it.

Shares no code with the gateway: of a record it reads the few keys that every version has (docs/journal.md).
"""

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LET_IN = "access_granted"
_REFUSED = "access_denied"


@dataclass(frozen=True, slots=True)
class Decision:
    """`reason`: the record's word for it."""

    let_in: bool
    reason: str


class Journal:
    """Read only, while the gateway writes it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def newest(self) -> int | None:
        """The place of the newest record; 0: there is none; None: the journal cannot be read."""
        found = self._asked("SELECT coalesce(max(id), 0) FROM records")
        return found[0][0] if found else None

    def decided(self, reader: str, after: int) -> Decision | None:
        """The last decision at a reader behind that place; None: none, or the journal cannot be read."""
        for (body,) in self._asked("SELECT body FROM records WHERE id > ? ORDER BY id DESC", after):
            record = json.loads(body)
            if record.get("reader") == reader and record["kind"] in (_LET_IN, _REFUSED):
                return Decision(record["kind"] == _LET_IN, record["reason"])
        return None

    def _asked(self, question: str, *values: int) -> list[tuple[Any]]:
        """No rows where there is no journal, or another program's file."""
        try:
            with closing(sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True)) as opened:
                return opened.execute(question, values).fetchall()
        except sqlite3.Error:
            return []
