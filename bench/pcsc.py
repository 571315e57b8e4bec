"""PC/SC readers: from a card's insertion to its read, and reading through deaths of the PC/SC daemon.

`python -m bench pcsc`. Two virtual readers on the real daemon, the drivers in this process. The daemon asks
virtual readers every 400 ms, which it does with no USB reader: `nudged` ends that wait as the interrupt of a
USB reader does; `polled` leaves it. A card is laid at a random moment of that wait.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

from bench.report import quantile, save, show
from drivers.base import CardRead, CardRemoved, CredentialKind, DeviceChanged, DeviceEvent, DeviceState
from drivers.pcsc_reader import PcscReader, PcscSettings
from firmware_sim.pcscd import Pcscd
from firmware_sim.vpcd import VpcdSlot
from firmware_sim.vpcd_card import ContactlessReader, type_a_card

_READERS = 2
_REMOVAL_S = 0.1
_DEADLINE_S = 10.0
_POLL_S = 0.4  # of the daemon, at its virtual readers
_LIMIT_S = 0.3


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="liuhen bench pcsc")
    parser.add_argument("--insertions", type=int, default=200)
    parser.add_argument("--restarts", type=int, default=20)
    options = parser.parse_args(words)
    chance = random.Random(7)
    with tempfile.TemporaryDirectory(prefix="pcsc-") as folder, Pcscd(Path(folder), _READERS) as pcscd:
        os.environ.update(pcscd.environment)  # read by libpcsclite at its first use, which comes now
        with _office(pcscd, pcscd.nudge) as office:
            nudged = [office.insertion(at, chance) for at in range(options.insertions)]
        with _office(pcscd, None) as office:
            polled = [office.insertion(at, chance) for at in range(options.insertions)]
        with _office(pcscd, pcscd.nudge) as office:
            restarts = [office.restart(at, chance) for at in range(options.restarts)]
    figures: Mapping[str, list[float]] = {
        "insertion to read, nudged": nudged,
        "insertion to read, polled": polled,
        "daemon serves again to read": restarts,
    }
    rows = [
        (name, len(each), *(1000 * quantile(each, share) for share in (0.5, 0.95, 1.0)))
        for name, each in figures.items()
        if each
    ]
    show("PC/SC reader", ("ms", "n", "p50", "p95", "max"), rows)
    save("pcsc", {name: [round(value, 6) for value in each] for name, each in figures.items()})
    return 0 if quantile(nudged, 0.95) < _LIMIT_S else 1


class _Office:
    def __init__(self, pcscd: Pcscd, slots: list[VpcdSlot]) -> None:
        self._pcscd = pcscd
        self._slots = slots
        self._events: list[DeviceEvent] = []
        self._changed = threading.Condition()
        self._cards = 0

    def hear(self, event: DeviceEvent) -> None:
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()

    def insertion(self, at: int, chance: random.Random) -> float:
        """Seconds from a card's insertion until it was told; the card is taken away again."""
        time.sleep(chance.uniform(0, _POLL_S))
        slot = self._slots[at % _READERS]
        taken_s = self._lay(slot)
        slot.remove()
        self.wait(lambda: self._count(CardRemoved) == self._cards)
        return taken_s

    def restart(self, at: int, chance: random.Random) -> float:
        """Seconds from the daemon's being back until a card laid at that moment was told."""
        lost = self._states(DeviceState.LOST)
        well = self._states(DeviceState.OK)
        self._pcscd.kill()
        self.wait(lambda: self._states(DeviceState.LOST) == lost + _READERS)
        time.sleep(chance.uniform(0, 1))
        self._pcscd.start()
        slot = self._slots[at % _READERS]
        taken_s = self._lay(slot)
        self.wait(lambda: self._states(DeviceState.OK) == well + _READERS)
        slot.remove()
        self.wait(lambda: self._count(CardRemoved) == self._cards)
        return taken_s

    def wait(self, met: Callable[[], bool]) -> None:
        with self._changed:
            if not self._changed.wait_for(met, _DEADLINE_S):
                raise SystemExit(f"nothing more came after {self._events[-3:]}")

    def wait_ok(self) -> None:
        self.wait(lambda: self._states(DeviceState.OK) == _READERS)

    def _lay(self, slot: VpcdSlot) -> float:
        self._cards += 1
        number = bytes((0x04, *self._cards.to_bytes(6, "big")))
        started_ns = time.monotonic_ns()
        slot.insert(type_a_card(f"C{self._cards}", number))
        self.wait(lambda: self._count(CardRead) == self._cards)
        (last,) = [each for each in self._events if isinstance(each, CardRead)][-1:]
        if last.token != number.hex().upper():
            raise SystemExit("another card was read than the one that was laid")
        return (time.monotonic_ns() - started_ns) / 1e9

    def _count(self, kind: type[DeviceEvent]) -> int:
        return sum(isinstance(each, kind) for each in self._events)

    def _states(self, state: DeviceState) -> int:
        return sum(isinstance(each, DeviceChanged) and each.state is state for each in self._events)


@contextmanager
def _office(pcscd: Pcscd, nudge: Callable[[], None] | None) -> Iterator[_Office]:
    with ExitStack() as stack:
        slots = [
            VpcdSlot(port, ContactlessReader(Random(at)), nudge=nudge) for at, port in enumerate(pcscd.ports)
        ]
        for slot in slots:
            stack.callback(slot.close)
        office = _Office(pcscd, slots)
        for name in pcscd.reader_names:
            reader = PcscReader(name, PcscSettings(reader=name, removal_s=_REMOVAL_S), _plain)
            thread = threading.Thread(target=reader.run, args=(office.hear,))
            thread.start()
            stack.callback(thread.join)
            stack.callback(reader.stop)
        office.wait_ok()
        yield office


def _plain(_kind: CredentialKind, number: str) -> str:
    """The cards are invented; nothing else could tell that the right one was read."""
    return number
