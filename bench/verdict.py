"""How a campaign ends: PASS, FAIL, or told and skipped; each with an exit code of its own."""

from __future__ import annotations

from collections.abc import Sequence

PASSED, FAILED = 0, 1
SKIPPED = 77
"""What this machine cannot do was said and left out. The code is the one that test harnesses commonly keep
for that; whoever runs campaigns must not take it for a success."""

_SHOWN = 20


def conclude(failures: Sequence[str]) -> int:
    """Prints each failure, bounded, then PASS or FAIL; returns the exit code."""
    for failure in failures[:_SHOWN]:
        print(failure)
    if len(failures) > _SHOWN:
        print(f"... and {len(failures) - _SHOWN} more")
    print("FAIL" if failures else "PASS")
    return FAILED if failures else PASSED


def skip(campaign: str, missing: str) -> int:
    """Says loudly what is missing; nothing was tested."""
    line = "!" * 78
    print(f"{line}\n{campaign} did NOT run, and nothing was proved: {missing}\n{line}", flush=True)
    return SKIPPED
