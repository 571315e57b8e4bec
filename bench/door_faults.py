"""Doors while the storage fails: a running gateway's writes and syncs fail, wait, or find the disk full.

`python -m bench door_faults`. Each round breaks the storage under people who swipe. While nothing can be
recorded each door must follow its declared policy (trust.md R-15); when the fault ends everything must go on
without a restart; and at the end the oracle compares every opening with the records at the centre.
"""

from __future__ import annotations

import argparse
import errno
import itertools
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from random import Random
from typing import Any

from bench import loop_disk, strace
from bench.estate import Estate
from bench.judge import judge, settle
from bench.loop_disk import LoopDisk
from bench.plan import Building, Door, Plan
from bench.report import save, show
from bench.strace import Attached, Fault
from bench.verdict import conclude, skip
from firmware_sim.control import Control

_ADMITS = Door("admits-listed", "门一", when_not_recordable="admit_listed")
_DENIES = Door("denies", "门二", when_not_recordable="deny")
_BUILDING = Building("east", "东楼", (_ADMITS, _DENIES))
_PEOPLE = 2_000
_STRANGERS = 400
_PATIENCE_S = 10.0
_SHUT_AFTER_S = 1.0
_RECOVERY_S = 60.0
_SETTLE_S = 60.0
_WAIT_US = 300_000
_NS_PER_US = 1_000
_DISK_MB = 256
_FILLINGS = 40
_CHUNK = 1 << 20

_WAITING = "syncs wait"
_FULL = "disk full"
FAILING = {
    "syncs fail": (("fdatasync", "error=EIO"), ("fsync", "error=EIO")),
    "writes fail": (("pwrite64", "error=EIO"), ("write", "error=EIO")),
    "no room to write": (
        ("pwrite64", "error=ENOSPC"),
        ("write", "error=ENOSPC"),
        ("ftruncate", "error=ENOSPC"),
    ),
    "no room to sync": (("fdatasync", "error=ENOSPC"), ("fsync", "error=ENOSPC")),
}


@dataclass
class Campaign:
    """One estate, one gateway process from beginning to end."""

    estate: Estate
    control: Control
    folder: Path  # of the gateway
    disk: LoopDisk | None
    chance: Random
    phases: Counter[str] = field(default_factory=Counter)
    opened: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        refs = [f"P{number:04d}" for number in range(1, _PEOPLE + _STRANGERS + 1)]
        self._listed = itertools.cycle(refs[:_PEOPLE])
        self._strangers = itertools.cycle(refs[_PEOPLE:])
        self._pid = self.estate.gateways[_BUILDING.name].pid

    def run(self, rounds: int) -> None:
        kinds = [*FAILING, _WAITING, *([_FULL] if self.disk else [])]
        for number in range(rounds):
            kind = kinds[number % len(kinds)]  # each of them in turn, also in a short run
            self.phases[kind] += 1
            self._expect_everything_open(f"before: {kind}")
            if kind == _FULL:
                self._with_a_full_disk()
            elif kind == _WAITING:
                self._with_waiting_syncs()
            else:
                self._with_failing_calls(kind)
            self._recover(kind)
        if self.estate.gateways[_BUILDING.name].pid != self._pid or not self._alive():
            self.failures.append("the gateway did not live through it")

    def _with_failing_calls(self, kind: str) -> None:
        faults = [Fault(call, does, "1+") for call, does in FAILING[kind]]
        with self._attached(faults, kind):
            self._expect_the_policy(kind)

    def _with_waiting_syncs(self) -> None:
        """Whoever waits for the disk waits at the door: nothing opens before its record is durable."""
        with self._attached([Fault("fdatasync", f"delay_enter={_WAIT_US}", "1+")], _WAITING):
            for door in (_ADMITS, _DENIES):
                swipe = self._swipe(door, next(self._listed), _PATIENCE_S)
                if swipe["relay_on_ns"] is None:
                    self.failures.append(f"{_WAITING}: {door.name} stayed shut, and the disk was only slow")
                elif swipe["relay_on_ns"] - swipe["read_sent_ns"] < _WAIT_US * _NS_PER_US:
                    self.failures.append(f"{_WAITING}: {door.name} opened before its record was durable")

    def _with_a_full_disk(self) -> None:
        """Fills it again and again, until also the gateway's reserve is used up."""
        filler = self.folder / "filler"
        for _ in range(_FILLINGS):
            fill(filler)
            if self._swipe(_DENIES, next(self._listed), _SHUT_AFTER_S)["relay_on_ns"] is None:
                self.phases["disk full, reserve used up"] += 1
                self._expect_the_policy(_FULL)
                break
        filler.unlink()

    def _expect_the_policy(self, kind: str) -> None:
        self._expect(kind, _ADMITS, next(self._listed), opens=True)
        self._expect(kind, _DENIES, next(self._listed), opens=False)
        self._expect(f"{kind}, a stranger", _ADMITS, next(self._strangers), opens=False)

    def _expect_everything_open(self, when: str) -> None:
        self._expect(when, _ADMITS, next(self._listed), opens=True)
        self._expect(when, _DENIES, next(self._listed), opens=True)
        self._expect(f"{when}, a stranger", _ADMITS, next(self._strangers), opens=True)

    def _expect(self, when: str, door: Door, card: str, *, opens: bool) -> None:
        swipe = self._swipe(door, card, _PATIENCE_S if opens else _SHUT_AFTER_S)
        if (swipe["relay_on_ns"] is not None) != opens:
            self.failures.append(f"{when}: door {door.name} {'stayed shut' if opens else 'opened'}")

    def _recover(self, kind: str) -> None:
        """The door that admits nobody unrecorded opens again, by itself."""
        until_s = time.monotonic() + _RECOVERY_S
        while time.monotonic() < until_s and self._alive():
            if self._swipe(_DENIES, next(self._listed), _SHUT_AFTER_S)["relay_on_ns"] is not None:
                return
        self.failures.append(f"{kind}: over for {_RECOVERY_S:.0f} s, and still nothing can be recorded")

    def _swipe(self, door: Door, card: str, patience_s: float) -> dict[str, Any]:
        swipe = self.control.swipe(door.name, card, patience_s=patience_s, hold_s=0.0)
        self.opened[door.name] += swipe["relay_on_ns"] is not None
        return swipe

    def _attached(self, faults: Sequence[Fault], kind: str) -> Attached:
        trace = self.estate.folder / "logs" / f"{kind.replace(' ', '-')}.trace"
        return Attached(self._pid, faults, storage_paths(self.folder), trace)

    def _alive(self) -> bool:
        return self.estate.gateways[_BUILDING.name].running


