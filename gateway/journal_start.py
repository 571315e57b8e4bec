"""The journal where and as the settings want it, and the time that it knows of before it is opened."""

from __future__ import annotations

from contextlib import closing

from gateway.clock import Clock
from gateway.journal import Journal
from gateway.journal_reader import JournalReader
from gateway.settings import Settings

_MIB = 1024 * 1024


def make_journal(settings: Settings, clock: Clock) -> Journal:
    """Opened for writing; a damaged one is salvaged."""
    journal = settings.journal
    return Journal(
        journal.path,
        settings.gateway.name,
        clock,
        second_path=journal.second_path,
        reserve_bytes=journal.reserve_mib * _MIB,
        storage_rule=journal.storage,
    )


def newest_us(settings: Settings) -> int:
    """When the newest record was made: a floor for the clock before anything is written."""
    paths = [path for path in (settings.journal.path, settings.journal.second_path) if path is not None]
    if not any(path.exists() for path in paths):
        return 0
    with closing(JournalReader(*paths)) as reader:
        return reader.newest_at_us()
