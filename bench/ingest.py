"""The centre's goals for taking records in, on either engine, each beside its bare loop in one run.

`python -m bench ingest --engine sqlite|postgresql`. One process of the centre, a real Mosquitto, two hundred
gateways, rounds interleaved. P4: backlogs from the gateways' own journals to the acknowledged commit, beside
the engine's bulk insert of the same records. P5: one record a message, beside a bare paho subscriber that
counts. P6: 2,000 records a second of 2,000 gateways, from the moment each is due to its acknowledged commit;
what the process takes at most, saturated too. P10: what a record takes; on PostgreSQL in the running month,
and once that has ended and the centre has built its indexes anew. Visitors: every third has an envelope to
open. Last, the cost of each step, in one thread without a broker. The load, the broker and a server of
PostgreSQL stand on the same machine, and take from its cores. Figures taken beside other work mean nothing:
`--short` shows that it runs, and judges none.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from bench import ingest_world
from bench.centre_alone import ENGINES, CentreAlone
from bench.goals import Goal, goal_rows, missed
from bench.ingest_bare import BareSubscriber, BulkInsert
from bench.ingest_fleet import Fleet, Member
from bench.ingest_steps import Steps, shares
from bench.processes import cpu_s
from bench.report import quantile, save, show, spread
from bench.verdict import conclude
from central.store.ended_months import build_one
from central.store.engine import open_writer, writing
from central.store.tables import record

_RATE = 2_000
_A_BLOCK = 100
_BLOCKS_ALOFT = 4
_SINGLES_ALOFT = 20


@dataclass(frozen=True, slots=True)
class Size:
    """Of one round; records are of each gateway."""

    gateways: int
    backlog: int
    live: int
    many: int  # gateways of which each record is awaited
    awaited: int
    visited: int


FULL = Size(gateways=200, backlog=500, live=100, many=2_000, awaited=5, visited=200)
SHORT = Size(gateways=10, backlog=100, live=20, many=50, awaited=4, visited=20)

_BACKLOG, _BULK = "backlog, records/s", "bulk insert, rows/s"
_LIVE, _COUNTS = "one by one, records/s", "bare subscriber, messages/s"
_A_RECORD, _ENDED = "bytes a record", "bytes a record, its month ended"
_P10 = {"sqlite": Goal("P10", _A_RECORD, 350.0), "postgresql": Goal("P10", _ENDED, 450.0)}
_MONTHS_LATER_US = 100 * 86_400_000_000


def goals_of(engine: str) -> tuple[Goal, ...]:
    return (
        Goal("P4", "backlog : bulk insert", 0.5, at_least=True, bare=_BULK, ours=_BACKLOG),
        Goal("P5", "one by one : bare subscriber", 0.6, at_least=True, bare=_COUNTS, ours=_LIVE),
        Goal("P6", "2,000/s offered: p99 to the acknowledged commit, ms", 25.0),
        Goal("P6", "memory of the centre at most, MiB", 150.0),
        _P10[engine],
        Goal("-", "every third a visitor, records/s", 10_000.0, at_least=True),
    )


def main(words: list[str]) -> int:
    arguments = _arguments(words)
    size = SHORT if arguments.short else FULL
    figures = measure(arguments.engine, size, arguments.rounds)
    goals = goals_of(arguments.engine)
    title = f"Ingest into {arguments.engine}" + (
        ": a short run, which judges none" if arguments.short else ""
    )
    show(
        title,
        ("", "", "bare loop", "ours", "median (least – most)", "limit", "met"),
        goal_rows(figures, goals),
    )
    show("What was measured", ("", "median", "least", "most"), [(n, *spread(v)) for n, v in figures.items()])
    print("Node-RED was not run beside it: it is not part of this machine.")
    save(f"ingest-{arguments.engine}", {"rounds": arguments.rounds, "short": arguments.short, **figures})
    return conclude([] if arguments.short else missed(figures, goals))


def measure(engine: str, size: Size, rounds: int) -> dict[str, list[float]]:
    """By what was measured: a figure of each round."""
    found: dict[str, list[float]] = {}
    folder = Path(tempfile.mkdtemp(prefix="liuhen-ingest-"))
    with ExitStack() as running:
        centre = running.enter_context(CentreAlone(folder / engine, engine))
        bare = running.enter_context(BareSubscriber(folder / "bare"))
        bulk = BulkInsert(centre, size.gateways)
        steps = running.enter_context(closing(Steps(centre)))
        backlogs = ingest_world.backlogs(folder / "journals", size.gateways, size.backlog * rounds)
        live = ingest_world.doors("live", size.gateways, size.live * rounds)
        heard = ingest_world.doors("heard", size.gateways, size.live * rounds)
        many = ingest_world.doors("many", size.many, size.awaited * rounds)
        visited = ingest_world.visited(centre, size.gateways, size.visited * rounds)
        for number in range(1, rounds + 1):
            values = _backlog(centre, bulk, backlogs, size.backlog, number)
            values |= _one_by_one(centre, bare, live, heard, size.live, number)
            values |= _awaited(centre, many, size.awaited)
            values |= _visitors(centre, visited, size.visited, number)
            values["memory of the centre at most, MiB"] = centre.most_memory_mib()
            for what, members, each in (
                ("backlog", backlogs, size.backlog),
                ("visitors", visited, size.visited),
            ):
                spent = steps.microseconds(members, each * (number - 1) + 1, each * number)
                values |= {f"{what}: {step}, us a record": value for step, value in spent.items()}
                values |= {f"{what}: {step}, % of all": value for step, value in shares(spent).items()}
            for name, value in values.items():
                found.setdefault(name, []).append(value)
        if engine == "postgresql":
            saved = _saved_by_its_end(centre)
            found[_ENDED] = [taken - saved for taken in found[_A_RECORD]]
    return found


def _saved_by_its_end(centre: CentreAlone) -> float:
    """Bytes a record, of all that came, by what the centre does to a month's indexes days after its end."""
    engine = open_writer(centre.url)
    try:
        before = centre.store_bytes()
        with writing(engine.execution_options(isolation_level="AUTOCOMMIT")) as connection:
            while build_one(connection, time.time_ns() // 1_000 + _MONTHS_LATER_US):
                pass
            count = connection.execute(select(func.count()).select_from(record)).scalar_one()
        return (before - centre.store_bytes()) / count
    finally:
        engine.dispose()


def _backlog(
    centre: CentreAlone, bulk: BulkInsert, members: Sequence[Member], each: int, number: int
) -> dict[str, float]:
    upto, records = each * number, each * len(members)
    rows = bulk.rate(members, upto - each + 1, upto)
    before = centre.store_bytes()
    with Fleet(members, centre.broker.port) as fleet:
        busy_s = cpu_s(centre.centre.pid)
        seconds = fleet.drain(upto, _A_BLOCK, _BLOCKS_ALOFT)
        busy_s = cpu_s(centre.centre.pid) - busy_s
    return {
        _BULK: rows,
        _BACKLOG: records / seconds,
        "backlog : bulk insert": records / seconds / rows,
        "backlog: processor time of the centre, us a record": busy_s / records * 1e6,
        _A_RECORD: (centre.store_bytes() - before) / records,
    }


def _one_by_one(  # noqa: PLR0917  two fleets
    centre: CentreAlone,
    bare: BareSubscriber,
    members: Sequence[Member],
    heard: Sequence[Member],
    each: int,
    number: int,
) -> dict[str, float]:
    counted = bare.rate(heard, each, _SINGLES_ALOFT * len(members))
    with Fleet(members, centre.broker.port) as fleet:
        busy_s = cpu_s(centre.centre.pid)
        seconds = fleet.drain(each * number, 1, _SINGLES_ALOFT)
        busy_s = cpu_s(centre.centre.pid) - busy_s
    rate = each * len(members) / seconds
    return {
        _COUNTS: counted,
        _LIVE: rate,
        "one by one : bare subscriber": rate / counted,
        "one by one: processor time of the centre, us a record": busy_s / each / len(members) * 1e6,
    }


def _awaited(centre: CentreAlone, members: Sequence[Member], each: int) -> dict[str, float]:
    with Fleet(members, centre.broker.port) as fleet:
        took_s = fleet.offered(_RATE, each)
    return {
        f"{_RATE:,}/s offered: {words} to the acknowledged commit, ms": quantile(took_s, share) * 1e3
        for words, share in (("p50", 0.5), ("p99", 0.99), ("most", 1.0))
    }


def _visitors(centre: CentreAlone, members: Sequence[Member], each: int, number: int) -> dict[str, float]:
    with Fleet(members, centre.broker.port) as fleet:
        seconds = fleet.drain(each * number, _A_BLOCK, _BLOCKS_ALOFT)
    return {"every third a visitor, records/s": each * len(members) / seconds}


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./liuhen bench ingest", description=__doc__)
    parser.add_argument("--engine", choices=ENGINES, default=ENGINES[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--short", action="store_true", help="little of everything; nothing is judged")
    return parser.parse_args(words)
