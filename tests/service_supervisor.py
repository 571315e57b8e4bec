"""A service manager for tests: hears one child, ends it when it is silent, starts it again.

It does what systemd does with Type=notify, WatchdogSec and Restart=always, written from sd_notify(3) and
systemd.service(5).
"""

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

_LOOK_S = 0.05


@dataclass
class Life:
    """One start of the child, in monotonic seconds."""

    pid: int
    begun_s: float
    messages: list[str] = field(default_factory=list)
    ready_s: float | None = None
    heard_s: float = 0.0
    ended_s: float | None = None
    code: int | None = None
    for_silence: bool = False


class Supervisor:
    """Use as a context manager. `lives` is what has happened so far, newest last."""

    def __init__(self, command: Sequence[str | Path], folder: Path, watchdog_s: float) -> None:
        self._command = [str(word) for word in command]
        self._watchdog_s = watchdog_s
        self._address = folder / "notify"
        self.output = folder / "output.log"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self._address))
        self._socket.settimeout(_LOOK_S)
        self.lives: list[Life] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._supervise)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._socket.close()

    def _supervise(self) -> None:
        while not self._stopping.is_set():
            self._live()

    def _live(self) -> None:
        with self.output.open("ab") as output:
            process = subprocess.Popen(
                self._command, stdout=output, stderr=subprocess.STDOUT, env=self._environment()
            )
        now_s = time.monotonic()
        life = Life(process.pid, begun_s=now_s, heard_s=now_s)
        self.lives.append(life)
        while process.poll() is None:
            self._hear(life)
            silent_s = time.monotonic() - life.heard_s
            if self._stopping.is_set():
                process.kill()
                break
            if life.ready_s is not None and silent_s > self._watchdog_s:
                life.for_silence = True
                process.send_signal(signal.SIGABRT)
                process.send_signal(signal.SIGCONT)  # one that was stopped could not obey
                process.wait(10)
        life.code = process.wait()
        life.ended_s = time.monotonic()

    def _hear(self, life: Life) -> None:
        try:
            message = self._socket.recv(4096).decode()
        except TimeoutError:
            return
        life.messages.append(message)
        lines = message.splitlines()
        if "READY=1" in lines and life.ready_s is None:
            life.ready_s = life.heard_s = time.monotonic()
        if "WATCHDOG=1" in lines:
            life.heard_s = time.monotonic()

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "NOTIFY_SOCKET": str(self._address),
            "WATCHDOG_USEC": str(round(self._watchdog_s * 1e6)),
        }
