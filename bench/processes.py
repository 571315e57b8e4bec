"""Child processes of a running system: started, watched for a line, killed, ended; anybody's."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

_READY_S = 90.0
_STOP_S = 8.0


class ProcessFailed(Exception):
    """A child did not come up, or ended by itself; the text names its log."""


class Child:
    """One program. Its output goes to `log`; `ready` is a pattern that it prints when it can be used."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        ready: str,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`environment`: variables beside those that we have."""
        self.name = name
        self._environment = dict(environment)
        self.log = log
        self._command = [str(part) for part in command]
        self._ready = re.compile(ready)
        self._process: subprocess.Popen[str] | None = None
        self._seen = threading.Event()
        self._reader: threading.Thread | None = None
        self.ready_line = ""

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, *, wait: bool = True) -> None:
        """Starts in a session of its own, so that Ctrl-C reaches only us. Raises ProcessFailed."""
        self._seen = threading.Event()
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self._environment},
        )
        self._reader = threading.Thread(
            target=self._copy_output,
            args=(self._process, self._seen),
            name=f"log of {self.name}",
            daemon=True,
        )
        self._reader.start()
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        if not self._seen.wait(_READY_S) or not self.ready_line:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
            raise ProcessFailed(f"{self.name} did not come up; the end of {self.log}:\n{tail}")

    def kill(self) -> None:
        """kill -9, and no word before it."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Asks it to end; after some seconds it is made to."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(how)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._reader is not None:
            self._reader.join(_STOP_S)

    def _copy_output(self, process: subprocess.Popen[str], seen: threading.Event) -> None:
        assert process.stdout is not None
        with self.log.open("a", encoding="utf-8") as log, process.stdout as output:
            for line in output:
                log.write(line)
                log.flush()
                if not seen.is_set() and self._ready.search(line):
                    self.ready_line = line.strip()
                    seen.set()
        if not seen.is_set():
            self.ready_line = ""
            seen.set()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_s(pid: int) -> float:
    """Processor time that a process has used so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
