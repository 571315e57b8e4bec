"""The controller: decides for the whole building, one round after the other.

Who has the turn takes what is waiting, makes records of it, commits them together, and only then releases
doors. That is the deciding thread, which waits for `inbox`; a reader's own thread may take the turn for the
card that it has just read (`read`) while nobody else has it. Neither ever waits for a network, a reader or
the centre.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from drivers.base import CardRead, CardRemoved, CardUnreadable, DeviceChanged, Indication, InputChanged
from drivers.errors import DriverError
from gateway.access import Access
from gateway.access_list import AccessList
from gateway.at_the_reader import AtTheReader
from gateway.clock import Clock, Glance
from gateway.commanded import TURNS, until
from gateway.doors import AccessPoint, Doors, DoorTold
from gateway.errors import JournalUnavailable
from gateway.events import (
    Acknowledged,
    AckRefused,
    CommandGiven,
    CommandRefused,
    DoorsTurned,
    EpochDisputed,
    Event,
    ListRefused,
    LookBack,
    LookedBack,
    NewList,
    NewSettings,
    RecordsExported,
    SettingsRefused,
    Stop,
)
from gateway.facts import Fact
from gateway.freeing import begin_free
from gateway.inbox import Inbox
from gateway.journal import Journal
from gateway.looking_back import Remembering
from gateway.metrics import Metrics
from gateway.reasons import signal_of
from gateway.recording import Act, Recorder
from gateway.senses import Found, Senses
from gateway.surroundings import Surroundings
from messages.commands import COMMAND_VERSION, Action, Command, Outcome, Result
from messages.model import Kind, Reason

log = logging.getLogger(__name__)

_TOGETHER = 64
"""Reads that arrive together share a commit; more than this would make the first one wait."""

_IDLE_S = 1.0
"""How long the deciding thread waits for an event before it looks whether time has brought something."""

_LEAST_WAIT_S = 0.01
"""Between two looks at what is due."""

_STAYS_WARM_S = 0.02
"""A decision that came so shortly before needs no rehearsal."""

_LONGEST_UNTICKED_S = 0.02
"""In the rush of the morning, too, what time alone brings is seen to so often."""


class Controller:
    """Everything but `inbox` and `read` belongs to the thread that calls `run`, and to who has the turn."""

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
        self.inbox = Inbox()
        self._turn = threading.Lock()
        self._lends_turn = False  # between the first record of a run and its last
        self._waits_for_turn = False  # the deciding thread: it must not be overtaken for ever
        self._fell = False  # a decision ended by itself on a reader's thread
        self._clock = Glance(clock, wall_us or clock.now_us)
        self._access = access
        self._doors = doors
        self._senses = senses
        self._around = surroundings
        self._recorder = Recorder(
            journal,
            self._clock,
            metrics or Metrics(),
            keep_acknowledged_days,
            announce=surroundings.announce,
            epoch_began=doors.forget_decisions,
        )
        self._fact = self._recorder.fact
        self._readers = AtTheReader(points, access, self._recorder, self._clock)
        self._remembering = Remembering(access, self._recorder)
        self._stopping = False
        self._ticked_s = self._handled_s = float("-inf")

    @property
    def access_list(self) -> AccessList:
        """The one in force; may be asked for by any thread."""
        return self._access.access_list

    @property
    def unrecorded(self) -> tuple[Fact, ...]:
        """What happened and could not be recorded yet, oldest first; may be asked for by any thread."""
        return self._recorder.unrecorded

    def run(self) -> None:
        """Decides until `Stop`."""
        with self._turn:
            self._clock.look()
            self._recorder.settle([self._fact(Kind.GATEWAY_STARTED)])
            self._lends_turn = True
        wait_s = 0.0
        while not self._stopping:
            self.inbox.wait(wait_s)
            self._waits_for_turn = True
            with self._turn:
                self._waits_for_turn = False
                if not self._fell:
                    wait_s = self._go_round()
        with self._turn:
            if self._fell:
                return
            self._clock.look()
            self._recorder.settle([self._fact(Kind.GATEWAY_STOPPED)])
            self._care_for_the_journal()

    def read(self, read: CardRead) -> None:
        """From a reader's own thread: decides at once, on that thread, if nobody decides now or is about to;
        else the card waits in the inbox, and shares a commit with the others that do. Two threads that wake
        each other cost a person at the door more than the decision.

        Whatever waited before goes first; what that and time bring is left to the deciding thread, which is
        told. Raises whatever a decision fails with; then nothing more is decided, and `run` returns.
        """
        if self._waits_for_turn or not self._turn.acquire(blocking=False):
            self.inbox.put(read)
            return
        waited: list[Event] = []
        try:
            if self._lends_turn:
                if not self.inbox.empty():
                    waited = self.inbox.take(_TOGETHER - 1)
                self.handle([*waited, read])
            else:
                self.inbox.put(read)
        except BaseException:
            self._lends_turn, self._stopping, self._fell = False, True, True
            self.inbox.ring()
            raise
        finally:
            self._turn.release()
        if waited or not self.inbox.empty():
            self.inbox.ring()

    def rehearse(self, reader: str) -> None:
        """From a reader's own thread, while a card is being read there: goes the way of a decision, up to its
        record, with the last card once more, and leaves nothing. What was not used for a while has left the
        processor's caches, and takes ten times as long."""
        if time.monotonic() - self._handled_s < _STAYS_WARM_S or not self._turn.acquire(blocking=False):
            return
        try:
            if self._lends_turn and self.inbox.empty():
                self._handled_s = time.monotonic()
                self._clock.look()
                if (fact := self._readers.rehearsed(reader)) is not None:
                    self._recorder.rehearse(fact)
        finally:
            self._turn.release()

    def handle(self, events: Iterable[Event]) -> None:
        """One round: decide, make durable, release."""
        self._clock.look()
        acts = [act for event in events for act in self._acts_on(event)]
        if not acts:
            return
        self._handled_s = time.monotonic()
        try:
            seqs = self._recorder.record([act.fact for act in acts])
        except JournalUnavailable as error:
            self._without_a_journal(acts, error)
            return
        follow = self._carry_out(acts, seqs)
        self._recorder.count()
        self._around.announce(self._recorder.head)
        self._recorder.settle([*follow, *self._recorder.troubles()])

    def look_back(self) -> None:
        """What came late into force is brought together with the records, once these are complete."""
        self._remembering.go_on()

    def tick(self) -> None:
        """What time alone has brought: doors held open, decisions not taken, free hours."""
        now, now_s = self._clock.look(), time.monotonic()
        self._ticked_s = now_s
        self._recorder.settle(self._of_doors(self._doors.tick(now, now_s)))
        begin_free(self._doors, self._recorder, now, now_s)
        self._doors.keep_free(now_s)

    def _go_round(self) -> float:
        """Returns for how long nothing more is to be done. A card that is read meanwhile changes nothing of
        that: what it releases is released for longer than _IDLE_S."""
        try:
            self.handle(self.inbox.take(_TOGETHER))
            self.look_back()
            if self.inbox.empty() or time.monotonic() - self._ticked_s >= _LONGEST_UNTICKED_S:
                self.tick()
            self._around.beat()
            if self.inbox.empty() and self._recorder.care_is_due:
                self._care_for_the_journal()
        except BaseException:
            self._lends_turn = False
            raise
        return self._wait_s()

    def _wait_s(self) -> float:
        if not self.inbox.empty():
            return 0.0
        due_s = self._doors.due_s()
        wait_s = _IDLE_S if due_s is None else min(_IDLE_S, due_s - time.monotonic())
        return max(_LEAST_WAIT_S, wait_s)

    def _acts_on(self, event: Event) -> list[Act]:
        match event:
            case CardRead():
                return self._readers.read(event)
            case CardUnreadable():
                return self._readers.unreadable(event)
            case CommandGiven(command, noted):
                return [self._ordered(command, noted)]
            case CommandRefused(command_id, reason, door):
                return [Act(self._fact(Kind.COMMAND_REFUSED, reason=reason, door=door), refused=command_id)]
            case RecordsExported(noted):
                return [Act(self._fact(Kind.RECORDS_EXPORTED), noted=noted)]
            case Acknowledged(epoch, through):
                self._recorder.acknowledged(epoch, through)
            case LookBack() | LookedBack():
                self._remembering.take(event)
            case EpochDisputed(epoch):
                self._recorder.begin_anew(epoch)
            case Stop():
                self._stopping, self._lends_turn = True, False
            case CardRemoved():
                pass  # a removed card says nothing about who went in
            case _:
                return [Act(fact) for fact in self._noticed(event)]
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
                return [self._recorder.list_fact(Kind.LIST_APPLIED, self.access_list)]
            case ListRefused(reason):
                return [self._recorder.list_fact(Kind.LIST_REFUSED, self.access_list, reason=reason)]
            case NewSettings(settings):
                self._access.take_settings(settings)
                turned = self._doors.turn(Reason.SCHEDULE, self._clock.moment, time.monotonic())
                return [self._fact(Kind.SETTINGS_APPLIED), *self._of_doors(turned)]
            case SettingsRefused(reason):
                return [self._fact(Kind.SETTINGS_REFUSED, reason=reason)]
            case AckRefused(reason):
                return [self._fact(Kind.ACK_REFUSED, reason=reason)]
            case DoorsTurned(turns):
                for turn in turns:
                    self._access.take_up(turn, self._clock.boot)
                return self._of_doors(self._doors.turn(Reason.COMMAND, self._clock.moment, time.monotonic()))
        return []

    # --- commands ---------------------------------------------------------------------------------------

    def _ordered(self, command: Command, noted: Callable[[], None] | None) -> Act:
        """Who ordered it stands where the holder of a credential stands (trust.md R-54)."""
        if self._clock.now_us() >= command.expires_us and command.action is not Action.SEND_RECORDS:
            fact = self._fact(Kind.COMMAND_REFUSED, reason=Reason.TOO_LATE, door=command.door)
            return Act(fact, refused=command.id)
        point = self._doors.point_of(command.door or "") if command.action is Action.RELEASE else None
        fact = self._fact(
            _ORDERED.get(command.action, Kind.COMMAND_DONE),
            door=command.door,
            holder=command.operator,
            category=OPERATOR,
            reason=Reason.COMMAND,
        )
        return Act(fact, point, command=command, noted=noted)

    def _obey(self, act: Act, command: Command, seq: int) -> list[Fact]:
        """Its record is durable."""
        follow: list[Fact] = []
        done = True
        match command.action:
            case Action.RELEASE if act.point is not None:
                follow = self._release(act.point, seq)
                done = not any(fact.kind is Kind.RELEASE_FAILED for fact in follow)
            case Action.RESET_PASSBACK:
                self._access.reset_passback()
            case Action.SEND_RECORDS:
                self._around.send_again(command)
            case _ if command.door is not None and command.action in TURNS:
                now, until_us = self._clock.moment, command.until_us
                end = None if until_us is None else until(until_us, command.issued_us, now)
                self._access.command_mode(command.door, TURNS[command.action], end)
                turned = self._doors.turn(Reason.COMMAND, now, time.monotonic())
                follow = self._of_doors(turned)
        self._answer(command.id, seq, None if done else Reason.LOST_DRIVE)
        return follow

    def _answer(self, command_id: str, seq: int, refusal: Reason | None) -> None:
        outcome = Outcome.DONE if refusal is None else Outcome.REFUSED
        epoch = self._recorder.head.epoch
        self._around.answer(Result(COMMAND_VERSION, command_id, outcome, refusal, epoch, int(seq)))

    # --- recording, and what follows --------------------------------------------------------------------

    def _carry_out(self, acts: Sequence[Act], seqs: Sequence[int | None]) -> list[Fact]:
        """What follows from what is durable now (a number of None: from what is kept in memory); returns what
        there is to record of that. Whoever waits at a door comes first, and what is to be remembered of it
        after them all."""
        failures = [self._at_the_door(act) for act in acts]
        now, now_s = self._clock.look(), time.monotonic()
        follow: list[Fact] = []
        for act, seq, failure in zip(acts, seqs, failures, strict=True):
            decision, point = act.decision, act.point
            if decision is not None and decision.granted and point is not None:
                if failure is not None:
                    self._access.withdrawn(decision, point.door, point.direction)
                    follow.append(self._not_driven(point, seq, failure))
                elif told := self._doors.granted(decision, point, seq, now, now_s):
                    follow += self._of_doors(told)
            elif seq is not None:
                follow += self._follow(act, seq)
        return follow

    def _at_the_door(self, act: Act) -> DriverError | None:
        """Drives the lock for whoever was let in, and shows them so; the others are shown why not."""
        if act.point is None or act.reader is None:
            return None
        if not act.granted:
            self._around.indicate(act.reader, signal_of(act.fact.reason))
            return None
        try:
            act.point.release()
        except DriverError as error:
            return error
        self._around.indicate(act.reader, Indication.GRANTED)
        return None

    def _follow(self, act: Act, seq: int) -> list[Fact]:
        if act.refused is not None:
            self._answer(act.refused, seq, act.fact.reason)
        if act.noted is not None:
            act.noted()
        return [] if act.command is None else self._obey(act, act.command, seq)

    def _release(self, point: AccessPoint, seq: int) -> list[Fact]:
        """By command; returns what there is to record of that."""
        try:
            point.release()
        except DriverError as error:
            self._clock.look()
            return [self._not_driven(point, seq, error)]
        return self._of_doors(self._doors.commanded(point.door, seq, self._clock.look(), time.monotonic()))

    def _not_driven(self, point: AccessPoint, seq: int | None, error: DriverError) -> Fact:
        log.error("door %s: granted, but the lock was not driven: %s", point.door, error)
        return self._fact(Kind.RELEASE_FAILED, door=point.door, reason=Reason.LOST_DRIVE, links=seq)

    def _without_a_journal(self, acts: list[Act], error: JournalUnavailable) -> None:
        """The declared policy: enrolled residents are let in with a loud alarm and a record in memory,
        everybody else is sent to a person. Exit does not depend on us."""
        log.critical("nothing can be recorded: %s", error)
        for act in acts:
            if act.command is not None:
                self._not_obeyed(act.command)
                continue
            if act.refused is not None:
                self._around.answer(Result(COMMAND_VERSION, act.refused, Outcome.REFUSED, act.fact.reason))
            fact = act.fact_without_a_journal(stands_free=self._doors.stands_free(act.fact.door))
            self._recorder.keep_in_memory([fact])
            if act.admits_unrecorded:
                self._recorder.keep_in_memory(self._carry_out([act], [None]))
                continue
            if act.granted and act.point is not None and act.decision is not None:
                self._access.withdrawn(act.decision, act.point.door, act.point.direction)
            if act.reader is not None:
                self._around.indicate(act.reader, signal_of(fact.reason))
        self._recorder.keep_in_memory(self._recorder.troubles())

    def _not_obeyed(self, command: Command) -> None:
        """A command is witnessed on both sides or not carried out."""
        self._around.answer(Result(COMMAND_VERSION, command.id, Outcome.REFUSED, Reason.NOT_RECORDABLE))
        refused = self._fact(Kind.COMMAND_REFUSED, door=command.door, reason=Reason.NOT_RECORDABLE)
        self._recorder.keep_in_memory([refused])

    def _care_for_the_journal(self) -> None:
        self._clock.look()
        self._recorder.care(self._around.troubles(), self._may_go_on)

    def _may_go_on(self) -> bool:
        self._around.beat()
        return self.inbox.empty()

    # --- facts ------------------------------------------------------------------------------------------

    def _found(self, found: Found) -> list[Fact]:
        facts = [
            self._fact(each.kind, door=each.door, reader=each.reader, reason=each.reason)
            for each in found.noticed
        ]
        now, now_s = self._clock.moment, time.monotonic()
        for door, signal in found.signals:
            facts += self._of_doors(self._doors.signal(door, signal, now, now_s))
        return facts

    def _of_doors(self, told: Iterable[DoorTold]) -> list[Fact]:
        return [
            self._fact(each.told.kind, door=each.door, reason=each.told.reason, links=each.told.links)
            for each in told
        ]


OPERATOR = "operator"
"""The category of whoever gives commands at the centre."""

_ORDERED = {Action.RELEASE: Kind.REMOTE_RELEASE, Action.RESET_PASSBACK: Kind.PASSBACK_RESET}
