"""What the gateways of `bench ingest` hold: backlogs on disks, what happens at doors, visitors.

People are invented; area code 000000 was never given to anybody.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.centre_alone import SITE, CentreAlone
from bench.ingest_fleet import InMemory, Member, OnDisk
from bench.prefill import entry, fill
from gateway.clock import SystemClock
from gateway.facts import Fact
from messages.envelope import DocumentKind, VisitorIdentity, seal_identity
from messages.model import AssuranceLevel, Credential, Direction, Kind, Reason
from messages.topics import Leaf

VISITORS_EVERY: Final = 3
_DIFFERENT: Final = 8
"""Envelopes of each gateway; opening one costs the same whether it came before."""


def backlogs(folder: Path, gateways: int, records: int) -> list[Member]:
    """After an outage: real journals."""
    members = []
    for name in _names("backlog", gateways):
        path = folder / name / "journal.db"
        path.parent.mkdir(parents=True)
        fill(path, name, "unit-1", records)
        members.append(Member(name, OnDisk(path), Leaf.BACKLOG))
    return members


def doors(label: str, gateways: int, records: int) -> list[Member]:
    """Residents go in, one after the other."""
    clock = SystemClock()
    return [
        Member(
            name,
            InMemory.of(name, (entry(clock, "unit-1", n) for n in range(records)), clock.boot),
            Leaf.JOURNAL,
        )
        for name in _names(label, gateways)
    ]


def visited(centre: CentreAlone, gateways: int, records: int) -> list[Member]:
    """Every third who goes in is a visitor; what the gateways sealed is the centre's to open."""
    clock = SystemClock()
    return [
        Member(name, InMemory.of(name, _guests(centre, clock, name, records), clock.boot), Leaf.BACKLOG)
        for name in _names("visited", gateways)
    ]


def _guests(centre: CentreAlone, clock: SystemClock, name: str, records: int) -> Iterator[Fact]:
    key = centre.vault.sealing_key(centre.community, clock.now_us())
    who = [VisitorIdentity("测试访客", DocumentKind.RESIDENT, _number(n)) for n in range(_DIFFERENT)]
    envelopes = itertools.cycle([seal_identity(each, key, SITE, name) for each in who])
    for number in range(records):
        if number % VISITORS_EVERY:
            yield entry(clock, "unit-1", number)
        else:
            yield Fact(
                kind=Kind.ACCESS_GRANTED,
                at_us=clock.now_us(),
                uptime_us=clock.uptime_us(),
                clock=clock.quality(),
                door="unit-1",
                reader="unit-1",
                direction=Direction.IN,
                credential=Credential("id_card", f"{number:032x}", AssuranceLevel.L3),
                reason=Reason.VERIFIED_ID,
                list_version=1,
                list_age_s=60,
                envelope=next(envelopes),
            )


def _number(who: int) -> str:
    return f"00000019900101{who:04}"


def _names(label: str, gateways: int) -> list[str]:
    return [f"{label}-{number}" for number in range(gateways)]
