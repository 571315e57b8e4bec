"""Everything at once: programs die, the power fails, disks fail and fill, readers go mad, clocks jump.

`python -m bench chaos`. In each round a fault of every kind of part takes place, all of them overlapping, and
people swipe; then every door must open again by itself. At the end the oracle compares every opening with
the records at the centre, and each door with its declared policy. `--sabotage` runs the same with gateways
that have a known defect, which has to be found.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from bench import chaos_judge, loop_disk, strace
from bench.centre_view import CentreView
from bench.chaos_faults import Breaker, Hit
from bench.chaos_plan import ON_A_DISK, TRACKS, Fault, What, drawn
from bench.estate import Estate
from bench.judge import Verdict, events_of, judge, settle
from bench.loop_disk import LoopDisk
from bench.oracle import Finding
from bench.plan import Building, Door, Plan
from bench.report import save, show
from bench.turned_gateway import SABOTAGE, turn
from bench.verdict import conclude, skip
from firmware_sim.control import Control
from firmware_sim.errors import RequestError
from messages.model import Reason

_PEOPLE, _STRANGERS = 20_000, 4_000
"""So many that hardly anybody comes twice: each opening can then be matched with its own record."""

_STRANGERS_EVERY = 6
_DISK_MB = 64
_PATIENCE_S = 2.0
_COMES_AFTER_S = (0.02, 0.3)
_LATE_S = 1.5
"""So long nobody comes after somebody who was not let in: a door that opens late opened for the former."""

_FIRST_SWIPES_S = 3.0
_OPENS_WITHIN_S = 60.0
_SETTLE_S = 120.0
_COUNT_EVERY_S = 0.2
_SAY_EVERY = 10


def _building(name: str, label: str) -> Building:
    """One door of each policy for the time when nothing can be recorded."""
    return Building(
        name,
        label,
        (
            Door(f"{name}-admits", "门一", when_not_recordable="admit_listed"),
            Door(f"{name}-denies", "门二", when_not_recordable="deny"),
        ),
    )


_BUILDINGS = (_building("east", "东楼"), _building("west", "西楼"))
_DOORS = tuple(door.name for building in _BUILDINGS for door in building.doors)


@dataclass
class Chaos:
    """One estate under all faults; which come together, and when, is drawn from the seed."""

    estate: Estate
    breaker: Breaker
    rounds: Sequence[tuple[Fault, ...]]
    chance: Random
    hits: list[Hit] = field(default_factory=list)
    commits: list[tuple[int, int]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        refs = [f"P{number:04d}" for number in range(1, _PEOPLE + _STRANGERS + 1)]
        self.strangers = frozenset(refs[_PEOPLE:])
        listed, strangers = itertools.cycle(refs[:_PEOPLE]), itertools.cycle(refs[_PEOPLE:])
        self._cards = (
            next(strangers) if n % _STRANGERS_EVERY == 0 else next(listed) for n in itertools.count(1)
        )
        self._drawing = threading.Lock()

    def run(self) -> bool:
        """Whether the centre has everything in the end."""
        ending = threading.Event()
        with ThreadPoolExecutor(len(_DOORS) + 1) as threads:
            streams = [threads.submit(self._swipe_until, ending, d, self.chance.random()) for d in _DOORS]
            streams.append(threads.submit(self._count_until, ending))
            try:
                ending.wait(_FIRST_SWIPES_S)
                self._all_rounds()
            finally:
                ending.set()
        for stream in streams:
            stream.result()  # one that broke off proves nothing
        return settle(self.estate, _SETTLE_S)

    def _all_rounds(self) -> None:
        with closing(_Openings(self.estate)) as openings:
            for number, faults in enumerate(self.rounds, start=1):
                self._round(faults)
                shut = openings.missing_since(time.monotonic_ns(), _OPENS_WITHIN_S)
                self.failures += [
                    f"round {number}: everything over for {_OPENS_WITHIN_S:.0f} s, door {door} stays shut"
                    for door in shut
                ]
                self.failures += [
                    f"round {number}: {name} ended by itself" for name in self.breaker.who_fell()
                ]
                if number % _SAY_EVERY == 0:
                    print(
                        f"{number} rounds, {len(self.hits)} faults, {len(self.failures)} failures", flush=True
                    )
                if shut:
                    return  # what comes on top of it tells nothing new

    def _round(self, faults: Sequence[Fault]) -> None:
        with ThreadPoolExecutor(len(faults)) as threads:
            self.hits += list(threads.map(self.breaker.suffer, faults))

    def _swipe_until(self, ending: threading.Event, door: str, seed: float) -> None:
        """One stream of people at one door; the card is gone soon after the door opened."""
        chance = Random(seed)
        with Control(self.estate.ports) as control:
            while not ending.wait(chance.uniform(*_COMES_AFTER_S)):
                with self._drawing:
                    card = next(self._cards)
                try:
                    opened = control.swipe(door, card, patience_s=_PATIENCE_S)["opened"]
                except RequestError:  # nobody lays a card on a reader that is not there
                    opened = False
                if not opened:
                    ending.wait(_LATE_S)

    def _count_until(self, ending: threading.Event) -> None:
        """How many records the centre has committed, again and again."""
        with closing(CentreView(self.estate.database)) as view:
            while not ending.wait(_COUNT_EVERY_S):
                self.commits.append((time.monotonic_ns(), sum(view.through().values())))


class _Openings:
    """Follows the simulator's events: which door was opened when, last."""

    def __init__(self, estate: Estate) -> None:
        self._control = estate.control
        self._seen = 0
        self._last: dict[str, int] = {}

    def close(self) -> None:
        self._control.close()

    def missing_since(self, begin_ns: int, limit_s: float) -> list[str]:
        """Waits until every door has opened after `begin_ns`; those that have not in that time."""
        until_s = time.monotonic() + limit_s
        while shut := [door for door in _DOORS if self._last.get(door, 0) < begin_ns]:
            if time.monotonic() > until_s:
                return shut
            for event in self._control.events(after=self._seen, wait_s=1.0):
                self._seen = event["n"]
                if event["event"] == "relay_on":
                    self._last[event["door"]] = event["t_ns"]
        return []


