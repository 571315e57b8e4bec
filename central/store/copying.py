"""From SQLite to PostgreSQL: once, when a community outgrows its one file.

Each step is one transaction at PostgreSQL, together with how far it got, so that a copy which was killed goes
on where it was. It is whole once every table holds the same rows on both sides; until then the centre refuses
to start on the new database. Nobody writes to the old one meanwhile.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    Table,
    Text,
    column,
    func,
    insert,
    select,
    table,
    update,
)

from central.errors import StoreRefused
from central.store.backup import Say
from central.store.contents import Amount, Shape, amount_of, ordered, rows_of, shapes
from central.store.engine import (
    COPYING,
    copy_in,
    form_of,
    migrate,
    open_reader,
    open_writer,
    reading,
    upgrade,
    writing,
)
from central.store.months import make_months
from central.store.one_writer import OneWriter
from central.store.restore import empty, set_sequences
from central.store.tables import Whole

STEP: Final = 50_000
"""Rows in one transaction of a large table: a second or so."""

_PATIENCE_S: Final = 5.0
_WHOLE: Final = -1

progress = Table(
    COPYING,
    MetaData(),
    Column("name", Text, primary_key=True),
    Column("through", Whole, nullable=False),  # the last `id` that is there; _WHOLE: all
    Column("rows", Whole, nullable=False),
)
"""At PostgreSQL, as long as the copy is not whole."""


def copy_to_postgres(source: Path, target_url: str, say: Say = lambda _: None, step: int = STEP) -> None:
    """Begins a copy into an empty database, or ends one that was begun.

    Raises StoreRefused, StoreUnavailable; what was copied by then is kept and the next call goes on.
    """
    if not source.is_file():
        raise StoreRefused(f"{source}: is not there; name the SQLite database in [database] path")
    former = open_writer(f"sqlite:///{source}")
    migrate(former)
    former.dispose()
    lock = OneWriter(source.parent)
    lock.begin(_PATIENCE_S)
    reader, writer = open_reader(f"sqlite:///{source}"), open_writer(target_url)
    try:
        with reading(reader) as here:
            tables = _begun(here, writer)
            for shape in tables:
                _Copy(here, writer, shape, say, step).run()
            _compare(here, writer, tables, say)
        with writing(writer) as there:
            set_sequences(there, tables)
            progress.drop(there)
    finally:
        reader.dispose()
        writer.dispose()
        lock.end()


def _begun(here: Connection, writer: Engine) -> list[Shape]:
    tables = shapes(here)
    with writing(writer) as there:
        if there.dialect.name != "postgresql":
            raise StoreRefused("the target is no PostgreSQL database; write its url in [database] url")
        if there.dialect.has_table(there, COPYING):
            if form_of(there) != form_of(here):
                raise StoreRefused(
                    "the copy was begun by another version of liuhen-central; empty the target"
                )
        elif shapes(there):
            raise StoreRefused("the target holds tables already; a copy goes into an empty database only")
        else:
            upgrade(there)
            empty(there, [shape.name for shape in tables])
            progress.create(there)
    return tables


class _Copy:
    """Of one table."""

    def __init__(self, here: Connection, writer: Engine, shape: Shape, say: Say, step: int) -> None:
        self._here, self._writer, self._shape = here, writer, shape
        self._say, self._step = say, step
        self._through, self._rows = 0, 0

    def run(self) -> None:
        if not self._goes_on():
            return
        if self._shape.key == ("id",) and not self._shape.refers_to_itself:
            while self._some():
                self._say(f"{self._shape.name}: {self._rows:,} rows")
        else:
            self._all_at_once()
        self._say(f"{self._shape.name}: {self._rows:,} rows, all")

    def _goes_on(self) -> bool:
        """False: is whole already."""
        with writing(self._writer) as there:
            found = there.execute(select(progress).where(progress.c.name == self._shape.name)).one_or_none()
            if found is None:
                there.execute(insert(progress).values(name=self._shape.name, through=0, rows=0))
            else:
                self._through, self._rows = found.through, found.rows
        return self._through != _WHOLE

    def _some(self) -> bool:
        """One step, from one `id` to another. False: there are no more."""
        identity = self._shape.columns.index("id")
        following = ordered(self._here, self._shape).where(column("id") > self._through).limit(self._step)
        with writing(self._writer) as there:
            copied = 0
            through = self._through
            for rows in rows_of(self._here, following):
                if self._shape.name == "record":
                    at = self._shape.columns.index("at")
                    make_months(there, {row[at] for row in rows})
                copy_in(there, self._shape.name, self._shape.columns, rows)
                copied += len(rows)
                through = rows[-1][identity]
            self._note(there, through if copied else _WHOLE, copied)
        self._through = through
        return copied > 0

    def _all_at_once(self) -> None:
        """Its key is no number, or its rows refer to each other: they are checked when all are there."""
        everything = ordered(self._here, self._shape)
        with writing(self._writer) as there:
            before = self._rows
            found = (row for rows in rows_of(self._here, everything) for row in rows)
            copy_in(there, self._shape.name, self._shape.columns, found)
            there_now = there.execute(select(func.count()).select_from(table(self._shape.name))).scalar_one()
            self._note(there, _WHOLE, there_now - before)

    def _note(self, there: Connection, through: int, more: int) -> None:
        self._rows += more
        mine = progress.c.name == self._shape.name
        there.execute(update(progress).where(mine).values(through=through, rows=self._rows))


def _compare(here: Connection, writer: Engine, tables: list[Shape], say: Say) -> None:
    """Raises StoreRefused where a table differs: somebody wrote to one side since the copy began."""
    with reading(writer) as there:
        those = {shape.name: shape for shape in shapes(there)}
        for shape in tables:
            other = those[shape.name]
            asked = Shape(shape.name, shape.columns, shape.key, other.text_key)
            mine, theirs = amount_of(here, shape), amount_of(there, asked)
            if mine != theirs:
                raise StoreRefused(
                    f"{shape.name}: {_told(mine)} in the old database and {_told(theirs)} in the new one: one"
                    " of them was written to since the copy began. Stop the centre, empty the new one (drop"
                    " and create it), and copy again"
                )
            say(f"{shape.name}: the same {mine.rows:,} rows on both sides, {mine.sha256[:16]}")


def _told(amount: Amount) -> str:
    return f"{amount.rows:,} rows ({amount.sha256[:16]})"
