"""A backlog through the whole system: from a real gateway's disk over Mosquitto into the centre's commit.

`python -m bench backlog`. Meanwhile people swipe at the same gateway: how long their records take to be
committed and acknowledged is the live figure. Beside it the engine's own bulk insert.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from bench.bare import bulk_insert
from bench.estate import SITE, Estate
from bench.plan import BUILDINGS, Plan
from bench.prefill import fill
from bench.report import quantile, save, show, spread
from firmware_sim.control import Control
from gateway.journal_reader import JournalReader
from messages.topics import GatewayTopic, Leaf
from messages.wire import Ack, decode

_BUILDING = BUILDINGS[0]
_ROUNDS = 5
_READER = "poll_s = 0.02\npresence_s = 0.05"
_LIMIT_S = 120.0


@dataclass
class _Watch:
    """Listens to the acknowledgements like the gateway does, and notes when each record was named."""

    port: int
    named: list[tuple[float, Ack]] = field(default_factory=list)
    changed: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="watch")
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", self.port)
        self._client.subscribe(str(GatewayTopic(SITE, "east", Leaf.ACK)), 1)
        self._client.loop_start()

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def wait_through(self, seq: int) -> float:
        """The moment at which everything up to `seq` was committed. Raises TimeoutError."""
        until_s = time.monotonic() + _LIMIT_S
        while time.monotonic() < until_s:
            for at_s, ack in list(self.named):
                if ack.epochs and ack.epochs[-1].through >= seq:
                    return at_s
            self.changed.clear()
            self.changed.wait(0.1)
        raise TimeoutError(f"record {seq} was not committed within {_LIMIT_S:.0f} s")

    def committed_s(self, seq: int) -> float | None:
        """When an acknowledgement first named `seq`."""
        for at_s, ack in self.named:
            for epoch in ack.epochs[-1:]:
                if epoch.seen >= seq and not any(first <= seq <= last for first, last in epoch.missing):
                    return at_s
        return None

    def _on_message(self, _c: object, _u: object, message: mqtt.MQTTMessage) -> None:
        self.named.append((time.time(), decode(bytes(message.payload), Ack)))
        self.changed.set()


def main(words: list[str]) -> int:
    arguments = _arguments(words)
    rounds = [_round(arguments.records) for _ in range(arguments.rounds)]
    rows, figures = [], {}
    for name in rounds[0]:
        values = [figures_of_round[name] for figures_of_round in rounds]
        figures[name] = values
        rows.append((name, *spread(values)))
    show(f"Backlog of {arguments.records:,} records", ("", "median", "least", "most"), rows)
    save("backlog", {"records": arguments.records, **figures})
    return 0


def _round(records: int) -> dict[str, float]:
    folder = Path(tempfile.mkdtemp(prefix="liuhen-backlog-"))
    plan = Plan(
        buildings=(_BUILDING,),
        people=20_000,
        profile="instant",
        pulse_s=1.0,
        command_gap_s=0.0,
        reader_extra=_READER,
    )
    bare = bulk_insert(folder / "bare.db", records)
    estate = Estate(folder, plan)
    journal = estate.gateway_settings("east").parent / "journal.db"
    fill(journal, "east", "east-unit-1", records)
    try:
        estate.broker.start()
        estate.centre.start()
        estate.simulator.start()
        return _drain(estate, journal, records, bare)
    finally:
        estate.stop()


def _drain(estate: Estate, journal: Path, records: int, bare: float) -> dict[str, float]:
    watch = _Watch(estate.broker.port)
    watch.start()
    ending = threading.Event()
    cards = itertools.cycle(person.ref for person in estate.people())
    with ThreadPoolExecutor(len(_BUILDING.doors)) as people:
        estate.gateways["east"].start()
        started = time.time()
        streams = [
            people.submit(_swipe_until, ending, estate.ports, door.name, cards) for door in _BUILDING.doors
        ]
        try:
            done = watch.wait_through(records)
        finally:
            ending.set()
    for stream in streams:
        stream.result()
    live = _live_latencies(journal, watch, records, until_us=int(done * 1e6))
    watch.stop()
    return {
        "records/s": records / (done - started),
        "bare bulk insert, rows/s": bare,
        "ratio": records / (done - started) / bare,
        "live records meanwhile": len(live),
        "live p50 ms": quantile(live, 0.5) * 1e3,
        "live p95 ms": quantile(live, 0.95) * 1e3,
        "live max ms": max(live) * 1e3,
    }


def _live_latencies(journal: Path, watch: _Watch, records: int, until_us: int) -> list[float]:
    """Seconds from a record's own time to the acknowledgement that named it, for what happened meanwhile."""
    with closing(JournalReader(journal)) as reader:
        newest = reader.newest(5_000)
    since_us = int(watch.named[0][0] * 1e6)  # before, the gateway was not connected: that is the backlog too
    live = [r for r in newest if r.seq > records + 1 and since_us <= r.at <= until_us]
    waited = threading.Event()
    for _ in range(100):
        if all(watch.committed_s(record.seq) for record in live):
            break
        waited.wait(0.1)
    return [at_s - record.at / 1e6 for record in live if (at_s := watch.committed_s(record.seq)) is not None]


def _swipe_until(ending: threading.Event, ports: Path, door: str, cards: itertools.cycle[str]) -> None:
    with closing(Control(ports)) as control:
        while not ending.is_set():
            control.swipe(door, next(cards), patience_s=2.0, hold_s=0.0)


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./liuhen bench backlog", description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    return parser.parse_args(words)
