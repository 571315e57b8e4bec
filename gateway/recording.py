"""The deciding thread's side of the journal: facts are made, and made durable or kept in memory.

Who decides what follows from a record is `controller`; nothing here knows doors.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

from msgspec import Struct
from msgspec.structs import replace

from drivers.allowance import Allowance
from gateway.access_list import AccessList
from gateway.clock import Clock
from gateway.decision import Decision
from gateway.doors import AccessPoint
from gateway.errors import JournalUnavailable
from gateway.facts import Fact
from gateway.journal import Head, Journal
from gateway.metrics import Metrics
from gateway.records_since import RecordsSince
from gateway.unrecorded import Unrecorded
from messages.commands import Command
from messages.model import Kind, Reason

log = logging.getLogger(__name__)

CARE_EVERY_S = 60.0
"""Acknowledgements are noted, and old records pruned, together and seldom: flash wears by writes."""

MAX_UNRECORDED = 10_000
"""Facts kept in memory while the journal cannot write: some days of a building's entries. Of older ones it is
recorded that they are lost."""

_MOST_ANEW, _ANEW_PER_S = 3, 1 / 3_600
"""Without the centre's keys anybody at the broker may dispute our records: that must not make an epoch each
time."""

_LET_IN_UNRECORDED = frozenset({Reason.LISTED, Reason.LISTED_PASSED_BACK, Reason.FREE_HOURS})
"""Enrolled people, and everybody while the door stands free. Whoever else has a right is sent to a person
while nothing can be recorded."""


class Act(Struct, frozen=True):
    """A fact to record and, once it is durable, what follows from it at the door."""

    fact: Fact
    point: AccessPoint | None = None
    reader: str | None = None
    decision: Decision | None = None
    command: Command | None = None
    refused: str | None = None  # the id of a command that is answered with this record
    noted: Callable[[], None] | None = None  # who waits for this record to be durable

    @property
    def granted(self) -> bool:
        return self.decision is not None and self.decision.granted

    @property
    def admits_unrecorded(self) -> bool:
        """Whether its door is opened while nothing can be recorded."""
        may = self.granted and self.fact.reason in _LET_IN_UNRECORDED
        return may and self.point is not None and self.point.admit_listed_unrecorded

    def fact_without_a_journal(self, *, stands_free: bool) -> Fact:
        """What is decided then, and to be recorded afterwards. `stands_free`: the door does already."""
        free = self.fact.reason is Reason.FREE_HOURS
        if not self.granted or (free and stands_free):
            return self.fact
        if self.admits_unrecorded:
            return self.fact if free else replace(self.fact, reason=Reason.LISTED_UNRECORDED)
        return replace(self.fact, kind=Kind.ACCESS_DENIED, reason=Reason.NOT_RECORDABLE, envelope=None)


class Recorder:
    """Owns the journal's writing side. Belongs to the deciding thread, but `unrecorded`."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        metrics: Metrics,
        keep_days: int,
        *,
        announce: Callable[[Head], None],
        epoch_began: Callable[[], None],
    ) -> None:
        """`announce`: a commit has moved the head; `epoch_began`: its numbers are of another epoch than those
        before. `keep_days`: how long acknowledged records are kept."""
        self._journal = journal
        self._clock = clock
        self._metrics = metrics
        self._keep_days = keep_days
        self._announce = announce
        self._epoch_began = epoch_began
        self._unrecorded = Unrecorded(MAX_UNRECORDED)
        self._acknowledged: dict[int, tuple[int, int]] = {}  # the least that was said, and the last
        self._noted: dict[int, int] = {}
        self._epoch = 0
        self._uncounted: list[tuple[list[Fact], float]] = []  # recorded, and how long the commit took
        self._epochs_anew = Allowance(_MOST_ANEW, _ANEW_PER_S)
        self.since = RecordsSince()
        self._care_every_s = CARE_EVERY_S if keep_days else 0.0
        self._cared_s = time.monotonic()

    @property
    def head(self) -> Head:
        return self._journal.head

    @property
    def unrecorded(self) -> tuple[Fact, ...]:
        """What happened and could not be recorded yet, oldest first, and before it that older ones are lost;
        may be asked for by any thread."""
        return self._unrecorded.facts

    @property
    def care_is_due(self) -> bool:
        return time.monotonic() - self._cared_s >= self._care_every_s

    def fact(self, kind: Kind, **fields: object) -> Fact:
        """As of now."""
        return Fact(
            kind=kind,
            at_us=self._clock.now_us(),
            uptime_us=self._clock.uptime_us(),
            clock=self._clock.quality(),
            **fields,  # type: ignore[arg-type]
        )

    def list_fact(self, kind: Kind, access_list: AccessList, **fields: object) -> Fact:
        """One that tells of the access list, too: which it is, and how old."""
        age_s = access_list.age_s(self._clock.now_us())
        return self.fact(kind, list_version=access_list.version, list_age_s=age_s, **fields)

    def record(self, facts: list[Fact]) -> list[int]:
        """Durable when this returns their numbers. What could not be recorded before goes first. Raises
        JournalUnavailable."""
        earlier, lost = self._unrecorded.facts, self._unrecorded.lost
        if earlier:
            facts = [*earlier, *facts]
        begun_s = time.monotonic()
        seqs = self._journal.append(facts)
        self._uncounted.append((facts, time.monotonic() - begun_s))
        epoch = self._journal.head.epoch
        self.since.take(facts, epoch, seqs)
        if epoch != self._epoch:
            self._epoch = epoch
            self._epoch_began()
        if earlier:
            self._unrecorded.clear()
            log.warning("journal: %d records made up for", len(earlier) - (lost > 0))
        if lost:
            log.critical("journal: %d records before them are lost", lost)
        return seqs[len(earlier) :] if earlier else seqs

    def rehearse(self, fact: Fact) -> None:
        """Records nothing."""
        self._journal.rehearse(fact)

    def count(self) -> None:
        """Tells the metrics what was recorded; apart from `record`, because nobody at a door waits for it."""
        for facts, took_s in self._uncounted:
            self._metrics.committed(took_s)
            self._metrics.recorded((fact.kind, fact.reason) for fact in facts)
        self._uncounted.clear()

    def settle(self, facts: list[Fact]) -> None:
        """Records what nothing at a door waits for: durable or in memory when this returns."""
        if facts and not self.store(facts):
            self.keep_in_memory([*facts, *self.troubles()])

    def store(self, facts: list[Fact]) -> bool:
        """Whether they are durable now. If not, they are not kept either, and what the journal has met with
        is still to be asked for (`troubles`)."""
        try:
            self.record(facts)
        except JournalUnavailable as error:
            log.critical("nothing can be recorded: %s", error)
            return False
        self.count()
        self._announce(self._journal.head)
        self.settle(self.troubles())
        return True

    def keep_in_memory(self, facts: list[Fact]) -> None:
        told = self._unrecorded.lost > 0
        if lost := self._unrecorded.keep(facts):
            self._metrics.lost(lost)
            if not told:
                log.critical("too many records wait for the journal: from now on the oldest are lost")

    def troubles(self) -> list[Fact]:
        """What the journal has met with since it was asked last."""
        return [self.fact(kind, reason=reason) for kind, reason in self._journal.troubles()]

    def begin_anew(self, epoch: int) -> None:
        """Leaves `epoch`, where the centre has other records than we, if it is the one that is written to."""
        try:
            if self._journal.head.epoch != epoch or not self._epochs_anew.take(1, time.monotonic()):
                return
            self._journal.begin_anew(epoch)
        except JournalUnavailable as error:
            log.critical("nothing can be recorded: %s", error)
        else:
            self._announce(self._journal.head)

    def acknowledged(self, epoch: int, through: int) -> None:
        """To be noted with the next `care`. Had the centre less of `epoch` in the meantime, former licences
        count for nothing, however soon it has all again."""
        least, _ = self._acknowledged.get(epoch, (through, through))
        self._acknowledged[epoch] = min(least, through), through

    def care(self, found: Iterable[tuple[Kind, Reason | None]], go_on: Callable[[], bool]) -> None:
        """Between events: records what was `found` of disk and clock, makes up for what was not recorded,
        notes acknowledgements, prunes a little; `go_on` is asked after each part of that."""
        self._cared_s = time.monotonic()
        self.settle([self.fact(kind, reason=reason) for kind, reason in found])
        try:
            if self._unrecorded:
                self.record([])
                self.count()
                self._announce(self._journal.head)
            self._note_acknowledgements()
            while self._journal.prune(self._keep_days) and go_on():
                continue
        except JournalUnavailable as error:
            log.critical("nothing can be recorded: %s", error)
        self.settle(self.troubles())

    def _note_acknowledgements(self) -> None:
        """What the journal has no room for now is said to it again. Raises JournalUnavailable."""
        for epoch, (least, through) in list(self._acknowledged.items()):
            known = self._noted.get(epoch) == through == least  # the centre says it again with each state
            if known or self._journal.acknowledge(epoch, through, least):
                self._noted[epoch] = through
                del self._acknowledged[epoch]
