"""What a visitor is told who holds a receipt: which kinds of data were recorded of that visit, at which door
and on which day, until when they are kept; and once they are gone, by which certificate (trust.md R-110).
And how the pass stands.

The program ends visitors' names and identity, and entries, and says until when; of entries also how many days
the community has set, and by which rule. No name, no number, no time of day; nor that a case holds something.

Within the caller's transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select

from central.assessments.book import in_force
from central.assessments.document import DataRule
from central.assessments.words import DataKind
from central.errors import NotThere
from central.identity.certificates import DataClass
from central.identity.periods import DAY_US, day_of
from central.identity.retention_rules import RetentionRules
from central.receipts import as_made
from central.retention.marks import ended_until, until_us
from central.store.identity_tables import deletion_certificate, envelope
from central.store.row_policies import admit_receipt
from central.store.tables import gateway, record
from central.store.visitor_tables import visitor_pass, visitor_pass_event
from central.visitors.passes import who_stayed
from central.visitors.visits import seen_of
from central.visitors.words import KeptState, PassEvent, Standing

UNKNOWN: Final = "no visit has this receipt"
MOST_RECORDS: Final = 1_000
"""Of one visit; the newest are told."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One thing that was recorded. `place` is site, gateway and door, of entries, and `called` what building
    and door are called. `until_us`: when it is
    destroyed at the latest; None: nothing was kept, or it is not said. `certificate`: of what was deleted,
    the number of the proof that nothing of that day can be read any more. `set_days` and `rule`, of entries:
    what the assessment in force says; None: there is none."""

    kind: DataKind
    day: str
    place: tuple[str, str, str] | None
    until_us: int | None
    state: KeptState
    certificate: int | None
    set_days: int | None = None
    rule: str = ""
    called: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """`community`, `pass_id`: for the register of look-ups, not for whoever asks."""

    community: int
    pass_id: int
    standing: Standing
    standing_us: int
    """A moment of the day from which, or until which, it stands so."""
    kept: tuple[Kept, ...]


def is_known(connection: Connection, receipt: str) -> bool:
    """Whether a pass has it; for a connection that sees no community's rows. What is guessed by strangers is
    looked for beside the writer, so that they keep no record waiting."""
    written = as_made(receipt)
    admit_receipt(connection, written)
    asked = select(visitor_pass.c.id).where(visitor_pass.c.receipt == written)
    return connection.execute(asked).first() is not None


def recorded(connection: Connection, receipt: str, rules: RetentionRules, now_us: int) -> Recorded:
    """By a receipt as somebody wrote it down. Raises NotThere."""
    asked = select(visitor_pass).where(visitor_pass.c.receipt == as_made(receipt))
    row = connection.execute(asked).one_or_none()
    if row is None:
        raise NotThere(UNKNOWN)
    visit = _Visit(connection, row, rules, now_us)
    return Recorded(
        row.community_id, row.id, *visit.standing(), (*visit.name(), *visit.entries(), *visit.ended())
    )


@dataclass(frozen=True, slots=True)
class _Visit:
    """`row`: of `visitor_pass`."""

    connection: Connection
    row: Row[Any]
    rules: RetentionRules
    now_us: int

    def standing(self) -> tuple[Standing, int]:
        row = self.row
        if row.revoked_at is not None:
            stayed = row.id in who_stayed(self.connection, [row.id])
            return (Standing.ENDED if stayed else Standing.TAKEN_BACK), row.revoked_at
        if self.now_us >= row.until_at:
            return Standing.OVER, row.until_at
        if self.now_us < row.from_at:
            return Standing.NOT_YET, row.from_at
        seen = seen_of(self.connection, {row.reference: row.uses}).get(row.reference)
        used_up = seen is not None and seen.used_up
        return (Standing.USED_UP if used_up else Standing.GOOD), row.until_at

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
        place = (gateway.c.site, gateway.c.name, columns.door, gateway.c.label, gateway.c.doors)
        whole = (columns.id, columns.at, columns.identity, columns.gateway_id, columns.epoch, columns.seq)
        asked = (
            select(*whole, *place)
            .join(gateway, gateway.c.id == columns.gateway_id)
            .where(columns.holder == self.row.reference, gateway.c.site == self.row.site)
            .order_by(columns.at.desc())
            .limit(MOST_RECORDS)
        )
        rule, told = self._rule_of_entries(), set()
        rows = self.connection.execute(asked).all()
        ends = until_us(self.connection, [each.id for each in rows], self.rules, self.now_us) if rows else []
        for each, end_us in zip(rows, ends, strict=True):
            for kept in self._of_record(each, rule, end_us):
                if (kept.kind, kept.day, kept.place) not in told:
                    told.add((kept.kind, kept.day, kept.place))
                    yield kept

    def ended(self) -> Iterator[Kept]:
        """That entries of the days of the visit have gone, whether there were any of it or not."""
        ended_us, row = ended_until(self.connection), self.row
        if ended_us is None or row.from_at >= ended_us:
            return
        first, last = (day_of(at, self.rules.zone) for at in (row.from_at, row.until_at + DAY_US))
        columns = deletion_certificate.c
        here = (columns.community_id == row.community_id) & (columns.data_class == DataClass.ENTRIES)
        newest = select(func.max(columns.id)).where(here & columns.period.between(first, last))
        proof = self.connection.execute(newest).scalar()
        if proof is not None:
            yield Kept(DataKind.ENTRY_RECORDS, first, None, None, KeptState.DELETED, proof)

    def _of_record(self, each: Any, rule: DataRule, end_us: int | None) -> Iterator[Kept]:
        """The entry itself and, where an identity card was read there, whose it was: not every one that a
        gateway seals is kept."""
        day, place = day_of(each.at, self.rules.zone), (each.site, each.name, each.door or "")
        called = _called(each)
        yield Kept(
            DataKind.ENTRY_RECORDS, day, place, end_us, KeptState.KEPT, None, rule.days, rule.rule, called
        )
        if each.identity is None:
            return
        columns = envelope.c
        here = (columns.gateway_id == each.gateway_id) & (columns.epoch == each.epoch)
        there = self.connection.execute(select(columns.id).where(here, columns.seq == each.seq)).first()
        proof = self._certificate(day) if there is None else None
        state = KeptState.KEPT if there else KeptState.DELETED if proof else KeptState.NOT_KEPT
        due_us = None if state is KeptState.NOT_KEPT else self.rules.due_us(day)
        yield Kept(DataKind.VISITOR_IDENTITY, day, place, due_us, state, proof, called=called)

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


def _called(each: Any) -> tuple[str, str]:
    """As its gateway has told; else by their names."""
    doors = {door["door"]: door["label"] for door in json.loads(each.doors or "[]")}
    return each.label or each.name, doors.get(each.door) or each.door or ""
