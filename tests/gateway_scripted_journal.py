"""A journal in a process of its own, told what to do line by line; each line is answered by one of JSON.

`python gateway_scripted_journal.py PATH [SECOND_PATH]`. The clock stands still but for `passes SECONDS`.
"""

import json
import sys
from pathlib import Path

from gateway_support import GATEWAY, TurnedClock, a_fact

from gateway.errors import JournalUnavailable
from gateway.journal import Journal
from gateway.storage_space import MIB


def main() -> None:
    paths = [Path(word) for word in sys.argv[2:]]
    clock = TurnedClock()
    journal = Journal(
        paths[0],
        GATEWAY,
        clock,
        second_path=paths[1] if len(paths) > 1 else None,
        reserve_bytes=int(sys.argv[1]) * MIB,
    )
    answer("ready")
    for line in sys.stdin:
        words = line.split()
        number = int(words[1]) if len(words) > 1 else 0
        try:
            match words[0]:
                case "append":
                    seqs = journal.append([a_fact()] * number)
                    answer([journal.head.epoch, seqs[0], seqs[-1], journal.head.hash])
                case "acknowledge":
                    journal.acknowledge(number, int(words[2]))
                    answer("noted")
                case "prune":
                    answer(journal.prune(0))
                case "troubles":
                    answer(journal.troubles())
                case "passes":
                    clock.passes(number * 1_000_000)
                    answer("passed")
        except JournalUnavailable as error:
            answer({"unavailable": str(error)})
    journal.close()


def answer(what: object) -> None:
    print(json.dumps(what), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
