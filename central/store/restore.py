"""A backup becomes a database again: in an empty place only, and whole or not at all.

What gateways were told was committed after the backup is not here any more. Nothing has to be done about it:
the centre says how far it has each journal, and gateways send the rest again (docs/delivery.md).
"""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import Connection, Engine, column, func, make_url, select, table, text

from central.errors import StoreRefused, StoreUnavailable
from central.store.backup import (
    SQLITE_FILE,
    Manifest,
    Say,
    TableThere,
    hash_of,
    load_manifest,
    rows_file,
    rows_in,
    still,
)
from central.store.contents import Shape, amount_of, shapes
from central.store.engine import copy_in, open_writer, upgrade, writing
from central.store.months import make_months
from central.store.retention_tables import record_mark
from central.store.sealed_files import Opening
from central.store.tables import record


def restore(folder: Path, url: str, private: X25519PrivateKey | None, say: Say = lambda _: None) -> Manifest:
    """Into the database at `url`, which must be empty. Raises StoreRefused, StoreUnavailable."""
    manifest = load_manifest(folder)
    engine = make_url(url).get_backend_name()
    if engine != manifest.engine:
        raise StoreRefused(
            f"{folder}: a backup of {manifest.engine}, and [database] names {engine}; restore it into its own"
            " engine, then: liuhen-central copy-to-postgres"
        )
    if manifest.sealed_for is not None:
        _fitting(private, manifest.sealed_for)
    _check_files(folder, manifest)
    opened = _Files(folder, private if manifest.sealed_for else None)
    if engine == "sqlite":
        _sqlite(opened, manifest, Path(str(make_url(url).database)), say)
    else:
        writer = open_writer(url)
        try:
            _postgresql(opened, manifest, writer, say)
        finally:
            writer.dispose()
    return manifest


class _Files:
    def __init__(self, folder: Path, private: X25519PrivateKey | None) -> None:
        self._folder, self._private = folder, private

    @contextmanager
    def reading(self, name: str) -> Iterator[IO[bytes]]:
        with (self._folder / name).open("rb") as file:
            plain: Any = file if self._private is None else Opening(file, self._private)
            with gzip.GzipFile(fileobj=plain, mode="rb") as packed:
                yield packed  # type: ignore[misc]


def _fitting(private: X25519PrivateKey | None, sealed_for: str) -> None:
    if private is None or private.public_key().public_bytes_raw().hex() != sealed_for:
        raise StoreRefused(
            f"the backup is sealed for the public key {sealed_for[:16]}...; name the private one that belongs"
            " to it with --key-file"
        )


def _check_files(folder: Path, manifest: Manifest) -> None:
    for name, wanted in manifest.files.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != wanted.bytes or hash_of(path) != wanted.sha256:
            raise StoreRefused(f"{path}: is missing or not what the manifest says; take another backup")


def check_amounts(connection: Connection, wanted: list[TableThere], say: Say) -> None:
    """Raises StoreRefused where a table does not hold what it should."""
    there = {shape.name: shape for shape in shapes(connection)}
    if there.keys() != {each.shape.name for each in wanted}:
        raise StoreRefused("the tables are not those of the manifest")
    for each in wanted:
        # In the order of the manifest's columns, which is what was hashed.
        shape = Shape(each.shape.name, each.shape.columns, each.shape.key, there[each.shape.name].text_key)
        if amount_of(connection, shape) != each.amount:
            raise StoreRefused(f"{shape.name}: does not hold what the manifest says")
        say(f"{shape.name}: {each.amount.rows:,} rows, as in the manifest")


def _sqlite(opened: _Files, manifest: Manifest, target: Path, say: Say) -> None:
    beside = [target, *(target.with_name(target.name + end) for end in ("-wal", "-shm"))]
    if any(path.exists() for path in beside):
        raise StoreRefused(f"{target}: is there; a backup is restored into an empty place only")
    part = target.with_name(f"{target.name}.restoring")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        with (
            opened.reading(SQLITE_FILE) as packed,
            os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file,
        ):
            shutil.copyfileobj(packed, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
        with still(part) as connection:
            check_amounts(connection, manifest.tables, say)
        os.link(part, target)  # fails where something is there by now
    except OSError as error:
        raise StoreUnavailable(f"{target}: cannot be written ({error.strerror})") from error
    finally:
        part.unlink(missing_ok=True)


def _postgresql(opened: _Files, manifest: Manifest, writer: Engine, say: Say) -> None:
    with writing(writer) as connection:
        if shapes(connection):
            raise StoreRefused(
                "[database] url: holds tables; a backup is restored into an empty database only"
            )
        upgrade(connection, manifest.form)
        empty(connection, [each.shape.name for each in manifest.tables])
        for each in manifest.tables:
            with opened.reading(rows_file(each.shape.name)) as packed:
                _fill(connection, each.shape, packed)
        set_sequences(connection, [each.shape for each in manifest.tables])
        check_amounts(connection, manifest.tables, say)


def _fill(connection: Connection, shape: Shape, packed: IO[bytes]) -> None:
    """In one statement: rows of a table may refer to later ones of it."""
    if shape.name == "record":
        at = shape.columns.index("at")
        for rows in rows_in(packed):
            make_months(connection, {row[at] for row in rows})
            copy_in(connection, shape.name, shape.columns, rows)
    else:
        copy_in(connection, shape.name, shape.columns, (row for rows in rows_in(packed) for row in rows))


def empty(connection: Connection, tables: list[str]) -> None:
    """Also of what the migrations put there. Only in a database that nobody uses yet."""
    quoted = ", ".join(map(connection.dialect.identifier_preparer.quote, tables))
    connection.exec_driver_sql(f"TRUNCATE {quoted}")


def set_sequences(connection: Connection, tables: list[Shape]) -> None:
    """New rows get numbers after those that are there."""
    quote = connection.dialect.identifier_preparer.quote
    for shape in tables:
        for name in shape.key:
            found = connection.execute(
                text("SELECT pg_get_serial_sequence(:table, :column)"),
                {"table": quote(shape.name), "column": name},
            ).scalar()
            if found is not None:
                here = table(shape.name, column(name))
                last = connection.execute(select(func.max(here.c[name]))).scalar()
                if shape.name == record.name and record_mark.name in {each.name for each in tables}:
                    # Those that were ended had higher ones, perhaps.
                    marked = connection.execute(select(func.max(record_mark.c.last_id))).scalar()
                    last = max(last or 0, marked or 0) or None
                connection.execute(select(func.setval(found, last or 1, last is not None)))
