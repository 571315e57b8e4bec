"""Everything at once: processes die, the power fails, disks fail and fill, readers go mad, clocks jump.

`python -m bench chaos`. Each round draws up to three faults from the seed, lets them stand together for a
moment under people who swipe, and takes them back. Now and then everything is calm, and every door must open
again by itself. At the end the oracle compares every opening with the records at the centre.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from statistics import median

from bench import loop_disk, strace
from bench.door_faults import FAILING, fill, storage_paths
from bench.estate import Estate
from bench.judge import Verdict, judge, settle
from bench.loop_disk import LoopDisk
from bench.plan import BUILDINGS, Building, Plan
from bench.report import save, show
from bench.strace import Attached, Fault, StraceMissing, injected
from bench.turned_gateway import turn
from bench.verdict import conclude, skip
from firmware_sim.control import Control
from firmware_sim.errors import RequestError

_PEOPLE = 20_000
"""So many that hardly anybody comes twice: each opening can then be matched with its own record."""

_DISK_MB = 256
_PATIENCE_S = 2.0
_STAND_S = (0.3, 2.5)
_FIRST_SWIPES_S = 3.0
_MOST_AT_ONCE = 3
_CALM_EVERY = 5
_CALM_S = 60.0
_LOOK_AGAIN_S = 0.3
_SETTLE_S = 120.0
_DAY_S = 86_400
_TURNS_S = (-50 * 365 * _DAY_S, 3 * _DAY_S, 0)
_BUILDINGS = tuple(
    replace(building, doors=tuple(replace(door, when_not_recordable="deny") for door in building.doors))
    for building in BUILDINGS
)
"""No door opens for anybody who cannot be recorded: then an opening without a record is always a fault."""

_SUFFERS = "east"  # the building whose gateway has a disk of its own


@dataclass
class Chaos:
    """One estate under all faults; which of them come together is drawn from the seed."""

    estate: Estate
    disk: LoopDisk
    chance: Random
    hits: Counter[str] = field(default_factory=Counter)
    disturbed_ns: dict[str, list[int]] = field(default_factory=dict)
    failed_calls: int = 0
    recoveries_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._cards = itertools.cycle(person.ref for person in self.estate.people())
        self._doors = [door.name for building in self.estate.plan.buildings for door in building.doors]
        self._pauses = threading.Event()
        self._kinds: dict[str, Callable[[], AbstractContextManager[None]]] = {
            "storage fails": self._storage_fails,
            "disk full": self._disk_full,
            "power cut": self._power_cut,
            "gateway killed": self._gateway_killed,
            "gateway stopped": self._gateway_stopped,
            "broker killed": self._broker_killed,
            "broker killed, its memory wiped": self._broker_wiped,
            "broker killed, back at an older snapshot": self._broker_rewound,
            "centre killed": self._centre_killed,
            "reader unplugged": self._reader_unplugged,
            "reader babbles": self._reader_babbles,
            "clock jumps": self._clock_jumps,
        }
        self._deck: list[str] = []

    def run(self, rounds: int) -> Verdict:
        ending = threading.Event()
        with ThreadPoolExecutor(len(self._doors)) as people:
            streams = [
                people.submit(self._swipe_until, ending, door, self.chance.random()) for door in self._doors
            ]
            try:
                ending.wait(_FIRST_SWIPES_S)
                for number in range(1, rounds + 1):
                    self._round()
                    if number % _CALM_EVERY == 0 or number == rounds:
                        self._calm(number)
            finally:
                ending.set()
        for stream in streams:
            stream.result()  # a stream of people that broke off proves nothing
        settled = settle(self.estate, _SETTLE_S)
        return judge(self.estate, self.disturbed_ns, settled=settled)

    def proves_nothing(self, verdict: Verdict) -> list[str]:
        """Why this run could not have found anything, if so."""
        reasons = [f"never came: {kind}" for kind in self._kinds if not self.hits[kind]]
        if self.hits["storage fails"] and not self.failed_calls:
            reasons.append("no call to the storage was made to fail")
        opened = {swipe.door for swipe in verdict.swipes if swipe.openings}
        return [*reasons, *(f"door {door}: nobody was let in" for door in self._doors if door not in opened)]

    def _round(self) -> None:
        with ExitStack() as standing:
            for kind in self._drawn():
                self.hits[kind] += 1
                standing.enter_context(self._kinds[kind]())
            self._pauses.wait(self.chance.uniform(*_STAND_S))

    def _drawn(self) -> list[str]:
        """Some that can stand together, from a deck dealt until it is empty: each comes in its turn."""
        drawn: list[str] = []
        for _ in range(self.chance.randint(1, _MOST_AT_ONCE)):
            if not self._deck:
                self._deck = self.chance.sample(list(self._kinds), len(self._kinds))
            if any(_exclude(self._deck[-1], other) for other in drawn):
                break
            drawn.append(self._deck.pop())
        return sorted(drawn, key=list(self._kinds).index)

    def _calm(self, number: int) -> None:
        """Nothing is broken any more: until every door let somebody in."""
        began_s = time.monotonic()
        with closing(self.estate.control) as control:
            for door in self._doors:
                if not self._opens(control, door, began_s + _CALM_S):
                    self.failures.append(f"after round {number}: door {door} stays shut")
        self.recoveries_s.append(time.monotonic() - began_s)
        print(f"{number} rounds: {sum(self.hits.values())} faults", flush=True)

    def _opens(self, control: Control, door: str, until_s: float) -> bool:
        while time.monotonic() < until_s:
            swipe = _swiped(control, door, next(self._cards))
            if swipe:
                return True
            self._pauses.wait(_LOOK_AGAIN_S)
        return False

    def _swipe_until(self, ending: threading.Event, door: str, seed: float) -> None:
        chance = Random(seed)
        with Control(self.estate.ports) as control:
            while not ending.wait(chance.uniform(0.02, 0.3)):
                _swiped(control, door, next(self._cards))

    # --- the faults: each stands while its context is open --------------------------------------------------

    @contextmanager
    def _storage_fails(self) -> Iterator[None]:
        kind = self.chance.choice(sorted(FAILING))
        faults = [Fault(call, does, "1+") for call, does in FAILING[kind]]
        trace = self.estate.folder / "logs" / f"trace-{sum(self.hits.values())}"
        gateway = self.estate.gateways[_SUFFERS]
        with self._disturbing(_SUFFERS), ExitStack() as attached:
            attached.enter_context(Attached(gateway.pid, faults, storage_paths(self._folder), trace))
            yield
        self.failed_calls += injected(trace)

    @contextmanager
    def _disk_full(self) -> Iterator[None]:
        filler = self._folder / "filler"
        with self._disturbing(_SUFFERS):
            fill(filler)
            yield
            filler.unlink()

    @contextmanager
    def _power_cut(self) -> Iterator[None]:
        """Disk and processor stop at the same moment; the machine starts on what the disk had kept."""
        gateway = self.estate.gateways[_SUFFERS]
        with self._disturbing(_SUFFERS):
            self.disk.cut()
            gateway.kill()
            yield
            self.disk.unmount()
            self.disk.mount()
            gateway.start()

    @contextmanager
    def _gateway_killed(self) -> Iterator[None]:
        building = self._a_building().name
        with self._disturbing(building):
            self.estate.gateways[building].kill()
            yield
            self.estate.gateways[building].start()

    @contextmanager
    def _gateway_stopped(self) -> Iterator[None]:
        building = self._a_building().name
        with self._disturbing(building):
            self.estate.gateways[building].stop()
            yield
            self.estate.gateways[building].start()

    @contextmanager
    def _broker_killed(self) -> Iterator[None]:
        self.estate.broker.kill()
        yield
        self.estate.broker.start()

    @contextmanager
    def _broker_wiped(self) -> Iterator[None]:
        self.estate.broker.kill()
        self.estate.broker.wipe()
        yield
        self.estate.broker.start()

    @contextmanager
    def _broker_rewound(self) -> Iterator[None]:
        self.estate.broker.keep()
        self._pauses.wait(self.chance.uniform(*_STAND_S))
        self.estate.broker.kill()
        self.estate.broker.rewind()
        yield
        self.estate.broker.start()

    @contextmanager
    def _centre_killed(self) -> Iterator[None]:
        self.estate.centre.kill()
        yield
        self.estate.centre.start()

    @contextmanager
    def _reader_unplugged(self) -> Iterator[None]:
        reader = self.chance.choice(self._doors)
        with closing(self.estate.control) as control:
            control.unplug(reader)
            yield
            control.replug(reader)

    @contextmanager
    def _reader_babbles(self) -> Iterator[None]:
        reader = self.chance.choice(self._doors)
        with closing(self.estate.control) as control:
            control.fault(reader, "babble")
            yield
            control.clear(reader, "babble")

    @contextmanager
    def _clock_jumps(self) -> Iterator[None]:
        """It stays where it jumped to until it jumps again."""
        turn(self._folder_of(self._a_building().name), self.chance.choice(_TURNS_S))
        yield

    @contextmanager
    def _disturbing(self, building: str) -> Iterator[None]:
        """Cards that lay there meanwhile may have a record more than openings. Never one less."""
        over = threading.Event()

        def note() -> None:
            while True:
                self.disturbed_ns.setdefault(building, []).append(time.monotonic_ns())
                if over.wait(_LOOK_AGAIN_S):
                    return

        noting = threading.Thread(target=note, name=f"disturbed {building}")
        noting.start()
        try:
            yield
        finally:
            over.set()
            noting.join()

    def _a_building(self) -> Building:
        return self.chance.choice(self.estate.plan.buildings)

    @property
    def _folder(self) -> Path:
        return self._folder_of(_SUFFERS)

    def _folder_of(self, building: str) -> Path:
        return self.estate.gateway_settings(building).parent


_OF_ONE_GATEWAY = ("storage fails", "disk full", "power cut", "gateway killed", "gateway stopped")


def _exclude(one: str, other: str) -> bool:
    """Two of the same process or reader at once would each take back what the other did."""
    families = (_OF_ONE_GATEWAY, ("broker",), ("centre",), ("reader",), ("clock",))
    return any(one.startswith(family) and other.startswith(family) for family in families)


def _swiped(control: Control, door: str, card: str) -> bool:
    """Whether it opened the door. A reader that is unplugged has nobody before it."""
    try:
        return control.swipe(door, card, patience_s=_PATIENCE_S)["relay_on_ns"] is not None
    except RequestError:
        return False


def main(words: list[str]) -> int:
    arguments = _arguments(words)
    if lack := strace.missing() or loop_disk.missing():
        return skip("The campaign of all faults", lack)
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="liuhen-chaos-"))
    started = time.monotonic()
    with ExitStack() as stack:
        chaos = _begin(stack, folder, Random(arguments.seed))
        try:
            verdict = chaos.run(arguments.rounds)
        except StraceMissing as error:
            return skip("The campaign of all faults", str(error))
    for line in verdict.lines():
        print(line)
    figures = {
        "rounds": arguments.rounds,
        **chaos.hits,
        "calls to the storage that failed": chaos.failed_calls,
        "seconds until every door opened again, median": round(median(chaos.recoveries_s), 1),
        "seconds until every door opened again, most": round(max(chaos.recoveries_s), 1),
        **verdict.figures(),
        "seconds": round(time.monotonic() - started, 1),
    }
    show("Everything at once", ("what", "how many"), list(figures.items()))
    save("chaos", {"seed": arguments.seed, **figures})
    print(f"everything is in {folder}")
    failures = [*chaos.failures, *(f"{found.what}: {found.text}" for found in verdict.findings)]
    if not verdict.complete:
        failures.append("the centre did not get everything")
    return conclude([*failures, *chaos.proves_nothing(verdict)])


def _begin(stack: ExitStack, folder: Path, chance: Random) -> Chaos:
    mine = folder / "gateways" / _SUFFERS
    mine.mkdir(parents=True, exist_ok=True)
    disk = stack.enter_context(LoopDisk(folder, _DISK_MB, at=mine))
    for building in _BUILDINGS:
        turn(folder / "gateways" / building.name, 0)
    plan = Plan(
        buildings=_BUILDINGS,
        people=_PEOPLE,
        profile="instant",
        pulse_s=1.0,
        command_gap_s=0.0,
        keep_acknowledged_days=0,  # what is acknowledged is deleted at once: a wrong licence cannot hide
        state_every_s=5.0,
        gateway_program=(sys.executable, "-m", "bench.turned_gateway"),
    )
    estate = Estate(folder, plan)
    os.sync()  # settings, list and keys are on the disk before its power is cut
    stack.enter_context(estate)
    return Chaos(estate, disk, chance)


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./liuhen bench chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=20_261_126)
    parser.add_argument("--folder", type=Path)
    return parser.parse_args(list(words))
