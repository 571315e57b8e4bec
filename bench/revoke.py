"""From a card reported lost over the API until each of a thousand gateways has applied it, on either engine.

`python -m bench revoke --engine sqlite|postgresql`. A real Mosquitto and a real centre; the card is a
caretaker's and opens the doors of all gateways. Each gateway proves the signed difference, applies it,
compares the whole with what the manifest says, and reports its list. The gateways stand on the same machine,
in one thread. Figures taken beside other work mean nothing: `--short` shows that it runs, and judges nothing.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import httpx

from bench.centre_alone import ENGINES, CentreAlone
from bench.goals import Goal, goal_rows, missed
from bench.report import quantile, save, show, spread
from bench.revoke_fleet import ListTaker, ListTakers
from bench.revoke_world import District, gateway_name
from bench.verdict import conclude
from messages.signing import trusted

_FIRST_LISTS_S: Final = 180.0
_LIMIT_S: Final = 60.0
_LOOK_S: Final = 0.05
GOALS: Final = (Goal("-", "applied after, p99 s", 5.0),)


def main(words: list[str]) -> int:
    arguments = _arguments(words)
    if arguments.short:
        arguments.gateways, arguments.rounds, arguments.residents = 20, 2, 5
    district = District(arguments.gateways, arguments.residents, arguments.rounds)
    figures = measure(arguments.engine, district)
    title = f"A card reported lost, {district.gateways:,} gateways, {arguments.engine}"
    show(title, ("", "", "", "", "median (least – most)", "limit", "met"), goal_rows(figures, GOALS))
    show("What was measured", ("", "median", "least", "most"), [(n, *spread(v)) for n, v in figures.items()])
    save(f"revoke-{arguments.engine}", {"gateways": district.gateways, "short": arguments.short, **figures})
    return conclude([] if arguments.short else missed(figures, GOALS))


def measure(engine: str, district: District) -> dict[str, list[float]]:
    """By what was measured: a figure of each round, of one caretaker's card. Raises TimeoutError."""
    found: dict[str, list[float]] = {}
    folder = Path(tempfile.mkdtemp(prefix="liuhen-revoke-"))
    with CentreAlone(folder, engine, district.furnish) as centre:
        keys = trusted(*(key.public_key() for key in centre.keys.signing))
        takers = [ListTaker(gateway_name(number), keys) for number in range(district.gateways)]
        with ListTakers(takers, centre.broker.port) as gateways, ThreadPoolExecutor(1) as clerk:
            begun_s = time.monotonic()
            _until_all(gateways, {taker.name: 0 for taker in takers}, _FIRST_LISTS_S)
            found["all first lists, s"] = [time.monotonic() - begun_s]
            for lost, card in enumerate(district.cards, start=1):
                for name, value in _reported(centre, district, gateways, clerk, card, lost).items():
                    found.setdefault(name, []).append(value)
    return found


def _reported(  # noqa: PLR0917  one round
    centre: CentreAlone,
    district: District,
    gateways: ListTakers,
    clerk: ThreadPoolExecutor,
    card: int,
    lost: int,
) -> dict[str, float]:
    """`lost`: so many cards are lost then."""
    before = {taker.name: taker.version for taker in gateways.takers}
    begun_s = time.monotonic()
    answered = clerk.submit(_report, centre, district, card)
    _until_all(gateways, before, _LIMIT_S)
    for taker in gateways.takers:
        if sum(entry.lost for entry in taker.entries.values()) != lost:
            raise RuntimeError(f"{taker.name} has another list than one with {lost} lost cards")
    took_s = [taker.applied_s - begun_s for taker in gateways.takers]
    return {
        "the API has answered after, s": answered.result() - begun_s,
        **{
            f"applied after, {words} s": quantile(took_s, share)
            for words, share in (("p50", 0.5), ("p99", 0.99), ("most", 1.0))
        },
    }


def _report(centre: CentreAlone, district: District, card: int) -> float:
    """When it was answered."""
    there = f"{centre.address}/api/v1/communities/{district.community}/credentials/{card}/acts"
    headers = {"Authorization": f"Bearer {district.token}"}
    httpx.post(there, json={"act": "report_lost"}, headers=headers, timeout=30).raise_for_status()
    return time.monotonic()


def _until_all(gateways: ListTakers, before: dict[str, int], limit_s: float) -> None:
    """Until each has a later list. Raises TimeoutError."""
    until_s = time.monotonic() + limit_s
    while left := _waiting(gateways.takers, before):
        if time.monotonic() > until_s:
            raise TimeoutError(f"{left} gateways have no new list after {limit_s:.0f} s")
        gateways.serve(_LOOK_S)


def _waiting(takers: Sequence[ListTaker], before: dict[str, int]) -> int:
    return sum(taker.version == before[taker.name] for taker in takers)


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./liuhen bench revoke", description=__doc__)
    parser.add_argument("--engine", choices=ENGINES, default=ENGINES[0])
    parser.add_argument("--gateways", type=int, default=1_000)
    parser.add_argument("--residents", type=int, default=50, help="of each building, with a card")
    parser.add_argument("--rounds", type=int, default=5, help="caretakers who lose their card")
    parser.add_argument("--short", action="store_true", help="few gateways; nothing is judged")
    return parser.parse_args(words)
