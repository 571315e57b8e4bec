"""Swipe to unlock: from the last byte of the card's frame to the first of the relay's, on real processes.

`python -m bench swipe`. Beside it, in one run and on the same disk, what one bare SQLite FULL commit costs.
Three states: broker and centre away, everything idle, and while a backlog is being drained.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from bench.estate import Building, Estate, Plan
from bench.judge import settle
from bench.prefill import fill
from bench.report import quantile, save, show
from firmware_sim.control import Control
from messages.wire import MAX_RECORD_BYTES

_BUILDING = Building("east", "东楼", (("east-unit-1", "1 单元门"),))
_RECORD_BYTES = 480
_ROUNDS = 5
_BACKLOG = 400_000
_READER = "poll_s = 0.02\npresence_s = 0.05"
_MILLISECOND = 1e3
_WARM_UP = 50
_DRAIN_S = 300.0


@dataclass
class Series:
    """Seconds, in rounds that were interleaved with rounds of bare commits."""

    swipes: list[list[float]] = field(default_factory=list)
    bare: list[list[float]] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        swipes, bare = _flat(self.swipes), _flat(self.bare)
        ratios = [
            quantile(s, 0.99) / quantile(b, 0.99)
            for s, b in zip(self.swipes, self.bare, strict=True)
            if s and b
        ]
        return {
            "swipes": len(swipes),
            **{f"swipe {name} ms": value for name, value in _three(swipes)},
            **{f"bare commit {name} ms": value for name, value in _three(bare)},
            "p50 ratio": quantile(swipes, 0.5) / quantile(bare, 0.5),
            "p99 ratio": quantile(swipes, 0.99) / quantile(bare, 0.99),
            "p99 ratio, best round": min(ratios),
            "p99 ratio, worst round": max(ratios),
        }


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
        cards = _cards(estate)
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
        series.bare.append(bare_commits(estate.folder, reads // _ROUNDS))
        series.swipes.append(_swipes(estate, cards, reads // _ROUNDS))
    return series


def _while_draining(estate: Estate, cards: Iterator[str]) -> Series:
    """Starts broker and centre, and swipes as long as the backlog is on its way."""
    series = Series()
    series.bare.append(bare_commits(estate.folder, 1_000))
    estate.broker.start()
    estate.centre.start()
    drained = threading.Event()
    watcher = threading.Thread(target=_tell_when_settled, args=(estate, drained))
    watcher.start()
    times: list[float] = []
    with closing(Control(estate.ports)) as control:
        while not drained.is_set():
            times += _swipe(control, next(cards))
    watcher.join()
    series.swipes.append(times)
    return series


def _tell_when_settled(estate: Estate, drained: threading.Event) -> None:
    settle(estate, _DRAIN_S)
    drained.set()


def _swipes(estate: Estate, cards: Iterator[str], count: int) -> list[float]:
    with closing(Control(estate.ports)) as control:
        return [taken for _ in range(count) for taken in _swipe(control, next(cards))]


def _swipe(control: Control, card: str) -> list[float]:
    """Seconds from the card's last byte to the relay's first; nothing where the door stayed shut."""
    swipe = control.swipe("east-unit-1", card, patience_s=2.0, hold_s=0.0)
    if swipe["relay_on_ns"] is None or swipe["read_sent_ns"] is None:
        return []
    return [(swipe["relay_on_ns"] - swipe["read_sent_ns"]) / 1e9]


def _cards(estate: Estate) -> Iterator[str]:
    people = estate.people()
    while True:
        yield from (person.ref for person in people)


def bare_commits(folder: Path, count: int) -> list[float]:
    """What one row of a record's size costs, made durable by SQLite alone."""
    assert _RECORD_BYTES < MAX_RECORD_BYTES
    with closing(sqlite3.connect(folder / "bare.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE IF NOT EXISTS record (id INTEGER PRIMARY KEY, body BLOB)")
        times = []
        for _ in range(count):
            started = time.perf_counter()
            connection.execute("INSERT INTO record (body) VALUES (?)", (b"x" * _RECORD_BYTES,))
            times.append(time.perf_counter() - started)
    return times


def _flat(rounds: list[list[float]]) -> list[float]:
    return [value for values in rounds for value in values]


def _three(values: list[float]) -> list[tuple[str, float]]:
    return [
        ("p50", quantile(values, 0.5) * _MILLISECOND),
        ("p99", quantile(values, 0.99) * _MILLISECOND),
        ("max", max(values) * _MILLISECOND),
    ]


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
