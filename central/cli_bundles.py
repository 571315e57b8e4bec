"""`liuhen-central take` and `pack`: what is carried by hand from and to gateways without a line.

Heavy modules are imported only when a command runs.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from central.cli_keys import SettingsFile, mendable
from central.errors import BundleRefused
from central.fleet.keys import gateway_keys, load_centre_keys
from central.settings import KeysPart, Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from sqlalchemy import Engine

    from central.fleet.packing import Packed
    from central.ingest.bundles import KeysOf, Taken
    from messages.keys import GatewayPublic

_REFUSED = 1
MAX_NAMED = 5


def take(
    settings: SettingsFile,
    bundles: Annotated[list[Path], typer.Argument(help="files that gateways exported", metavar="BUNDLE...")],
) -> None:
    """Take in records that were carried here, beside a serving centre or without one.

    Exit 1 where a bundle is refused; the others are taken all the same.
    """
    from central.ingest.bundles import take_bundle
    from messages.bundle import opener_id

    refused = False
    with mendable():
        loaded = load_settings(settings)
        opening = load_centre_keys(loaded.keys.centre_key_file).opening
        openers = {opener_id(key.public_key()): key for key in opening}
    with mendable(), _database(loaded) as engine:
        for path in bundles:
            try:
                done = take_bundle(engine, path, _keys_of(loaded.keys), openers, _now_us())
            except BundleRefused as error:
                typer.echo(str(error), err=True)
                refused = True
            else:
                typer.echo(f"{path}: {describe_taken(done)}")
    if refused:
        raise typer.Exit(_REFUSED)


def pack(
    settings: SettingsFile,
    gateway: Annotated[str, typer.Option("--gateway", help="its name, or SITE/NAME")],
    to: Annotated[Path, typer.Option("--to", help="a folder, such as the stick's, or a new file")],
    files: Annotated[
        list[Path] | None,
        typer.Option("--with", help="a signed message to carry instead of what is noted; as often as needed"),
    ] = None,
) -> None:
    """Pack what a gateway is to be brought: what it may delete, and its newest list and settings."""
    from central.fleet import packing

    with mendable():
        loaded = load_settings(settings)
        keys = load_centre_keys(loaded.keys.centre_key_file)
        receiver = _receiver(loaded.keys, gateway)
        with _database(loaded) as engine:
            done = packing.pack(engine, to, keys, receiver, files=files or [], now_us=_now_us())
    typer.echo(describe_packed(done, receiver.gateway))


def describe_taken(done: Taken) -> str:
    """For the person with the stick: counts, nobody's passage."""
    header, state = done.header, done.state
    counts = f"{done.stored} taken, {done.known} known already, {done.aside} set aside"
    written = f"gateway {header.gateway} of {header.site}, written {_time(header.made_us)}"
    lines = [f"{written}: {done.records} records: {counts}"]
    if done.aside:
        lines.append("mind: what was set aside is kept as it came; the fleet page says what is wrong with it")
    for hole in state.missing[:MAX_NAMED]:
        lost = ", and the gateway no longer has them" if hole.lost else ""
        lines.append(f"mind: missing are records {hole.first} to {hole.last} of epoch {hole.epoch}{lost}")
    if state.missing_ranges > MAX_NAMED:
        lines.append(f"mind: and {state.missing_ranges - MAX_NAMED} ranges more")
    lines.append(f"Its answer: liuhen-central pack --gateway {header.site}/{header.gateway} --to FOLDER")
    return "\n".join(lines)


def describe_packed(done: Packed, gateway: str) -> str:
    said = [f"epoch {epoch} up to record {through}" for epoch, through in done.through]
    what = [
        f"the acknowledgement of {', '.join(said)}" if said else "no acknowledgement: nothing is here yet"
    ]
    what += [f"an access list in {done.lists} parts"] if done.lists else []
    what += ["site settings"] if done.settings else []
    return f"{done.path}: for gateway {gateway}: {'; '.join(what)}\nTake it there: liuhen-gateway import FILE"


@contextmanager
def _database(settings: Settings) -> Iterator[Engine]:
    from central.store.engine import migrate, open_writer

    engine = open_writer(settings.database.address)
    try:
        migrate(engine)
        yield engine
    finally:
        engine.dispose()


def _keys_of(keys: KeysPart) -> KeysOf:
    def of(site: str, gateway: str) -> Mapping[str, Ed25519PublicKey] | None:
        known = gateway_keys(keys.gateway_keys, site, gateway)
        return known.signers() if known else None

    return of


def _receiver(keys: KeysPart, called: str) -> GatewayPublic:
    """The trusted gateway of that name; only such a one can be sealed for."""
    site, _, name = called.rpartition("/")
    files = keys.gateway_keys.glob(f"{site or '*'}.{name}.json") if _plain(site) and _plain(name) else ()
    found = sorted(path.name.removesuffix(".json").split(".") for path in files)
    if len(found) > 1:
        raise BundleRefused(f"gateways of several sites are called so: {_joined(found)}; write SITE/NAME")
    known = gateway_keys(keys.gateway_keys, *found[0]) if found else None
    if known is None:
        raise BundleRefused(
            f"no gateway of that name is known by its keys in {keys.gateway_keys}; make it known with"
            " `liuhen-central keys trust` and what its `liuhen-gateway keys show` prints"
        )
    return known


def _plain(name: str) -> bool:
    return all(letter.isalnum() or letter == "-" for letter in name)


def _joined(found: list[list[str]]) -> str:
    return ", ".join("/".join(pair) for pair in found)


def _now_us() -> int:
    return time.time_ns() // 1_000


def _time(us: int) -> str:
    return f"{datetime.fromtimestamp(us / 1e6, UTC):%Y-%m-%d %H:%M:%SZ}"
