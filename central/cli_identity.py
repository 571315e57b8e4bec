"""`liuhen-central identity`: the key ring, and what was destroyed of it. For the operator.

Secrets are never printed. Heavy modules are imported only when a command runs.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from central.cli_keys import SettingsFile, mendable
from central.errors import SettingsError
from central.settings import Settings, load_settings
from central.times import utc_text

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from central.identity.certificates import Certificate
    from central.identity.retention import Retention
    from central.retention.entries import EntryRetention

identity_app = typer.Typer(no_args_is_help=True, help="Keys of identity, and proofs of what was deleted.")

_WRONG = 1
_PRIVATE = 0o600
Community = Annotated[int, typer.Option("--community", min=1, help="its number in the register")]


@identity_app.command("make")
def make(settings: SettingsFile) -> None:
    """Make an empty key ring, once."""
    from central.identity.ring import make_ring
    from central.identity.suites import SUITES, SuiteName

    with mendable():
        part = load_settings(settings).identity
        ring = make_ring(part.key_ring, SUITES[SuiteName(part.suite)])
        typer.echo(f"{part.key_ring}: made, with master key {ring.master_id}")
        typer.echo(
            "Keep a copy of master.key and of lasting/ elsewhere; never of periods/ (docs/identity.md)."
        )


@identity_app.command("show")
def show(settings: SettingsFile) -> None:
    """Say which keys there are; public parts and ids alone."""
    from central.identity.wiring import open_vault

    with mendable():
        loaded = load_settings(settings)
        vault = open_vault(loaded)
        typer.echo(f"{loaded.identity.key_ring}: master key {vault.ring.master_id}, suite {vault.suite.name}")
        for site in vault.sites():
            typer.echo(f"site {site}: its token key is here")
        for community in vault.communities():
            if vault.has_register(community):
                typer.echo(f"community {community}: register key {vault.register_key_id(community).hex()}")
            for period in vault.periods(community):
                public = vault.public_of(community, period)
                typer.echo(f"community {community}: {period} {public or 'keys of the day'}")


@identity_app.command("site")
def site(
    settings: SettingsFile,
    name: Annotated[str, typer.Argument(help="the site", metavar="SITE")],
    key_file: Annotated[Path, typer.Option("--key-file", help="of its gateways; made where there is none")],
) -> None:
    """Take in the key that makes a site's tokens, the file that its gateways have too."""
    from central.identity.vault import SITE_KEY_BYTES
    from central.identity.wiring import open_vault

    with mendable():
        vault = open_vault(load_settings(settings))
        made = not key_file.exists()
        if made:
            known = vault.has_site(name)
            key = vault.site_key(name) if known else secrets.token_bytes(SITE_KEY_BYTES)
            _write_key(key_file, key)
        if not vault.keep_site_key(name, _read_key(key_file)):
            raise SettingsError(
                f"{key_file}: the key ring has another key of {name}, by which all its credentials are known;"
                " nothing was changed"
            )
        typer.echo(f"site {name}: its key is in the key ring{f' and in {key_file}' if made else ''}")


@identity_app.command("rotate")
def rotate(
    settings: SettingsFile,
    community: Community,
    drop: Annotated[  # noqa: FBT002
        bool, typer.Option("--drop", help="no new key: destroy the former ones, some time after")
    ] = False,
) -> None:
    """A new register key for a community; everything is sealed again with it, beside a serving centre.

    Former keys stay, for who was just writing with one; later, --drop destroys them.
    """
    from central.identity.registers import end_former_keys, note_key_in_use
    from central.identity.rotation import reseal
    from central.identity.wiring import open_vault
    from central.store.engine import writing

    with mendable(), _writer(loaded := load_settings(settings)) as engine:
        vault = open_vault(loaded)
        if not drop:
            vault.rotate_register(community)
        with writing(engine) as connection:
            note_key_in_use(connection, vault, community, _now_us())
        used = vault.register_key_id(community).hex()
        typer.echo(f"community {community}: register key {used} is in use")
        done, dropped = reseal(engine, vault, community), 0
        if drop:
            with writing(engine) as connection:
                end_former_keys(connection, vault, community, _now_us())
            dropped = vault.drop_former_registers(community)
        typer.echo(f"{done} rows sealed again; {dropped} former keys destroyed")


