"""Backups: the whole database as of one moment, taken while it is in use, checked before it is called one.

A backup is a folder: `manifest.json`, and beside it the database's file (SQLite) or one file of rows for each
table (PostgreSQL), compressed and, with a public key, sealed. A folder is a backup once it has its own name;
until then it ends in `.part`. No key of identity is in the database, so none is here.
"""

from __future__ import annotations

import gzip
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, Final, cast
from urllib.parse import quote

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from msgspec import Struct
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import NullPool

from central.errors import StoreRefused, StoreUnavailable
from central.store.contents import Amount, Counting, Shape, amount_of, ordered, rows_of, shapes
from central.store.engine import form_of, reading
from central.store.sealed_files import Sealing

MANIFEST: Final = "manifest.json"
SQLITE_FILE: Final = "central.sqlite.gz"
KEEP_DAYS: Final = 35
"""trust.md section 5."""

_VERSION: Final = 1
_PART: Final = ".part"
_NAME: Final = "%Y-%m-%dT%H-%M-%SZ"
_LEVEL: Final = 1  # of compression: three times smaller, and fast
_BLOCK_HEAD: Final = b"\xdd"  # MessagePack: an array, its length in four bytes

Say = Callable[[str], None]


class File(Struct, frozen=True):
    bytes: int
    sha256: str


class TableThere(Struct, frozen=True):
    shape: Shape
    amount: Amount


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """What a backup says of itself."""

    v: int
    made_at: str
    software: str
    engine: str
    form: str  # the last step of the migrations
    sealed_for: str | None  # a public key, in hex
    files: dict[str, File]
    tables: list[TableThere]


def make_backup(
    engine: Engine, into: Path, at: datetime, public: X25519PublicKey | None, say: Say = lambda _: None
) -> Path:
    """A new folder in `into`. `engine`: one that reads. Raises StoreUnavailable, StoreRefused."""
    if engine.dialect.name == "sqlite" and not Path(str(engine.url.database)).is_file():
        raise StoreRefused(f"{engine.url.database}: is not there; see [database] path")
    folder = into / at.astimezone(UTC).strftime(_NAME)
    part = folder.with_name(folder.name + _PART)
    try:
        if folder.exists():
            raise StoreRefused(f"{folder}: is there already; nothing was changed")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True, mode=0o700)
        _fill(engine, part, at, public, say)
        part.rename(folder)
        _sync(into)
    except OSError as error:
        raise StoreUnavailable(f"{part}: cannot be written ({error.strerror})") from error
    return folder


def load_manifest(folder: Path) -> Manifest:
    """Raises StoreRefused."""
    try:
        found = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError):
        raise StoreRefused(f"{folder}: holds no {MANIFEST} of a backup that this program knows") from None
    if found.v != _VERSION:
        raise StoreRefused(f"{folder}: made by a newer liuhen-central; restore it with that one")
    return found


def remove_old(into: Path, now: datetime, keep_days: int = KEEP_DAYS) -> list[Path]:
    """Those that are older, as their names say; what is not named like a backup is left alone."""
    gone = []
    for folder in sorted(into.iterdir()):
        try:
            made = datetime.strptime(folder.name, _NAME).replace(tzinfo=UTC)
        except ValueError:
            continue
        if (now - made).days >= keep_days and (folder / MANIFEST).is_file():
            shutil.rmtree(folder)
            gone.append(folder)
    return gone


def _fill(engine: Engine, part: Path, at: datetime, public: X25519PublicKey | None, say: Say) -> None:
    if engine.dialect.name == "sqlite":
        form, tables = _sqlite(engine, part, public, say)
    else:
        with reading(engine.execution_options(isolation_level="REPEATABLE READ")) as connection:
            form = _known_form(connection)
            tables = [_table(connection, shape, part, public, say) for shape in shapes(connection)]
    manifest = Manifest(
        v=_VERSION,
        made_at=at.astimezone(UTC).isoformat(),
        software=version("liuhen"),
        engine=engine.dialect.name,
        form=form,
        sealed_for=None if public is None else public.public_bytes_raw().hex(),
        files={path.name: File(path.stat().st_size, hash_of(path)) for path in sorted(part.iterdir())},
        tables=tables,
    )
    with _durable(part / MANIFEST) as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
    _sync(part)


