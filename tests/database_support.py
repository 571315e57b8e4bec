"""What somebody with the database's own tools does to it, in the words of either engine."""

from __future__ import annotations

import re
import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy import Engine, text

from central.store.engine import migrate, open_writer, writing


def new_database(path: Path) -> Engine:
    """The writer of a SQLite database without rows, in this program's form: a copy of one that was migrated,
    because migrating takes longer than most tests."""
    assert not path.exists()
    path.write_bytes(_migrated())
    path.chmod(0o600)
    return open_writer(f"sqlite:///{path}")


@cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "central.sqlite"
        writer = open_writer(f"sqlite:///{path}")
        migrate(writer)
        writer.dispose()
        return path.read_bytes()


def alter(engine: Engine, *statements: str, **values: object) -> None:
    """Runs the statements in one transaction. Bytes are written as SQLite does: x'00ff'."""
    with writing(engine) as connection:
        for statement in statements:
            named = {name: value for name, value in values.items() if f":{name}" in statement}
            connection.execute(text(_in_words_of(engine, statement)), named)


def forbid(engine: Engine, event: str, table: str, says: str, when: str = "1 = 1") -> None:
    """From now on the database refuses such rows: `event` is like "INSERT", `when` speaks of NEW."""
    begins = f"CREATE TRIGGER forbidding BEFORE {event} ON {table}"
    statements = [f"{begins} WHEN {when} BEGIN SELECT RAISE(ABORT, '{says}'); END"]
    if engine.dialect.name == "postgresql":
        body = f"BEGIN RAISE EXCEPTION '{says}' USING ERRCODE = 'check_violation'; END"
        statements = [
            f"CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$",
            f"{begins} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION forbid()",
        ]
    with writing(engine) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def _in_words_of(engine: Engine, statement: str) -> str:
    if engine.dialect.name == "sqlite":
        return statement
    return re.sub(r"x'([0-9a-f]*)'", r"decode('\1', 'hex')", statement)
