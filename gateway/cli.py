"""The program `liuhen-gateway`: what a gateway runs with is loaded alone, the other commands where one is
asked for.

Those and what reads their arguments would be some MiB that a gateway keeps for months, and a longer start.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from drivers.errors import DriverError
from gateway.errors import GatewayError

SETTINGS_VARIABLE = "LIUHEN_GATEWAY_SETTINGS"


def main() -> None:
    """Console script: an error a person can mend is one message and exit code 2."""
    try:
        settings = plain_run(sys.argv[1:], os.environ)
        if settings is None:
            from gateway.cli_app import app

            app()
        else:
            from gateway.running import run

            sys.exit(run(settings))
    except (GatewayError, DriverError) as error:
        print(f"liuhen-gateway: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def plain_run(words: Sequence[str], environment: Mapping[str, str]) -> Path | None:
    """The settings' file where `words` are the command `run` and nothing else; None for whatever is to be
    looked at more closely, mistakes too. Pure."""
    match words:
        case ["run"]:
            file = environment.get(SETTINGS_VARIABLE, "")
        case ["run", "--settings" | "-s", file]:
            pass
        case ["run", joined] if joined.startswith("--settings="):
            file = joined.removeprefix("--settings=")
        case _:
            return None
    return Path(file) if file and not file.startswith("-") else None
