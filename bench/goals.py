"""The gateway's goals for speed and size in one run, each beside its bare loop.

`python -m bench goals`. P1: swipe to relay beside one bare SQLite commit. P2: the same while a backlog drains
and with one reader that never stops talking, beside the same gateway at rest (a large list meanwhile: `bench
big_list`). P3: cards a second at 8 and 32 busy doors, with delivery beside without, and beside single-row
commits. P11: memory, and the first decision after a start. Rounds are interleaved; the median decides.
Figures taken beside other work mean nothing: `--short` shows that it runs, and judges none.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench.estate import Estate
from bench.footprint import CREDENTIALS, footprints
from bench.group_commit import cards_per_s
from bench.judge import settle
from bench.plan import BUILDINGS, Plan
from bench.prefill import fill
from bench.report import quantile, save, show, spread
from bench.swipe import bare_commits, cards_of, swipe_times
from bench.verdict import conclude

_BUILDING = BUILDINGS[0]
_MAD = _BUILDING.doors[-1].name
_CALM = tuple(door.name for door in _BUILDING.doors[:-1])
_READER = "poll_s = 0.02\npresence_s = 0.05"
_SETTLE_S = 120.0
_BARE = 600
_DOORS = (8, 32)
_MANY_MULTIPLES = {8: 2.0, 32: 4.0}


@dataclass(frozen=True, slots=True)
class Goal:
    """`figure` may be `limit` at most, or, where `at_least`, has to reach it."""

    name: str
    figure: str
    limit: float
    at_least: bool = False

    def met(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured in each round."""

    swipes: int
    backlog: int
    busy_s: float
    credentials: int


FULL = Size(swipes=600, backlog=60_000, busy_s=3.0, credentials=CREDENTIALS)
SHORT = Size(swipes=40, backlog=2_000, busy_s=0.5, credentials=500)

GOALS = (
    Goal("P1", "swipe p50 : bare commit's", 1.5),
    Goal("P1", "swipe p99 : bare commit's", 2.0),
    Goal("P2", "p99 while draining : at rest", 2.0),
    Goal("P2", "p99 beside a mad reader : at rest", 2.0),
    *(Goal("P3", f"{n} doors: with delivery : without", 0.8, at_least=True) for n in _DOORS),
    *(
        Goal("P3", f"{n} doors: cards : single-row commits", _MANY_MULTIPLES[n], at_least=True)
        for n in _DOORS
    ),
    Goal("P11", "memory, MiB", 60.0),
    Goal("P11", "first decision after the start, s", 1.5),
)


def main(words: list[str]) -> int:
    arguments = _arguments(words)
    size = SHORT if arguments.short else FULL
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="liuhen-goals-"))
    figures: dict[str, list[float]] = {}
    for measured in (
        _at_doors(folder / "doors", size, arguments.rounds),
        _busy(folder / "busy", size, arguments.rounds),
        _footprints(folder / "footprint", size, arguments.rounds),
    ):
        figures |= measured
    show("Goals", ("", "median", "least", "most", "goal", ""), _rows(figures))
    save("goals", {"rounds": arguments.rounds, "short": arguments.short, **figures})
    print(f"everything is in {folder}")
    return conclude([] if arguments.short else missed(figures))


def missed(figures: Mapping[str, Sequence[float]]) -> list[str]:
    """A sentence for each goal whose figure's median does not reach it. Pure."""
    middles = {goal: spread(figures[goal.figure])[0] for goal in GOALS}
    return [
        f"{goal.name}: {goal.figure} is {value:.2f}, the goal is {goal.limit:g}"
        for goal, value in middles.items()
        if not goal.met(value)
    ]


def _rows(figures: Mapping[str, Sequence[float]]) -> list[tuple[object, ...]]:
    goals = {goal.figure: goal for goal in GOALS}
    rows: list[tuple[object, ...]] = []
    for name, values in figures.items():
        goal, middle = goals.get(name), spread(values)[0]
        words = "" if goal is None else f"{'≥' if goal.at_least else '≤'} {goal.limit:g}"
        rows.append((name, *spread(values), words, "" if goal is None or goal.met(middle) else "missed"))
    return rows


