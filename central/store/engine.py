"""Opens the database: one engine that writes, one that only reads, and the migrations at start.

What one engine does differently from the other stands in this module alone, under "the two engines".
SQLAlchemy's exceptions end here: users of `reading` see StoreUnavailable, those of `writing` also RowRefused.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Engine,
    Table,
    bindparam,
    create_engine,
    event,
    exc,
    func,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DBAPIError,
    InterfaceError,
    InternalError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from central.errors import RowRefused, StoreRefused, StoreUnavailable
from central.store.months import asked_of_months, make_missing, make_months, months_of
from central.store.one_writer import OneWriter
from central.store.tables import record

if TYPE_CHECKING:
    import psycopg
    from alembic.config import Config

Statement = tuple[str, tuple[Any, ...]]
"""In SQL that both engines know, with a question mark for each value."""

_CHECKPOINT_PAGES: Final = 20_000
"""80 MB of log: few, large checkpoints; random index pages are written once instead of many times."""

_WRITER_CACHE_KB: Final = 4_096
"""The system keeps what is read often, too. In an empty database records cost the same with 12 MiB as with
32, and up to 7 % more with 4; in a large one this was not measured."""

_READER_CACHE_KB: Final = 4_096
_BUSY_S: Final = 5.0
"""How long a writer waits for another one (a backup, `verify` by an older program) before it gives up."""

COPYING: Final = "liuhen_copy"
"""A table that is there as long as a copy into the database is not whole."""

_NOTED: Final = "alembic_version"

_OLDEST_SQLITE: Final = (3, 37, 0)  # strict tables
READERS: Final = 2
"""Connections for questions: more would only quarrel for two or four cores."""


def open_writer(url: str) -> Engine:
    """The one connection that writes. Raises StoreRefused where the database cannot be made safe."""
    return _open(url, read_only=False)


def open_reader(url: str) -> Engine:
    """At most READERS connections that see committed rows and can change none."""
    return _open(url, read_only=True)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction: committed when the block ends, rolled back when it raises.

    Raises StoreUnavailable where it may succeed later, RowRefused where the same rows fail for ever.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except SQLAlchemyError as error:
        if _may_pass(error):
            raise StoreUnavailable(f"the database could not be written: {_reason(error)}") from None
        raise RowRefused(f"the database rejects what was to be written: {_reason(error)}") from None


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One consistent view of what is committed.

    It ends with a commit: after a rollback the driver of PostgreSQL forgets what the server has prepared, and
    each statement would be read and planned anew every time.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise StoreUnavailable(f"the database could not be read: {_reason(error)}") from None


@contextmanager
def reading_as_of_now(engine: Engine) -> Iterator[Connection]:
    """`reading`, where all statements see what was committed before the first of them, on PostgreSQL too."""
    if engine.dialect.name == "postgresql":
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    with reading(engine) as connection:
        yield connection


def _may_pass(error: SQLAlchemyError) -> bool:
    """The database as a whole is at fault (away, locked, full, damaged), and not one of the rows."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    whole = isinstance(error, OperationalError | InterfaceError | InternalError | PoolTimeout)
    return whole or type(error) is DatabaseError  # so SQLite says that the file is damaged


def _reason(error: SQLAlchemyError) -> str:
    """The first line of the driver's own words: the statement, its values and PostgreSQL's further lines
    (`DETAIL: Failing row contains ...`) may hold tokens."""
    said = str(getattr(error, "orig", None) or "").strip().splitlines()
    return said[0] if said else type(error).__name__


def migrate(engine: Engine) -> None:
    """Brings the database to this program's form; at most one process at a time does so.

    Raises StoreRefused for a database that a newer program made, StoreUnavailable when it cannot be written.
    """
    newest = newest_step()
    with writing(engine) as connection:
        if form_of(connection) == newest and not inspect(connection).has_table(COPYING):
            _apply_policies(connection)
            return
    _steps()  # read before others have to wait for us
    with writing(engine) as connection:
        upgrade(connection)


