"""What a visitor is told who holds a receipt: which kinds of data were recorded of that visit, at which door
and on which day, until when they are kept; and once they are gone, by which certificate (trust.md R-110).

No name, no number, no time of day. Within the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select

from central.assessments.book import in_force
from central.assessments.words import DataKind
from central.errors import NotThere
from central.identity.certificates import DataClass
from central.identity.periods import DAY_US, day_of, ends_us
from central.identity.retention_rules import RetentionRules
from central.receipts import as_made
from central.store.identity_tables import deletion_certificate, envelope
from central.store.tables import gateway, record
from central.store.visitor_tables import visitor_pass, visitor_pass_event
from central.visitors.words import PassEvent

MOST_RECORDS: Final = 1_000
"""Of one visit; the newest are told."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One thing that was recorded. `place` is site, gateway and door, of entries. `until_us`: when it is
    destroyed at the latest; None: the community's assessment says. `gone`: it is not here any more;
    `certificate`: the number of the proof, None where it was deleted because somebody asked for it."""

    kind: DataKind
    day: str
    place: tuple[str, str, str] | None
    until_us: int | None
    gone: bool
    certificate: int | None


@dataclass(frozen=True, slots=True)
class Recorded:
    """`community`, `pass_id`: for the register of look-ups, not for whoever asks."""

    community: int
    pass_id: int
    kept: tuple[Kept, ...]


def recorded(connection: Connection, receipt: str, rules: RetentionRules) -> Recorded:
    """By a receipt as somebody wrote it down. Raises NotThere."""
    asked = select(visitor_pass).where(visitor_pass.c.receipt == as_made(receipt))
    row = connection.execute(asked).one_or_none()
    if row is None:
        raise NotThere("no visit has this receipt")
    visit = _Visit(connection, row, rules)
    return Recorded(row.community_id, row.id, (*visit.name(), *visit.entries()))


@dataclass(frozen=True, slots=True)
class _Visit:
    """`row`: of `visitor_pass`."""

    connection: Connection
    row: Row[Any]
    rules: RetentionRules

    def name(self) -> Iterator[Kept]:
        """Of whom the pass was given to, where somebody asked for a name."""
        row = self.row
        if row.name_day is None:
            return
        gone = row.name_sealed is None
        proof = self._certificate(row.name_day) if gone and not self._was_forgotten() else None
        issued, due_us = day_of(row.issued_at, self.rules.zone), self.rules.due_us(row.name_day)
        yield Kept(DataKind.VISITOR_PASSES, issued, None, due_us, gone=gone, certificate=proof)

    def entries(self) -> Iterator[Kept]:
        """Each door once a day, the newest first."""
        columns = record.c
        place = (gateway.c.site, gateway.c.name, columns.door)
        asked = (
            select(columns.at, columns.identity, columns.gateway_id, columns.epoch, columns.seq, *place)
            .join(gateway, gateway.c.id == columns.gateway_id)
            .where(columns.holder == self.row.reference, gateway.c.site == self.row.site)
            .order_by(columns.at.desc())
            .limit(MOST_RECORDS)
        )
        days, told = self._days_of_entries(), set()
        for each in self.connection.execute(asked).all():
            for kept in self._of_record(each, days):
                if (kept.kind, kept.day, kept.place) not in told:
                    told.add((kept.kind, kept.day, kept.place))
                    yield kept

    def _of_record(self, each: Any, days: int | None) -> Iterator[Kept]:
        """The entry itself and, where an identity card was read there, whose it was."""
        day, place = day_of(each.at, self.rules.zone), (each.site, each.name, each.door or "")
        until_us = None if days is None else ends_us(day, self.rules.zone) + days * DAY_US
        yield Kept(DataKind.ENTRY_RECORDS, day, place, until_us, gone=False, certificate=None)
        if each.identity is None:
            return
        columns = envelope.c
        here = (columns.gateway_id == each.gateway_id) & (columns.epoch == each.epoch)
        there = self.connection.execute(select(columns.id).where(here, columns.seq == each.seq)).first()
        proof = self._certificate(day) if there is None else None
        due_us = self.rules.due_us(day)
        yield Kept(DataKind.VISITOR_IDENTITY, day, place, due_us, gone=there is None, certificate=proof)

    def _days_of_entries(self) -> int | None:
        """As the assessment in force says."""
        found = in_force(self.connection, self.row.community_id)
        rule = None if found is None else found[1].data.get(DataKind.ENTRY_RECORDS)
        return None if rule is None else rule.days

    def _certificate(self, day: str) -> int | None:
        columns = deletion_certificate.c
        here = (columns.community_id == self.row.community_id) & (columns.period == day)
        one = here & (columns.data_class == DataClass.VISITOR_IDENTITY)
        return self.connection.execute(select(func.max(columns.id)).where(one)).scalar()

    def _was_forgotten(self) -> bool:
        columns = visitor_pass_event.c
        here = (columns.pass_id == self.row.id) & (columns.event == PassEvent.NAME_FORGOTTEN)
        return self.connection.execute(select(columns.id).where(here)).first() is not None
