"""How many cards a second one controller takes when many doors are busy at once: with and without delivery.

Each door lays its next card as soon as the lock has been driven for the last one. One thread does it for all
doors, because whatever the doors themselves take is missing to the gateway: a thread for each would spend it
on waking each other. Delivery is the real uplink over a real broker to a real centre, beside the deciding
thread in one process as in the gateway.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from queue import SimpleQueue

from bench.deciding import GATEWAY, SITE, card, controller_of, give, open_journal, residents
from bench.estate import Estate
from gateway.clock import SystemClock
from gateway.controller import Controller
from gateway.events import Acknowledged, Stop
from gateway.journal import Head
from gateway.journal_reader import JournalReader
from gateway.self_report import Report
from gateway.settings import MqttPart
from gateway.uplink import Uplink
from messages.wire import WIRE_VERSION, About, DoorAbout

_PEOPLE = 20_000
_WARM_S = 0.3
_LONGEST_S = 30.0


def cards_per_s(folder: Path, doors: int, seconds: float, centre: Estate | None) -> float:
    """Cards recorded and let in, a second; `centre`: an estate whose broker and centre run."""
    names = [f"door-{number}" for number in range(1, doors + 1)]
    released: SimpleQueue[str | None] = SimpleQueue()
    clock = SystemClock()
    path = folder / "journal.db"
    journal = open_journal(path, clock)
    announced: list[Uplink] = []

    def announce(head: Head) -> None:
        for uplink in announced:
            uplink.announce(head)

    try:
        controller = controller_of(journal, clock, names, released.put, announce)
        give(controller, residents(_PEOPLE, clock.now_us()))
        with _deciding(controller):
            if centre is None:
                return _rate(controller, clock, names, released, seconds)
            with _delivering(path, clock, names, controller, centre) as uplink:
                announced.append(uplink)
                return _rate(controller, clock, names, released, seconds)
    finally:
        journal.close()


@contextmanager
def _deciding(controller: Controller) -> Iterator[None]:
    thread = threading.Thread(target=controller.run, name="decisions")
    thread.start()
    try:
        yield
    finally:
        controller.inbox.put(Stop())
        thread.join()


@contextmanager
def _delivering(
    path: Path, clock: SystemClock, doors: list[str], controller: Controller, centre: Estate
) -> Iterator[Uplink]:
    reader = JournalReader(path)
    uplink = Uplink(
        settings=MqttPart(host="127.0.0.1", port=centre.broker.port, protocol="5", first_call_spread_s=0.0),
        site=SITE,
        gateway=GATEWAY,
        about=About(WIRE_VERSION, "liuhen", "east", [DoorAbout(door, door, [door]) for door in doors]),
        reader=reader,
        clock=clock,
        report=lambda: Report(1, {}),
        licensed=lambda epoch, through: controller.inbox.put(Acknowledged(epoch, through)),
    )
    thread = threading.Thread(target=uplink.run, name="uplink")
    thread.start()
    try:
        yield uplink
    finally:
        uplink.stop()
        thread.join()
        reader.close()


def _rate(
    controller: Controller,
    clock: SystemClock,
    doors: list[str],
    released: SimpleQueue[str | None],
    seconds: float,
) -> float:
    """After a moment in which everybody has come to their door. `released`: doors whose lock was driven."""
    passed, people, put = 0, cycle(range(_PEOPLE)), controller.inbox.put

    def all_doors() -> None:
        nonlocal passed
        while (door := released.get(timeout=_LONGEST_S)) is not None:
            passed += 1
            put(card(door, next(people), clock.uptime_us()))

    for door in doors:
        put(card(door, next(people), clock.uptime_us()))
    thread = threading.Thread(target=all_doors, name="doors")
    thread.start()
    threading.Event().wait(_WARM_S)
    before, started = passed, time.perf_counter()
    threading.Event().wait(seconds)
    rate = (passed - before) / (time.perf_counter() - started)
    released.put(None)
    thread.join()
    return rate
