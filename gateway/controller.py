"""The controller: one thread decides for the whole building.

Readers hand their events to `inbox`; the deciding thread turns what is waiting into records, commits them
together, and only then releases doors. It never waits for a network, a reader or the centre.
"""

from __future__ import annotations

import logging
import queue
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from drivers.base import CardRead, CardRemoved, CardUnreadable, DeviceChanged, Indication, InputChanged
from drivers.errors import DriverError
from gateway.access import Access, presented
from gateway.access_list import AccessList
from gateway.clock import Clock, Moment
from gateway.commanded import until
from gateway.decision import Decision
from gateway.doors import AccessPoint, Doors, DoorTold
from gateway.errors import JournalUnavailable
from gateway.events import (
    Acknowledged,
    CommandGiven,
    CommandRefused,
    Event,
    ListRefused,
    NewList,
    NewSettings,
    RecordsExported,
    SettingsRefused,
    Stop,
)
from gateway.facts import Fact
from gateway.journal import Head, Journal
from gateway.metrics import Metrics
from gateway.presentation import RepeatWindow
from gateway.senses import Found, Senses
from messages.commands import COMMAND_VERSION, Action, Command, Outcome, Result
from messages.model import AssuranceLevel, Credential, Kind, Reason
from messages.site_settings import DoorMode

log = logging.getLogger(__name__)

_TOGETHER = 64
"""Reads that arrive together share a commit; more than this would make the first one wait."""

_IDLE_S = 1.0
"""How long the deciding thread waits for an event before it looks whether time has brought something."""

_LEAST_WAIT_S = 0.01
"""Between two looks at what is due."""

CARE_EVERY_S = 60.0
"""Acknowledgements are noted, and old records pruned, together and seldom: flash wears by writes."""

MAX_UNRECORDED = 10_000
"""Facts kept in memory while the journal cannot write: some days of a building's entries."""

_LET_IN_UNRECORDED = frozenset({Reason.LISTED, Reason.LISTED_PASSED_BACK, Reason.FREE_HOURS})
"""Enrolled people, and everybody while the door stands free. Whoever else has a right is sent to a person
while nothing can be recorded."""


