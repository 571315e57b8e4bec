"""Hundreds of gateways lose one broker at one moment and find it again at one moment, each with a backlog.

`python -m bench herd`. The broker is killed in the middle of the first drain and comes back with nothing.
Then at each gateway somebody is made to open: how long that alarm took until the centre had committed it. It
passes only if every record is at the centre once (trust.md R-23).
"""

from __future__ import annotations

import argparse
import heapq
import selectors
import sqlite3
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from bench.estate import SITE, Estate
from bench.herd_gateway import HerdGateway
from bench.plan import Plan
from bench.prefill import alarm_after, prepared
from bench.report import quantile, save, show
from gateway.delivery import BLOCK_RECORDS
from gateway.pace import first_call_s
from gateway.settings import MqttPart

_AWAY_S = 2.0
_KILL_AT = 0.3
"""Of everything is committed when the broker falls."""

_ALARM_AFTER_S = 0.5
_LOOK_S = 0.25
_LIMIT_S = 300.0
_SLICE_S = 0.1


@dataclass
class Herd:
    """All gateways in one thread. Messages and calls are counted by slices of time."""

    gateways: Sequence[HerdGateway]
    port: int
    messages: Counter[int] = field(default_factory=Counter)
    calls: Counter[int] = field(default_factory=Counter)
    _due: list[tuple[float, int, int]] = field(default_factory=list)  # when, which, its how manieth call
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _alarms_at: dict[int, float] = field(default_factory=dict)
    alarms: bool = False

    def run(self, until_share: float, limit_s: float) -> float:
        """Until so much of all records is committed; returns how long that took. Raises TimeoutError."""
        began_s = time.monotonic()
        wanted = until_share * sum(len(gateway.journal.bodies) for gateway in self.gateways)
        while sum(gateway.committed for gateway in self.gateways) < wanted:
            now_s = time.monotonic()
            if now_s - began_s > limit_s:
                raise TimeoutError(f"not committed after {limit_s:.0f} s")
            self._round(now_s)
        return time.monotonic() - began_s

    def wait(self, seconds: float) -> None:
        """Goes on for so long, whatever is committed by then."""
        end_s = time.monotonic() + seconds
        while (now_s := time.monotonic()) < end_s:
            self._round(now_s)

    def close(self) -> None:
        self._selector.close()
        for gateway in self.gateways:
            if gateway.socket is not None:
                gateway.socket.close()

    def _round(self, now_s: float) -> None:
        for index, gateway in enumerate(self.gateways):
            if now_s >= gateway.dial_at_s:
                self._dial(index, gateway, now_s)
        while self._due and self._due[0][0] <= now_s:
            _, index, call = heapq.heappop(self._due)
            if call == self.gateways[index].calls:
                self._serve(index, now_s)
        wait_s = min(0.02, max(0.0, self._due[0][0] - now_s)) if self._due else 0.02
        for key, _ in self._selector.select(wait_s):
            self._serve(key.data, time.monotonic(), readable=True)

    def _dial(self, index: int, gateway: HerdGateway, now_s: float) -> None:
        self.calls[int(now_s / _SLICE_S)] += 1
        gateway.dial(self.port)
        assert gateway.socket is not None
        self._selector.register(gateway.socket, selectors.EVENT_READ, index)
        heapq.heappush(self._due, (now_s + 0.01, index, gateway.calls))

    def _serve(self, index: int, now_s: float, *, readable: bool = False) -> None:
        gateway = self.gateways[index]
        if gateway.socket is None:
            return
        before = gateway.messages
        try:
            if readable:
                gateway.receive(now_s)
            due_s = gateway.send(now_s)
            if not gateway.flush():
                due_s = now_s + 0.005
        except OSError:
            self._selector.unregister(gateway.socket)
            gateway.lost(now_s)
            return
        self._alarm(index, gateway, now_s)
        self.messages[int(now_s / _SLICE_S)] += gateway.messages - before
        if not readable:
            next_s = min(max(due_s, now_s + 0.001), now_s + _LOOK_S)
            heapq.heappush(self._due, (next_s, index, gateway.calls))

    def _alarm(self, index: int, gateway: HerdGateway, now_s: float) -> None:
        """Somebody is made to open some moments after the gateway has heard the centre again."""
        if not self.alarms or not gateway.heard or gateway.alarm_s is not None:
            return
        if now_s >= self._alarms_at.setdefault(index, now_s + _ALARM_AFTER_S):
            gateway.alarm(now_s)


