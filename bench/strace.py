"""Faults in single system calls, put in from outside by strace: nothing of the tested program knows of them.

Only calls on the named paths count and fail; `when` is strace's own: `3` the third, `3+` from the third on,
`3..8` six of them.
"""

from __future__ import annotations

import select
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

CALLS = ("pwrite64", "write", "fdatasync", "fsync", "ftruncate", "fallocate")
"""Whatever SQLite and our own files reach the disk with."""

_PROGRAM = "strace"
_FILTER = "--seccomp-bpf"
_ATTACH_S = 20.0
_END_S = 10.0


class StraceMissing(Exception):
    """Faults cannot be put in here; the text says why."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`does` in strace's words: `error=EIO`, or `delay_enter=300000` (microseconds)."""

    call: str
    does: str
    when: str

    @property
    def text(self) -> str:
        return f"{self.call} {self.does} at {self.when}"


def command(faults: Sequence[Fault], paths: Sequence[Path], trace: Path) -> list[str]:
    """The words before a program's own, or before `-p PID`. What was called is written to `trace`."""
    words = [_PROGRAM, "-f", _FILTER, "-o", str(trace), "-e", f"trace={','.join(CALLS)}"]
    for path in paths:
        words += ["-P", str(path)]
    for fault in faults:
        words += ["-e", f"inject={fault.call}:{fault.does}:when={fault.when}"]
    return words


def injected(trace: Path) -> int:
    """How many calls were made to fail, or to wait."""
    return sum("(INJECTED)" in line or "(DELAYED)" in line for line in trace.read_text().splitlines())


def missing() -> str | None:
    """Why no fault can be put in on this machine, None where it can; tried, not guessed."""
    if shutil.which(_PROGRAM) is None:
        return "there is no strace here: apt-get install strace"
    probe = [_PROGRAM, "-o", "/dev/null", "-e", "inject=fdatasync:error=EIO", sys.executable, "-c", ""]
    done = subprocess.run(probe, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"strace may not trace here: {done.stderr.strip()}"


class Attached:
    """While this context is open, the running process and all its threads have these faults."""

    def __init__(self, pid: int, faults: Sequence[Fault], paths: Sequence[Path], trace: Path) -> None:
        words = command(faults, paths, trace)
        words.remove(_FILTER)  # of no use here, and an strace that is ended while it tries it leaves a child
        self._command = [*words, "-p", str(pid)]

    def __enter__(self) -> Self:
        """Raises StraceMissing where the process cannot be attached to."""
        self._strace = subprocess.Popen(self._command, stderr=subprocess.PIPE, text=True)
        assert self._strace.stderr is not None
        ready, _, _ = select.select([self._strace.stderr], [], [], _ATTACH_S)
        line = self._strace.stderr.readline() if ready else "it said nothing"
        if "attached" not in line:
            self._end()
            raise StraceMissing(f"strace did not attach: {line.strip()}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        """It lets go of the process, which runs on."""
        self._strace.terminate()
        assert self._strace.stderr is not None
        self._strace.stderr.close()
        self._strace.wait(_END_S)
