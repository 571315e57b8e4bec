"""Unplug and replug every family, again and again: each must be back within 5 s, and no other reader slower.

`python -m bench replug`. One gateway; a door with a reader and a lock board that stay plugged in, and a door
for each family of readers and of lock boards, all of which fall at once, each at its own pace. What counts is
the gateway's own journal: from plugging in to the record that says it is restored. Meanwhile people swipe at
the undisturbed door, in rounds that alternate with rounds in which nothing falls.
"""

from __future__ import annotations

import argparse
import os
import queue
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from bench.estate import Estate
from bench.plan import Building, Door, Plan
from bench.report import quantile, save, show, spread
from bench.swipe import cards_of, swipe_times
from bench.wiring import pcsc_is_here
from drivers.catalogue import LOCK_BOARDS, READERS
from firmware_sim.control import Control
from gateway.journal_reader import JournalReader
from messages.model import Kind

_BUILDING = "east"
_UNDISTURBED = Door("undisturbed", "1 单元门")
_BACK_WITHIN_S = 5.0
_LIMIT_S = 20.0  # after so long a device is not waited for any more
_AWAKE_S = 40.0
_ROUNDS = 5
_WARM_UP = 60
_AWAY_S = (0.0, 2.0)  # as long as a driver's pauses between two attempts: plugs come at any moment of them
_BACK_S = (0.1, 0.6)
_UNDISTURBED_SWIPES = 500  # of a round; some more than a 99th percentile needs
_LOOK_S = 0.05
_MS = 1e3
_READER = "poll_s = 0.02\npresence_s = 0.05"
_LOST = (Kind.READER_LOST, Kind.READER_DEGRADED, Kind.LOCK_LOST, Kind.LOCK_DEGRADED)
_RESTORED = (Kind.READER_RESTORED, Kind.LOCK_RESTORED)
_PULSE_S = 1.0


@dataclass
class Device:
    """One that is unplugged; its records come into `heard`, with the time in microseconds since 1970."""

    name: str
    family: str
    door: str
    is_reader: bool
    heard: queue.SimpleQueue[tuple[Kind, int]] = field(default_factory=queue.SimpleQueue)
    recoveries_s: list[float] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    @property
    def cycles(self) -> int:
        return len(self.recoveries_s) + len(self.missed)

    def unplug(self, control: Control) -> None:
        if self.family == "pcsc":
            control.fault(self.name, "service_gone")
        else:
            control.unplug(self.name)

    def replug(self, control: Control) -> None:
        if self.family == "pcsc":
            control.fault(self.name, "service_back")
        else:
            control.replug(self.name)

    def hear(self, kinds: Sequence[Kind]) -> int | None:
        """When the first record of these kinds was written; None: none came in time."""
        until_s = time.monotonic() + _LIMIT_S
        while (left_s := until_s - time.monotonic()) > 0:
            try:
                kind, at_us = self.heard.get(timeout=left_s)
            except queue.Empty:
                return None
            if kind in kinds:
                return at_us
        return None

    def forget(self) -> None:
        while not self.heard.empty():
            self.heard.get_nowait()


@dataclass
class Swipes:
    """Seconds from read to unlock, in rounds; what the gateway and the simulator used of a processor."""

    undisturbed: list[list[float]] = field(default_factory=list)
    disturbed: list[list[float]] = field(default_factory=list)
    load: dict[str, list[float]] = field(default_factory=dict)

    def figures(self) -> dict[str, dict[str, float]]:
        return {"undisturbed": _figures_of(self.undisturbed), "disturbed": _figures_of(self.disturbed)}

    def ratios(self) -> dict[str, tuple[float, float, float]]:
        """Disturbed to undisturbed of the rounds: median, least and most."""
        rounds = list(zip(self.disturbed, self.undisturbed, strict=True))
        return {
            f"p{share * 100:.0f}": spread([quantile(d, share) / quantile(u, share) for d, u in rounds])
            for share in (0.5, 0.99)
        }


