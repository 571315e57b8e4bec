"""`liuhen-central migrate`, `backup`, `restore`, `copy-to-postgres`: for the operator of the database.

Heavy modules are imported only when a command runs.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from central.cli_keys import SettingsFile, mendable
from central.errors import SettingsError
from central.settings import load_settings

_KEEP_DAYS = 35


def migrate(settings: SettingsFile) -> None:
    """Bring the database to this program's form; `serve` does so by itself at its start."""
    from central.store import engine

    with mendable():
        writer = engine.open_writer(load_settings(settings).database.address)
        with engine.writing(writer) as connection:
            before = engine.form_of(connection)
        engine.migrate(writer)
        with engine.reading(writer) as connection:
            after = engine.form_of(connection)
        writer.dispose()
    typer.echo(f"form {after}, as it was" if before == after else f"form {after}, was {before or 'empty'}")


def backup_key(
    private: Annotated[
        Path, typer.Argument(help="a new file; keep it away from the centre and from backups")
    ],
    public: Annotated[Path, typer.Argument(help="a new file, for the centre")],
) -> None:
    """Make a pair of keys: with the public one backups are sealed, with the private one they are restored."""
    from central.store.sealed_files import make_backup_key

    with mendable():
        make_backup_key(private, public)
    typer.echo(
        f"{private}: without it no backup opens that is sealed for {public}. Keep copies of it elsewhere"
    )


def backup(
    settings: SettingsFile,
    to: Annotated[Path, typer.Option("--to", help="a folder; each backup is a folder of its own in it")],
    public: Annotated[Path | None, typer.Option("--for", help="public key: seal it; see backup-key")] = None,
    in_clear: Annotated[  # noqa: FBT002  a flag of the command line
        bool, typer.Option("--in-clear", help="do not seal it: who was where can be read, though no names")
    ] = False,
    keep_days: Annotated[
        int, typer.Option(min=1, help="older backups in that folder are removed")
    ] = _KEEP_DAYS,
) -> None:
    """Copy the database as it is at one moment, beside a serving centre or without one; check the copy."""
    from central.store.backup import make_backup, remove_old
    from central.store.engine import open_reader
    from central.store.sealed_files import load_public

    with mendable():
        if (public is None) != in_clear:
            raise SettingsError("write either --for PUBLIC-KEY, or --in-clear; make a key with: backup-key")
        reader = open_reader(load_settings(settings).database.address)
        at = datetime.now(UTC)
        made = make_backup(reader, to, at, load_public(public) if public else None, _say)
        reader.dispose()
        removed = remove_old(to, at, keep_days)
    typer.echo(str(made))
    for folder in removed:
        typer.echo(f"{folder}: removed, {keep_days} days old", err=True)


def restore(
    settings: SettingsFile,
    folder: Annotated[Path, typer.Option("--from", help="one backup")],
    key_file: Annotated[Path | None, typer.Option("--key-file", help="private key of backups")] = None,
) -> None:
    """Make an empty place the database that a backup holds, whole or not at all."""
    from central.store import restore as restoring
    from central.store.sealed_files import load_private

    with mendable():
        private = load_private(key_file) if key_file else None
        found = restoring.restore(folder, load_settings(settings).database.address, private, _say)
    typer.echo(
        f"restored as of {found.made_at}, form {found.form}. Start the centre: gateways send again what came"
        " after that, as far back as their keep_acknowledged_days"
    )


def copy_to_postgres(
    settings: SettingsFile,
    to: Annotated[
        Path, typer.Option("--to", help="a settings file whose [database] url is the new database")
    ],
) -> None:
    """Copy a stopped centre's SQLite database into an empty PostgreSQL one; goes on where it was killed."""
    from central.store import copying

    with mendable():
        source = load_settings(settings).database.path
        if source is None:
            raise SettingsError(f"{settings}: [database] path: names no SQLite file")
        copying.copy_to_postgres(source, load_settings(to).database.address, _say)
    typer.echo(f"all is there; from now on: liuhen-central serve --settings {to}")


def _say(line: str) -> None:
    typer.echo(line, err=True)
