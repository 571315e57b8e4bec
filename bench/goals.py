"""The gateway's goals for speed and size in one run, each beside its bare loop.

`python -m bench goals`. P1: swipe to relay, one after the other at one door, beside one bare SQLite commit,
made at the pace of the swipes because a machine that has slept takes longer for each; a tight loop of them
stands beside it, unjudged. P2: swipes at all doors while a backlog drains, while lists come from the centre,
and with one reader that never stops talking, beside the same gateway at rest. P3: cards a second at 8 and 32
busy doors, with delivery to a real centre beside without, and beside single-row commits. P11: memory, and the
first decision after a start. Rounds are interleaved; the median decides. Figures taken beside other work mean
nothing: `--short` shows that it runs, and judges none.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench.estate import Estate
from bench.footprint import CREDENTIALS, footprints
from bench.goals_list import Lists
from bench.group_commit import cards_per_s
from bench.judge import settle
from bench.plan import BUILDINGS, Plan
from bench.prefill import fill
from bench.report import quantile, save, show, spread
from bench.swipe import bare_commits, cards_of, swipe_times
from bench.thin_centre import thin_centre
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
    """`figure` may be `limit` at most, or, where `at_least`, has to reach it.

    `bare` and `ours`: the figures that it compares, if it is a ratio.
    """

    name: str
    figure: str
    limit: float
    at_least: bool = False
    bare: str = ""
    ours: str = ""

    def met(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured in each round."""

    swipes: int
    swipes_alone: int  # at one door, one after the other
    paced: int  # bare commits at the pace of the swipes
    backlog: int
    lists: int  # that come one after the other
    busy_s: float
    credentials: int


FULL = Size(
    swipes=600, swipes_alone=300, paced=300, backlog=200_000, lists=3, busy_s=3.0, credentials=CREDENTIALS
)
SHORT = Size(swipes=40, swipes_alone=20, paced=40, backlog=2_000, lists=1, busy_s=0.5, credentials=3_000)

