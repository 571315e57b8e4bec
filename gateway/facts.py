"""A fact: what happened, before it has its place in the journal. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from messages.model import (
    RECORD_VERSION,
    ClockQuality,
    Credential,
    Direction,
    Kind,
    Reason,
    Record,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """The fields of a record that do not depend on where it stands in the chain."""

    kind: Kind
    at_us: int
    uptime_us: int
    clock: ClockQuality
    door: str | None = None
    reader: str | None = None
    direction: Direction | None = None
    credential: Credential | None = None
    holder: str | None = None
    category: str | None = None
    reason: Reason | None = None
    list_version: int | None = None
    list_age_s: int | None = None
    links: int | None = None


def record_of(fact: Fact, gateway: str, boot: str, *, epoch: int, seq: int, prev: str) -> Record:
    return Record(
        v=RECORD_VERSION,
        gateway=gateway,
        epoch=epoch,
        seq=seq,
        kind=fact.kind,
        at=fact.at_us,
        boot=boot,
        uptime_us=fact.uptime_us,
        clock=fact.clock,
        prev=prev,
        door=fact.door,
        reader=fact.reader,
        direction=fact.direction,
        credential=fact.credential,
        holder=fact.holder,
        category=fact.category,
        reason=fact.reason,
        list_version=fact.list_version,
        list_age_s=fact.list_age_s,
        links=fact.links,
    )
