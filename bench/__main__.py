"""`python -m bench NAME`: benchmarks and campaigns. Each prints a table and writes JSON."""

from __future__ import annotations

import importlib
import signal
import sys

NAMES = {
    "swipe": "from the card's last byte to the relay's first, beside one bare commit",
    "backlog": "100,000 records from a gateway's disk into the centre's commit, while people swipe",
    "ingest": "the centre's goals for taking records in, on either engine, each beside its bare loop",
    "revoke": "a card is reported lost: when each of a thousand gateways has applied it, on either engine",
    "fleet": "ingest from fifty gateways at once, in blocks and one by one",
    "pcsc": "from a card laid on a PC/SC reader to its read; deaths of the PC/SC daemon",
    "replug": "unplug and replug every family; swipes at a door beside them meanwhile",
    "probe": "what hangs on a port, over speeds and faults, against the simulators",
    "big_list": "a list of 50,000 credentials comes from the centre while people stand at the door",
    "power_cut": "power failures under a writing journal, and under a saboteur that must lose some",
    "storage_faults": "EIO, ENOSPC and delays at each of the first writes and syncs of a journal",
    "door_faults": "doors of a running gateway while its storage fails, waits or is full",
    "outage": "a month without broker and centre on a clock that jumps; then everything is delivered",
    "journal_model": "drawn schedules of crashes, losses, restores and jumps against a model",
    "goals": "the goals for speed and size in one run, each beside its bare loop",
    "herd": "500 gateways with a backlog each find a killed broker again at one moment",
    "chaos": "everything at once: deaths, power cuts, failing disks, mad readers, jumping clocks",
    "lookups": "a person, a door's day, a room as of then among millions, cold, warm and through the API",
    "browse": "an officer's look-up in the real browser, from the first key to the answer; weights of pages",
    "import": "50,000 people with homes and cards from a workbook into the register, on both engines",
    "contract": "the API beside its own document: schemathesis with all checks, as somebody of each role",
    "kill": "kill -9 on gateway, broker and centre under swipes, and the oracle",
}

_MODULES = {"browse": "browsing", "import": "importing"}  # words that Python keeps, or that name too much


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended too
    name, *words = sys.argv[1:] or ["--help"]
    if name in NAMES:
        result: int = importlib.import_module(f"bench.{_MODULES.get(name, name)}").main(words)
        return result
    print("usage: ./liuhen bench NAME [--help]\n")
    for known, what in NAMES.items():
        print(f"  {known:<14} {what}")
    return 0 if name in ("--help", "-h") else 2


if __name__ == "__main__":
    sys.exit(main())
