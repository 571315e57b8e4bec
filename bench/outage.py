"""Thirty days without broker and centre, on a clock that runs fast and jumps; then everything is delivered.

`python -m bench outage`. Real controller and journal, some thousand entries a day. The last days' decisions
are timed beside those of a fresh gateway, in alternating rounds: a month of records may not make a door
slower. Then a real broker and a real centre come up, and what they have is compared, record by record and in
order, with what happened (trust.md R-11, R-18).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select

from bench.centre_view import CentreView
from bench.deciding import FastClock, card, controller_of, give, open_journal, residents
from bench.estate import Estate
from bench.judge import settle
from bench.plan import Building, Door, Plan
from bench.report import quantile, save, show, spread
from bench.verdict import conclude
from bench.witness import everything
from central.store.engine import open_reader, reading
from central.store.tables import record
from gateway.controller import Controller
from gateway.journal_reader import JournalReader
from messages.chain import record_hash
from messages.model import ClockQuality, Kind, Record
from messages.wire import encode_record

_DOORS = ("unit-1", "unit-2", "garage")
_BUILDING = Building("east", "东楼", tuple(Door(name, name) for name in _DOORS))
_DAY_US = 86_400_000_000
_YEAR_US = 31_557_600_000_000
_PEOPLE = 3_000
_COMPARED_SHARE = 0.1
"""Of the entries, the last are timed beside a fresh gateway."""

_ROUNDS = 10
_WARM = 400
"""Entries after which SQLite's log has its size; a file that grows is slower, and old gateways' do not."""

_MOST_SLOWER = 1.10
_TIMED_FROM = 20_000
"""Entries from which on times are judged; below, a run says too little about a month."""

_JUMPS = {0.2: -50 * _YEAR_US, 0.3: 50 * _YEAR_US, 0.5: 3 * _DAY_US, 0.6: -3 * _DAY_US}
"""Of the outage's length, and by how much the time of day jumps there."""

_SETTLE_S = 300.0
_MS = 1e3


@dataclass
class Times:
    """Seconds from a card read to its door's release."""

    first_day: list[float] = field(default_factory=list)
    last_day: list[float] = field(default_factory=list)
    aged: list[list[float]] = field(default_factory=list)  # rounds that alternated with those of `fresh`
    fresh: list[list[float]] = field(default_factory=list)

    def ratios(self, share: float) -> list[float]:
        rounds = zip(self.aged, self.fresh, strict=True)
        return [quantile(aged, share) / quantile(fresh, share) for aged, fresh in rounds]


class Gateway:
    """One controller with its journal, on a clock of its own."""

    def __init__(self, path: Path, clock: FastClock) -> None:
        self.clock = clock
        self._journal = open_journal(path, clock)
        self._released: list[str] = []
        self._controller: Controller = controller_of(self._journal, clock, _DOORS, self._released.append)
        give(self._controller, residents(_PEOPLE, clock.now_us()))
        self.swiped: list[tuple[str, int]] = []  # door and person, in order

    def close(self) -> None:
        self._journal.close()

    def swipe(self, number: int, every_us: int) -> float:
        """The next person comes after `every_us`. Raises RuntimeError where the door stays shut."""
        self.clock.passes(every_us)
        door, person = _DOORS[number % len(_DOORS)], number % _PEOPLE
        read = card(door, person, self.clock.uptime_us())
        before = len(self._released)
        started = time.perf_counter()
        self._controller.handle([read])
        taken = time.perf_counter() - started
        if len(self._released) != before + 1:
            raise RuntimeError(f"door {door} stayed shut at entry {number}")
        self.swiped.append((door, person))
        return taken


def live(gateway: Gateway, fresh: Iterator[Gateway], days: int, a_day: int) -> Times:
    """The whole outage; the last entries in rounds that alternate with a fresh gateway's."""
    times, total, every_us = Times(), days * a_day, _DAY_US // a_day
    jumps = {int(at * total): us for at, us in _JUMPS.items()}
    compared_from = total - max(_ROUNDS, int(total * _COMPARED_SHARE))
    size = (total - compared_from) // _ROUNDS
    for number in range(total):
        gateway.clock.jumps(jumps.get(number, 0))
        if number >= compared_from and (number - compared_from) % size == 0 and len(times.aged) < _ROUNDS:
            times.fresh.append([other.swipe(n, every_us) for other in [next(fresh)] for n in range(size)])
            times.aged.append([])
        taken = gateway.swipe(number, every_us)
        if number < a_day:
            times.first_day.append(taken)
        if number >= total - a_day:
            times.last_day.append(taken)
        if times.aged:
            times.aged[-1].append(taken)
    return times


