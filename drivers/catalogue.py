"""Which drivers there are: name in the settings file -> what it takes and how it is made.

A driver is imported only when one is made, so that a gateway carries no more than its devices need.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from pydantic import BaseModel

from drivers.base import LockDriver, ReaderDriver, Tokenise
from drivers.settings import LcRelaySettings, SamVSettings


@dataclass(frozen=True, slots=True)
class DriverKind:
    settings: type[BaseModel]


@dataclass(frozen=True, slots=True)
class ReaderKind(DriverKind):
    make: Callable[[str, BaseModel, Tokenise], ReaderDriver]
    """name, an object of `settings`, the token maker -> the driver, not yet running."""


@dataclass(frozen=True, slots=True)
class LockBoardKind(DriverKind):
    make: Callable[[str, BaseModel], LockDriver]
    """name, an object of `settings` -> the driver, not yet running."""


def _sam_v(name: str, settings: BaseModel, tokenise: Tokenise) -> ReaderDriver:
    from drivers.sam_reader import SamReader

    return SamReader(name, cast("SamVSettings", settings), tokenise)


def _lc_relay(name: str, settings: BaseModel) -> LockDriver:
    from drivers.lc_board import LcBoard

    return LcBoard(name, cast("LcRelaySettings", settings))


READERS: dict[str, ReaderKind] = {"sam_v": ReaderKind(SamVSettings, _sam_v)}
LOCK_BOARDS: dict[str, LockBoardKind] = {"lc_relay": LockBoardKind(LcRelaySettings, _lc_relay)}
