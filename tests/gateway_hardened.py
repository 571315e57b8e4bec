"""A process that does what `liuhen-gateway run` does first, for tests: hardened, then one of several ends.

`python gateway_hardened.py END`: `wait`, `abort`, `fall`, `thread` or `unraisable`. With `soft` before END it
is not hardened: that is how the tests show that they would notice.
"""

import ctypes
import logging
import os
import resource
import sys
import threading

from gateway.hardening import harden

SECRET = "CANARY-" + str(4711)  # no source line holds it
NOBODY = 65_534
PR_SET_DUMPABLE = 4


class Holder:
    def __repr__(self) -> str:
        return SECRET

    def __del__(self) -> None:
        raise ValueError(SECRET)


def fall() -> None:
    raise ValueError(f"cannot read {SECRET}")


def main() -> None:
    *soft, end = sys.argv[1:]
    logging.basicConfig(stream=sys.stderr)
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    if end == "wait":
        os.setgid(NOBODY)
        os.setuid(NOBODY)  # which makes it undumpable by itself
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    if not soft:
        harden()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    match end:
        case "wait":
            sys.stdin.readline()
        case "abort":
            os.abort()
        case "thread":
            thread = threading.Thread(target=fall, name="lobby-in")
            thread.start()
            thread.join()
        case "unraisable":
            holder = Holder()
            del holder
        case _:
            fall()


main()