def upgrade(connection: Connection, form: str = "head") -> None:
    """`migrate` within the caller's transaction, up to a form. Raises StoreRefused."""
    from alembic import command

    config, known = _steps()
    _lock_for_migration(connection)
    for found in {form_of(connection), form} - {None, "head"}:
        if found not in known:
            raise StoreRefused(
                f"the database is of form {found}, which this program does not know:"
                " a newer liuhen-central made it. Start that one, or restore a backup"
            )
    if inspect(connection).has_table(COPYING):
        raise StoreRefused(
            "a copy into this database was begun and is not whole; end it with:"
            " liuhen-central copy-to-postgres"
        )
    config.attributes["connection"] = connection
    command.upgrade(config, form)
    if form == "head":
        _apply_policies(connection)


def _apply_policies(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        from central.store.row_policies import apply_policies

        apply_policies(connection)


_STEP_FILES: Final = Path(__file__).parent / "migrations" / "versions"
_STEP_BEFORE: Final = re.compile(r'^down_revision(?:: [^=]+)? = "(\w+)"', re.MULTILINE)
_STEP: Final = re.compile(r'^revision(?:: [^=]+)? = "(\w+)"', re.MULTILINE)


def newest_step() -> str:
    """The last step of the migrations, read from their files: Alembic, which knows it too, takes 10 MiB for
    as long as a process lives, and most starts have no step to take."""
    texts = [path.read_text(encoding="utf-8") for path in _STEP_FILES.glob("s*.py")]
    steps = {found[1] for text_ in texts if (found := _STEP.search(text_))}
    before = {found[1] for text_ in texts if (found := _STEP_BEFORE.search(text_))}
    [newest] = steps - before
    return newest


def _steps() -> tuple[Config, set[str]]:
    """A configuration of Alembic's own, and all steps that this program knows."""
    from alembic import command  # noqa: F401  takes longest of all
    from alembic.config import Config
    from alembic.runtime import migration  # noqa: F401
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config, {step.revision for step in ScriptDirectory.from_config(config).walk_revisions()}


def form_of(connection: Connection) -> str | None:
    """The last step of the migrations that the database has seen; None: there are no tables of ours."""
    if not inspect(connection).has_table(_NOTED):
        return None
    noted: str | None = connection.execute(text(f"SELECT version_num FROM {_NOTED}")).scalar()  # noqa: S608  ours
    return noted


# --- the two engines -------------------------------------------------------------------------------------


def _open(url: str, *, read_only: bool) -> Engine:
    try:
        parsed = make_url(url)
        sqlite = parsed.get_backend_name() == "sqlite"
        if sqlite and parsed.database and not read_only:
            _make_private(Path(parsed.database))
        engine = create_engine(
            parsed,
            poolclass=QueuePool,
            pool_size=READERS if read_only else 1,
            max_overflow=0,
            connect_args={"timeout": _BUSY_S, "check_same_thread": False} if sqlite else {},
        )
    except ArgumentError as error:
        raise StoreRefused("[database] url cannot be understood; write path = '...' instead") from error
    if sqlite:
        _prepare_sqlite(engine, read_only=read_only)
    elif read_only:
        event.listen(engine, "connect", _only_reads)
    return engine


def _only_reads(connection: Any, _record: object) -> None:
    connection.read_only = True  # psycopg: each of its transactions begins so


def _make_private(path: Path) -> None:
    """The file exists with mode 600 before SQLite opens it; SQLite gives its log the same mode."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError as error:
        raise StoreRefused(f"{path}: cannot be made ({error.strerror}); see [database] path") from error


def _prepare_sqlite(engine: Engine, *, read_only: bool) -> None:
    pragmas: dict[str, str | int] = {
        "journal_mode": "wal",
        "synchronous": 2,  # FULL: under WAL, NORMAL may lose the last commits at a power cut
        "foreign_keys": 1,
        "query_only": int(read_only),
        "wal_autocheckpoint": _CHECKPOINT_PAGES,
        "cache_size": -(_READER_CACHE_KB if read_only else _WRITER_CACHE_KB),
    }

    def connected(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where we say so
        try:
            for name, wanted in pragmas.items():
                connection.execute(f"PRAGMA {name} = {wanted}")
                _read_back(connection, name, wanted)
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(f"the database cannot be opened: {error}") from error
        except sqlite3.DatabaseError as error:
            raise StoreRefused(f"the file in [database] path is not a database of ours: {error}") from error

    def began(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise StoreRefused(f"SQLite {sqlite3.sqlite_version} is too old; 3.37 or newer is needed")
    event.listen(engine, "connect", connected)
    if not read_only and engine.url.database:
        writer = OneWriter(Path(engine.url.database).parent)
        event.listen(engine, "begin", lambda _: writer.begin(_BUSY_S))
        event.listen(engine, "checkin", lambda *_: writer.end())  # after the commit and its checkpoint
    event.listen(engine, "begin", began)


def _read_back(connection: sqlite3.Connection, name: str, wanted: str | int) -> None:
    found = connection.execute(f"PRAGMA {name}").fetchone()[0]
    if found != wanted:
        raise StoreRefused(
            f"the database keeps {name} = {found} where {wanted} is needed; put it on a local disk"
        )


def _lock_for_migration(connection: Connection) -> None:
    """On SQLite the transaction already excludes every other writer."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(6543210987)"))