def _nothing(*_: object) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything that the deciding thread tells; each returns at once and belongs to another part."""

    indicate: Callable[[str, Indication], None]  # (reader, signal)
    announce: Callable[[Head], None]  # a commit has moved the head
    list_changed: Callable[[], None] = _nothing  # another list decides now
    answer: Callable[[Result], None] = _nothing  # what became of a command
    send_again: Callable[[Command], None] = _nothing  # records that the centre wants once more
    beat: Callable[[], None] = _nothing  # one more round was made: the loop is alive
    input_changed: Callable[[InputChanged], None] = _nothing  # for whoever watches the power
    troubles: Callable[[], Iterable[tuple[Kind, Reason | None]]] = tuple  # what changed of disk and clock


@dataclass(frozen=True, slots=True)
class _Act:
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


class Controller:
    """Owns the journal's writing side. Everything but `inbox` belongs to the thread that calls `run`."""

    def __init__(
        self,
        *,
        journal: Journal,
        clock: Clock,
        access: Access,
        points: Mapping[str, AccessPoint],
        doors: Doors,
        senses: Senses,
        surroundings: Surroundings,
        keep_acknowledged_days: int,
        wall_us: Callable[[], int] | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """`points` by reader. `wall_us`: the machine's time of day as it stands, for decisions: `clock` may
        give out a later one while that has not been set, and then no time window is certain."""
        self.inbox: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._journal = journal
        self._clock = clock
        self._access = access
        self._points = points
        self._doors = doors
        self._senses = senses
        self._around = surroundings
        self._keep_days = keep_acknowledged_days
        self._wall_us = wall_us or clock.now_us
        self._metrics = metrics or Metrics()
        self._care_every_s = CARE_EVERY_S if keep_acknowledged_days else 0.0
        self._cared_s = time.monotonic()
        self._repeats = RepeatWindow()
        self._unrecorded: deque[Fact] = deque(maxlen=MAX_UNRECORDED)
        self._acknowledged: dict[int, int] = {}
        self._noted: dict[int, int] = {}
        self._epoch = 0
        self._stopping = False

    @property
    def access_list(self) -> AccessList:
        """The one in force; may be asked for by any thread."""
        return self._access.access_list

    @property
    def unrecorded(self) -> tuple[Fact, ...]:
        """What happened and could not be recorded yet, oldest first; may be asked for by any thread."""
        return tuple(self._unrecorded.copy())

    def run(self) -> None:
        """Decides until `Stop`."""
        self._handle_facts([self._fact(Kind.GATEWAY_STARTED)])
        while not self._stopping:
            self.handle(self._waiting())
            self.tick()
            self._around.beat()
            if self.inbox.empty() and time.monotonic() - self._cared_s >= self._care_every_s:
                self._care_for_the_journal()
        self._handle_facts([self._fact(Kind.GATEWAY_STOPPED)])
        self._care_for_the_journal()

    def handle(self, events: Iterable[Event]) -> None:
        """One round: decide, make durable, release."""
        acts = [act for event in events for act in self._acts_on(event)]
        if not acts:
            return
        try:
            seqs = self._record([act.fact for act in acts])
        except JournalUnavailable as error:
            self._without_a_journal(acts, error)
            return
        follow = [fact for act, seq in zip(acts, seqs, strict=True) for fact in self._carry_out(act, seq)]
        self._around.announce(self._journal.head)
        self._handle_facts([*follow, *self._journal_troubles()])

    def tick(self) -> None:
        """What time alone has brought: doors held open, decisions not taken, free hours."""
        now_s = time.monotonic()
        self._handle_facts(self._of_doors(self._doors.tick(self._now(), now_s)))
        self._doors.keep_free(now_s)

    def _waiting(self) -> list[Event]:
        due_s = self._doors.due_s()
        wait_s = _IDLE_S if due_s is None else min(_IDLE_S, due_s - time.monotonic())
        try:
            events = [self.inbox.get(timeout=max(_LEAST_WAIT_S, wait_s))]
        except queue.Empty:
            return []
        while len(events) < _TOGETHER and not self.inbox.empty():
            events.append(self.inbox.get_nowait())
        return events

    def _acts_on(self, event: Event) -> list[_Act]:
        match event:
            case CardRead():
                return self._decide(event)
            case CardUnreadable():
                return self._unreadable(event)
            case CommandGiven(command):
                return [self._ordered(command)]
            case CommandRefused(command_id, reason, door):
                return [_Act(self._fact(Kind.COMMAND_REFUSED, reason=reason, door=door), refused=command_id)]
            case RecordsExported(noted):
                return [_Act(self._fact(Kind.RECORDS_EXPORTED), noted=noted)]
            case Acknowledged(epoch, through):
                self._acknowledged[epoch] = through
            case Stop():
                self._stopping = True
            case CardRemoved():
                pass  # a removed card says nothing about who went in
            case _:
                return [_Act(fact) for fact in self._noticed(event)]
        return []

    def _noticed(self, event: Event) -> list[Fact]:
        """What is recorded and has no further consequence."""
        match event:
            case DeviceChanged():
                return self._found(self._senses.device_changed(event))
            case InputChanged():
                self._around.input_changed(event)
                return self._found(self._senses.input_changed(event))
            case NewList(access_list):
                self._access.take_list(access_list)
                self._around.list_changed()
                return [self._list_fact(Kind.LIST_APPLIED)]
            case ListRefused(reason):
                return [self._list_fact(Kind.LIST_REFUSED, reason=reason)]
            case NewSettings(settings):
                self._access.take_settings(settings)
                turned = self._doors.turn(Reason.SCHEDULE, self._now(), time.monotonic())
                return [self._fact(Kind.SETTINGS_APPLIED), *self._of_doors(turned)]
            case SettingsRefused(reason):
                return [self._fact(Kind.SETTINGS_REFUSED, reason=reason)]
        return []

    # --- credentials ------------------------------------------------------------------------------------

    def _decide(self, read: CardRead) -> list[_Act]:
        point = self._points.get(read.reader)
        shown = read.token if read.pin is None else f"{read.token} {read.pin}"  # another PIN is another try
        if point is None or self._repeats.is_repeat(read.reader, shown, read.at_ns):
            return []
        decision = self._access.decide(presented(read), point.door, point.direction, self._now())
        fact = self._decision_fact(read, point, decision)
        acts = [_Act(fact, point, read.reader, decision)]
        if decision.duress:
            acts.append(_Act(replace(fact, kind=Kind.DURESS, reason=None)))
        if decision.repeated:
            acts.append(_Act(self._fact(Kind.REPEATED_DENIALS, door=point.door, reader=read.reader)))
        return acts

    def _decision_fact(self, read: CardRead, point: AccessPoint, decision: Decision) -> Fact:
        return self._fact(
            Kind.ACCESS_GRANTED if decision.granted else Kind.ACCESS_DENIED,
            door=point.door,
            reader=read.reader,
            direction=point.direction,
            credential=Credential(read.kind, read.token, AssuranceLevel(read.assurance)),
            holder=decision.holder,
            category=decision.category,
            reason=decision.reason,
            list_version=self.access_list.version,
            list_age_s=self._age(),
        )

    def _unreadable(self, event: CardUnreadable) -> list[_Act]:
        point = self._points.get(event.reader)
        if point is None:
            return []
        fact = self._fact(
            Kind.ACCESS_DENIED,
            door=point.door,
            reader=event.reader,
            direction=point.direction,
            reason=Reason.UNREADABLE,
        )
        return [_Act(fact, point, event.reader)]

    # --- commands ---------------------------------------------------------------------------------------

    def _ordered(self, command: Command) -> _Act:
        """Who ordered it stands where the holder of a credential stands (trust.md R-54)."""
        if self._clock.now_us() >= command.expires_us and command.action is not Action.SEND_RECORDS:
            fact = self._fact(Kind.COMMAND_REFUSED, reason=Reason.TOO_LATE, door=command.door)
            return _Act(fact, refused=command.id)
        point = self._doors.point_of(command.door or "") if command.action is Action.RELEASE else None
        fact = self._fact(
            _ORDERED.get(command.action, Kind.COMMAND_DONE),
            door=command.door,
            holder=command.operator,
            category=OPERATOR,
            reason=Reason.COMMAND,
        )
        return _Act(fact, point, command=command)

    def _obey(self, act: _Act, command: Command, seq: int) -> list[Fact]:
        """Its record is durable."""
        follow: list[Fact] = []
        done = True
        match command.action:
            case Action.RELEASE if act.point is not None:
                follow = self._release(act, seq)
                done = not any(fact.kind is Kind.RELEASE_FAILED for fact in follow)
            case Action.RESET_PASSBACK:
                self._access.reset_passback()
            case Action.SEND_RECORDS:
                self._around.send_again(command)
            case _ if command.door is not None:
                now = self._now()
                end = command.until_us
                self._access.command_mode(
                    command.door,
                    _COMMANDED.get(command.action),
                    None if end is None else until(end, command.issued_us, now),
                )
                turned = self._doors.turn(Reason.COMMAND, now, time.monotonic())
                follow = self._of_doors(turned)
        self._answer(command.id, seq, None if done else Reason.LOST_DRIVE)
        return follow

    def _answer(self, command_id: str, seq: int, refusal: Reason | None) -> None:
        outcome = Outcome.DONE if refusal is None else Outcome.REFUSED
        epoch = self._journal.head.epoch
        self._around.answer(Result(COMMAND_VERSION, command_id, outcome, refusal, epoch, int(seq)))

    # --- recording, and what follows --------------------------------------------------------------------

    def _record(self, facts: list[Fact]) -> list[int]:
        """Durable when this returns. What could not be recorded before goes first."""
        earlier = list(self._unrecorded)
        begun_s = time.monotonic()
        seqs = self._journal.append([*earlier, *facts])
        self._metrics.committed(time.monotonic() - begun_s)
        for fact in (*earlier, *facts):
            self._metrics.recorded(fact.kind, fact.reason)
        if self._journal.head.epoch != self._epoch:
            self._epoch = self._journal.head.epoch
            self._doors.forget_decisions()
        if earlier:
            self._unrecorded.clear()
            log.warning("journal: %d records made up for", len(earlier))
        return seqs[len(earlier) :]

    def _carry_out(self, act: _Act, seq: int | None) -> list[Fact]:
        """What follows from what is durable now (`seq` None: from what is kept in memory)."""
        if act.refused is not None and seq is not None:
            self._answer(act.refused, seq, act.fact.reason)
        if act.noted is not None and seq is not None:
            act.noted()
        if act.command is not None:
            return [] if seq is None else self._obey(act, act.command, seq)
        if act.point is None or act.reader is None:
            return []
        if not act.granted:
            unreadable = act.fact.reason is Reason.UNREADABLE
            self._around.indicate(act.reader, Indication.TRY_AGAIN if unreadable else Indication.DENIED)
            return []
        return self._release(act, seq)

    def _release(self, act: _Act, seq: int | None) -> list[Fact]:
        """Drives the lock; returns what there is to record of that."""
        point = act.point
        assert point is not None
        try:
            point.release()
        except DriverError as error:
            log.error("door %s: granted, but the lock was not driven: %s", point.door, error)
            if act.decision is not None:
                self._access.withdrawn(act.decision, point.door, point.direction)
            return [self._fact(Kind.RELEASE_FAILED, door=point.door, reason=Reason.LOST_DRIVE, links=seq)]
        now, now_s = self._now(), time.monotonic()
        if act.decision is None:
            return self._of_doors(self._doors.commanded(point.door, seq, now, now_s))
        if act.reader is not None:
            self._around.indicate(act.reader, Indication.GRANTED)
        return self._of_doors(self._doors.granted(act.decision, point, seq, now, now_s))

    def _without_a_journal(self, acts: list[_Act], error: JournalUnavailable) -> None:
        """The declared policy: enrolled residents are let in with a loud alarm and a record in memory,
        everybody else is sent to a person. Exit does not depend on us."""
        log.critical("nothing can be recorded: %s", error)
        for act in acts:
            if act.command is not None:
                self._not_obeyed(act.command)
                continue
            if act.refused is not None:
                self._around.answer(Result(COMMAND_VERSION, act.refused, Outcome.REFUSED, act.fact.reason))
            may = act.granted and act.fact.reason in _LET_IN_UNRECORDED
            let_in = may and act.point is not None and act.point.admit_listed_unrecorded
            self._keep_in_memory([_as_decided_without_a_journal(act, let_in=let_in)])
            if let_in:
                self._keep_in_memory(self._carry_out(act, seq=None))
                continue
            if act.granted and act.point is not None and act.decision is not None:
                self._access.withdrawn(act.decision, act.point.door, act.point.direction)
            if act.reader is not None:
                self._around.indicate(act.reader, Indication.DENIED)
        self._keep_in_memory(self._journal_troubles())

    def _not_obeyed(self, command: Command) -> None:
        """A command is witnessed on both sides or not carried out."""
        self._around.answer(Result(COMMAND_VERSION, command.id, Outcome.REFUSED, Reason.NOT_RECORDABLE))
        refused = self._fact(Kind.COMMAND_REFUSED, door=command.door, reason=Reason.NOT_RECORDABLE)
        self._keep_in_memory([refused])

    def _keep_in_memory(self, facts: list[Fact]) -> None:
        if len(self._unrecorded) + len(facts) > MAX_UNRECORDED:
            log.critical("more than %d records wait for the journal: the oldest are lost", MAX_UNRECORDED)
        self._unrecorded.extend(facts)

    def _handle_facts(self, facts: list[Fact]) -> None:
        if not facts:
            return
        try:
            self._record(facts)
        except JournalUnavailable as error:
            log.critical("nothing can be recorded: %s", error)
            self._keep_in_memory([*facts, *self._journal_troubles()])
            return
        self._around.announce(self._journal.head)
        self._handle_facts(self._journal_troubles())

    def _journal_troubles(self) -> list[Fact]:
        return [self._fact(kind, reason=reason) for kind, reason in self._journal.troubles()]

    def _care_for_the_journal(self) -> None:
        """Between events: make up for what was not recorded, note acknowledgements, prune a little."""
        self._cared_s = time.monotonic()
        self._handle_facts([self._fact(k, reason=reason) for k, reason in self._around.troubles()])
        try:
            if self._unrecorded:
                self._record([])
                self._around.announce(self._journal.head)
            for epoch, through in self._acknowledged.items():
                if self._noted.get(epoch) != through:  # the centre says it again with each state
                    self._journal.acknowledge(epoch, through)
                    self._noted[epoch] = through
            self._acknowledged.clear()
            while self._journal.prune(self._keep_days) and self.inbox.empty():
                self._around.beat()
        except JournalUnavailable as error:
            log.critical("nothing can be recorded: %s", error)
        self._handle_facts(self._journal_troubles())

    # --- facts ------------------------------------------------------------------------------------------

    def _found(self, found: Found) -> list[Fact]:
        facts = [
            self._fact(each.kind, door=each.door, reader=each.reader, reason=each.reason)
            for each in found.noticed
        ]
        now, now_s = self._now(), time.monotonic()
        for door, signal in found.signals:
            facts += self._of_doors(self._doors.signal(door, signal, now, now_s))
        return facts

    def _of_doors(self, told: Iterable[DoorTold]) -> list[Fact]:
        return [
            self._fact(each.told.kind, door=each.door, reason=each.told.reason, links=each.told.links)
            for each in told
        ]

    def _fact(self, kind: Kind, **fields: object) -> Fact:
        return Fact(
            kind=kind,
            at_us=self._clock.now_us(),
            uptime_us=self._clock.uptime_us(),
            clock=self._clock.quality(),
            **fields,  # type: ignore[arg-type]
        )

    def _list_fact(self, kind: Kind, reason: Reason | None = None) -> Fact:
        version, age_s = self.access_list.version, self._age()
        return self._fact(kind, list_version=version, list_age_s=age_s, reason=reason)

    def _age(self) -> int:
        return self.access_list.age_s(self._clock.now_us())

    def _now(self) -> Moment:
        return Moment(self._wall_us(), self._clock.quality(), self._clock.uptime_us())


OPERATOR = "operator"
"""The category of whoever gives commands at the centre."""

_ORDERED: Mapping[Action, Kind] = {
    Action.RELEASE: Kind.REMOTE_RELEASE,
    Action.RESET_PASSBACK: Kind.PASSBACK_RESET,
}
_COMMANDED: Mapping[Action, DoorMode] = {Action.FREE: DoorMode.FREE, Action.LOCK_DOWN: DoorMode.LOCKED_DOWN}
"""Any other action gives the door back to its schedule."""


def _as_decided_without_a_journal(act: _Act, *, let_in: bool) -> Fact:
    if not act.granted:
        return act.fact
    if act.fact.reason is Reason.FREE_HOURS:
        return act.fact
    if let_in:
        return replace(act.fact, reason=Reason.LISTED_UNRECORDED)
    return replace(act.fact, kind=Kind.ACCESS_DENIED, reason=Reason.NOT_RECORDABLE)
