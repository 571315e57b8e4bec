"""The commands of `liuhen-gateway`: arguments, no logic. `cli` is what the program begins with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from drivers.base import CredentialKind, pin_number
from drivers.credential_forms import form_wanted
from gateway.access_list import AccessList
from gateway.cli_bundles import export_records, import_rights
from gateway.cli_devices import devices, probe
from gateway.cli_doctor import doctor
from gateway.cli_journal import journal_app
from gateway.cli_keys import keys_app
from gateway.cli_options import SettingsFile
from gateway.cli_reasons import reasons
from gateway.errors import GatewayError
from gateway.settings import Settings, load_settings
from gateway.storage import refuse_unsafe
from messages.access_list import EVERY_DOOR

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they can show the values of variables
    help="The gateway of one building: decides at the door, records, reports. 楼栋网关",
)
app.add_typer(journal_app, name="journal")
app.add_typer(keys_app, name="keys")
app.command()(devices)
app.command()(probe)
app.command()(doctor)
app.command()(reasons)
app.command("export")(export_records)
app.command("import")(import_rights)

RESTORE_DAYS = 7
MAX_NAMED = 10


@app.command()
def run(settings: SettingsFile) -> None:
    """Runs the gateway until Ctrl-C or SIGTERM; SIGHUP reads access list and site settings again."""
    from gateway.running import run as run_until_stopped

    if code := run_until_stopped(settings):
        raise typer.Exit(code)


@app.command()
def check(settings: SettingsFile) -> None:
    """Says whether the gateway could start with these settings, without starting it."""
    from gateway.certificates import refuse_unfit
    from gateway.devices import make_lock_boards, make_readers
    from gateway.keys import load_keys
    from gateway.rights_files import load_list_file, load_settings_file
    from gateway.tokens import load_site_key, tokeniser

    loaded = _load(settings)
    make_readers(loaded, tokeniser(load_site_key(loaded.gateway.site_key_file)))
    make_lock_boards(loaded)
    load_keys(loaded.keys.device_key_file, loaded.keys.centre_keys_file)
    refuse_unfit(loaded)
    load_settings_file(loaded)
    doubts = _unsafe_storage(loaded)
    found = load_list_file(loaded)
    access_list = found or AccessList()
    listed = f"access list {access_list.version} with {len(access_list.entries)} credentials"
    print(
        f"{settings}: good: {len(loaded.readers)} readers, {len(loaded.lock_boards)} lock boards,"
        f" {len(loaded.doors)} doors; {listed if found else 'the access list comes from the centre'}"
    )
    if found is None and loaded.keys.centre_keys_file is None:
        print("mind: neither gateway.access_list nor keys.centre_keys_file is set: nobody is on any list")
    for doubt in (*doubts, *_absent_ports(loaded), *_useless_entries(loaded, access_list)):
        print(f"mind: {doubt}")
    if loaded.journal.keep_acknowledged_days < RESTORE_DAYS:
        print(
            f"journal.keep_acknowledged_days: {loaded.journal.keep_acknowledged_days} is short: a centre"
            f" restored from a backup asks for older records again; {RESTORE_DAYS} is usual"
        )


def _unsafe_storage(settings: Settings) -> list[str]:
    """Raises JournalRefused where the gateway would not start on it."""
    journal = settings.journal
    paths = [path for path in (journal.path, journal.second_path) if path is not None]
    doubts = {path: refuse_unsafe(path, journal.storage) for path in paths}
    return [
        f'{path}: {doubt}; with journal.storage = "any" records can be lost'
        for path, doubt in doubts.items()
        if doubt
    ]


def _absent_ports(settings: Settings) -> list[str]:
    """The gateway would start, and wait for them."""
    devices = (*settings.readers, *settings.lock_boards)
    ports = {device.name: str(getattr(device.options, "port", "")) for device in devices}
    return [
        f"{name}: nothing is plugged in at {port}; see what `ls -l /dev/serial/by-id` lists"
        for name, port in ports.items()
        if port.startswith("/") and not Path(port).exists()
    ]


def _useless_entries(settings: Settings, access_list: AccessList) -> list[str]:
    """What may be a typing error that shuts somebody out; a site's list may also serve other gateways."""
    doors = {door.name for door in settings.doors}
    entries = access_list.entries.values()
    elsewhere = sorted({name for entry in entries for name in entry.doors} - doors - {EVERY_DOOR})
    never = sum(
        entry.from_us is not None and entry.until_us is not None and entry.until_us <= entry.from_us
        for entry in entries
    )
    found = []
    if elsewhere:
        found.append(
            f"the access list also names doors that are not here: {', '.join(elsewhere[:MAX_NAMED])}"
        )
    if never:
        found.append(f"the access list has entries that never hold, until_us is not after from_us: {never}")
    return found


@app.command()
def token(
    settings: SettingsFile,
    kind: Annotated[CredentialKind, typer.Option(help="what kind of credential it is")] = (
        CredentialKind.ID_CARD
    ),
    after: Annotated[
        str, typer.Option(help="with --kind pin: the token of the card that the PIN is typed after")
    ] = "",
) -> None:
    """Reads a credential's number from standard input (never an argument) and prints its token."""
    from gateway.tokens import load_site_key, tokeniser

    if after and kind is not CredentialKind.PIN:
        raise GatewayError("--after belongs to a PIN: give --kind pin with it")
    tokenise = tokeniser(load_site_key(_load(settings).gateway.site_key_file))
    number = sys.stdin.readline().rstrip("\r\n")
    if kind is not CredentialKind.QR_CODE:  # the text of a code counts as it is printed
        number = number.strip().upper()
    if not number:
        raise GatewayError("no number on standard input; type it and press Enter")
    if wanted := form_wanted(kind, number):
        raise GatewayError(f"what was typed is no number of the kind {kind}: it has {wanted}")
    print(tokenise(kind, pin_number(after, number) if after else number))


def _load(path: Path) -> Settings:
    return load_settings(path)
