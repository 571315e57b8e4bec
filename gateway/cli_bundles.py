"""`liuhen-gateway export` and `import`: records and rights carried by hand, while the gateway runs or not."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.about import about
from gateway.cli_options import SettingsFile
from gateway.errors import CarryError, SettingsError
from gateway.journal_reader import JournalReader
from gateway.keys import load_keys
from gateway.settings import Settings, load_settings
from gateway.spool import EXPORTED, Spool, spool_folder

if TYPE_CHECKING:
    from gateway.bundles import Exported, Imported, Own


_NOTED = b'{"v":1}'
_A_TENTH_OF_A_MB = 100_000


def export_records(
    settings: SettingsFile,
    to: Annotated[Path, typer.Option("--to", help="a folder, such as the stick's, or a new file")],
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="also what the centre has acknowledged and is still here")
    ] = False,
) -> None:
    """Writes the records that the centre does not have into one sealed file to be carried there. 导出"""
    from gateway.bundles import export

    loaded = load_settings(settings)
    own = _own(loaded)
    reader = JournalReader(loaded.journal.path, loaded.journal.second_path)
    try:
        done = export(reader, to, own, about(loaded), _now_us(), everything=everything)
    finally:
        reader.close()
    typer.echo(describe_export(done))
    try:
        Spool(spool_folder(loaded.journal.path)).put([(EXPORTED, _NOTED)])
    except CarryError as error:
        typer.echo(f"mind: the journal will not say that records were carried away: {error}")


def import_rights(
    settings: SettingsFile,
    bundle: Annotated[Path, typer.Argument(help="the file that the centre packed for this gateway")],
    *,
    again: Annotated[
        bool, typer.Option("--again", help="also one that was taken already, or is older")
    ] = False,
) -> None:
    """Takes what the centre sent: acknowledgements, access list, site settings. 导入"""
    from gateway.bundles import import_bundle

    loaded = load_settings(settings)
    spool = Spool(spool_folder(loaded.journal.path))
    typer.echo(describe_import(import_bundle(bundle, _own(loaded), spool, again=again)))


def describe_export(done: Exported) -> str:
    """For the person with the stick: counts and times, nobody's passage."""
    if done.from_us is None or done.until_us is None:
        span = ""
    else:
        span = f" from {_time(done.from_us)} to {_time(done.until_us)}"
    lines = [f"{done.path}: {done.records} records{span}, {_size(done.size)}, read back and whole"]
    if done.records == 0:
        lines.append("the centre has acknowledged everything; the file tells it so")
    if done.unreadable:
        lines.append(
            f"mind: {done.unreadable} of them cannot be read here and are carried as they are;"
            " see `liuhen-gateway journal verify`"
        )
    lines.append(
        "Take it to the centre: liuhen-central take FILE. The records stay here until its answer is imported."
    )
    return "\n".join(lines)


def describe_import(done: Imported) -> str:
    found = {
        "an acknowledgement": done.acknowledgements,
        f"an access list in {done.lists} parts": done.lists,
        "site settings": done.settings,
    }
    what = ", ".join(name for name, count in found.items() if count) or "nothing"
    return (
        f"from the centre, packed {_time(done.made_us)}: {what}. The gateway takes it within some seconds, or"
        " once it runs; see its log"
    )


def _own(settings: Settings) -> Own:
    from gateway.bundles import Own

    keys = load_keys(settings.keys.device_key_file, settings.keys.centre_keys_file)
    if keys.device is None:
        raise SettingsError(
            "keys.device_key_file: is missing; what is carried by hand is signed with it. Write it into"
            " [keys] and make it with: liuhen-gateway keys make"
        )
    if keys.centre is None:
        raise SettingsError(
            "keys.centre_keys_file: is missing; what is carried by hand is sealed for the centre. Write it"
            " into [keys]; the file is what `liuhen-central keys show` prints"
        )
    return Own(settings.gateway.site, settings.gateway.name, keys.device, keys.centre)


def _now_us() -> int:
    return time.time_ns() // 1_000


def _time(us: int) -> str:
    return f"{datetime.fromtimestamp(us / 1e6, UTC):%Y-%m-%d %H:%M:%SZ}"


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= _A_TENTH_OF_A_MB else f"{size / 1e3:.1f} kB"
