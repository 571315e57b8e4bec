"""Power cuts: a writing process on a disk whose power fails at a random moment, again and again.

`python -m bench power_cut`. What the journal had said to be durable before a cut must be there after it, the
chain whole, the file sound. Then the same harness against a writer with `synchronous = NORMAL`, which has to
lose something: otherwise nothing was proved. Needs root and loop devices (trust.md section 6, R-02).
"""

from __future__ import annotations

import argparse
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from bench import loop_disk
from bench.loop_disk import LoopDisk
from bench.oracle import Finding
from bench.report import save, show
from bench.verdict import conclude, skip
from bench.witness import Batch, batches, look, told

_DISK_MB = 512
_CUT_AFTER_S = (0.02, 0.5)
_NEW_DISK_SHARE = 0.2
_DURING_OPENING_SHARE = 0.15
_READY_S = 30.0
_SAY_EVERY = 25
_LEAST_PROMISED = 5
"""Records a round, on average; with fewer there was nothing that could be lost."""

_FACTS_A_ROUND = 1_000_000
"""More than a round can write: each fact of a campaign has a number of its own."""

_HASTY_SHARE = 0.2
_LEAST_HASTY_ROUNDS = 5


@dataclass
class Tally:
    """What became of the promises of one kind of writer."""

    rounds: int = 0
    promised: int = 0
    rounds_with_loss: int = 0
    findings: Counter[str] = field(default_factory=Counter)
    texts: list[str] = field(default_factory=list)

    def add(self, promised: int, findings: Sequence[Finding]) -> None:
        self.rounds += 1
        self.promised += promised
        self.findings += Counter(finding.what for finding in findings)
        self.rounds_with_loss += any(finding.what == "lost" for finding in findings)
        self.texts += [f"round {self.rounds}: {text}" for text in told(findings)]

    def figures(self) -> dict[str, object]:
        return {
            "cuts": self.rounds,
            "records promised before a cut": self.promised,
            "cuts with loss": self.rounds_with_loss,
            "records lost": self.findings["lost"],
            "other findings": sum(self.findings.values()) - self.findings["lost"],
        }


class Cuts:
    """One kind of writer on one disk, which is made anew now and then and otherwise grows older."""

    def __init__(self, disk: LoopDisk, chance: Random, *words: str) -> None:
        self._disk = disk
        self._log = disk.path.with_name("writer.log")
        self._chance = chance
        self._words = words
        self._said: list[Batch] = []
        self.tally = Tally()

    def run(self, rounds: int) -> Tally:
        for number in range(1, rounds + 1):
            self._round(anew=number == 1 or bool(self._words) or self._chance.random() < _NEW_DISK_SHARE)
            if number % _SAY_EVERY == 0:
                print(f"{number} cuts: {dict(self.tally.findings) or 'nothing lost'}", flush=True)
        return self.tally

    def _round(self, *, anew: bool) -> None:
        if anew:
            self._disk.make()
            self._said.clear()
        folder = self._disk.path / "journal"
        promised = self._write_until_the_cut(folder)
        self._disk.unmount()
        self._disk.mount()
        self._said += promised
        self.tally.add(sum(batch.records for batch in promised), look(folder, self._said))

    def _write_until_the_cut(self, folder: Path) -> list[Batch]:
        first = str(self.tally.rounds * _FACTS_A_ROUND + 1)
        command = [sys.executable, "-m", "bench.journal_writer", str(folder), "--first", first, *self._words]
        with self._log.open("ab") as log:
            writer = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        assert writer.stdout is not None
        heard = _Pipe(writer.stdout.fileno())
        try:
            if self._chance.random() >= _DURING_OPENING_SHARE:
                heard.listen_for(b"ready\n", _READY_S)
            heard.listen(self._chance.uniform(*_CUT_AFTER_S))
            self._disk.cut()
        finally:
            writer.kill()
            writer.wait()
            writer.stdout.close()
        return batches(heard.lines())


class _Pipe:
    """Everything that was read from the writer so far."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._read = bytearray()
        os.set_blocking(handle, False)

    def listen(self, seconds: float) -> None:
        """Takes whatever comes; when this returns, nothing is waiting in the pipe that was there before."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            if not self._take(left_s):
                return

    def listen_for(self, word: bytes, seconds: float) -> None:
        """Raises TimeoutError where it is not said in time, or the writer ended."""
        until_s = time.monotonic() + seconds
        while word not in self._read:
            if not self._take(max(0.0, until_s - time.monotonic())):
                raise TimeoutError(f"the writer did not say {word.decode().strip()!r}")

    def lines(self) -> list[str]:
        return self._read.decode().splitlines(keepends=True)

    def _take(self, seconds: float) -> bool:
        """False when nothing came within that time, or nobody is there any more."""
        ready, _, _ = select.select([self._handle], [], [], seconds)
        if not ready:
            return False
        data = os.read(self._handle, 1 << 20)
        self._read += data
        return bool(data)


def main(words: list[str]) -> int:
    arguments = _arguments(words)
    if lack := loop_disk.missing():
        return skip("The power-cut campaign", lack)
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="liuhen-power-cut-"))
    started = time.monotonic()
    chance = Random(arguments.seed)
    hasty_rounds = max(_LEAST_HASTY_ROUNDS, int(arguments.rounds * _HASTY_SHARE))
    try:
        with LoopDisk(folder, _DISK_MB) as disk:
            full = Cuts(disk, chance).run(arguments.rounds)
            hasty = Cuts(disk, chance, "--hasty").run(hasty_rounds)
    finally:
        if arguments.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    columns = {"as it is": full.figures(), "saboteur: NORMAL": hasty.figures()}
    show("Power cuts", ("", *columns), [(k, *(c[k] for c in columns.values())) for k in full.figures()])
    seconds = round(time.monotonic() - started, 1)
    save("power-cut", {"rounds": arguments.rounds, "seed": arguments.seed, "seconds": seconds, **columns})
    return conclude([*full.texts, *proves_nothing(full, hasty)])


def proves_nothing(full: Tally, hasty: Tally) -> list[str]:
    """Why these rounds could not have found a loss, if so."""
    reasons = []
    if full.promised < full.rounds * _LEAST_PROMISED:
        reasons.append(f"only {full.promised} records were promised before a cut: that proves nothing")
    if not hasty.findings["lost"]:
        reasons.append("even with synchronous = NORMAL nothing was lost: that proves nothing")
    return reasons


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./liuhen bench power_cut", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=20_261_125)
    parser.add_argument("--folder", type=Path, help="for the disk's image; the default is temporary")
    return parser.parse_args(words)