def _at_doors(folder: Path, size: Size, rounds: int) -> dict[str, list[float]]:
    """P1 and P2 on real processes: each round drains a backlog, rests, and has a mad reader."""
    plan = Plan(
        buildings=(_BUILDING,),
        people=2_000,
        profile="instant",
        pulse_s=1.0,
        command_gap_s=0.0,
        reader_extra=_READER,
        state_every_s=5.0,
    )
    found: dict[str, list[float]] = {}
    with Estate(folder, plan) as estate:
        cards = cards_of(estate)
        _swipes(estate, cards, size.swipes // 4)
        for _ in range(rounds):
            for name, value in _round(estate, cards, size).items():
                found.setdefault(name, []).append(value)
    return found


def _round(estate: Estate, cards: Iterator[str], size: Size) -> dict[str, float]:
    draining = _while_draining(estate, cards, size.backlog)
    bare = bare_commits(estate.folder, _BARE, pause_s=0)
    resting = _swipes(estate, cards, size.swipes)
    with closing(estate.control) as control:
        control.fault(_MAD, "babble")
        mad = _swipes(estate, cards, size.swipes)
        control.clear(_MAD)
    p99 = quantile(resting, 0.99)
    return {
        "bare commit p50 ms": quantile(bare, 0.5) * 1e3,
        "bare commit p99 ms": quantile(bare, 0.99) * 1e3,
        "swipe p50 ms": quantile(resting, 0.5) * 1e3,
        "swipe p99 ms": p99 * 1e3,
        "swipe p50 : bare commit's": quantile(resting, 0.5) / quantile(bare, 0.5),
        "swipe p99 : bare commit's": p99 / quantile(bare, 0.99),
        "p99 while draining : at rest": quantile(draining, 0.99) / p99,
        "p99 beside a mad reader : at rest": quantile(mad, 0.99) / p99,
    }


def _while_draining(estate: Estate, cards: Iterator[str], backlog: int) -> list[float]:
    """Swipes for as long as the backlog is on its way to the centre."""
    gateway = estate.gateways[_BUILDING.name]
    gateway.stop()
    journal = estate.gateway_settings(_BUILDING.name).parent / "journal.db"
    fill(journal, _BUILDING.name, _CALM[0], backlog)
    gateway.start()
    drained = threading.Event()
    watcher = threading.Thread(target=_tell_when_settled, args=(estate, drained))
    watcher.start()
    try:
        return _swipes(estate, cards, None, drained)
    finally:
        watcher.join()


def _tell_when_settled(estate: Estate, drained: threading.Event) -> None:
    settle(estate, _SETTLE_S)
    drained.set()


def _swipes(
    estate: Estate, cards: Iterator[str], count: int | None, ending: threading.Event | None = None
) -> list[float]:
    """At the doors whose readers stay sane."""
    ending = ending or threading.Event()
    share = None if count is None else -(-count // len(_CALM))
    with ThreadPoolExecutor(len(_CALM)) as people:
        streams = [people.submit(swipe_times, estate.ports, door, cards, share, ending) for door in _CALM]
        return [taken for stream in streams for taken in stream.result()]


def _busy(folder: Path, size: Size, rounds: int) -> dict[str, list[float]]:
    """P3: each round measures every number of doors with and without delivery, and the bare commit."""
    found: dict[str, list[float]] = {}
    estate = Estate(folder, Plan(buildings=()))
    places = (folder / f"journal-{number}" for number in itertools.count())
    try:
        estate.broker.start()
        estate.centre.start()
        for _ in range(rounds):
            bare = _BARE / sum(bare_commits(folder, _BARE, pause_s=0))
            values = {"single-row commits/s": bare}
            for doors in _DOORS:
                alone = cards_per_s(next(places), doors, size.busy_s, None)
                delivered = cards_per_s(next(places), doors, size.busy_s, estate)
                values |= {
                    f"{doors} doors: cards/s": alone,
                    f"{doors} doors: cards/s with delivery": delivered,
                    f"{doors} doors: with delivery : without": delivered / alone,
                    f"{doors} doors: cards : single-row commits": alone / bare,
                }
            for name, value in values.items():
                found.setdefault(name, []).append(value)
    finally:
        estate.stop()
    return found


def _footprints(folder: Path, size: Size, rounds: int) -> dict[str, list[float]]:
    found = footprints(folder, rounds, size.credentials)
    return {
        "memory, MiB": [f.memory_mib for f in found],
        "memory of the bare libraries, MiB": [f.bare_mib for f in found],
        "first decision after the start, s": [f.first_decision_s for f in found],
    }


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./liuhen bench goals", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--short", action="store_true", help="little of everything; nothing is judged")
    parser.add_argument("--folder", type=Path)
    return parser.parse_args(words)