def main(words: list[str]) -> int:
    arguments = _arguments(words)
    folder = Path(tempfile.mkdtemp(prefix="liuhen-herd-"))
    outcome = stampede(folder, arguments.gateways, arguments.records, arguments.seed)
    rows = [(name, f"{value:,.2f}") for name, value in outcome.figures().items()]
    show(f"{arguments.gateways} gateways find the broker again", ("what", "how much"), rows)
    save("herd", {"gateways": arguments.gateways, "records": arguments.records, **outcome.figures()})
    print("PASS" if outcome.good else f"FAIL: {outcome.wrong}")
    return 0 if outcome.good else 1


@dataclass(frozen=True)
class Outcome:
    records: int
    stored: int
    findings: int
    seconds: float
    messages: int
    needed: int
    busiest: int
    most_calls: int
    alarms_s: Sequence[float]

    @property
    def wrong(self) -> str:
        if self.stored != self.records:
            return f"{self.records} records are to be at the centre, {self.stored} are"
        return f"{self.findings} integrity findings" if self.findings else ""

    @property
    def good(self) -> bool:
        return not self.wrong

    def figures(self) -> dict[str, float]:
        return {
            "records": self.records,
            "at the centre": self.stored,
            "findings": self.findings,
            "seconds from the broker's return to the last commit": self.seconds,
            "messages with records": self.messages,
            "messages for each one needed": self.messages / self.needed,
            f"most messages in {_SLICE_S} s": self.busiest,
            f"most calls in {_SLICE_S} s": self.most_calls,
            "alarm to commit, p50 s": quantile(self.alarms_s, 0.5),
            "alarm to commit, p95 s": quantile(self.alarms_s, 0.95),
            "alarm to commit, most s": max(self.alarms_s),
        }


def stampede(folder: Path, gateways: int, records: int, seed: int, limit_s: float = _LIMIT_S) -> Outcome:
    """Raises TimeoutError when it does not come to its end."""
    chance = Random(seed)
    estate = Estate(folder, Plan(buildings=()))
    fleet = [_gateway(f"herd-{number}", records, Random(chance.random())) for number in range(gateways)]
    estate.broker.start()
    estate.centre.start()
    begun_s = time.monotonic()
    for gateway in fleet:
        gateway.dial_at_s = begun_s + first_call_s(MqttPart().first_call_spread_s, chance)
    herd = Herd(fleet, estate.broker.port)
    try:
        herd.run(_KILL_AT, limit_s)
        estate.broker.kill()
        estate.broker.wipe()
        herd.wait(_AWAY_S)
        herd.alarms = True
        herd.messages.clear()
        herd.calls.clear()
        before = sum(gateway.messages for gateway in fleet)
        left = sum(len(gateway.journal.bodies) - gateway.committed for gateway in fleet)
        restarting = threading.Thread(target=estate.broker.start)
        restarting.start()
        seconds = herd.run(1.0, limit_s)
        restarting.join()
        stored, findings = _at_the_centre(estate.database)
        return Outcome(
            records=sum(len(gateway.journal.bodies) for gateway in fleet),
            stored=stored,
            findings=findings,
            seconds=seconds,
            messages=sum(gateway.messages for gateway in fleet) - before,
            needed=left // BLOCK_RECORDS + 2 * gateways,
            busiest=max(herd.messages.values()),
            most_calls=max(herd.calls.values()),
            alarms_s=[gateway.alarm_took_s for gateway in fleet if gateway.alarm_took_s is not None],
        )
    finally:
        herd.close()
        estate.stop()


def _gateway(name: str, records: int, chance: Random) -> HerdGateway:
    bodies = prepared(name, records)
    return HerdGateway(SITE, name, [*bodies, alarm_after(name, bodies)], chance)


def _at_the_centre(database: Path) -> tuple[int, int]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        [stored] = connection.execute("SELECT count(*) FROM record").fetchone()
        [findings] = connection.execute("SELECT count(*) FROM finding").fetchone()
    return stored, findings


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./liuhen bench herd", description=__doc__)
    parser.add_argument("--gateways", type=int, default=500)
    parser.add_argument("--records", type=int, default=400, help="that each has in its backlog")
    parser.add_argument("--seed", type=int, default=20_261_125)
    return parser.parse_args(words)
