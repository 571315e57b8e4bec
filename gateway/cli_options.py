"""What several commands of `liuhen-gateway` are told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli import SETTINGS_VARIABLE

SettingsFile = Annotated[
    Path, typer.Option("--settings", "-s", help="the gateway's TOML file", envvar=SETTINGS_VARIABLE)
]
