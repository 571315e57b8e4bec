"""The command `liuhen-central`: arguments, wiring and exit codes; no logic.

Heavy modules are imported only by the command that needs them.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from central.cli_accounts import accounts_app, communities_app
from central.cli_audit import audit_app
from central.cli_bundles import pack, take
from central.cli_certificates import certificates_app
from central.cli_identity import identity_app
from central.cli_keys import keys_app
from central.cli_send import send_app
from central.cli_store import backup, backup_key, copy_to_postgres, migrate, restore
from central.errors import CentralError
from central.settings import Settings, load_settings

app = typer.Typer(
    help="The visitor-tracking service: takes records in, keeps them and answers for them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(audit_app, name="audit")
app.add_typer(keys_app, name="keys")
app.add_typer(communities_app, name="communities")
app.add_typer(accounts_app, name="accounts")
app.add_typer(identity_app, name="identity")
app.add_typer(send_app, name="send")
app.add_typer(certificates_app, name="certificates")
app.command()(take)
app.command()(pack)
for each in (migrate, backup_key, backup, restore, copy_to_postgres):
    app.command()(each)

SettingsFile = Annotated[Path, typer.Option("--settings", help="TOML file; see central.example.toml")]

_WRONG = 1
_UNUSABLE = 2


@app.command()
def serve(settings: SettingsFile) -> None:
    """Take records in and show them, until SIGTERM or Ctrl-C."""
    from central.server import serve as run

    _log_to_stderr()
    try:
        run(_load(settings))
    except CentralError as error:
        _give_up(error)


@app.command()
def check(settings: SettingsFile) -> None:
    """Say whether the settings can be used, and change nothing."""
    found = _load(settings)
    if found.oidc is not None:
        from central.accounts.provider_sign_in import made

        try:
            made(found.oidc, found.public_address, lambda: 0)
        except CentralError as error:
            _give_up(error)
    print(f"{settings}: good; database {found.database.path or 'by url'}, pages on {found.listen.host}")


@app.command()
def verify(settings: SettingsFile) -> None:
    """Walk every stored chain: a line for each gateway and epoch, a last one in short; exit 1 where something
    is wrong."""
    from central.fleet.keys import load_centre_keys
    from central.store.chains import NOBODY, Walked, in_short, walk_all
    from central.store.engine import open_reader

    try:
        loaded = _load(settings)
        path, signers = loaded.keys.centre_key_file, NOBODY
        if path.exists():  # a centre without keys never ended anything
            signers = load_centre_keys(path).public().signers()
        walked: list[Walked] = []
        for each in walk_all(open_reader(loaded.database.address), signers):
            print(each.line)
            walked.append(each)
    except CentralError as error:
        _give_up(error)
    if loaded.console.demo_accounts is not None:
        print(_OF_A_DEMO)
    print(f"in short: {in_short(walked)}")
    if any(each.wrong for each in walked):
        raise typer.Exit(_WRONG)


_OF_A_DEMO = (
    "this is a demo: some gateways of its invented past lost records or were tampered with, for you to find; "
    "such a place is told and ends with 1 as it would anywhere"
)


def main() -> None:
    app()


def _load(path: Path) -> Settings:
    try:
        return load_settings(path)
    except CentralError as error:
        _give_up(error)


def _give_up(error: CentralError) -> NoReturn:
    print(error, file=sys.stderr)
    raise typer.Exit(_UNUSABLE)


def _log_to_stderr() -> None:
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)
