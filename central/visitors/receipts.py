"""What a visitor is told who holds a receipt: which kinds of data were recorded of that visit, at which door
and on which day, until when they are kept; and once they are gone, by which certificate (trust.md R-110).

The program ends visitors' names and identity, and says until when. It does not end entries: of those it says
how many days the community has set, and by which rule. No name, no number, no time of day.

Within the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select

from central.assessments.book import in_force
from central.assessments.document import DataRule
from central.assessments.words import DataKind
from central.errors import NotThere
from central.identity.certificates import DataClass
from central.identity.periods import day_of
from central.identity.retention_rules import RetentionRules
from central.receipts import as_made
from central.store.identity_tables import deletion_certificate, envelope
from central.store.tables import gateway, record
from central.store.visitor_tables import visitor_pass, visitor_pass_event
from central.visitors.words import KeptState, PassEvent

MOST_RECORDS: Final = 1_000
"""Of one visit; the newest are told."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One thing that was recorded. `place` is site, gateway and door, of entries. `until_us`: when it is
    destroyed at the latest; None: the program does not, or nothing was kept. `certificate`: of what was
    deleted, the number of the proof that nothing of that day can be read any more. `set_days` and `rule`, of
    entries: what the assessment in force says, which also says who ends them; None: there is none."""

    kind: DataKind
    day: str
    place: tuple[str, str, str] | None
    until_us: int | None
    state: KeptState
    certificate: int | None
    set_days: int | None = None
    rule: str = ""


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
        proof, state = None, KeptState.KEPT
        if row.name_sealed is None:
            asked = self._was_forgotten()
            state = KeptState.DELETED_AS_ASKED if asked else KeptState.DELETED
            proof = None if asked else self._certificate(row.name_day)
        issued, due_us = day_of(row.issued_at, self.rules.zone), self.rules.due_us(row.name_day)
        yield Kept(DataKind.VISITOR_PASSES, issued, None, due_us, state, proof)

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
        rule, told = self._rule_of_entries(), set()
        for each in self.connection.execute(asked).all():
            for kept in self._of_record(each, rule):
                if (kept.kind, kept.day, kept.place) not in told:
                    told.add((kept.kind, kept.day, kept.place))
                    yield kept

    def _of_record(self, each: Any, rule: DataRule) -> Iterator[Kept]:
        """The entry itself and, where an identity card was read there, whose it was: not every one that a
        gateway seals is kept."""
        day, place = day_of(each.at, self.rules.zone), (each.site, each.name, each.door or "")
        yield Kept(DataKind.ENTRY_RECORDS, day, place, None, KeptState.KEPT, None, rule.days, rule.rule)
        if each.identity is None:
            return
        columns = envelope.c
        here = (columns.gateway_id == each.gateway_id) & (columns.epoch == each.epoch)
        there = self.connection.execute(select(columns.id).where(here, columns.seq == each.seq)).first()
        proof = self._certificate(day) if there is None else None
        state = KeptState.KEPT if there else KeptState.DELETED if proof else KeptState.NOT_KEPT
        due_us = None if state is KeptState.NOT_KEPT else self.rules.due_us(day)
        yield Kept(DataKind.VISITOR_IDENTITY, day, place, due_us, state, proof)

    def _rule_of_entries(self) -> DataRule:
        """As the assessment in force says; of none nothing."""
        found = in_force(self.connection, self.row.community_id)
        return DataRule() if found is None else found[1].data.get(DataKind.ENTRY_RECORDS, DataRule())

    def _certificate(self, day: str) -> int | None:
        columns = deletion_certificate.c
        here = (columns.community_id == self.row.community_id) & (columns.period == day)
        one = here & (columns.data_class == DataClass.VISITOR_IDENTITY)
        return self.connection.execute(select(func.max(columns.id)).where(one)).scalar()

    def _was_forgotten(self) -> bool:
        columns = visitor_pass_event.c
        here = (columns.pass_id == self.row.id) & (columns.event == PassEvent.NAME_FORGOTTEN)
        return self.connection.execute(select(columns.id).where(here)).first() is not None
