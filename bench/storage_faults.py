"""Storage that fails: an error or a delay at each of the first writes and syncs under a real journal.

`python -m bench storage_faults`. One process a case, its system calls made to fail from outside: once, for a
dozen calls, or for good until the process is killed. Nothing may be called stored that a fresh look does not
find, nothing may be there twice, and where the fault ends, writing goes on without a restart (trust.md R-14).
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from threading import Timer

from bench import strace
from bench.journal_writer import FILE, REFUSED
from bench.report import save, show
from bench.strace import Fault
from bench.verdict import conclude, skip
from bench.witness import batches, look, told

_FIRST_CALLS = 50
_FACTS = 180
"""At two or three a commit more than fifty syncs."""

_ERRORS = ("error=EIO", "error=ENOSPC")
_DELAY = "delay_enter=250000"
_A_DOZEN = 12
_ENOUGH_REFUSALS = 4
_LIMIT_S = 60.0
_AFTERWARDS, _FEW = 1_000_000, 10
"""Number of the first fact that the second writer adds, and how many."""

_SAY_EVERY = 50
_TOGETHER = max(2, os.cpu_count() or 2)


@dataclass(frozen=True, slots=True)
class Case:
    fault: Fault
    for_good: bool  # the process is then killed; a new one without the fault has to go on
    second: bool = False  # there is a second journal, on a disk that works

    @property
    def text(self) -> str:
        second = ", beside a second journal" if self.second else ""
        return self.fault.text + (" for good" if self.for_good else "") + second


@dataclass(frozen=True, slots=True)
class Outcome:
    case: Case
    injected: int
    refused: int  # batches that append() said were not stored
    opened: bool
    failures: tuple[str, ...]


def cases(first_calls: int) -> list[Case]:
    """Every call, error and place, for one call, a dozen of them, and for good, the last also beside a second
    journal; delays once each."""
    return [
        Case(Fault(call, does, when), for_good=when.endswith("+"), second=second)
        for call in strace.CALLS
        for at in range(1, first_calls + 1)
        for does, when in _faults_at(at)
        for second in ((False, True) if when.endswith("+") else (False,))
    ]


def _faults_at(at: int) -> Iterator[tuple[str, str]]:
    for error in _ERRORS:
        yield from ((error, f"{at}"), (error, f"{at}..{at + _A_DOZEN - 1}"), (error, f"{at}+"))
    yield _DELAY, f"{at}"


def main(words: list[str]) -> int:
    arguments = _arguments(words)
    if lack := strace.missing():
        return skip("The storage-fault campaign", lack)
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="liuhen-storage-faults-"))
    started = time.monotonic()
    reached = calls_made(folder / "calls")
    every = [case for case in cases(_FIRST_CALLS) if _place(case) <= reached[case.fault.call]]
    chosen = every if arguments.rounds is None else _drawn(every, arguments.rounds, arguments.seed)
    with ThreadPoolExecutor(_TOGETHER) as pool:
        outcomes = []
        for outcome in pool.map(lambda n: try_case(folder / str(n), chosen[n]), range(len(chosen))):
            outcomes.append(outcome)
            if len(outcomes) % _SAY_EVERY == 0:
                failed = sum(bool(outcome.failures) for outcome in outcomes)
                print(f"{len(outcomes)} of {len(chosen)} cases, {failed} failed", flush=True)
    figures = {
        "cases": len(outcomes),
        "of": len(every),
        "calls that were made to fail or wait": sum(o.injected for o in outcomes),
        "cases in which append() refused": sum(o.refused > 0 for o in outcomes),
        "cases in which the journal did not open": sum(not o.opened for o in outcomes),
        "cases that failed": sum(bool(o.failures) for o in outcomes),
    }
    show("Storage faults", ("what", "how many"), list(figures.items()))
    seconds = round(time.monotonic() - started, 1)
    save("storage-faults", {"seed": arguments.seed, "seconds": seconds, "calls": dict(reached), **figures})
    failures = [f"{o.case.text}: {failure}" for o in outcomes for failure in o.failures]
    if arguments.folder is None and not failures:
        shutil.rmtree(folder, ignore_errors=True)
    return conclude([*failures, *_proves_nothing(outcomes)])


def calls_made(folder: Path) -> Counter[str]:
    """How often each call is made by a writer without any fault: what lies beyond cannot fail."""
    folder.mkdir(parents=True)
    trace = folder / "trace"
    subprocess.run(
        [*strace.command([], _paths(folder), trace), *_writer(folder, 1)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    made = (line.split(maxsplit=1)[1].partition("(")[0] for line in trace.read_text().splitlines())
    return Counter(call for call in made if call in strace.CALLS)


def try_case(folder: Path, case: Case) -> Outcome:
    """A writer with the fault, then one without; afterwards everything that both said is looked for."""
    folder.mkdir(parents=True)
    trace = folder / "trace"
    code, lines, errors = _run(
        [*strace.command([case.fault], _paths(folder), trace), *_writer(folder, 1, second=case.second)],
        kill=case.for_good,
    )
    failures = _wrong_ending(case, code, lines, errors)
    failures += told(look(folder, batches(lines)))
    code, more, errors = _run(_writer(folder, _AFTERWARDS, _FEW, second=case.second), kill=False)
    if code != 0 or "end\n" not in more:
        failures.append(f"without the fault it did not go on (code {code}): {errors[-300:]}")
    said = [*batches(lines), *batches(more)]
    failures += [f"afterwards: {text}" for text in told(look(folder, said))]
    refused = sum(line.startswith("refused") for line in lines)
    outcome = Outcome(case, strace.injected(trace), refused, "ready\n" in lines, tuple(failures))
    if not failures:
        shutil.rmtree(folder)
    return outcome


def _wrong_ending(case: Case, code: int, lines: Sequence[str], errors: str) -> list[str]:
    """A writer may be refused its journal with a plain word; else it ends with everything stored."""
    if "Traceback" in errors:
        return [f"it fell: {errors[-500:]}"]
    if case.second and any(line.startswith("refused") for line in lines):
        return ["append() refused, and the second journal's disk works"]
    if not case.second and (
        code == REFUSED or (case.for_good and code in (-signal.SIGKILL, 128 + signal.SIGKILL))
    ):
        return []
    if "end\n" not in lines or code != 0:
        return [f"it ended with code {code}, and not everything was stored although the fault was over"]
    stored = sum(batch.records for batch in batches(lines))
    return [] if stored == _FACTS else [f"{stored} of {_FACTS} facts were said to be stored"]


def _run(command: Sequence[str], *, kill: bool) -> tuple[int, list[str], str]:
    """Exit code, lines and errors of a writer; `kill`: as soon as it was refused some times."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    late = Timer(_LIMIT_S, _kill, (process,))
    late.start()
    assert process.stdout is not None
    lines: list[str] = []
    try:
        for line in process.stdout:
            lines.append(line)
            if kill and sum(word.startswith("refused") for word in lines) >= _ENOUGH_REFUSALS:
                _kill(process)
        _, errors = process.communicate()
    finally:
        late.cancel()
    return process.returncode, lines, errors