def storage_paths(folder: Path) -> list[Path]:
    """Every file that a gateway keeps in its folder, and what SQLite makes beside each journal."""
    names = {path.name for path in folder.iterdir() if path.is_file()} | {"journal.db"}
    journals = {name for name in names if name.endswith(".db")}
    names |= {f"{name}{suffix}" for name in journals for suffix in ("-wal", "-shm", ".lock")}
    return [folder, *(folder / name for name in sorted(names))]


def fill(path: Path) -> None:
    """Until nothing more fits, not even a byte. Raises OSError for anything but a full disk."""
    with path.open("ab", buffering=0) as filler:
        for size in (_CHUNK, 4096, 1):
            while _written(filler, size):
                continue


def _written(filler: FileIO, size: int) -> bool:
    try:
        return filler.write(b"\0" * size) > 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False


def main(words: list[str]) -> int:
    arguments = _arguments(words)
    if lack := strace.missing():
        return skip("The campaign at doors with failing storage", lack)
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="liuhen-door-faults-"))
    lack = None if arguments.without_disk else loop_disk.missing()
    if lack:
        return skip("The campaign with a full disk", f"{lack}; --without-disk runs the rest")
    plan = Plan(
        buildings=(_BUILDING,),
        people=_PEOPLE,
        unknown_share=_STRANGERS / _PEOPLE,
        admits=("listed", "verified_id"),
        profile="instant",
        pulse_s=1.0,
        command_gap_s=0.0,
        state_every_s=5.0,
        gateway_program=(sys.executable, "-m", "bench.traceable"),
    )
    started = time.monotonic()
    with ExitStack() as stack:
        mine = folder / "gateways" / _BUILDING.name
        disk = None if arguments.without_disk else _disk_at(stack, folder, mine)
        estate = stack.enter_context(Estate(folder, plan))
        control = stack.enter_context(closing(estate.control))
        campaign = Campaign(estate, control, mine, disk, Random(arguments.seed))
        campaign.run(arguments.rounds)
        settled = settle(estate, _SETTLE_S)
        verdict = judge(estate, settled=settled)
    for line in verdict.lines():
        print(line)
    figures = {
        "rounds": arguments.rounds,
        **campaign.phases,
        **{f"openings of {door}": count for door, count in campaign.opened.items()},
        **verdict.figures(),
        "seconds": round(time.monotonic() - started, 1),
    }
    show("Doors while the storage fails", ("what", "how many"), list(figures.items()))
    save("door-faults", {"seed": arguments.seed, **figures})
    print(f"everything is in {folder}")
    failures = [*campaign.failures, *(f"{found.what}: {found.text}" for found in verdict.findings)]
    return conclude([*failures, *([] if settled else ["the centre did not get everything"])])


def _disk_at(stack: ExitStack, folder: Path, place: Path) -> LoopDisk:
    """A disk of its own for one gateway's folder."""
    place.mkdir(parents=True, exist_ok=True)
    return stack.enter_context(LoopDisk(folder, _DISK_MB, at=place))


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./liuhen bench door_faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=20_261_125)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--without-disk", action="store_true", help="leave the full disk out: it needs root")
    return parser.parse_args(words)
