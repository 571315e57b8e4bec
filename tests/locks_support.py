"""What the tests of lock boards share: a process that can be killed, and waiting with a deadline."""

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from drivers_support import DEADLINE_S

GATEWAY = """
import json, sys, threading
from drivers.base import DeviceChanged, DeviceState
from drivers.catalogue import LOCK_BOARDS
from drivers.lock_guard import shared_guard
ready = threading.Event()
def hear(event):
    if isinstance(event, DeviceChanged) and event.state is DeviceState.OK:
        ready.set()
kind = LOCK_BOARDS[sys.argv[1]]()
board = kind.make("locks", kind.settings.model_validate(json.loads(sys.argv[2])))
threading.Thread(target=board.run, args=(hear,), daemon=True).start()
assert ready.wait(20)
board.release(1, 30.0)
print(shared_guard().pid, flush=True)
sys.stdin.read()
"""


def wait_until(met: Callable[[], bool], what: str) -> None:
    end_s = time.monotonic() + DEADLINE_S
    while not met():
        assert time.monotonic() < end_s, f"never came: {what}"
        threading.Event().wait(0.01)


def is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


@contextlib.contextmanager
def gateway_with(driver: str, **settings: Any) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """A process whose lock board has just released channel 1 for 30 s, and the process id of its guard."""
    command = [sys.executable, "-c", GATEWAY, driver, json.dumps(settings)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()