@identity_app.command("give-up")
def give_up(
    settings: SettingsFile,
    community: Community,
    yes: Annotated[bool, typer.Option("--yes", help="there is no copy: it is lost")] = False,  # noqa: FBT002
) -> None:
    """A register key is lost for good: go on without the identity that was sealed with it."""
    from central.identity import registers
    from central.identity.wiring import open_vault
    from central.store.engine import writing

    with mendable():
        if not yes:
            raise SettingsError("nothing was given up; say --yes: it cannot be taken back")
        loaded = load_settings(settings)
        vault = open_vault(loaded)
        with _writer(loaded) as engine, writing(engine) as connection:
            lost = registers.give_up(connection, vault, community, _now_us())
        typer.echo(f"community {community}: {lost} lost keys given up")


@identity_app.command("destroy")
def destroy(
    settings: SettingsFile,
    community: Community,
    period: Annotated[str, typer.Option("--period", help="a day such as 2026-11-05, or a month: 2026-11")],
    yes: Annotated[bool, typer.Option("--yes", help="do it: nobody can bring it back")] = False,  # noqa: FBT002
) -> None:
    """Destroy a period's keys, and with them visitors' identity of that time, before it is due."""
    with mendable():
        if not yes:
            raise SettingsError("nothing was destroyed; say --yes: nobody can bring this back")
        job = _retention(load_settings(settings))
        typer.echo(describe(job.destroy(community, period, _now_us())))


@identity_app.command("retain")
def retain(settings: SettingsFile) -> None:
    """Destroy and end what is due now, entries too; a serving centre does so by itself."""
    with mendable():
        loaded = load_settings(settings)
        for made in _retention(loaded).run(_now_us()):
            typer.echo(describe(made))
        entries = _entry_retention(loaded)
        for made in entries.run():
            typer.echo(describe(made))
        late = entries.believed_us
        believed = "unknown" if late is None else f"no later than {utc_text(late)}"
        typer.echo(f"entries: the time by gateways' clocks is {believed}")
        if entries.said:
            typer.echo(f"entries: {entries.said}")


@identity_app.command("certificates")
def certificates(settings: SettingsFile) -> None:
    """Show and verify every certificate of deletion; exit 1 where something is wrong with one."""
    from central.fleet.keys import load_centre_keys
    from central.identity.certificates import verify_certificates
    from central.store.engine import open_reader, reading

    wrong = False
    with mendable():
        loaded = load_settings(settings)
        signers = load_centre_keys(loaded.keys.centre_key_file).public().signers()
        with reading(open_reader(loaded.database.address)) as connection:
            for found, flaw in verify_certificates(connection, signers):
                said = describe(found) if found else "a certificate"
                typer.echo(f"{said}: {flaw}" if flaw else said)
                wrong |= flaw is not None
    if wrong:
        raise typer.Exit(_WRONG)


def describe(made: Certificate) -> str:
    """One line."""
    keys = ", ".join(made.keys) or "no key"
    late = f"; still in use at {', '.join(made.stragglers)}" if made.stragglers else ""
    return (
        f"{made.number}: community {made.community}, {made.data_class} of {made.period}, destroyed"
        f" {utc_text(made.made_at)}: {keys}; {made.rows} rows{late}"
    )


@contextmanager
def _writer(settings: Settings) -> Iterator[Engine]:
    from central.store.engine import migrate, open_writer

    engine = open_writer(settings.database.address)
    try:
        migrate(engine)
        yield engine
    finally:
        engine.dispose()


def _retention(settings: Settings) -> Retention:
    from central.fleet.keys import load_centre_keys
    from central.identity.retention import Retention
    from central.identity.wiring import open_vault, rules_of
    from central.store.engine import migrate, open_writer

    vault = open_vault(settings)
    signing = load_centre_keys(settings.keys.centre_key_file).signing[0]
    engine = open_writer(settings.database.address)
    migrate(engine)
    return Retention(engine, vault, signing, rules_of(settings))


def _entry_retention(settings: Settings) -> EntryRetention:
    from central.fleet.keys import load_centre_keys
    from central.identity.wiring import rules_of
    from central.retention.entries import EntryRetention
    from central.store.engine import open_reader, open_writer

    signing = load_centre_keys(settings.keys.centre_key_file).signing[0]
    writer, reader = open_writer(settings.database.address), open_reader(settings.database.address)
    return EntryRetention(writer, reader, signing, rules_of(settings), now_us=_now_us)


def _read_key(path: Path) -> bytes:
    try:
        return bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        raise SettingsError(f"{path}: cannot be read, or holds something else than hex digits") from None


def _write_key(path: Path, key: bytes) -> None:
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb") as file:  # noqa: PTH123
            file.write(key.hex().encode() + b"\n")
    except OSError as error:
        raise SettingsError(f"{path}: cannot be made ({error.strerror})") from None


def _now_us() -> int:
    return time.time_ns() // 1_000
