"""A program to be killed: appends records as fast as it can and says each number once it is durable.

`python gateway_appender.py FOLDER`; the numbers go to standard output, one `epoch seq` a line.
"""

import os
import sys
from pathlib import Path

from gateway_support import GATEWAY, a_fact

from gateway.clock import SystemClock
from gateway.journal import Journal


def main() -> None:
    journal = Journal(Path(sys.argv[1]) / "journal.db", GATEWAY, SystemClock())
    together = 1
    while True:
        seqs = journal.append([a_fact()] * together)
        said = "".join(f"{journal.head.epoch} {seq}\n" for seq in seqs)
        os.write(sys.stdout.fileno(), said.encode())
        together = together % 5 + 1


if __name__ == "__main__":
    main()
