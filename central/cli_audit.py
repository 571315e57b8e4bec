"""`liuhen-central audit`: the register of look-ups, walked and signed for. For whoever answers for it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from central.cli_keys import SettingsFile, mendable
from central.errors import BadQuestion, SettingsError
from central.settings import load_settings
from central.times import utc_text

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from central.lookup.audit import Head

audit_app = typer.Typer(no_args_is_help=True, help="The register of look-ups: is it whole and unaltered?")

_WRONG = 1


@audit_app.command("verify")
def verify(
    settings: SettingsFile,
    heads: Annotated[
        list[Path] | None, typer.Option("--head", help="a signed head kept elsewhere; once for each")
    ] = None,
) -> None:
    """Walk the register of look-ups: a line for each place where something is wrong, and exit 1."""
    from central.fleet.keys import load_centre_keys
    from central.lookup import audit
    from central.store.engine import open_reader, reading
    from messages.signing import trusted

    with mendable():
        loaded = load_settings(settings)
        kept = []
        if heads:
            keys = load_centre_keys(loaded.keys.centre_key_file)
            signers = trusted(*(key.public_key() for key in keys.signing))
            kept = [_head(path, signers) for path in heads]
        with reading(open_reader(loaded.database.address)) as connection:
            flaws = 0
            for flaw in audit.verify(connection, tuple(kept)):
                typer.echo(flaw)
                flaws += 1
            rows = audit.count(connection)
    typer.echo(f"look-ups: {rows} rows; {f'{flaws} flaws' if flaws else 'good'}")
    if flaws:
        raise typer.Exit(_WRONG)


@audit_app.command("head")
def head(
    settings: SettingsFile,
    out: Annotated[Path | None, typer.Option("--out", help="a new file; without it: printed")] = None,
) -> None:
    """Sign how far the register goes now. Keep it where nobody who runs the centre can change it."""
    import msgspec

    from central.fleet.keys import load_centre_keys, write_new
    from central.lookup import audit
    from central.store.engine import open_reader, reading

    with mendable():
        loaded = load_settings(settings)
        signing = load_centre_keys(loaded.keys.centre_key_file).signing[0]
        with reading(open_reader(loaded.database.address)) as connection:
            text = msgspec.json.encode(audit.head(connection, signing, time.time_ns() // 1_000))
        if out is None:
            typer.echo(text.decode())
            return
        try:
            write_new(out, text)
        except OSError as error:
            raise SettingsError(f"{out}: cannot be made ({error.strerror})") from None
        typer.echo(f"{out}: made")


@audit_app.command("check")
def check(
    settings: SettingsFile,
    file: Annotated[Path, typer.Argument(help="a case file as it was exported")],
    signature: Annotated[Path, typer.Argument(help="what lay beside it in its archive")],
) -> None:
    """Say whether a case file is the one that the centre gave, and for which look-up; exit 1 if it is not."""
    from central.fleet.keys import load_centre_keys
    from central.lookup.exporting import check as checked
    from messages.signing import trusted

    with mendable():
        keys = load_centre_keys(load_settings(settings).keys.centre_key_file)
        text, beside = _read(file), _read(signature)
        signers = trusted(*(key.public_key() for key in keys.signing))
    try:
        found = checked(text, beside, signers)
    except BadQuestion as error:
        typer.echo(f"{file}: {error}")
        raise typer.Exit(_WRONG) from None
    typer.echo(f"{file}: good; look-up {found.look_up}, {found.records} records, {utc_text(found.at)}")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from None


def _head(path: Path, signers: Mapping[str, Ed25519PublicKey]) -> Head:
    from central.lookup import audit

    try:
        return audit.read_head(_read(path), signers)
    except BadQuestion as error:
        raise SettingsError(f"{path}: {error}") from None
