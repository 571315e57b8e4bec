"""`liuhen-gateway journal`: for people who look into this gateway's journal, while it runs or not."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway.journal_reader import JournalReader
from gateway.settings import load_settings
from messages.model import Record

SettingsFile = Annotated[
    Path, typer.Option("--settings", "-s", help="the gateway's TOML file", envvar="LIUHEN_GATEWAY_SETTINGS")
]
journal_app = typer.Typer(no_args_is_help=True, help="Look into this gateway's journal. 本机流水")

_FOLLOW_S = 0.5


@journal_app.command("list")
def journal_list(
    settings: SettingsFile, last: Annotated[int, typer.Option(min=1, max=100_000, help="how many")] = 20
) -> None:
    """The newest records, oldest first."""
    for record in _reader(settings).newest(last):
        typer.echo(describe(record))


@journal_app.command("follow")
def journal_follow(settings: SettingsFile) -> None:
    """Records as they are written, until Ctrl-C."""
    reader = _reader(settings)
    at = reader.newest_id()
    while True:
        records, at = reader.after(at)
        for record in records:
            typer.echo(describe(record))
        if not records:
            time.sleep(_FOLLOW_S)  # the journal is a file: there is nothing to be woken by


@journal_app.command("verify")
def journal_verify(settings: SettingsFile) -> None:
    """Walks the whole chain; names each record that is missing, altered or misplaced. Exit code 1 if any."""
    checked, flaws = _reader(settings).verify()
    for flaw in flaws:
        typer.echo(f"epoch {flaw.epoch} record {flaw.seq}: {flaw.what}")
    typer.echo(f"{checked} records checked, {len(flaws)} flaws")
    raise typer.Exit(1 if flaws else 0)


def describe(record: Record) -> str:
    """One line for a person at the gateway: no token, no holder."""
    at = datetime.fromtimestamp(record.at / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    parts = [f"{record.epoch}/{record.seq}", f"{at}Z", record.kind, record.door, record.reader, record.reason]
    return "  ".join(part for part in parts if part)


def _reader(settings: Path) -> JournalReader:
    journal = load_settings(settings).journal
    return JournalReader(journal.path, journal.second_path)
