"""Ingest from fifty gateways at once: in blocks as after an outage, and one record a message.

`python -m bench fleet`. Committed means: the centre's acknowledgement named it. Beside it, in one run, the
engine's own bulk insert of as many rows.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.bare import bulk_insert
from bench.estate import SITE, Estate
from bench.plan import Plan
from bench.prefill import PREPARED_EPOCH, prepared
from bench.report import quantile, save, show, spread
from bench.thin_gateways import Outcome, ThinGateway, run

_ROUNDS = 5
_BROKER = "max_queued_messages 0\nmax_inflight_messages 200\n"


def main(words: list[str]) -> int:
    arguments = _arguments(words)
    folder = Path(tempfile.mkdtemp(prefix="liuhen-fleet-"))
    blocks: list[Outcome] = []
    singles: list[Outcome] = []
    offered: list[Outcome] = []
    bare: list[float] = []
    with _CentreAlone(folder) as estate:
        for number in range(_ROUNDS):
            bare.append(bulk_insert(folder / f"bare-{number}.db", arguments.in_blocks))
            blocks.append(_round(estate, number, arguments.gateways, arguments.in_blocks, singly=False))
            singles.append(_round(estate, number, arguments.gateways, arguments.one_by_one, singly=True))
            offered.append(_offered(estate, number, arguments.gateways, arguments.one_by_one, arguments.rate))
    _show(blocks, singles, offered, bare, arguments.rate)
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
    """As fast as it goes."""
    fleet = _fleet(f"{'single' if singly else 'block'}-{number}", gateways, records, singly=singly)
    return _run(estate, fleet, pace=(lambda _: records) if singly else None)


def _offered(estate: Estate, number: int, gateways: int, records: int, rate: int) -> Outcome:
    """Records happen one by one at `rate` a second, evenly over all gateways."""
    fleet = _fleet(f"live-{number}", gateways, records, singly=True)
    return _run(estate, fleet, pace=lambda elapsed_s: 1 + int(elapsed_s * rate / gateways))


def _run(estate: Estate, fleet: Sequence[ThinGateway], pace: Callable[[float], int] | None) -> Outcome:
    for gateway in fleet:
        gateway.connect(estate.broker.port)
    try:
        return run(fleet, pace)
    finally:
        for gateway in fleet:
            gateway.socket.close()


def _fleet(name: str, gateways: int, records: int, *, singly: bool) -> list[ThinGateway]:
    names = [f"{name}-{number}" for number in range(gateways)]
    return [
        ThinGateway(SITE, name, PREPARED_EPOCH, prepared(name, records // gateways), singly) for name in names
    ]


def _show(
    blocks: Sequence[Outcome],
    singles: Sequence[Outcome],
    offered: Sequence[Outcome],
    bare: Sequence[float],
    rate: int,
) -> None:
    rows, figures = [], {}
    for name, rates in (
        ("in blocks, records/s", [o.rate for o in blocks]),
        ("one by one, records/s", [o.rate for o in singles]),
        ("bare bulk insert, rows/s", list(bare)),
        ("blocks : bare", [o.rate / b for o, b in zip(blocks, bare, strict=True)]),
        (f"{rate:,}/s offered one by one: records/s", [o.rate for o in offered]),
        (f"{rate:,}/s offered: p50 to commit, ms", [quantile(o.latencies_s, 0.5) * 1e3 for o in offered]),
        (f"{rate:,}/s offered: p95 to commit, ms", [quantile(o.latencies_s, 0.95) * 1e3 for o in offered]),
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
    parser.add_argument("--rate", type=int, default=8_000, help="records a second that happen one by one")
    return parser.parse_args(words)
