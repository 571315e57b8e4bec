"""Which steps of its schema a file has taken, asked in plain SQL.

What takes the steps needs some MiB and a tenth of a second to load, and at most starts there is none to take:
the modules of the steps are imported only then.
"""

from __future__ import annotations

import sqlite3

JOURNAL_STEPS = frozenset(
    {
        "m001_records",
        "m002_acknowledgements",
        "m003_ages",
        "m004_checks",
        "m005_formers",
        "m006_envelopes",
    }
)
RIGHTS_STEPS = frozenset({"m001_rights", "m002_turns", "m003_ends"})


def steps_taken(connection: sqlite3.Connection, schema: str) -> frozenset[str]:
    """Their names, from where sqlite-utils notes them; none in a new file. Raises sqlite3.Error."""
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_sqlite_migrations'")
    if found.fetchone() is None:
        return frozenset()
    names = connection.execute("SELECT name FROM _sqlite_migrations WHERE migration_set = ?", (schema,))
    return frozenset(str(name) for (name,) in names)