def insert_many(
    connection: Connection, table: Table, rows: list[tuple[Any, ...]], *, with_ids: bool = False
) -> None:
    """Rows as tuples of all columns but `id`, straight through the driver: several times as fast.
    `with_ids`: of all columns, with ids of `next_ids`.

    On PostgreSQL their months are made where they are missing.
    """
    if table is record and not with_ids and (last := _last_ended(connection)):
        rows, with_ids = [(number, *row) for number, row in enumerate(rows, last + 1)], True
    names = [column.name for column in table.columns if with_ids or column.name != "id"]
    if connection.dialect.name == "sqlite":
        before = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES "  # noqa: S608  our own names
        _in_few_statements(connection, before, "", rows)
    else:
        if table.dialect_options["postgresql"]["partition_by"]:
            at = names.index("at")
            make_months(connection, {row[at] for row in rows})
        copy_in(connection, table.name, names, rows)


def _last_ended(connection: Connection) -> int | None:
    """The highest number that a record ever had, where that one is gone: SQLite would give it again, and the
    new record would be taken for counted, looked at, and old. None: the engine goes on by itself."""
    if connection.dialect.name != "sqlite":
        return None
    there, marked = connection.exec_driver_sql(
        "SELECT (SELECT max(id) FROM record), (SELECT max(last_id) FROM record_mark)"
    ).one()
    return marked if marked is not None and marked > (there or 0) else None


def upsert_many(
    connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]], changing: Sequence[str]
) -> None:
    """Rows as tuples of all columns; where the primary key is there already, only `changing` are changed."""
    names = [column.name for column in table.columns]
    if connection.dialect.name == "sqlite":
        before = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES "  # noqa: S608  our own names
        _in_few_statements(connection, before, _changing(table, changing), rows)
    elif rows:
        with _driver(connection) as driver:
            _put(driver, table, tuple(names), rows, _changing(table, changing))


def _changing(table: Table, changing: Sequence[str]) -> str:
    key = ", ".join(column.name for column in table.primary_key)
    changes = ", ".join(f"{name} = excluded.{name}" for name in changing)
    return f" ON CONFLICT ({key}) DO UPDATE SET {changes}"


def months_asked(connection: Connection, times_us: Iterable[int]) -> list[Statement]:
    """Statements for `answers` before `put_together`; none on SQLite, which keeps no months."""
    return [] if connection.dialect.name == "sqlite" else asked_of_months(months_of(times_us))


def put_together(
    connection: Connection,
    inserts: Sequence[tuple[Table, list[tuple[Any, ...]]]],
    upserts: Sequence[tuple[Table, Sequence[tuple[Any, ...]], Sequence[str]]],
    months: Sequence[Sequence[tuple[Any, ...]]],
) -> None:
    """`insert_many` and `upsert_many` of each. On PostgreSQL all that is not large is sent in one piece.
    `months`: what `months_asked` found, of the times of all records among the rows."""
    if connection.dialect.name == "sqlite":
        for table, rows in inserts:
            if rows:
                insert_many(connection, table, rows)
        for table, changed, changing in upserts:
            upsert_many(connection, table, changed, changing)
        return
    pieces: list[tuple[Table, tuple[str, ...], Sequence[tuple[Any, ...]], str]] = []
    for table, rows in inserts:
        names = tuple(column.name for column in table.columns if column.name != "id")
        if rows and table.dialect_options["postgresql"]["partition_by"]:
            at = names.index("at")
            make_missing(connection, months_of(row[at] for row in rows), {name for (name,) in months[-1]})
        if len(rows) > _FEW_ROWS:
            copy_in(connection, table.name, names, rows)
        else:
            pieces.append((table, names, rows, ""))
    for table, changed, changing in upserts:
        names = tuple(column.name for column in table.columns)
        pieces.append((table, names, changed, _changing(table, changing)))
    if pieces := [piece for piece in pieces if piece[2]]:
        with _driver(connection) as driver, driver.pipeline():
            for piece in pieces:
                _put(driver, *piece)


