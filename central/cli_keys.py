"""`liuhen-central keys`: the centre's keys, and which gateways it trusts. For the operator."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from central.errors import BadQuestion, CentralError
from central.fleet.keys import load_centre_keys, make_centre_keys, trust_gateway
from central.settings import load_settings
from messages.keys import MAX_KEYS_BYTES, encode_keys

SettingsFile = Annotated[Path, typer.Option("--settings", help="TOML file; see central.example.toml")]
keys_app = typer.Typer(no_args_is_help=True, help="The centre's keys, and the gateways it trusts.")

_UNUSABLE = 2


@contextmanager
def mendable() -> Iterator[None]:
    """What a person can mend is one message and exit code 2."""
    try:
        yield
    except CentralError as error:
        typer.echo(f"{error.field}: {error}" if isinstance(error, BadQuestion) else str(error), err=True)
        raise typer.Exit(_UNUSABLE) from None


@keys_app.command("make")
def make(settings: SettingsFile) -> None:
    """Make the centre's keys, once, and print the public ones for the gateways."""
    with mendable():
        keys = make_centre_keys(load_settings(settings).keys.centre_key_file)
        typer.echo(encode_keys(keys.public()), nl=False)


@keys_app.command("show")
def show(settings: SettingsFile) -> None:
    """Print the public ones: each gateway has them in a file, [keys] centre_keys_file of its settings."""
    with mendable():
        keys = load_centre_keys(load_settings(settings).keys.centre_key_file)
        typer.echo(encode_keys(keys.public()), nl=False)


@keys_app.command("trust")
def trust(
    settings: SettingsFile,
    file: Annotated[Path | None, typer.Argument(help="what the gateway printed; else standard input")] = None,
) -> None:
    """Know a gateway by what its `liuhen-gateway keys show` printed."""
    with mendable():
        folder = load_settings(settings).keys.gateway_keys
        text = file.read_bytes() if file else sys.stdin.buffer.read(MAX_KEYS_BYTES + 1)
        known = trust_gateway(folder, text)
        typer.echo(f"gateway {known.gateway} of {known.site} is known by these keys")