_ALONE, _REST, _BARE_P50, _BARE_P99 = (
    "swipe p99 ms",
    "all doors: p99 ms",
    "bare commit, same pace: p50 ms",
    "bare commit, same pace: p99 ms",
)
_SINGLE = "single-row commits/s"
GOALS = (
    Goal("P1", "swipe p50 : bare commit's", 1.5, bare=_BARE_P50, ours="swipe p50 ms"),
    Goal("P1", "swipe p99 : bare commit's", 2.0, bare=_BARE_P99, ours=_ALONE),
    Goal("P2", "p99 while draining : at rest", 2.0, bare=_REST, ours="while draining: p99 ms"),
    Goal("P2", "p99 while lists come : at rest", 2.0, bare=_REST, ours="while lists come: p99 ms"),
    Goal("P2", "p99 beside a mad reader : at rest", 2.0, bare=_REST, ours="beside a mad reader: p99 ms"),
    *(
        Goal(
            "P3",
            f"{n} doors: with delivery : without",
            0.8,
            at_least=True,
            bare=f"{n} doors: cards/s",
            ours=f"{n} doors: cards/s with delivery",
        )
        for n in _DOORS
    ),
    *(
        Goal(
            "P3",
            f"{n} doors: cards : single-row commits",
            _MANY_MULTIPLES[n],
            at_least=True,
            bare=_SINGLE,
            ours=f"{n} doors: cards/s",
        )
        for n in _DOORS
    ),
    Goal("P11", "memory, MiB", 60.0, bare="memory of the bare libraries, MiB", ours="memory, MiB"),
    Goal("P11", "first decision after the start, s", 1.5, ours="first decision after the start, s"),
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
    title = "Goals: how they look in a short run, which judges none" if arguments.short else "Goals"
    show(title, ("", "", "bare loop", "ours", "median (least – most)", "limit", "met"), goal_rows(figures))
    show("What was measured", ("", "median", "least", "most"), _rows(figures))
    save("goals", {"rounds": arguments.rounds, "short": arguments.short, **figures})
    print(f"everything is in {folder}")
    return conclude([] if arguments.short else missed(figures))


def missed(figures: Mapping[str, Sequence[float]], goals: Sequence[Goal] = GOALS) -> list[str]:
    """A sentence for each goal whose figure's median does not reach it. Pure."""
    middles = {goal: spread(figures[goal.figure])[0] for goal in goals}
    return [
        f"{goal.name}: {goal.figure} is {value:.2f}, the goal is {goal.limit:g}"
        for goal, value in middles.items()
        if not goal.met(value)
    ]


def goal_rows(figures: Mapping[str, Sequence[float]], goals: Sequence[Goal] = GOALS) -> list[tuple[str, ...]]:
    """A row for each goal: medians of what it compares, what is judged with its spread, whether it is met."""
    rows: list[tuple[str, ...]] = []
    for goal in goals:
        middle, least, most = spread(figures[goal.figure])
        rows.append(
            (
                goal.name,
                goal.figure,
                _middle(figures, goal.bare),
                _middle(figures, goal.ours),
                f"{middle:.2f} ({least:.2f} – {most:.2f})",
                f"{'≥' if goal.at_least else '≤'} {goal.limit:g}",
                "yes" if goal.met(middle) else "no",
            )
        )
    return rows


def _middle(figures: Mapping[str, Sequence[float]], name: str) -> str:
    return f"{spread(figures[name])[0]:,.2f}" if name else ""


def _rows(figures: Mapping[str, Sequence[float]]) -> list[tuple[object, ...]]:
    return [(name, *spread(values)) for name, values in figures.items()]


def _at_doors(folder: Path, size: Size, rounds: int) -> dict[str, list[float]]:
    """P1 and P2 on real processes: each round drains a backlog, rests, has a mad reader, and takes lists."""
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
    prepared = Estate(folder, plan)
    lists = Lists(prepared, _BUILDING, size.credentials)
    with prepared as estate:
        cards = cards_of(estate)
        _swipes(estate, cards, size.swipes // 4)
        for _ in range(rounds):
            for name, value in _round(estate, cards, lists, size).items():
                found.setdefault(name, []).append(value)
    return found


def _round(estate: Estate, cards: Iterator[str], lists: Lists, size: Size) -> dict[str, float]:
    draining = _while_draining(estate, cards, size.backlog)
    tight = bare_commits(estate.folder, _BARE, pause_s=0)
    begun_s = time.monotonic()
    alone = swipe_times(estate.ports, _CALM[0], cards, size.swipes_alone, threading.Event())
    pace_s = (time.monotonic() - begun_s) / len(alone)
    resting = _swipes(estate, cards, size.swipes)
    paced = bare_commits(estate.folder, size.paced, pace_s)
    with closing(estate.control) as control:
        control.fault(_MAD, "babble")
        mad = _swipes(estate, cards, size.swipes)
        control.clear(_MAD)
    made, taken_s = lists.make(size.lists), list[float]()
    listing = _swipes_while(estate, cards, lambda: taken_s.extend(lists.send(made)))
    found = {
        f"{name}: {words} ms": quantile(times, share) * 1e3
        for name, times in (("bare commit, tight loop", tight), ("bare commit, same pace", paced))
        for words, share in (("p50", 0.5), ("p99", 0.99))
    }
    p50, p99, all_p99 = quantile(alone, 0.5), quantile(alone, 0.99), quantile(resting, 0.99)
    found |= {
        "swipes a second at one door": 1 / pace_s,
        "swipe p50 ms": p50 * 1e3,
        "swipe p99 ms": p99 * 1e3,
        "all doors: p50 ms": quantile(resting, 0.5) * 1e3,
        "all doors: p99 ms": all_p99 * 1e3,
        "swipe p50 : bare commit's": p50 / quantile(paced, 0.5),
        "swipe p99 : bare commit's": p99 / quantile(paced, 0.99),
        "swipe p50 : bare commit's in a tight loop": p50 / quantile(tight, 0.5),
        "swipe p99 : bare commit's in a tight loop": p99 / quantile(tight, 0.99),
        f"a list of {size.credentials:,}: s until it is in force": spread(taken_s)[0],
    }
    for name, times in (
        ("while draining", draining),
        ("while lists come", listing),
        ("beside a mad reader", mad),
    ):
        found[f"{name}: swipes"] = len(times)
        found[f"{name}: p99 ms"] = quantile(times, 0.99) * 1e3
        found[f"p99 {name} : at rest"] = quantile(times, 0.99) / all_p99
    return found


def _while_draining(estate: Estate, cards: Iterator[str], backlog: int) -> list[float]:
    """Swipes for as long as the backlog is on its way to the centre."""
    gateway = estate.gateways[_BUILDING.name]
    gateway.stop()
    journal = estate.gateway_settings(_BUILDING.name).parent / "journal.db"
    fill(journal, _BUILDING.name, _CALM[0], backlog)
    gateway.start()
    return _swipes_while(estate, cards, lambda: _drained(estate))


def _drained(estate: Estate) -> None:
    if not settle(estate, _SETTLE_S):
        raise TimeoutError(f"the backlog was not at the centre within {_SETTLE_S:.0f} s")


def _swipes_while(estate: Estate, cards: Iterator[str], work: Callable[[], None]) -> list[float]:
    """As many as there are until the work is done; what it raises is raised."""
    ending = threading.Event()
    with ThreadPoolExecutor(1) as worker:
        done = worker.submit(work)
        done.add_done_callback(lambda _: ending.set())
        times = _swipes(estate, cards, None, ending)
        done.result()
    return times


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
    """P3: each round measures every number of doors alone and with delivery, and the bare commit.

    Delivery goes to the real centre, which needs a share of this machine, and, unjudged, to one that does
    nothing but acknowledge.
    """
    found: dict[str, list[float]] = {}
    real, thin = (Estate(folder / name, Plan(buildings=())) for name in ("centre", "thin"))
    acknowledger = thin_centre(thin.broker, thin.folder / "logs" / "thin-centre.log")
    places = (folder / f"journal-{number}" for number in itertools.count())
    try:
        for child in (real.broker, real.centre, thin.broker, acknowledger):
            child.start()
        for _ in range(rounds):
            bare = _BARE / sum(bare_commits(folder, _BARE, pause_s=0))
            values = {_SINGLE: bare}
            for doors in _DOORS:
                alone, delivered, acknowledged = (
                    cards_per_s(next(places), doors, size.busy_s, to) for to in (None, real, thin)
                )
                values |= {
                    f"{doors} doors: cards/s": alone,
                    f"{doors} doors: cards/s with delivery": delivered,
                    f"{doors} doors: cards/s with delivery to a thin centre": acknowledged,
                    f"{doors} doors: with delivery : without": delivered / alone,
                    f"{doors} doors: with delivery to a thin centre : without": acknowledged / alone,
                    f"{doors} doors: cards : single-row commits": alone / bare,
                }
            for name, value in values.items():
                found.setdefault(name, []).append(value)
    finally:
        acknowledger.stop()
        for estate in (real, thin):
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
