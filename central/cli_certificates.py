"""`liuhen-central certificates`: the site's authority for mutual TLS; docs/running.md. For the operator."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from central.cli_keys import mendable
from central.errors import SettingsError
from central.fleet.authority import make_authority, make_certificate

Folder = Annotated[
    Path, typer.Option("--folder", help="where the authority and what it made lie; keep it off the network")
]
certificates_app = typer.Typer(
    no_args_is_help=True, help="The site's own authority: certificates of gateways, broker and centre."
)
_FOLDER = Path("certificates")


@certificates_app.command("make-authority")
def authority(folder: Folder = _FOLDER) -> None:
    """Make the authority, once; every end trusts its authority.pem (ca_file)."""
    with mendable():
        made = make_authority(folder, datetime.now(UTC))
        typer.echo(f"{made.certificate}: the authority, until {made.until:%Y-%m-%d}; give it to every end")
        typer.echo(f"{made.key}: its key; it stays here, and a copy of it in a safe")


@certificates_app.command("make")
def make(
    name: Annotated[str, typer.Argument(help="the gateway's [gateway] name; centre; or the broker's")],
    folder: Folder = _FOLDER,
    host: Annotated[
        list[str] | None,
        typer.Option(help="for a broker: its name or address as in [mqtt] host; once for each"),
    ] = None,
    request: Annotated[
        Path | None, typer.Option(help="a request made on the device (openssl req), whose key stays there")
    ] = None,
) -> None:
    """Make a certificate for 90 days, with its key unless there is a request."""
    with mendable():
        made = make_certificate(
            folder,
            name,
            datetime.now(UTC),
            hosts=host or (),
            request=_text(request) if request else None,
        )
        typer.echo(f"{made.certificate}: {name}, until {made.until:%Y-%m-%d}")
        if made.key:
            typer.echo(f"{made.key}: its key; carry it there on a safe way, and remove it here")


def _text(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from None
