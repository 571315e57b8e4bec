"""When each door could record, when it could not and why, and when that is not known. Reads only.

It follows from starts and stops of gateways, from readers lost and found again, and from records that are
missing. No entry is looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final

from sqlalchemy import Connection, Row, or_, select, text

from central.fleet.completeness import HEARD_US, Completeness, completeness_of
from central.store.tables import OF_COVERAGE, record
from messages.model import Kind

MOST_BEFORE: Final = 500
"""Records before the time among which is looked for how things stood when it began."""


class Gap(StrEnum):
    """Why a door's time is not covered, the strongest first: of two at once the first one counts."""

    ENDED = "ended"  # its records are deleted, as their days were over
    LOST = "lost"  # records of that time are lost for good
    STOPPED = "stopped"  # the gateway had been stopped
    READER = "reader"  # a reader of the door did not answer
    SILENT = "silent"  # the gateway ended without a word; when, is not known
    AWAITED = "awaited"  # records are still to come


UNKNOWN: Final = frozenset({Gap.ENDED, Gap.SILENT, Gap.AWAITED})
"""It may have recorded all the same."""


@dataclass(frozen=True, slots=True)
class Span:
    """`why` None: it could record."""

    from_us: int
    until_us: int
    why: Gap | None

    @property
    def long_us(self) -> int:
        return self.until_us - self.from_us


@dataclass(frozen=True, slots=True)
class DoorCoverage:
    """`spans`: one after the other without a gap, from when the gateway's story begins."""

    site: str
    gateway: str
    gateway_label: str
    door: str
    label: str
    spans: Sequence[Span]

    @property
    def known_us(self) -> int:
        return sum(each.long_us for each in self.spans if each.why is not Gap.ENDED)

    def long_us(self, *whys: Gap | None) -> int:
        return sum(each.long_us for each in self.spans if each.why in whys)

    @property
    def recorded(self) -> float | None:
        """The share of the time in which it could record; None: it was not there yet, or nothing is kept."""
        return self.long_us(None) / self.known_us if self.known_us else None

    @property
    def has_gaps(self) -> bool:
        """At some time it could not record, or that is not known."""
        return any(each.why is not None for each in self.spans)

    @property
    def blind_us(self) -> int:
        return self.long_us(*(why for why in Gap if why not in UNKNOWN))

    @property
    def unknown_us(self) -> int:
        return self.long_us(*UNKNOWN)


def coverage(
    connection: Connection, gateways: Sequence[Row[Any]], from_us: int, until_us: int, now_us: int
) -> list[DoorCoverage]:
    """Of every door of these gateways (whole rows of `gateway`), in their order."""
    until_us = min(until_us, now_us)
    if until_us <= from_us:
        return []
    found: list[DoorCoverage] = []
    for row, known in zip(gateways, completeness_of(connection, gateways), strict=True):
        found += _of_gateway(connection, row, known, from_us, until_us)
    return found


def _of_gateway(
    connection: Connection, row: Row[Any], known: Completeness, from_us: int, until_us: int
) -> Iterator[DoorCoverage]:
    number = row.id
    begins_us = _first_at(connection, number)
    ended = _ended(connection, row, known.ended_us, until_us)
    if ended is not None:
        begins_us = ended.from_us if begins_us is None else min(begins_us, ended.from_us)
    from_us = until_us if begins_us is None else max(from_us, begins_us)
    told = _told(connection, number, from_us, until_us) if from_us < until_us else []
    shared = [*_of_starts(connection, number, told), *_of_missing(connection, number, known, until_us)]
    shared += [] if ended is None else [ended]
    if not known.online and row.state_at is not None and until_us - row.state_at > HEARD_US:
        shared.append(Span(row.state_at, until_us, Gap.AWAITED))
    by_reader = _of_readers(told, until_us)
    for door in known.doors:
        mine = [span for reader in door.readers for span in by_reader.get(reader, ())]
        spans = laid_out([*shared, *mine], from_us, until_us)
        yield DoorCoverage(known.site, known.name, known.label, door.name, door.label, spans)


def laid_out(flaws: Iterable[Span], from_us: int, until_us: int) -> list[Span]:
    """One after the other; of those at the same time the strongest. Pure."""
    flaws = [each for each in flaws if each.from_us < until_us and each.until_us > from_us]
    edges = {from_us, until_us, *(at for each in flaws for at in (each.from_us, each.until_us))}
    within = sorted(at for at in edges if from_us <= at <= until_us)
    strength = list(Gap)
    found: list[Span] = []
    for begin, end in pairwise(within):
        whys = [each.why for each in flaws if each.from_us <= begin and each.until_us >= end and each.why]
        why = min(whys, key=strength.index, default=None)
        if found and found[-1].why == why:
            found[-1] = Span(found[-1].from_us, end, why)
        else:
            found.append(Span(begin, end, why))
    return found


