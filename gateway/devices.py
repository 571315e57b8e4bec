"""From settings to drivers, not yet running. Knows which device has which settings, and nothing of doors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from drivers.base import LockDriver, ReaderDriver, Seal, Tokenise
from drivers.catalogue import LOCK_BOARDS, READERS
from drivers.errors import ConfigurationError
from gateway.settings import DevicePart, Settings

D = TypeVar("D")


def make_readers(settings: Settings, tokenise: Tokenise, seal: Seal | None = None) -> dict[str, ReaderDriver]:
    """By name. Raises ConfigurationError, naming the device, if a driver cannot be made here."""
    return {part.name: _made(part, lambda part: _reader(part, tokenise, seal)) for part in settings.readers}


def _reader(part: DevicePart, tokenise: Tokenise, seal: Seal | None) -> ReaderDriver:
    kind = READERS[part.driver]()
    if seal is not None and kind.make_sealing is not None:
        return kind.make_sealing(part.name, part.options, tokenise, seal)
    return kind.make(part.name, part.options, tokenise)


def make_lock_boards(settings: Settings) -> dict[str, LockDriver]:
    """By name. Raises ConfigurationError, naming the device, if a driver cannot be made here."""
    return {
        part.name: _made(part, lambda part: LOCK_BOARDS[part.driver]().make(part.name, part.options))
        for part in settings.lock_boards
    }


def _made(part: DevicePart, make: Callable[[DevicePart], D]) -> D:
    try:
        return make(part)
    except ConfigurationError as error:
        raise ConfigurationError(f"{part.name}: {error}") from error
