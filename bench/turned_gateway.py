"""The gateway on a clock that can be turned from outside, and allowing to be traced.

`python -m bench.turned_gateway run --settings FOLDER/gateway.toml` is `liuhen-gateway run`, but its time of
day differs from the machine's by as many seconds as stand in `FOLDER.turn`. Time since boot never jumps.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import bench.traceable
from gateway.clock import SystemClock


def turn(folder: Path, seconds: int) -> None:
    """Another time of day for the gateway whose settings lie in `folder`, in one step."""
    new = folder.with_name(f"{folder.name}.turn.new")
    new.write_text(str(seconds))
    new.replace(_file_of(folder))


def main() -> None:
    file = _file_of(Path(sys.argv[sys.argv.index("--settings") + 1]).parent)

    def turned_us(_clock: SystemClock) -> int:
        return time.time_ns() // 1_000 + int(file.read_text()) * 1_000_000

    setattr(SystemClock, "now_us", turned_us)  # noqa: B010  put in from outside, on purpose
    bench.traceable.main()


def _file_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.turn")


if __name__ == "__main__":
    main()