_FEW_ROWS: Final = 100
"""On PostgreSQL more are copied in, which the server does faster and asks two more answers for."""


def _put(
    driver: psycopg.Connection[Any],
    table: Table,
    names: tuple[str, ...],
    rows: Sequence[tuple[Any, ...]],
    after: str,
) -> None:
    """An array of each column: one statement, which the server prepares once, for however many rows."""
    _send(driver, _putting(table, names, after), tuple(map(_array, zip(*rows, strict=True))))


@cache
def _putting(table: Table, names: tuple[str, ...], after: str) -> str:
    kinds = [str(table.columns[name].type.compile()) for name in names]
    arrays = ", ".join(f"CAST(%s AS {_KINDS.get(kind, kind)}[])" for kind in kinds)
    into = f"INSERT INTO {table.name} ({', '.join(names)})"
    return f"{into} SELECT * FROM unnest({arrays}){after}"  # noqa: S608  our own names


_KINDS: Final = {"BLOB": "bytea"}


def _array(values: Iterable[Any]) -> str:
    """PostgreSQL's own words for an array of whole numbers, texts or bytes, with NULL for None. Always a
    text: the driver would call the numbers of one array small and those of the next one large, and the server
    would prepare a statement for each."""
    return "{" + ",".join([_WORDS.get(type(value), _quoted)(value) for value in values]) + "}"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


_WORDS: Final[dict[type, Callable[[Any], str]]] = {
    type(None): lambda _: "NULL",
    int: str,
    bytes: lambda value: f'"\\\\x{value.hex()}"',
}


def rows_of_gateways(
    connection: Connection, table: Table, gateways: Sequence[int]
) -> Sequence[tuple[Any, ...]]:
    """All columns of the rows of these gateways, straight through the driver. They are one parameter, however
    many they are: a statement that is written anew for each number of them costs more than what it finds."""
    sqlite = connection.dialect.name == "sqlite"
    names = ", ".join(column.name for column in table.columns)
    among = "IN (SELECT value FROM json_each(?))" if sqlite else "= ANY(%s)"
    asked = f"SELECT {names} FROM {table.name} WHERE gateway_id {among}"  # noqa: S608  our own names
    value = json.dumps(list(gateways)) if sqlite else list(gateways)
    return connection.exec_driver_sql(asked, (value,)).all()


def gateways_named(connection: Connection, names: Sequence[tuple[str, str]], parts: str) -> list[Statement]:
    """Two statements for `answers`. The first: id, site, name, session, device key and `signed_acks` of the
    gateways of these sites and names, in the order of their ids. On PostgreSQL nobody else may change their
    rows until the caller's transaction is over. The second: `parts`, where its `{ids}` are theirs."""
    if connection.dialect.name == "sqlite":
        is_asked = "site = json_extract(value, '$[0]') AND name = json_extract(value, '$[1]')"
        there = f"json_each(?) AS asked CROSS JOIN gateway ON {is_asked}"
        asked: tuple[Any, ...] = (json.dumps(names),)
        ids, locked = "IN (SELECT id FROM asked_for)", ""
    else:
        # OFFSET 0: each is looked up by the index. A join reads all gateways to find a few.
        there = "unnest(CAST(? AS text[]), CAST(? AS text[])) AS asked (site, name) CROSS JOIN LATERAL"
        there += " (SELECT id FROM gateway WHERE site = asked.site AND name = asked.name OFFSET 0) AS gateway"
        asked = _array(site for site, _ in names), _array(name for _, name in names)
        ids, locked = "= ANY(ARRAY(SELECT id FROM asked_for))", " FOR UPDATE"
    before = f"WITH asked_for AS MATERIALIZED (SELECT gateway.id FROM {there}) "  # noqa: S608  our own names
    wanted = "SELECT id, site, name, session, device_key, signed_acks FROM gateway WHERE id"
    return [
        (f"{before}{wanted} {ids} ORDER BY id{locked}", asked),
        (before + parts.format(ids=ids), asked),
    ]


