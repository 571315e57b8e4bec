"""The kill campaign: kill -9 at random moments on gateway, broker and centre, under swipes, then the oracle.

`python -m bench kill`. It passes only if every door that opened has its record at the centre exactly once.
`--sabotage` runs the same against a system with a known defect, which the oracle then has to find.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from bench.estate import Estate
from bench.judge import Verdict, judge, settle
from bench.plan import Plan
from bench.report import save, show
from bench.saboteurs import SABOTAGE, VICTIMS
from firmware_sim.control import Control

_PEOPLE = 20_000
"""So many that hardly anybody comes twice: each opening can then be matched with its own record."""

_WIPE_SHARE = 0.25
_REWIND_SHARE = 0.25
_ROUND_S = (0.15, 1.2)
_PATIENCE_S = 2.0
_SETTLE_S = 90.0
_SETTLE_SABOTAGED_S = 15.0
"""What was lost never comes."""

_SAY_EVERY = 25
_FIRST_SWIPES_S = 3.0


@dataclass
class Campaign:
    """One run: which process falls when is drawn from the seed."""

    estate: Estate
    rounds: int
    chance: Random
    victims: Sequence[str]
    settle_s: float
    kills: Counter[str] = field(default_factory=Counter)
    killed_ns: dict[str, list[int]] = field(default_factory=dict)

    def run(self) -> Verdict:
        ending = threading.Event()
        cards = itertools.cycle(person.ref for person in self.estate.people())
        doors = [door.name for building in self.estate.plan.buildings for door in building.doors]
        with ThreadPoolExecutor(len(doors)) as people:
            streams = [
                people.submit(_swipe_until, ending, self.estate.ports, door, cards, self.chance.random())
                for door in doors
            ]
            try:
                self._rounds(ending)
            finally:
                ending.set()
        for stream in streams:
            stream.result()  # a stream of people that broke off proves nothing
        settled = settle(self.estate, self.settle_s)
        return judge(self.estate, self.killed_ns, settled=settled)

    def _rounds(self, ending: threading.Event) -> None:
        ending.wait(_FIRST_SWIPES_S)
        for number in range(1, self.rounds + 1):
            self._round()
            if number % _SAY_EVERY == 0:
                print(f"{number} rounds: {dict(self.kills)}", flush=True)

    def _round(self) -> None:
        victim = self.chance.choice(self.victims)
        pause = threading.Event()
        pause.wait(self.chance.uniform(*_ROUND_S))
        self.kills[victim] += 1
        if victim == "broker":
            self._kill_broker()
        elif victim == "centre":
            self.estate.centre.kill()
            self.estate.centre.start()
        else:
            self._kill_gateway(self.chance.choice(self.estate.plan.buildings).name)

    def _kill_broker(self) -> None:
        broker, lot = self.estate.broker, self.chance.random()
        if lot >= 1.0 - _REWIND_SHARE / 2:
            broker.keep()
        broker.kill()
        if lot < _WIPE_SHARE:
            self.kills["broker wiped"] += 1
            broker.wipe()
        elif lot < _WIPE_SHARE + _REWIND_SHARE and broker.rewind():
            self.kills["broker went back to an older snapshot"] += 1
        broker.start()

    def _kill_gateway(self, name: str) -> None:
        self.killed_ns.setdefault(name, []).append(time.monotonic_ns())
        self.estate.gateways[name].kill()
        self.estate.gateways[name].start()


def _swipe_until(
    ending: threading.Event, ports: Path, door: str, cards: itertools.cycle[str], seed: float
) -> None:
    """One stream of people at one door; the card is gone soon after the door opened."""
    chance = Random(seed)
    with Control(ports) as control:
        while not ending.wait(chance.uniform(0.02, 0.3)):
            control.swipe(door, next(cards), patience_s=_PATIENCE_S)


def main(words: list[str]) -> int:
    arguments = _arguments(words)
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="liuhen-kill-"))
    plan = Plan(
        people=_PEOPLE,
        profile="instant",
        pulse_s=1.0,
        command_gap_s=0.0,
        keep_acknowledged_days=0,  # what is acknowledged is deleted at once: a wrong licence cannot hide
        state_every_s=5.0,
        **SABOTAGE[arguments.sabotage],
    )
    started = time.monotonic()
    with Estate(folder, plan) as estate:
        settle_s = _SETTLE_S if arguments.sabotage == "none" else _SETTLE_SABOTAGED_S
        victims = VICTIMS[arguments.sabotage]
        campaign = Campaign(estate, arguments.rounds, Random(arguments.seed), victims, settle_s)
        verdict = campaign.run()
    for line in verdict.lines():
        print(line)
    figures = {
        "rounds": arguments.rounds,
        "seed": arguments.seed,
        "sabotage": arguments.sabotage,
        "kills": dict(campaign.kills),
        "seconds": round(time.monotonic() - started, 1),
        **verdict.figures(),
    }
    show("Kill campaign", ("what", "how many"), [(k, v) for k, v in figures.items() if k != "kills"])
    save(f"kill-{arguments.sabotage}", figures)
    print(f"everything is in {folder}")
    doors = [door.name for building in plan.buildings for door in building.doors]
    return _verdict(verdict, doors, expect_loss=arguments.sabotage != "none")


def _verdict(verdict: Verdict, doors: Sequence[str], *, expect_loss: bool) -> int:
    if expect_loss:
        found = any(finding.what == "lost" for finding in verdict.findings)
        print("PASS: the sabotage was found" if found else "FAIL: the sabotage was not found")
        return 0 if found else 1
    every_door = {swipe.door for swipe in verdict.swipes if swipe.openings} == set(doors)
    if not every_door:
        print("at some door nobody was let in: that proves nothing")
    passed = verdict.complete and not verdict.findings and every_door
    print("PASS" if passed else "FAIL")
    return 0 if passed else 1


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./liuhen bench kill", description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=20_261_123)
    parser.add_argument("--sabotage", choices=sorted(SABOTAGE), default="none")
    parser.add_argument("--folder", type=Path)
    return parser.parse_args(words)