def main(words: list[str]) -> int:
    arguments = _arguments(words)
    lack = strace.missing() or (None if arguments.without_disk else loop_disk.missing())
    if lack:
        return skip("The campaign of all faults", f"{lack}; --without-disk needs strace alone")
    possible = [
        what for track in TRACKS for what in track if not (arguments.without_disk and what in ON_A_DISK)
    ]
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="liuhen-chaos-"))
    started = time.monotonic()
    chance = Random(arguments.seed)
    rounds = tuple(drawn(chance, _BUILDINGS, arguments.rounds, possible))
    with _running(folder, arguments.sabotage, disks=not arguments.without_disk) as (estate, disks):
        chaos = Chaos(estate, Breaker(estate, disks), rounds, chance)
        settled = chaos.run()
        estate.stop()  # the last word of each gateway is on its disk, too
        outcome = _judged(chaos, settled=settled)
    seconds = round(time.monotonic() - started, 1)
    _report(chaos, outcome, arguments, possible, seconds)
    print(f"everything is in {folder}")
    if arguments.sabotage != "none":
        found = any(finding.what == "lost" for finding in outcome.findings)
        return conclude([] if found else ["the sabotage was not found"])
    missing = [] if settled else ["the centre did not get everything"]
    nothing = chaos_judge.proves_nothing(chaos.hits, possible, outcome.kinds, outcome.verdict.swipes)
    found_texts = [f"{finding.what}: {finding.text}" for finding in outcome.findings]
    return conclude([*chaos.failures, *chaos.breaker.failures, *found_texts, *missing, *nothing])


@dataclass(frozen=True, slots=True)
class Outcome:
    verdict: Verdict
    findings: Sequence[Finding]
    kinds: Counter[tuple[str, str, str]]  # records at the centre, by door, kind and reason
    recoveries_s: Mapping[What, Sequence[float]]


