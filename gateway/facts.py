"""A fact: what happened, before it has its place in the journal. Pure."""

from __future__ import annotations

from typing import Self

from msgspec import Struct

from messages.envelope import envelope_hash
from messages.model import (
    RECORD_VERSION,
    ClockQuality,
    Credential,
    Direction,
    Kind,
    Reason,
    Record,
)

_MOST_US = 2**53
_MOST_COUNT = 2**48
"""What a record's fields hold (messages.model): a clock may stand anywhere, a record must be readable."""


class Placed(int):
    """A sequence number that knows its epoch: a link to it holds within that epoch only."""

    epoch: int

    def __new__(cls, seq: int, epoch: int) -> Self:
        placed = super().__new__(cls, seq)
        placed.epoch = epoch
        return placed


class Fact(Struct, frozen=True, kw_only=True, gc=False):
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
    envelope: bytes | None = None
    """Who it is, sealed; kept beside the record, which names its hash."""


def record_of(fact: Fact, gateway: str, boot: str, *, epoch: int, seq: int, prev: str) -> Record:
    """The record of `fact` at that place. Times beyond what a record can say are brought to its bounds, and a
    link to a decision of another epoch is left out: each epoch is read by itself."""
    links = fact.links
    if links is not None:
        links = _link_within(epoch, links)
    # In the order of its fields: by their names it takes three times as long, and a door waits.
    return Record(
        RECORD_VERSION,
        gateway,
        epoch,
        seq,
        fact.kind,
        fact.at_us if 0 <= fact.at_us <= _MOST_US else _within(fact.at_us, _MOST_US),
        boot,
        fact.uptime_us if 0 <= fact.uptime_us <= _MOST_US else _within(fact.uptime_us, _MOST_US),
        fact.clock,
        prev,
        fact.door,
        fact.reader,
        fact.direction,
        fact.credential,
        fact.holder,
        fact.category,
        fact.reason,
        fact.list_version,
        None if fact.list_age_s is None else _within(fact.list_age_s, _MOST_COUNT),
        links,
        None if fact.envelope is None else envelope_hash(fact.envelope),
    )


def _within(value: int, most: int) -> int:
    return min(max(value, 0), most)


def _link_within(epoch: int, links: int) -> int | None:
    return None if isinstance(links, Placed) and links.epoch != epoch else int(links)