def answers(connection: Connection, asked: Sequence[Statement]) -> list[Sequence[tuple[Any, ...]]]:
    """What each statement finds, straight through the driver; each sees what was committed when those before
    it were done. On PostgreSQL they are sent in one piece: to wait for the answer to each, and for one's turn
    after it, takes longer than to find it."""
    if connection.dialect.name == "sqlite":
        return [connection.exec_driver_sql(statement, values).all() for statement, values in asked]
    with _driver(connection) as driver:
        with driver.pipeline():
            cursors = [_send(driver, statement.replace("?", "%s"), values) for statement, values in asked]
        return [cursor.fetchall() for cursor in cursors]


def _send(driver: psycopg.Connection[Any], statement: str, values: tuple[Any, ...]) -> psycopg.Cursor[Any]:
    return driver.execute(statement.encode(), values)


@contextmanager
def _driver(connection: Connection) -> Iterator[psycopg.Connection[Any]]:
    """PostgreSQL's driver without SQLAlchemy in between, and its faults as SQLAlchemy says them."""
    import psycopg

    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    try:
        yield driver
    except psycopg.Error as error:
        if broken := driver.broken:
            connection.invalidate()
        raise _family(error)(None, None, error, connection_invalidated=broken) from None


_ROWS_TOGETHER: Final = 256
"""As long as a statement runs, other threads compute. With 1,024 a backlog went hardly faster, and a process
took 3 MiB more."""


def _in_few_statements(
    connection: Connection, before: str, after: str, rows: Sequence[tuple[Any, ...]]
) -> None:
    """Many rows in each statement. Python's SQLite lets another thread run at each statement, and where one
    receives messages meanwhile, getting the turn back costs more than a row: with a statement a row that was
    most of the time. Their numbers are powers of two, so that few statements are prepared."""
    at = 0
    while at < len(rows):
        together = min(_ROWS_TOGETHER, 1 << (len(rows) - at).bit_length() - 1)
        values = tuple(chain.from_iterable(rows[at : at + together]))
        connection.exec_driver_sql(_of_rows(before, len(rows[at]), together, after), values)
        at += together


@cache
def _of_rows(before: str, columns: int, rows: int, after: str) -> str:
    row = f"({', '.join('?' * columns)})"
    return before + ", ".join([row] * rows) + after


def next_ids(connection: Connection, table: Table, count: int) -> list[int]:
    """Ids that nobody else is given, for rows that must know theirs before they are inserted: in this
    transaction, and before any other row of the table."""
    if connection.dialect.name == "sqlite":  # whoever writes is alone
        last = connection.execute(select(func.max(table.c.id))).scalar() or 0
        return list(range(last + 1, last + 1 + count))
    drawn = text("SELECT nextval(pg_get_serial_sequence(:name, 'id')) FROM generate_series(1, :count)")
    return list(connection.execute(drawn, {"name": table.name, "count": count}).scalars())


def among(connection: Connection, column: ColumnElement[Any], values: Sequence[Any]) -> ColumnElement[bool]:
    """`column` is one of many values. PostgreSQL takes them as one: hundreds of parameters take its driver
    longer to number than the server to find."""
    if connection.dialect.name == "sqlite":
        return column.in_(values)
    return column == func.any(bindparam(None, list(values), ARRAY(column.type), unique=True))


def count_for_plans(connection: Connection, tables: Iterable[Table]) -> None:
    """PostgreSQL plans by what it last counted, which after many new rows may be an empty table for a minute:
    it would read the whole of it for each question. SQLite plans by its indexes alone."""
    if connection.dialect.name == "postgresql":
        names = ", ".join(sorted(table.name for table in tables))
        connection.exec_driver_sql(f"ANALYZE {names}")


def copy_in(connection: Connection, table: str, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """PostgreSQL's own way of taking many rows; months must be there."""
    from psycopg.sql import SQL, Identifier

    columns = SQL(", ").join(map(Identifier, names))
    statement = SQL("COPY {} ({}) FROM STDIN").format(Identifier(table), columns)
    with _driver(connection) as driver, driver.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def _family(error: Exception) -> type[DBAPIError]:
    """What SQLAlchemy calls a fault that the driver raised without it in between."""
    kinds = (getattr(exc, kind.__name__, None) for kind in type(error).__mro__)
    return next(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, DBAPIError))
