"""Swipe to unlock: from the last byte of the card's frame to the first of the relay's, on real processes.

`python -m bench swipe`. Beside it, in one run and on the same disk, what one bare SQLite FULL commit costs:
in a tight loop, and at the pace of the swipes, because a machine that has slept between two commits takes
longer for each. Three states: broker and centre away, everything idle, and while a backlog is being drained.
"""

from __future__ import annotations

import argparse
import itertools
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from bench.estate import Estate
from bench.judge import settle
from bench.plan import BUILDINGS, Plan
from bench.prefill import fill
from bench.report import quantile, save, show, spread
from firmware_sim.control import Control

_BUILDING = BUILDINGS[0]
_RECORD_BYTES = 480
_ROUNDS = 5
_BACKLOG = 400_000
_READER = "poll_s = 0.02\npresence_s = 0.05"
_MS = 1e3
_WARM_UP = 60
_DRAIN_S = 300.0
_PACED = 300


@dataclass
class Series:
    """Seconds, in rounds that were interleaved with rounds of bare commits."""

    swipes: list[list[float]] = field(default_factory=list)
    tight: list[list[float]] = field(default_factory=list)
    paced: list[list[float]] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        figures: dict[str, float] = {"swipes": sum(len(times) for times in self.swipes)}
        for name, rounds in (
            ("swipe", self.swipes),
            ("bare commit, tight loop", self.tight),
            ("bare commit, same pace", self.paced),
        ):
            every = [value for times in rounds for value in times]
            figures[f"{name}: p50 ms"] = quantile(every, 0.5) * _MS
            figures[f"{name}: p99 ms"] = quantile(every, 0.99) * _MS
            figures[f"{name}: max ms"] = max(every) * _MS
        for name, rounds in (("tight loop", self.tight), ("same pace", self.paced)):
            for share in (0.5, 0.99):
                middle, least, most = spread(self._ratios(rounds, share))
                figures[f"p{share * 100:.0f} : {name}, median of rounds"] = middle
                figures[f"p{share * 100:.0f} : {name}, least"] = least
                figures[f"p{share * 100:.0f} : {name}, most"] = most
        return figures

    def _ratios(self, bare: list[list[float]], share: float) -> list[float]:
        rounds = zip(self.swipes, bare, strict=True)
        return [quantile(swipes, share) / quantile(commits, share) for swipes, commits in rounds]


def main(words: list[str]) -> int:
    arguments = _arguments(words)
    folder = Path(tempfile.mkdtemp(prefix="liuhen-swipe-", dir=arguments.disk))
    plan = Plan(
        buildings=(_BUILDING,),
        people=2_000,
        profile="instant",
        pulse_s=1.0,
        command_gap_s=0.0,
        reader_extra=_READER,
    )
    estate = Estate(folder, plan)
    fill(estate.gateway_settings("east").parent / "journal.db", "east", "east-unit-1", arguments.backlog)
    figures: dict[str, dict[str, float]] = {}
    try:
        estate.simulator.start()
        estate.gateways["east"].start()
        cards = cards_of(estate)
        _swipes(estate, cards, _WARM_UP)
        figures["broker and centre away"] = _measure(estate, cards, arguments.reads).figures()
        figures["while draining"] = _while_draining(estate, cards).figures()
        settle(estate, 60)
        figures["idle"] = _measure(estate, cards, arguments.reads).figures()
    finally:
        estate.stop()
    _print(figures)
    save("swipe", {"states": figures, "backlog": arguments.backlog})
    return 0


def _measure(estate: Estate, cards: Iterator[str], reads: int) -> Series:
    series = Series()
    for _ in range(_ROUNDS):
        series.tight.append(bare_commits(estate.folder, reads // _ROUNDS, pause_s=0))
        started = time.monotonic()
        series.swipes.append(_swipes(estate, cards, reads // _ROUNDS))
        pause_s = (time.monotonic() - started) / len(series.swipes[-1])
        series.paced.append(bare_commits(estate.folder, _PACED, pause_s))
    return series


def _while_draining(estate: Estate, cards: Iterator[str]) -> Series:
    """Starts broker and centre, and swipes as long as the backlog is on its way."""
    series = Series(tight=[bare_commits(estate.folder, 1_000, pause_s=0)])
    estate.broker.start()
    estate.centre.start()
    drained = threading.Event()
    watcher = threading.Thread(target=_tell_when_settled, args=(estate, drained))
    watcher.start()
    started = time.monotonic()
    series.swipes.append(_swipes(estate, cards, None, drained))
    pause_s = (time.monotonic() - started) / len(series.swipes[-1])
    watcher.join()
    series.paced.append(bare_commits(estate.folder, _PACED, pause_s))
    return series


def _tell_when_settled(estate: Estate, drained: threading.Event) -> None:
    settle(estate, _DRAIN_S)
    drained.set()


def _swipes(
    estate: Estate, cards: Iterator[str], count: int | None, ending: threading.Event | None = None
) -> list[float]:
    """`count` swipes over all doors, or as many as there are until `ending`."""
    ending = ending or threading.Event()
    doors = [door.name for door in _BUILDING.doors]
    share = None if count is None else -(-count // len(doors))
    with ThreadPoolExecutor(len(doors)) as people:
        streams = [people.submit(swipe_times, estate.ports, door, cards, share, ending) for door in doors]
        return [taken for stream in streams for taken in stream.result()]


def swipe_times(
    ports: Path, door: str, cards: Iterator[str], count: int | None, ending: threading.Event
) -> list[float]:
    """One door; seconds from the card's last byte to the relay's first. A shut door is an error."""
    times: list[float] = []
    with closing(Control(ports)) as control:
        while not ending.is_set() and (count is None or len(times) < count):
            swipe = control.swipe(door, next(cards), patience_s=5.0, hold_s=0.0)
            if swipe["relay_on_ns"] is None or swipe["read_sent_ns"] is None:
                raise RuntimeError(f"door {door} stayed shut")
            times.append((swipe["relay_on_ns"] - swipe["read_sent_ns"]) / 1e9)
    return times


def cards_of(estate: Estate) -> Iterator[str]:
    return itertools.cycle(person.ref for person in estate.people())


def bare_commits(folder: Path, count: int, pause_s: float) -> list[float]:
    """Seconds that one row of a record's size takes to be durable in SQLite, with a pause before each."""
    waiting = threading.Event()
    with closing(sqlite3.connect(folder / "bare.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE IF NOT EXISTS record (id INTEGER PRIMARY KEY, body BLOB)")
        times = []
        for _ in range(count):
            if pause_s:
                waiting.wait(pause_s)
            started = time.perf_counter()
            connection.execute("INSERT INTO record (body) VALUES (?)", (b"x" * _RECORD_BYTES,))
            times.append(time.perf_counter() - started)
    return times


def _print(figures: dict[str, dict[str, float]]) -> None:
    names = list(next(iter(figures.values())))
    rows = [(name, *(state[name] for state in figures.values())) for name in names]
    show("Swipe to unlock", ("", *figures), rows)


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./liuhen bench swipe", description=__doc__)
    parser.add_argument("--reads", type=int, default=5_000)
    parser.add_argument("--backlog", type=int, default=_BACKLOG, help="records to drain meanwhile")
    parser.add_argument("--disk", type=Path, help="measure on the disk that holds this folder")
    return parser.parse_args(words)
