"""The gateway on a clock that can be turned from outside, and allowing to be traced.

`python -m bench.turned_gateway SABOTAGE run --settings FOLDER/gateway.toml` is `liuhen-gateway run`, but its
time of day differs from the machine's by as many seconds as stand in `FOLDER.turn`, and is as good as it says
there. Time since boot never jumps. SABOTAGE is `none`, or a known defect that a campaign has to find.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import bench.traceable
from bench.journal_writer import be_hasty
from bench.saboteurs import unlock_first
from gateway.clock import SystemClock
from messages.model import ClockQuality

SABOTAGE = {"none": None, "unlock-first": unlock_first, "hasty": be_hasty}


def turn(folder: Path, seconds: int, quality: ClockQuality = ClockQuality.SYNCED) -> None:
    """Another time of day for the gateway whose settings lie in `folder`, in one step."""
    new = folder.with_name(f"{folder.name}.turn.new")
    new.write_text(f"{seconds} {quality}")
    new.replace(_file_of(folder))


def main() -> None:
    sabotage = SABOTAGE[sys.argv.pop(1)]
    if sabotage is not None:
        sabotage()
    file = _file_of(Path(sys.argv[sys.argv.index("--settings") + 1]).parent)

    def turned_us(_clock: SystemClock) -> int:
        return time.time_ns() // 1_000 + int(file.read_text().split()[0]) * 1_000_000

    def turned_quality(_clock: SystemClock) -> ClockQuality:
        return ClockQuality(file.read_text().split()[1])

    setattr(SystemClock, "now_us", turned_us)  # noqa: B010  put in from outside, on purpose
    setattr(SystemClock, "quality", turned_quality)  # noqa: B010
    bench.traceable.main()


def _file_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.turn")


if __name__ == "__main__":
    main()
