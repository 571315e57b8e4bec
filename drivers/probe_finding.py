"""What a probe has heard and what it makes of it, as values; and the settings to paste."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Value = str | int | bool
USUAL_RATE = 9_600  # what the drivers of readers that only send take without being told


class Sureness(StrEnum):
    CERTAIN = "certain"
    LIKELY = "likely"
    GUESS = "guess"


@dataclass(frozen=True, slots=True)
class Heard:
    """All that came in while the port was at `rate`; None: an adapter far away sets it."""

    rate: int | None
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """One device. `options` are its settings beside the port, as the driver's own model takes them."""

    driver: str
    rate: int | None
    sureness: Sureness
    what: str  # the device in words
    reason: str
    options: Mapping[str, Value] = field(default_factory=dict)
    mind: tuple[str, ...] = ()  # what the line cannot tell, for the installer to check
    is_lock_board: bool = False


def unusual(rate: int | None) -> dict[str, Value]:
    """The rate as a setting, where it is not the usual one."""
    return {"rate": rate} if rate and rate != USUAL_RATE else {}


def settings_block(finding: Finding, port: str, name: str) -> str:
    """The table for the gateway's settings file. What the line cannot tell stands in comments."""
    table = "lock_boards" if finding.is_lock_board else "readers"
    keys: dict[str, Value] = {"name": name, "driver": finding.driver, "port": port, **finding.options}
    lines = [f"[[{table}]]", *(f"{key} = {_toml(value)}" for key, value in keys.items())]
    return "\n".join([*lines, *(f"# {mind}" for mind in finding.mind)]) + "\n"


def _toml(value: Value) -> str:
    """TOML writes texts, whole numbers and truth as JSON does."""
    return json.dumps(value, ensure_ascii=False)
