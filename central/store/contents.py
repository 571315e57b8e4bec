"""What a database holds, in words that do not depend on its engine: tables, rows, and a hash of each.

Equal rows have equal hashes on SQLite and PostgreSQL: in the order of their key, each as MessagePack.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Select, Text, column, inspect, literal_column, select, table, text
from sqlalchemy.engine.interfaces import ReflectedColumn, ReflectedForeignKeyConstraint
from sqlalchemy.sql.elements import ColumnElement

Row = Sequence[Any]

ROWS_AT_ONCE: Final = 2_000
_OF_TOOLS: Final = frozenset({"alembic_version", "liuhen_copy"})
_NOT_PARTITIONS: Final = text(
    "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
    " AND relnamespace = current_schema()::regnamespace"
)
_encode = msgspec.msgpack.Encoder().encode


class Shape(Struct, frozen=True):
    """A table as it is in the database, which may be of an older form than the program's own."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    text_key: tuple[str, ...] = ()
    """Columns of the key whose order depends on a language unless it is told not to."""
    refers_to_itself: bool = False


class Amount(Struct, frozen=True):
    rows: int
    sha256: str


class Counting:
    """Adds up rows as they pass."""

    def __init__(self) -> None:
        self._rows = 0
        self._hash = sha256()

    def add(self, rows: Iterable[Row]) -> list[bytes]:
        """The rows as they are hashed."""
        encoded = [_encode(tuple(row)) for row in rows]
        self._rows += len(encoded)
        self._hash.update(b"".join(encoded))
        return encoded

    @property
    def amount(self) -> Amount:
        return Amount(self._rows, self._hash.hexdigest())


def shapes(connection: Connection) -> list[Shape]:
    """All tables but those of tools, each after those that it refers to."""
    found = inspect(connection)
    wanted = set(found.get_table_names())
    if connection.dialect.name == "postgresql":
        wanted &= set(connection.execute(_NOT_PARTITIONS).scalars())
    in_order = [name for name, _ in found.get_sorted_table_and_fkc_names() if name is not None]
    # All of them at once: a question for each table takes seconds.
    columns = {name: each for (_, name), each in found.get_multi_columns().items()}
    keys = {name: each for (_, name), each in found.get_multi_pk_constraint().items()}
    references = {name: each for (_, name), each in found.get_multi_foreign_keys().items()}
    return [
        _shape(name, columns[name], keys[name]["constrained_columns"], references[name])
        for name in in_order
        if name in wanted - _OF_TOOLS
    ]


def _shape(
    name: str,
    columns: list[ReflectedColumn],
    key: list[str],
    references: list[ReflectedForeignKeyConstraint],
) -> Shape:
    texts = {each["name"] for each in columns if isinstance(each["type"], Text)}
    return Shape(
        name,
        tuple(each["name"] for each in columns),
        tuple(key),
        tuple(each for each in key if each in texts),
        any(each["referred_table"] == name for each in references),
    )


def ordered(connection: Connection, shape: Shape) -> Select[Any]:
    """All rows in the order of the key, which is the same on both engines."""
    plain = 'COLLATE "C"' if connection.dialect.name == "postgresql" else "COLLATE BINARY"
    quote = connection.dialect.identifier_preparer.quote

    def by(name: str) -> ColumnElement[Any]:
        return literal_column(f"{quote(name)} {plain}") if name in shape.text_key else column(name)

    here = table(shape.name, *map(column, shape.columns))
    return select(*(here.c[name] for name in shape.columns)).order_by(*map(by, shape.key))


def rows_of(connection: Connection, statement: Select[Any]) -> Iterator[Sequence[Row]]:
    """Some at a time; the whole never lies in memory."""
    options = {"yield_per": ROWS_AT_ONCE}
    yield from connection.execute(statement, execution_options=options).partitions(ROWS_AT_ONCE)


def amount_of(connection: Connection, shape: Shape) -> Amount:
    counting = Counting()
    for rows in rows_of(connection, ordered(connection, shape)):
        counting.add(rows)
    return counting.amount