# --- from records ----------------------------------------------------------------------------------------


def _told(connection: Connection, number: int, from_us: int, until_us: int) -> list[Row[Any]]:
    """Records of coverage within the time, and the last ones before it, in the order of time."""
    columns = record.c
    query = select(columns.epoch, columns.seq, columns.kind, columns.at, columns.reader).where(
        columns.gateway_id == number, text(OF_COVERAGE)
    )
    before = query.where(columns.at < from_us).order_by(columns.at.desc()).limit(MOST_BEFORE)
    within = query.where(columns.at >= from_us, columns.at < until_us)
    rows = [*connection.execute(before), *connection.execute(within)]
    return sorted(rows, key=lambda row: (row.at, row.epoch, row.seq))


def _of_readers(told: Sequence[Row[Any]], until_us: int) -> dict[str, list[Span]]:
    """By reader: when it did not answer. A gateway that starts says anew which readers are lost."""
    lost: dict[str, int] = {}
    found: dict[str, list[Span]] = defaultdict(list)
    for row in told:
        match row.kind:
            case Kind.READER_LOST if row.reader:
                lost.setdefault(row.reader, row.at)
            case Kind.READER_RESTORED if row.reader in lost:
                found[row.reader].append(Span(lost.pop(row.reader), row.at, Gap.READER))
            case Kind.GATEWAY_STARTED:
                for reader, since_us in lost.items():
                    found[reader].append(Span(since_us, row.at, Gap.READER))
                lost.clear()
    for reader, since_us in lost.items():
        found[reader].append(Span(since_us, until_us, Gap.READER))
    return found


def _of_starts(connection: Connection, number: int, told: Sequence[Row[Any]]) -> Iterator[Span]:
    """From what a gateway recorded last until it recorded again."""
    for row in told:
        if row.kind == Kind.GATEWAY_STARTED:
            before = _beside(connection, number, row.epoch, row.seq, earlier=True)
            if before is not None and before.at < row.at:
                why = Gap.STOPPED if before.kind == Kind.GATEWAY_STOPPED else Gap.SILENT
                yield Span(before.at, row.at, why)
        elif row.kind == Kind.RECORDS_LOST:
            after = _beside(connection, number, row.epoch, row.seq, earlier=False)
            if after is not None and after.at > row.at:
                yield Span(row.at, after.at, Gap.LOST)


def _of_missing(connection: Connection, number: int, known: Completeness, until_us: int) -> Iterator[Span]:
    for hole in known.missing:
        before = _beside(connection, number, hole.epoch, hole.first, earlier=True)
        after = _beside(connection, number, hole.epoch, hole.last, earlier=False)
        if before is not None:
            end_us = until_us if after is None else after.at
            yield Span(before.at, end_us, Gap.LOST if hole.lost else Gap.AWAITED)


def _beside(connection: Connection, number: int, epoch: int, seq: int, *, earlier: bool) -> Any | None:
    """The record before or after a place, of whatever is here; the first one of a journal says nothing."""
    columns = record.c
    if earlier:
        here = [columns.epoch <= epoch, or_(columns.epoch < epoch, columns.seq < seq)]
        order = (columns.epoch.desc(), columns.seq.desc())
    else:
        here = [columns.epoch >= epoch, or_(columns.epoch > epoch, columns.seq > seq)]
        order = (columns.epoch.asc(), columns.seq.asc())
    query = select(columns.kind, columns.at).where(
        columns.gateway_id == number, columns.kind != Kind.JOURNAL_OPENED, *here
    )
    return connection.execute(query.order_by(*order).limit(1)).first()


def _ended(connection: Connection, row: Row[Any], ended_us: int | None, until_us: int) -> Span | None:
    """Until the first record behind those that were ended: how things stood before it, nothing says."""
    if ended_us is None or row.first_heard_at >= ended_us:
        return None
    behind_us = _first_at(connection, row.id, ended_us)
    return Span(row.first_heard_at, min(until_us, ended_us if behind_us is None else behind_us), Gap.ENDED)


def _first_at(connection: Connection, number: int, since_us: int | None = None) -> int | None:
    columns = record.c
    query = select(columns.at).where(columns.gateway_id == number)
    query = query if since_us is None else query.where(columns.at >= since_us)
    return connection.execute(query.order_by(columns.epoch, columns.seq).limit(1)).scalar()
