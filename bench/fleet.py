"""Ingest from fifty gateways at once: in blocks as after an outage, and one record a message.

`python -m bench fleet`. Committed means: the centre's acknowledgement named it. Beside it, in one run, the
engine's own bulk insert of as many rows.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.bare import bulk_insert
from bench.estate import SITE, Estate, Plan
from bench.prefill import entry
from bench.report import quantile, save, show, spread
from bench.thin_gateways import Outcome, ThinGateway, run
from gateway.clock import SystemClock
from gateway.facts import record_of
from messages.chain import GENESIS, record_hash
from messages.wire import encode_record

_ROUNDS = 5
_BROKER = "max_queued_messages 0\nmax_inflight_messages 200\n"
_SITE_EPOCH = 1_700_000_000


def main(words: list[str]) -> int:
    arguments = _arguments(words)
    folder = Path(tempfile.mkdtemp(prefix="liuhen-fleet-"))
    blocks: list[Outcome] = []
    singles: list[Outcome] = []
    bare: list[float] = []
    with _CentreAlone(folder) as estate:
        for number in range(_ROUNDS):
            bare.append(bulk_insert(folder / f"bare-{number}.db", arguments.in_blocks))
            blocks.append(_round(estate, number, arguments.gateways, arguments.in_blocks, singly=False))
            singles.append(_round(estate, number, arguments.gateways, arguments.one_by_one, singly=True))
    _show(blocks, singles, bare)
    return 0


class _CentreAlone:
    """Broker and centre of an estate without its gateways."""

    def __init__(self, folder: Path) -> None:
        self._estate = Estate(folder, Plan(buildings=(), broker_extra=_BROKER))

    def __enter__(self) -> Estate:
        self._estate.broker.start()
        self._estate.centre.start()
        return self._estate

    def __exit__(self, *_: object) -> None:
        self._estate.stop()


def _round(estate: Estate, number: int, gateways: int, records: int, *, singly: bool) -> Outcome:
    kind = "single" if singly else "block"
    fleet = [
        ThinGateway(SITE, f"{kind}-{number}-{n}", _SITE_EPOCH, bodies, singly)
        for n in range(gateways)
        for bodies in [prepared(f"{kind}-{number}-{n}", records // gateways)]
    ]
    for gateway in fleet:
        gateway.connect(estate.broker.port)
    try:
        return run(fleet, pace=(lambda _: records) if singly else None)
    finally:
        for gateway in fleet:
            gateway.socket.close()


def prepared(name: str, count: int) -> Sequence[bytes]:
    """A chain of ordinary records of a gateway `name`, as bytes."""
    clock, prev, bodies = SystemClock(), GENESIS, []
    for seq in range(1, count + 1):
        fact = entry(clock, "unit-1", seq)
        body = encode_record(record_of(fact, name, clock.boot, epoch=_SITE_EPOCH, seq=seq, prev=prev))
        prev = record_hash(body)
        bodies.append(body)
    return bodies


def _show(blocks: Sequence[Outcome], singles: Sequence[Outcome], bare: Sequence[float]) -> None:
    rows, figures = [], {}
    for name, rates in (
        ("in blocks, records/s", [o.rate for o in blocks]),
        ("one by one, records/s", [o.rate for o in singles]),
        ("bare bulk insert, rows/s", list(bare)),
        ("blocks : bare", [o.rate / b for o, b in zip(blocks, bare, strict=True)]),
        ("one by one, p95 to commit, ms", [quantile(o.latencies_s, 0.95) * 1e3 for o in singles]),
    ):
        figures[name] = rates
        rows.append((name, *spread(rates)))
    show("Ingest from fifty gateways", ("", "median", "least", "most"), rows)
    save("fleet", figures)


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./liuhen bench fleet", description=__doc__)
    parser.add_argument("--gateways", type=int, default=50)
    parser.add_argument("--in-blocks", type=int, default=100_000, help="records a round")
    parser.add_argument("--one-by-one", type=int, default=20_000, help="records a round")
    return parser.parse_args(words)