def _judged(chaos: Chaos, *, settled: bool) -> Outcome:
    events = events_of(chaos.estate)
    opened = chaos_judge.opened_in(events)
    excuses = chaos_judge.disorders(chaos.hits, opened, _BUILDINGS, chaos.strangers)
    verdict = judge(chaos.estate, chaos_judge.kills_of(chaos.hits), settled=settled, disorders=excuses)
    with closing(CentreView(chaos.estate.database)) as view:
        kinds, gaps = view.kinds(), view.gaps()
    boot_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()
    damaged = [path.name for path in (chaos.estate.folder / "gateways").rglob("*.damaged-*")]
    findings = [
        *verdict.findings,
        *chaos_judge.late(verdict.swipes, verdict.entries, boot_ns),
        *chaos_judge.policy_findings(chaos.hits, events, _BUILDINGS, chaos.strangers),
        *chaos_judge.recorded_against_policy(kinds, _BUILDINGS),
        *(Finding("gap", text) for text in gaps),
        *(Finding("damaged", f"{name} was set aside") for name in damaged),
    ]
    recovered = chaos_judge.recoveries(chaos.hits, opened, chaos.commits, _BUILDINGS)
    return Outcome(verdict, findings, kinds, recovered)


@contextmanager
def _running(folder: Path, sabotage: str, *, disks: bool) -> Iterator[tuple[Estate, Mapping[str, LoopDisk]]]:
    """An estate, with a disk of its own under each gateway."""
    plan = Plan(
        buildings=_BUILDINGS,
        people=_PEOPLE,
        unknown_share=_STRANGERS / _PEOPLE,
        admits=("listed", "verified_id"),
        profile="instant",
        pulse_s=1.0,
        command_gap_s=0.0,
        keep_acknowledged_days=0,  # what is acknowledged is deleted at once: a wrong licence cannot hide
        state_every_s=5.0,
        gateway_program=(sys.executable, "-m", "bench.turned_gateway", sabotage),
    )
    with ExitStack() as stack:
        made: dict[str, LoopDisk] = {}
        for building in _BUILDINGS:
            mine, image = folder / "gateways" / building.name, folder / f"disk-{building.name}"
            mine.mkdir(parents=True, exist_ok=True)
            turn(mine, 0)
            if disks:
                image.mkdir()
                made[building.name] = stack.enter_context(LoopDisk(image, _DISK_MB, at=mine))
        estate = Estate(folder, plan)
        os.sync()  # settings, list and keys are on the disks before their power is cut
        yield stack.enter_context(estate), made


def _report(
    chaos: Chaos, outcome: Outcome, arguments: argparse.Namespace, possible: Sequence[What], seconds: float
) -> None:
    for line in outcome.verdict.lines():
        print(line)
    hit = Counter(hit.what for hit in chaos.hits if hit.real)
    table = {
        str(what): {"hits": hit[what], **_spread(outcome.recoveries_s.get(what, ()))} for what in possible
    }
    show(
        "Everything at once: from the end of a fault until what it hit worked again, s",
        ("fault", "hits", "median", "most"),
        [(what, *row.values()) for what, row in table.items()],
    )
    figures = {
        "rounds": arguments.rounds,
        **outcome.verdict.figures(),
        "let in unrecorded, and recorded afterwards": sum(
            count for (_, _, reason), count in outcome.kinds.items() if reason == Reason.LISTED_UNRECORDED
        ),
        "openings whose record may have fallen with a gateway's memory": sum(
            swipe.forgotten for swipe in outcome.verdict.swipes
        ),
        "findings": dict(Counter(finding.what for finding in outcome.findings)),
        "seconds": seconds,
    }
    show("What came of it", ("what", "how many"), list(figures.items()))
    name = "chaos" if arguments.sabotage == "none" else f"chaos-{arguments.sabotage}"
    save(name, {"seed": arguments.seed, "faults": table, **figures})


def _spread(seconds: Sequence[float]) -> dict[str, object]:
    if not seconds:
        return {"median s": "", "most s": ""}
    return {"median s": round(statistics.median(seconds), 2), "most s": round(max(seconds), 2)}


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./liuhen bench chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=20_261_126)
    parser.add_argument("--sabotage", choices=sorted(SABOTAGE), default="none")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--without-disk", action="store_true", help="no full disk, no power cut: no root")
    return parser.parse_args(list(words))