def _kill(process: subprocess.Popen[str]) -> None:
    """The writer and its strace at once."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


def _writer(folder: Path, first: int, facts: int = _FACTS, *, second: bool = False) -> list[str]:
    words = ["--first", str(first), "--facts", str(facts), *(["--second"] if second else [])]
    return [sys.executable, "-m", "bench.journal_writer", str(folder), *words]


def _paths(folder: Path) -> list[Path]:
    """Everything that a journal keeps there. The folder itself is synced too."""
    return [folder, *(folder / f"{FILE}{suffix}" for suffix in ("", "-wal", "-shm", ".lock"))]


def _place(case: Case) -> int:
    return int(case.fault.when.rstrip("+").partition(".")[0])


def _drawn(every: Sequence[Case], count: int, seed: int) -> list[Case]:
    return Random(seed).sample(every, min(count, len(every)))


def _proves_nothing(outcomes: Sequence[Outcome]) -> list[str]:
    reasons = []
    if any(outcome.injected == 0 for outcome in outcomes):
        reasons.append("in some cases no call was made to fail: that proves nothing")
    if not any(outcome.refused for outcome in outcomes):
        reasons.append("append() never refused anything: that proves nothing")
    return reasons


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./liuhen bench storage_faults", description=__doc__)
    parser.add_argument("--rounds", type=int, help="so many cases, drawn from the seed; without it all")
    parser.add_argument("--seed", type=int, default=20_261_125)
    parser.add_argument("--folder", type=Path)
    return parser.parse_args(words)