def _sqlite(
    engine: Engine, part: Path, public: X25519PublicKey | None, say: Say
) -> tuple[str, list[TableThere]]:
    """Through SQLite's backup interface (trust.md R-17), all pages in one view: writers need not wait."""
    source, copy = engine.url.database, part / "copy"
    try:
        with closing(engine.raw_connection()) as here, closing(sqlite3.connect(copy)) as there:
            here.driver_connection.backup(there)  # type: ignore[union-attr]
            there.execute("PRAGMA journal_mode = delete")  # one file, without a log beside it
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{source}: cannot be copied ({error})") from error
    with still(copy) as connection:
        if (said := connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()) != "ok":
            raise StoreRefused(f"{source}: the database is damaged ({said}); this is no backup")
        form = _known_form(connection)
        tables = [_counted(connection, shape, say) for shape in shapes(connection)]
    with _durable(part / SQLITE_FILE) as file, packing(file, public) as packed, copy.open("rb") as plain:
        shutil.copyfileobj(plain, packed, 1 << 20)
    copy.unlink()
    return form, tables


@contextmanager
def still(file: Path) -> Iterator[Connection]:
    """Reads a SQLite file that nobody writes; leaves nothing beside it."""

    def connected() -> sqlite3.Connection:
        return sqlite3.connect(f"file:{quote(str(file))}?mode=ro&immutable=1", uri=True)

    with reading(create_engine("sqlite://", creator=connected, poolclass=NullPool)) as connection:
        yield connection


def _known_form(connection: Connection) -> str:
    if (form := form_of(connection)) is None:
        raise StoreRefused("the database holds no tables of ours: there is nothing to back up")
    return form


def _counted(connection: Connection, shape: Shape, say: Say) -> TableThere:
    amount = amount_of(connection, shape)
    say(f"{shape.name}: {amount.rows:,} rows")
    return TableThere(shape, amount)


def _table(
    connection: Connection, shape: Shape, part: Path, public: X25519PublicKey | None, say: Say
) -> TableThere:
    counting = Counting()
    with _durable(part / rows_file(shape.name)) as file, packing(file, public) as packed:
        for rows in rows_of(connection, ordered(connection, shape)):
            encoded = counting.add(rows)
            block = _BLOCK_HEAD + len(encoded).to_bytes(4, "big") + b"".join(encoded)
            packed.write(len(block).to_bytes(4, "big") + block)
    say(f"{shape.name}: {counting.amount.rows:,} rows")
    return TableThere(shape, counting.amount)


def rows_file(table: str) -> str:
    return f"{table}.rows.gz"


def rows_in(packed: IO[bytes]) -> Iterator[list[list[Any]]]:
    """The rows of such a file, some at a time."""
    decode = msgspec.msgpack.Decoder(list[list[Any]]).decode
    while length := packed.read(4):
        yield decode(packed.read(int.from_bytes(length, "big")))


@contextmanager
def packing(file: IO[bytes], public: X25519PublicKey | None) -> Iterator[IO[bytes]]:
    """What is written goes compressed, and sealed where there is a key, into `file`."""
    with ExitStack() as opened:
        sink = file if public is None else opened.enter_context(Sealing(file, public))
        yield opened.enter_context(gzip.GzipFile("", "wb", _LEVEL, cast(IO[bytes], sink), 0))  # type: ignore[arg-type]


@contextmanager
def _durable(path: Path) -> Iterator[IO[bytes]]:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def hash_of(path: Path) -> str:
    hashed = sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            hashed.update(chunk)
    return hashed.hexdigest()
