"""`liuhen-gateway journal`: for people who look into this gateway's journal, while it runs or not."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli_options import SettingsFile
from gateway.cli_reasons import explanation_lines
from gateway.journal_reader import JournalReader
from gateway.outlook import outlook
from gateway.reasons import EXPLANATIONS
from gateway.settings import load_settings
from gateway.storage_space import MIB, Reserve, space_of
from messages.model import Record

journal_app = typer.Typer(no_args_is_help=True, help="Look into this gateway's journal. 本机流水")

_FOLLOW_S = 0.5
_LONG_DAYS = 3_650
_FEW_DAYS = 3


@journal_app.command("list")
def journal_list(
    settings: SettingsFile,
    last: Annotated[int, typer.Option(min=1, max=100_000, help="how many")] = 20,
    *,
    explain: Annotated[bool, typer.Option("--explain", help="say why, in words for whoever asks")] = False,
) -> None:
    """The newest records, oldest first."""
    for record in _reader(settings).newest(last):
        typer.echo(describe(record))
        if explain and record.reason in EXPLANATIONS:
            typer.echo("\n".join(explanation_lines(EXPLANATIONS[record.reason])))


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
    """Checks the file and walks the whole chain; names each record that is missing, altered or misplaced.

    To be run once a week, also while the gateway runs. Exit code 1 if there is any flaw.
    """
    checked, flaws = _reader(settings).verify()
    for flaw in flaws:
        place = f"epoch {flaw.epoch} record {flaw.seq}: " if flaw.epoch else ""
        typer.echo(f"{place}{flaw.what}")
    typer.echo(f"{checked} records checked, {len(flaws)} flaws")
    raise typer.Exit(1 if flaws else 0)


@journal_app.command("backup")
def journal_backup(
    settings: SettingsFile, file: Annotated[Path, typer.Argument(help="where to; must not exist yet")]
) -> None:
    """Copies the journal as of one moment, while the gateway runs, and checks the copy."""
    for made in _reader(settings).backup(file):
        typer.echo(f"{made}: {made.stat().st_size / MIB:.1f} MiB, checked")


@journal_app.command("how-long")
def journal_how_long(settings: SettingsFile) -> None:
    """Says how many days the disk lasts at today's rate if the centre takes nothing any more."""
    journal = load_settings(settings).journal
    found = outlook(
        _reader(settings), space_of(journal.path), Reserve(journal.path, journal.reserve_mib * MIB).held
    )
    typer.echo(
        f"{found.records} records of {found.bytes_per_record:.0f} bytes; lately {found.per_day:.0f} a day\n"
        f"room for more: {found.room / MIB:.0f} MiB, and {found.reserve / MIB:.0f} MiB in reserve\n"
        f"without the centre it is full in {_days(found.days)}, and the reserve lasts"
        f" {_days(found.reserve_days)} more"
    )


def _days(days: float) -> str:
    if days >= _LONG_DAYS:
        return "more than ten years"
    return f"{days:.0f} days" if days >= _FEW_DAYS else f"{days * 24:.0f} hours"


def describe(record: Record) -> str:
    """One line for a person at the gateway: no token, no holder."""
    at = datetime.fromtimestamp(record.at / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    parts = [f"{record.epoch}/{record.seq}", f"{at}Z", record.kind, record.door, record.reader, record.reason]
    return "  ".join(part for part in parts if part)


def _reader(settings: Path) -> JournalReader:
    journal = load_settings(settings).journal
    return JournalReader(journal.path, journal.second_path)