def wrongs(swiped: Sequence[tuple[str, int]], held: Sequence[Record]) -> list[str]:
    """What of the outage is not in `held`, the journal's records in order. Pure."""
    found = []
    if [r.seq for r in held] != list(range(1, len(held) + 1)) or len({r.epoch for r in held}) != 1:
        found.append("the journal's numbers have a gap")
    entries = [
        (r.door, int(r.credential.token, 16)) for r in held if r.kind is Kind.ACCESS_GRANTED and r.credential
    ]
    if entries != list(swiped):
        found.append(f"{len(swiped)} entries, {len(entries)} records of them, or in another order")
    uptimes = [r.uptime_us for r in held]
    if uptimes != sorted(uptimes):
        found.append("the records are not in the order in which it happened")
    return found


def main(words: list[str]) -> int:
    arguments = _arguments(words)
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="liuhen-outage-"))
    estate = Estate(folder, Plan(buildings=(_BUILDING,), people=10))
    journal = estate.gateway_settings(_BUILDING.name).parent / "journal.db"
    begun_us = time.time_ns() // 1_000 - arguments.rounds * _DAY_US
    started = time.monotonic()
    gateway = Gateway(journal, FastClock(begun_us, ClockQuality.HELD))
    with closing(gateway):
        fresh = _fresh_gateways(folder, begun_us)
        times = live(gateway, fresh, arguments.rounds, arguments.a_day)
        fresh.close()
    lived_s = time.monotonic() - started
    held = _held(journal)
    failures = wrongs(gateway.swiped, held)
    delivered_s, missing = _deliver(estate, held)
    figures = _figures(times) | {
        "entries": len(gateway.swiped),
        "seconds of the outage": lived_s,
        "seconds of the delivery": delivered_s,
    }
    show("A month alone", ("", ""), list(figures.items()))
    save("outage", {"days": arguments.rounds, "a day": arguments.a_day, **figures})
    print(f"everything is in {folder}")
    return conclude([*failures, *missing, *_too_slow(times, len(gateway.swiped))])


def _fresh_gateways(folder: Path, begun_us: int) -> Generator[Gateway, None, None]:
    """Each with an empty journal on the same disk."""
    for number in range(_ROUNDS):
        with closing(Gateway(folder / f"fresh-{number}.db", FastClock(begun_us))) as gateway:
            for warm in range(_WARM):
                gateway.swipe(warm, 1_000_000)
            yield gateway


def _held(journal: Path) -> list[Record]:
    with closing(JournalReader(journal)) as reader:
        return everything(reader)


def _deliver(estate: Estate, held: Sequence[Record]) -> tuple[float, list[str]]:
    """Broker, centre and the real gateway come up; seconds until all is there, and what is wrong with it."""
    started = time.monotonic()
    try:
        estate.broker.start()
        estate.centre.start()
        estate.gateways[_BUILDING.name].start()
        settled = settle(estate, _SETTLE_S)
        seconds = time.monotonic() - started
    finally:
        estate.stop()
    found = [] if settled else [f"not everything was delivered within {_SETTLE_S:.0f} s"]
    with closing(CentreView(estate.database)) as view:
        found += view.broken_chains()
    wanted = [(r.epoch, r.seq, record_hash(encode_record(r))) for r in held]
    if _at_the_centre(estate.database, held[0].epoch)[: len(wanted)] != wanted:
        found.append("what the centre has is not what the gateway recorded, or in another order")
    return seconds, found


def _at_the_centre(database: Path, epoch: int) -> list[tuple[int, int, str]]:
    """Place and hash of everything committed of that epoch, by number."""
    engine = open_reader(f"sqlite:///{database}")
    query = select(record.c.epoch, record.c.seq, record.c.hash).where(record.c.epoch == epoch)
    try:
        with reading(engine) as connection:
            rows = connection.execute(query.order_by(record.c.seq)).all()
    finally:
        engine.dispose()
    return [(row.epoch, row.seq, row.hash.hex()) for row in rows]


def _figures(times: Times) -> dict[str, float]:
    figures = {}
    for name, values in (("first day", times.first_day), ("last day", times.last_day)):
        for share in (0.5, 0.99):
            figures[f"{name}: p{share * 100:.0f} ms"] = quantile(values, share) * _MS
    for share in (0.5, 0.99):
        middle, least, most = spread(times.ratios(share))
        name = f"p{share * 100:.0f} : a fresh gateway's, same rounds"
        figures |= {f"{name}, median": middle, f"{name}, least": least, f"{name}, most": most}
    return figures


def _too_slow(times: Times, entries: int) -> list[str]:
    middle, _, _ = spread(times.ratios(0.99))
    if entries < _TIMED_FROM or middle <= _MOST_SLOWER:
        return []
    return [f"after a month the p99 of a decision is {middle:.2f} times a fresh gateway's"]


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./liuhen bench outage", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="days")
    parser.add_argument("--a-day", type=int, default=2_000, help="entries")
    parser.add_argument("--folder", type=Path)
    return parser.parse_args(words)
