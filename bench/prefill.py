"""A journal that already holds many records, as after an outage: made by the gateway's own journal."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gateway.clock import SystemClock
from gateway.facts import Fact, record_of
from gateway.journal import Journal
from messages.chain import GENESIS, record_hash
from messages.model import AssuranceLevel, Credential, Direction, Kind, Reason
from messages.wire import encode_record

_TOGETHER = 500
_PEOPLE = 1_000
PREPARED_EPOCH = 1_700_000_000


def fill(path: Path, gateway: str, door: str, count: int) -> None:
    """Appends `count` ordinary entries to the journal at `path`."""
    clock = SystemClock()
    journal = Journal(path, gateway, clock)
    try:
        for start in range(0, count, _TOGETHER):
            numbers = range(start, min(start + _TOGETHER, count))
            journal.append([entry(clock, door, number) for number in numbers])
    finally:
        journal.close()


def prepared(name: str, count: int) -> list[bytes]:
    """A chain of `count` ordinary records of a gateway `name`, as canonical bytes."""
    clock = SystemClock()
    return chained(name, (entry(clock, "unit-1", seq) for seq in range(1, count + 1)), clock.boot)


def chained(name: str, facts: Iterable[Fact], boot: str) -> list[bytes]:
    """Such facts of a gateway `name` as a chain of records, as canonical bytes."""
    prev, bodies = GENESIS, []
    for seq, fact in enumerate(facts, start=1):
        body = encode_record(record_of(fact, name, boot, epoch=PREPARED_EPOCH, seq=seq, prev=prev))
        prev = record_hash(body)
        bodies.append(body)
    return bodies


def alarm_after(name: str, bodies: list[bytes]) -> bytes:
    """The record that follows such a chain: somebody is made to open."""
    clock = SystemClock()
    fact = Fact(
        kind=Kind.DURESS,
        at_us=clock.now_us(),
        uptime_us=clock.uptime_us(),
        clock=clock.quality(),
        door="unit-1",
    )
    seq, prev = len(bodies) + 1, record_hash(bodies[-1])
    return encode_record(record_of(fact, name, clock.boot, epoch=PREPARED_EPOCH, seq=seq, prev=prev))


def entry(clock: SystemClock, door: str, number: int) -> Fact:
    person = number % _PEOPLE
    return Fact(
        kind=Kind.ACCESS_GRANTED,
        at_us=clock.now_us(),
        uptime_us=clock.uptime_us(),
        clock=clock.quality(),
        door=door,
        reader=door,
        direction=Direction.IN,
        credential=Credential("id_card", f"{person:032x}", AssuranceLevel.L3),
        holder=f"h-{person:05d}",
        category="resident",
        reason=Reason.LISTED,
        list_version=1,
        list_age_s=60,
    )