class Campaign:
    """Rounds of swipes, with and without devices that fall."""

    def __init__(self, estate: Estate, devices: Sequence[Device], *, cycles: int, seed: int) -> None:
        self._estate = estate
        self._devices = devices
        self._cycles = cycles
        self._seed = seed
        self._cards = cards_of(estate)
        self.swipes = Swipes()

    def run(self) -> None:
        self._swipe(_WARM_UP, threading.Event())
        with _journal_heard(self._estate, self._devices):
            for number in range(1, _ROUNDS + 1):
                with self._load("disturbed"):
                    times = self._while_they_fall(self._cycles * number // _ROUNDS, number)
                self.swipes.disturbed.append(times)
                with self._load("undisturbed"):
                    self.swipes.undisturbed.append(
                        self._swipe(min(len(times), _UNDISTURBED_SWIPES), threading.Event())
                    )
                self._say(number)

    def _while_they_fall(self, cycles: int, number: int) -> list[float]:
        """All go on falling until the slowest has its share."""
        done, ending = threading.Event(), threading.Event()
        with ThreadPoolExecutor(len(self._devices) + 1) as threads:
            swiping = threads.submit(self._swipe, None, ending)
            falling = [
                threads.submit(self._fall, device, done, Random(f"{self._seed}:{number}:{device.name}"))
                for device in self._devices
            ]
            try:
                self._wait_for(falling, cycles, done)
            finally:
                done.set()
                for each in falling:
                    each.exception()  # until it is back
                ending.set()
            for each in falling:
                each.result()
            return swiping.result()

    def _wait_for(self, falling: Sequence[Future[None]], cycles: int, done: threading.Event) -> None:
        while min(device.cycles for device in self._devices) < cycles:
            if done.wait(_LOOK_S) or any(each.done() for each in falling):
                return

    def _fall(self, device: Device, done: threading.Event, chance: Random) -> None:
        with Control(self._estate.ports) as control:
            while not done.wait(chance.uniform(*_BACK_S)):
                self._fall_once(device, control, chance)

    def _fall_once(self, device: Device, control: Control, chance: Random) -> None:
        device.forget()
        device.unplug(control)
        lost_us = device.hear(_LOST)
        threading.Event().wait(chance.uniform(*_AWAY_S))
        device.forget()
        plugged_us = time.time_ns() // 1_000
        device.replug(control)
        restored_us = device.hear(_RESTORED)
        if lost_us is None:
            device.missed.append("its loss was not noticed")
        elif restored_us is None:
            device.missed.append("it did not come back")
        else:
            device.recoveries_s.append((restored_us - plugged_us) / 1e6)

    def _swipe(self, count: int | None, ending: threading.Event) -> list[float]:
        return swipe_times(self._estate.ports, _UNDISTURBED.name, self._cards, count, ending)

    @contextmanager
    def _load(self, when: str) -> Iterator[None]:
        """Notes the share of one processor that each process takes meanwhile."""
        children = (self._estate.gateways[_BUILDING], self._estate.simulator, self._estate.centre)
        pids = {child.name: child.pid for child in children if child.running}
        started_s, used_s = time.monotonic(), {name: _used_s(pid) for name, pid in pids.items()}
        yield
        passed_s = time.monotonic() - started_s
        for name, pid in pids.items():
            share = (_used_s(pid) - used_s[name]) / passed_s
            self.swipes.load.setdefault(f"{name}, {when}", []).append(share)
        self.swipes.load.setdefault(f"load average, {when}", []).append(os.getloadavg()[0])

    def _say(self, number: int) -> None:
        slowest = max((max(d.recoveries_s, default=0.0), d.name) for d in self._devices)
        cycles = sum(device.cycles for device in self._devices)
        print(
            f"round {number} of {_ROUNDS}: {cycles} cycles, slowest {slowest[0]:.2f} s ({slowest[1]})",
            flush=True,
        )


def main(words: list[str]) -> int:
    arguments = _arguments(words)
    folder = Path(tempfile.mkdtemp(prefix="liuhen-replug-", dir=arguments.disk))
    doors = _doors(arguments.family)
    devices = list(_devices(doors))
    plan = Plan(
        buildings=(Building(_BUILDING, "东楼", (_UNDISTURBED, *doors)),),
        people=500,
        profile="instant",
        pulse_s=_PULSE_S,
        command_gap_s=0.0,
        reader_extra=_READER,
        gateway_program=tuple(arguments.gateway.split()),
    )
    started_s = time.monotonic()
    with Estate(folder, plan) as estate:
        if not estate.wait_for_devices(_AWAKE_S):
            print("some readers or locks do not work; see the logs")
            return 1
        if arguments.alone:
            estate.broker.kill()
            estate.centre.stop()
        campaign = Campaign(estate, devices, cycles=arguments.cycles, seed=arguments.seed)
        campaign.run()
    families = _families(devices)
    _show(families, campaign.swipes)
    save(
        "replug-alone" if arguments.alone else "replug",
        {
            "families": families,
            "recoveries s": {d.name: [round(value, 3) for value in d.recoveries_s] for d in devices},
            "missed": {device.name: device.missed for device in devices if device.missed},
            "swipes": campaign.swipes.figures(),
            "disturbed to undisturbed, of rounds": campaign.swipes.ratios(),
            "load": campaign.swipes.load,
            "seed": arguments.seed,
            "alone": arguments.alone,
            "seconds": round(time.monotonic() - started_s, 1),
        },
    )
    print(f"everything is in {folder}")
    passed = all(device.cycles and not device.missed for device in devices) and all(
        value <= _BACK_WITHIN_S for device in devices for value in device.recoveries_s
    )
    print("PASS" if passed else "FAIL")
    return 0 if passed else 1


def _doors(families: Sequence[str]) -> tuple[Door, ...]:
    """One for each family of readers; the first ones have a lock board of each family in turn."""
    readers = [name for name in READERS if name != "pcsc" or pcsc_is_here()]
    boards: list[str] = list(LOCK_BOARDS)
    if families:
        boards = [name for name in boards if name in families]
        readers = [name for name in readers if name in families]
        readers += ["sam_v"] * (len(boards) - len(readers))  # a board has to be somebody's
    pads = [""] * (len(readers) - len(boards))
    return tuple(
        Door(f"door-{number}", f"{number} 号门", reader, board_kind=board)
        for number, (reader, board) in enumerate(zip(readers, [*boards, *pads], strict=True), start=2)
    )


def _devices(doors: Sequence[Door]) -> Iterator[Device]:
    for board in Building(_BUILDING, "", tuple(doors)).boards:
        for door in board.doors:
            yield Device(door.name, door.reader, door.name, is_reader=True)
            if door.board_kind:
                yield Device(board.name, board.kind, door.name, is_reader=False)


@contextmanager
def _journal_heard(estate: Estate, devices: Sequence[Device]) -> Iterator[None]:
    """Meanwhile each device hears what the gateway recorded of it."""
    stopping = threading.Event()
    path = estate.gateway_settings(_BUILDING).parent / "journal.db"
    with ThreadPoolExecutor(1) as threads:
        hearing = threads.submit(_hear_journal, path, devices, stopping)
        try:
            yield
        finally:
            stopping.set()
        hearing.result()


def _hear_journal(path: Path, devices: Sequence[Device], stopping: threading.Event) -> None:
    places = {(device.door, device.is_reader): device for device in devices}
    with closing(JournalReader(path)) as journal:
        at = journal.newest_id()
        while not stopping.wait(_LOOK_S):
            records, at = journal.after(at)
            for record in records:
                if record.kind in (*_LOST, *_RESTORED):
                    device = places.get((record.door or "", record.reader is not None))
                    if device is not None:
                        device.heard.put((record.kind, record.at))


def _used_s(pid: int) -> float:
    """Seconds of a processor that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _figures_of(rounds: Sequence[Sequence[float]]) -> dict[str, float]:
    every = [value for times in rounds for value in times]
    return {
        "swipes": len(every),
        "p50 ms": quantile(every, 0.5) * _MS,
        "p99 ms": quantile(every, 0.99) * _MS,
        "max ms": max(every) * _MS,
    }


def _families(devices: Sequence[Device]) -> dict[str, dict[str, float]]:
    return {
        f"{device.family} ({device.name})": {
            "cycles": device.cycles,
            "within 5 s": sum(value <= _BACK_WITHIN_S for value in device.recoveries_s),
            "p50 s": quantile(device.recoveries_s, 0.5),
            "p95 s": quantile(device.recoveries_s, 0.95),
            "max s": max(device.recoveries_s),
        }
        for device in devices
        if device.recoveries_s
    }


def _show(families: Mapping[str, Mapping[str, float]], swipes: Swipes) -> None:
    show(
        "From plugging in to restored",
        ("family", *_columns(families)),
        [(name, *row.values()) for name, row in families.items()],
    )
    figures = swipes.figures()
    show(
        "Swipe to unlock beside them",
        ("", *_columns(figures)),
        [(name, *row.values()) for name, row in figures.items()],
    )
    show(
        "Disturbed to undisturbed, of rounds",
        ("", "median", "least", "most"),
        [(name, *values) for name, values in swipes.ratios().items()],
    )
    show(
        "Of one processor, of rounds",
        ("", "median", "least", "most"),
        [(name, *spread(values)) for name, values in sorted(swipes.load.items())],
    )


def _columns(table: Mapping[str, Mapping[str, float]]) -> list[str]:
    return list(next(iter(table.values()), {}))


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./liuhen bench replug", description=__doc__)
    parser.add_argument("--cycles", type=int, default=100, help="of each device, at least")
    parser.add_argument("--seed", type=int, default=20_261_125)
    parser.add_argument("--family", action="append", default=[], help="only this one; may be repeated")
    parser.add_argument(
        "--alone", action="store_true", help="without broker and centre, which use the disk too"
    )
    parser.add_argument("--gateway", default="", help="a command instead of liuhen-gateway, to profile it")
    parser.add_argument("--disk", type=Path, help="measure on the disk that holds this folder")
    return parser.parse_args(words)
