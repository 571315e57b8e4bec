"""Hears the two witnesses of an estate, the simulator's log and the centre's database, and judges."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from types import MappingProxyType

from bench.centre_view import CentreView
from bench.estate import Estate
from bench.oracle import Disorder, Entry, Finding, Swipe, compare, swipes_from_events
from firmware_sim.people import make_people
from gateway.journal_reader import JournalReader

_LOOK_EVERY_S = 0.25
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Verdict:
    swipes: Sequence[Swipe]
    entries: Sequence[Entry]
    findings: Sequence[Finding]
    complete: bool

    @property
    def openings(self) -> int:
        return sum(swipe.openings for swipe in self.swipes)

    def figures(self) -> dict[str, object]:
        return {
            "swipes": len(self.swipes),
            "openings": self.openings,
            "records of credentials at the centre": len(self.entries),
            "complete": self.complete,
            "findings": dict(Counter(finding.what for finding in self.findings)),
        }

    def lines(self) -> list[str]:
        """One line a finding, bounded, and one that sums up."""
        shown = [f"{finding.what}: {finding.text}" for finding in self.findings[:_SHOWN]]
        if len(self.findings) > _SHOWN:
            shown.append(f"... and {len(self.findings) - _SHOWN} more findings")
        return [
            *shown,
            (
                f"{len(self.swipes)} cards laid, {sum(s.read for s in self.swipes)} read,"
                f" {len(self.entries)} of these recorded at the centre:"
                f" {sum(e.granted for e in self.entries)} let in, {self.openings} openings,"
                f" {sum(not e.granted for e in self.entries)} refused"
            ),
            (
                "nothing lost, nothing twice, both chains whole"
                if not self.findings
                else f"{len(self.findings)} findings"
            ),
        ]


def settle(estate: Estate, limit_s: float) -> bool:
    """Waits until the centre has everything that the gateways have; False if that takes too long."""
    looking = threading.Event()
    until_s = time.monotonic() + limit_s
    while time.monotonic() < until_s:
        if _centre_has_everything(estate):
            return True
        looking.wait(_LOOK_EVERY_S)
    return False


def judge(
    estate: Estate,
    killed_ns: Mapping[str, Sequence[int]] | None = None,
    *,
    settled: bool = True,
    disorders: Mapping[str, Disorder] = MappingProxyType({}),
) -> Verdict:
    """`killed_ns` by building, `disorders` by door. Verifies both chains, too."""
    kills = killed_ns or {}
    people = make_people(_everyone(estate), estate.plan.seed)
    person_of = {person.ref: person for person in people}
    by_door = {door.name: kills.get(b.name, ()) for b in estate.plan.buildings for door in b.doors}
    swipes = swipes_from_events(
        events_of(estate), lambda door, card: estate.token_of(person_of[card], door), by_door, disorders
    )
    with closing(CentreView(estate.database)) as view:
        entries = view.entries()
        findings = [*compare(swipes, entries), *_broken_chains(estate, view)]
    return Verdict(swipes, entries, findings, complete=settled)


def events_of(estate: Estate) -> list[dict[str, object]]:
    """Everything that the simulator saw, in order."""
    with (estate.ports / "events.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _everyone(estate: Estate) -> int:
    """Enrolled people and strangers; a larger crowd begins with the same people."""
    return estate.plan.people + max(50, int(estate.plan.people * estate.plan.unknown_share) + 1)


def _centre_has_everything(estate: Estate) -> bool:
    if not estate.database.exists():
        return False
    with closing(CentreView(estate.database)) as view:
        through = view.through()
    for building in estate.plan.buildings:
        reader = JournalReader(estate.gateway_settings(building.name).parent / "journal.db")
        try:
            heads = reader.epoch_heads()
        finally:
            reader.close()
        if any(through.get((building.name, held.epoch), 0) < held.head for held in heads):
            return False
    return True


def _broken_chains(estate: Estate, view: CentreView) -> list[Finding]:
    findings = [Finding("chain", text) for text in view.broken_chains()]
    for building in estate.plan.buildings:
        reader = JournalReader(estate.gateway_settings(building.name).parent / "journal.db")
        try:
            _, flaws = reader.verify()
        finally:
            reader.close()
        findings += [Finding("chain", f"{building.name}: record {flaw.seq} {flaw.what}") for flaw in flaws]
    return findings
