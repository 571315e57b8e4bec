"""How complete each gateway's story is here: up to when nothing is missing, and what is. Reads only.

"Complete to 14:03:05" means: everything that the gateway had recorded by then is in this database.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Connection,
    Row,
    ScalarSelect,
    Text,
    and_,
    bindparam,
    cast,
    func,
    literal_column,
    null,
    select,
    union_all,
)

from central.ingest.segments import UNKNOWN_PREV, Coverage, Range, Segment
from central.ingest.verify import Trouble
from central.store.retention_tables import record_mark
from central.store.tables import Whole, epoch_head, finding, gateway, lost_range, record, segment

MAX_RANGES_SHOWN = 20

HEARD_US: Final = 180_000_000
"""A gateway that spoke so lately is no reason to call the time since not known: it speaks once a minute."""

_Place = tuple[int, int]
_Times = dict[tuple[int, int, int], int]
"""By gateway, epoch and sequence number."""

FLAWS = (Trouble.POISON, Trouble.CONFLICT, Trouble.LOST, Trouble.CHAIN_BREAK)
"""Findings after which nothing may be called complete: a record is not understood, doubtful or gone."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Records `first`..`last` of an epoch, not here. `lost`: nor at the gateway any more."""

    epoch: int
    first: int
    last: int
    lost: bool

    @property
    def count(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Door:
    name: str
    label: str
    readers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Completeness:
    """One gateway. Times are UTC microseconds; `complete_until_us` is None while nothing is known. `missing`
    are the first MAX_RANGES_SHOWN of `missing_ranges`."""

    site: str
    name: str
    label: str
    online: bool
    heard_us: int | None
    software: str | None
    list_version: int | None
    journal: str | None
    doors: tuple[Door, ...]
    devices: dict[str, str]
    epoch: int | None
    through: int
    head: int
    behind: int
    complete_until_us: int | None
    missing: tuple[Missing, ...]
    missing_ranges: int
    findings: dict[str, int]
    device_key: bytes | None
    unbelieved_us: int | None
    """Since when what is said in its name lacks its signature: it may hold more than is known here."""
    replayed_us: int | None
    """When the last of its states was an old one, played again and not taken."""
    ended_us: int | None = None
    """What had arrived by then has been ended, as its time was over: neither complete nor missing."""
    lost: int = 0
    """Records that will not come any more; `complete_until_us` passes over them."""

    @property
    def complete(self) -> bool:
        """Nothing is missing, and nothing that should be a record here is set aside, doubtful or gone."""
        return self.epoch is not None and self.missing_ranges == 0 and not self.flawed

    def is_complete(self, from_us: int, until_us: int) -> bool:
        """Whether all that was recorded between these is here."""
        reaches = self.complete_until_us is not None and self.complete_until_us >= until_us
        return self.complete and reaches and self.ended_within(from_us) is None

    @property
    def sound(self) -> bool:
        """Nothing up to `complete_until_us` is lost, set aside or doubtful."""
        return self.complete_until_us is not None and self.lost == 0 and not self.flawed

    def keeps_up(self, now_us: int) -> bool:
        """Whether it owes no more than a gateway that speaks once a minute always does; of one whose clock is
        ahead that is not known."""
        said = (self.heard_us, self.complete_until_us)
        return self.sound and all(at is not None and abs(now_us - at) <= HEARD_US for at in said)

    def ended_within(self, from_us: int) -> int | None:
        """Up to when of a time that begins then entries have been ended; None: none of them."""
        return self.ended_us if self.ended_us is not None and self.ended_us > from_us else None

    @property
    def flawed(self) -> bool:
        return self.unbelieved_us is not None or any(self.findings.get(kind) for kind in FLAWS)

    def door_label(self, door: str) -> str:
        return next((known.label for known in self.doors if known.name == door), door)

    def reader_label(self, device: str) -> str | None:
        """A reader is known by its door; None for what is no door's reader, such as a lock board."""
        return next((known.label for known in self.doors if device in known.readers), None)


@dataclass(frozen=True, slots=True)
class _Epoch:
    """`through`: up to here nothing is missing, or will not come any more."""

    number: int
    head: int
    through: int
    holes: tuple[Missing, ...]

    @classmethod
    def of(cls, number: int, coverage: Coverage, head: int) -> _Epoch:
        head = max(head, coverage.seen)
        awaited = [Missing(number, a, b, lost=False) for a, b in coverage.missing(head)]
        gone = [Missing(number, a, b, lost=True) for a, b in coverage.still_lost()]
        holes = sorted(awaited + gone, key=lambda hole: hole.first)
        return cls(number, head, coverage.through()[0], tuple(holes))


@dataclass(slots=True)
class _Story:
    """What is known of some gateways; of each its epochs, the oldest first. `lasts`: when the last record
    without a hole was made, where it is here."""

    epochs: dict[int, list[_Epoch]] = field(default_factory=lambda: defaultdict(list))
    findings: dict[int, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    lasts: _Times = field(default_factory=dict)
    ended_us: int | None = None


def completeness(
    connection: Connection,
    *,
    site: str | None = None,
    name: str | None = None,
    sites: Collection[str] | None = None,
) -> list[Completeness]:
    """Of every gateway, of those at `sites`, or of the one named; by site and name."""
    query = select(gateway).order_by(gateway.c.site, gateway.c.name)
    if sites is not None:
        query = query.where(gateway.c.site.in_(sites))
    if site is not None:
        query = query.where(gateway.c.site == site, gateway.c.name == name)
    return completeness_of(connection, connection.execute(query).all())


def completeness_of(connection: Connection, rows: Sequence[Row[Any]]) -> list[Completeness]:
    """Of these gateways: rows of `gateway`, whole."""
    if not rows:
        return []
    story = _story_of(connection, [row.id for row in rows])
    return [_of_gateway(connection, row, story) for row in rows]


def _of_gateway(connection: Connection, row: Row[Any], story: _Story) -> Completeness:
    epochs = story.epochs[row.id]
    holes = [hole for epoch in epochs for hole in epoch.holes]
    newest = epochs[-1] if epochs else None
    return Completeness(
        site=row.site,
        name=row.name,
        label=row.label or row.name,
        online=bool(row.online),
        heard_us=row.state_received_at,
        software=row.software,
        list_version=row.list_version,
        journal=row.journal,
        doors=_doors(row.doors or "[]"),
        devices=json.loads(row.devices or "{}"),
        epoch=newest.number if newest else None,
        through=newest.through if newest else 0,
        head=newest.head if newest else 0,
        behind=sum(hole.count for hole in holes if not hole.lost),
        complete_until_us=_complete_until(connection, row, epochs, story.lasts),
        missing=tuple(holes[:MAX_RANGES_SHOWN]),
        missing_ranges=len(holes),
        findings=story.findings[row.id],
        device_key=row.device_key,
        unbelieved_us=row.unbelieved_at,
        replayed_us=row.replayed_at,
        ended_us=story.ended_us,
        lost=sum(hole.count for hole in holes if hole.lost),
    )


@lru_cache(4_096)  # as many as there may be gateways: what one is made of changes seldom
def _doors(told: str) -> tuple[Door, ...]:
    return tuple(Door(door["door"], door["label"], tuple(door["readers"])) for door in json.loads(told))


def _complete_until(
    connection: Connection, row: Row[Any], epochs: Sequence[_Epoch], lasts: _Times
) -> int | None:
    """Up to the record before the first hole; without a hole, up to when the gateway last spoke."""
    for at, epoch in enumerate(epochs):
        if epoch.through < epoch.head:
            return _last_at(connection, row.id, epochs[: at + 1], lasts)
    last_us = _last_at(connection, row.id, epochs, lasts)
    return max((at for at in (last_us, row.state_at if epochs else None) if at is not None), default=None)


def _last_at(connection: Connection, gateway_id: int, epochs: Sequence[_Epoch], lasts: _Times) -> int | None:
    """When the last record of these epochs that is here was made, holes not passed over. What was lost or
    set aside has no time of its own: the one before it counts."""
    for epoch in reversed(epochs):
        if (known := lasts.get((gateway_id, epoch.number, epoch.through))) is not None:
            return known
        here = (record.c.gateway_id == gateway_id, record.c.epoch == epoch.number)
        last = select(record.c.at).where(*here, record.c.seq <= epoch.through)
        at: int | None = connection.execute(last.order_by(record.c.seq.desc()).limit(1)).scalar()
        if at is not None:
            return at
    return None


def _story_of(connection: Connection, ids: Sequence[int]) -> _Story:
    """Of all of them in one statement: each one more is a way to the database and back."""
    parts: dict[_Place, list[Segment]] = defaultdict(list)
    lost: dict[_Place, list[Range]] = defaultdict(list)
    heads: dict[_Place, int] = {}
    story = _Story()
    asked = _STORY[connection.dialect.name]
    for what, gateway_id, epoch, first, last, at in connection.execute(asked, {"ids": list(ids)}):
        place = gateway_id, epoch
        match what:
            case _Said.SEGMENT:
                parts[place].append(Segment(first, last, UNKNOWN_PREV, UNKNOWN_PREV))
                if at is not None:
                    story.lasts[gateway_id, epoch, last] = at
            case _Said.LOST:
                lost[place].append((first, last))
            case _Said.HEAD:
                heads[place] = last
            case _Said.ENDED:
                story.ended_us = at
            case _:
                story.findings[gateway_id][what] = last
    for key in sorted({*parts, *lost, *heads}):
        coverage = Coverage(parts[key], lost[key])
        story.epochs[key[0]].append(_Epoch.of(key[1], coverage, heads.get(key, 0)))
    return story


class _Said(StrEnum):
    """What a row of `_STORY` is about; any other word is the kind of a finding, and `last` how many."""

    SEGMENT = "="
    LOST = "-"
    HEAD = ">"
    ENDED = "x"


def _made_at() -> ScalarSelect[int]:
    """Of a run from the first record on: when its last one was made. As a value and not as a join: nothing
    but that one record is to be looked for."""
    last = and_(
        segment.c.first == 1,
        record.c.gateway_id == segment.c.gateway_id,
        record.c.epoch == segment.c.epoch,
        record.c.seq == segment.c.last,
    )
    return select(func.max(record.c.at)).where(last).correlate(segment).scalar_subquery()


def _ended_until() -> ScalarSelect[int]:
    begun = record_mark.c.begun_at.is_not(None)
    return select(func.max(record_mark.c.noted_at)).where(begun).scalar_subquery()


def _statement(among: Callable[[ColumnElement[int]], ColumnElement[bool]]) -> CompoundSelect[Any]:
    """Segments, lost ranges, heads, findings, and up to when entries have been ended. `among`: that a gateway
    is one of those that are asked for."""
    run, gone, held, found = segment.c, lost_range.c, epoch_head.c, finding.c
    nothing = cast(null(), Whole)
    return union_all(
        select(_word(_Said.SEGMENT), run.gateway_id, run.epoch, run.first, run.last, _made_at()).where(
            among(run.gateway_id)
        ),
        select(_word(_Said.LOST), gone.gateway_id, gone.epoch, gone.first, gone.last, nothing).where(
            among(gone.gateway_id)
        ),
        select(_word(_Said.HEAD), held.gateway_id, held.epoch, nothing, held.head, nothing).where(
            among(held.gateway_id)
        ),
        select(found.kind, found.gateway_id, nothing, nothing, func.count(), nothing)
        .where(among(found.gateway_id))
        .group_by(found.gateway_id, found.kind),
        select(_word(_Said.ENDED), nothing, nothing, nothing, nothing, _ended_until()),
    )


def _word(said: _Said) -> ColumnElement[str]:
    return literal_column(f"'{said}'", Text)


def _one_of_an_array(column: ColumnElement[int]) -> ColumnElement[bool]:
    return column == func.any(bindparam("ids", type_=ARRAY(BigInteger)))


def _one_of_a_document(column: ColumnElement[int]) -> ColumnElement[bool]:
    return column.in_(select(func.json_each(bindparam("ids", type_=JSON)).table_valued("value").c.value))


_STORY: Final = {"postgresql": _statement(_one_of_an_array), "sqlite": _statement(_one_of_a_document)}
"""By engine. The ids are one value, however many they are: each of some thousand parameters, four times over,
took longer to number than its gateway to find, and let no other thread work meanwhile."""
