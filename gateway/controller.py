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
from datetime import UTC, date, datetime
from types import MappingProxyType
from zoneinfo import ZoneInfo

from drivers.base import (
    CardRead,
    CardRemoved,
    CardUnreadable,
    DeviceChanged,
    DeviceState,
    Indication,
    InputChanged,
    InputState,
)
from drivers.errors import DriverError
from gateway.access_list import AccessList
from gateway.clock import Clock
from gateway.decision import Decision, DoorPolicy, Presented, decide
from gateway.errors import JournalUnavailable
from gateway.events import Acknowledged, Event, ListRefused, NewList, Stop
from gateway.facts import Fact
from gateway.journal import Head, Journal
from gateway.presentation import RepeatWindow
from gateway.sensing import LINE_FAULTS, OWN_INPUTS, Sensor, meanings
from messages.model import AssuranceLevel, Credential, Direction, Kind, Reason

log = logging.getLogger(__name__)

_TOGETHER = 64
"""Reads that arrive together share a commit; more than this would make the first one wait."""

_IDLE_S = 1.0
"""How long the deciding thread waits for an event before it looks whether the journal wants care."""

CARE_EVERY_S = 60.0
"""Acknowledgements are noted, and old records pruned, together and seldom: flash wears by writes."""

MAX_UNRECORDED = 10_000
"""Facts kept in memory while the journal cannot write: some days of a building's entries."""


@dataclass(frozen=True, slots=True)
class AccessPoint:
    """One controlled direction through a door, and how it is released."""

    door: str
    direction: Direction
    policy: DoorPolicy
    lock_board: str
    release: Callable[[], None]  # drives the lock; raises DriverError
    admit_listed_unrecorded: bool = True


@dataclass(frozen=True, slots=True)
class _Act:
    """A fact to record and, once it is durable, what follows from it at the door."""

    fact: Fact
    point: AccessPoint | None = None
    reader: str | None = None
    granted: bool = False


class Controller:
    """Owns the journal's writing side. Everything but `inbox` belongs to the thread that calls `run`."""

    def __init__(
        self,
        *,
        journal: Journal,
        clock: Clock,
        points: Mapping[str, AccessPoint],
        indicate: Callable[[str, Indication], None],
        announce: Callable[[Head], None],
        zone: ZoneInfo,
        keep_acknowledged_days: int,
        sensors: Mapping[tuple[str, int], Sensor] = MappingProxyType({}),
    ) -> None:
        """`points` by reader; `indicate(reader, signal)`; `announce(head)` tells the uplink of a commit;
        `sensors` by board or reader and number of its input."""
        self.inbox: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.access_list = AccessList()
        self._journal = journal
        self._clock = clock
        self._points = points
        self._indicate = indicate
        self._announce = announce
        self._zone = zone
        self._keep_days = keep_acknowledged_days
        self._care_every_s = CARE_EVERY_S if keep_acknowledged_days else 0.0
        self._cared_s = time.monotonic()
        self._sensors = sensors
        self._inputs: dict[tuple[str, int], InputState] = {}
        self._said: dict[tuple[str, int], InputState] = {}  # last, while its line was whole
        self._repeats = RepeatWindow()
        self._unrecorded: deque[Fact] = deque(maxlen=MAX_UNRECORDED)
        self._acknowledged: dict[int, int] = {}
        self._stopping = False

    @property
    def unrecorded(self) -> tuple[Fact, ...]:
        """What happened and could not be recorded yet, oldest first; may be asked for by any thread."""
        return tuple(self._unrecorded.copy())

    def run(self) -> None:
        """Decides until `Stop`."""
        self._handle_facts([self._fact(Kind.GATEWAY_STARTED)])
        while not self._stopping:
            self.handle(self._waiting())
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
        failures = [self._carry_out(act, seq) for act, seq in zip(acts, seqs, strict=True)]
        self._announce(self._journal.head)
        self._handle_facts([fact for fact in failures if fact is not None])

    def _waiting(self) -> list[Event]:
        try:
            events = [self.inbox.get(timeout=_IDLE_S)]
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
            case DeviceChanged():
                return self._device_changed(event)
            case InputChanged():
                return self._input_changed(event)
            case NewList(access_list):
                self.access_list = access_list
                return [_Act(self._list_fact(Kind.LIST_APPLIED))]
            case ListRefused(reason):
                return [_Act(self._list_fact(Kind.LIST_REFUSED, reason=reason))]
            case Acknowledged(epoch, through):
                self._acknowledged[epoch] = through
            case Stop():
                self._stopping = True
            case CardRemoved():
                pass  # a removed card says nothing about who went in
        return []

    def _decide(self, read: CardRead) -> list[_Act]:
        point = self._points.get(read.reader)
        shown = read.token if read.pin is None else f"{read.token} {read.pin}"  # another PIN is another try
        if point is None or self._repeats.is_repeat(read.reader, shown, read.at_ns):
            return []
        now_us = self._clock.now_us()
        decision = decide(
            Presented(read.assurance, read.valid_from, read.valid_until, read.pin),
            self.access_list.find(read.token),
            point.door,
            point.policy,
            now_us=now_us,
            today=self._local_date(now_us),
        )
        fact = self._decision_fact(read, point, decision)
        return [_Act(fact, point, read.reader, granted=decision.granted)]

    def _decision_fact(self, read: CardRead, point: AccessPoint, decision: Decision) -> Fact:
        return self._fact(
            Kind.ACCESS_GRANTED if decision.granted else Kind.ACCESS_DENIED,
            door=point.door,
            reader=read.reader,
            direction=point.direction,
            credential=Credential(read.kind, read.token, AssuranceLevel(read.assurance)),
            holder=decision.entry.holder if decision.entry else None,
            category=decision.entry.category if decision.entry else None,
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

    def _device_changed(self, event: DeviceChanged) -> list[_Act]:
        """One record for each door that the device serves: who asks about a door must find it there."""
        is_reader = event.device in self._points
        kind, reason = (_READER_KINDS if is_reader else _LOCK_KINDS)[event.state]
        if event.insecure:
            reason = Reason.NOT_SECURE
        reader = event.device if is_reader else None
        return [
            _Act(self._fact(kind, door=door, reader=reader, reason=reason))
            for door in self._doors_of(event.device)
        ]

    def _doors_of(self, device: str) -> tuple[str, ...]:
        """The door of a reader, or all doors that a board releases or senses."""
        point = self._points.get(device)
        if point is not None:
            return (point.door,)
        released = [p.door for p in self._points.values() if p.lock_board == device]
        sensed = [
            door for (board, _), sensor in self._sensors.items() if board == device for door in sensor.doors
        ]
        return tuple(dict.fromkeys([*released, *sensed]))

    def _input_changed(self, event: InputChanged) -> list[_Act]:
        """What the input says now, compared with what it said last: a device that returns tells it again."""
        place = event.device, event.input
        sensor = self._sensors.get(place) or self._own_sensor(event)
        if sensor is None:
            return []
        found = meanings(sensor.function, self._inputs.get(place), event.state, self._said.get(place))
        self._inputs[place] = event.state
        if event.state not in LINE_FAULTS:
            self._said[place] = event.state
        return [
            _Act(self._fact(kind, door=door, reader=sensor.reader, reason=reason))
            for kind, reason in found
            for door in sensor.doors
        ]

    def _own_sensor(self, event: InputChanged) -> Sensor | None:
        function = OWN_INPUTS.get(event.input)
        if function is None:
            return None
        reader = event.device if event.device in self._points else None
        return Sensor(function, self._doors_of(event.device), reader)

    def _record(self, facts: list[Fact]) -> list[int]:
        """Durable when this returns. What could not be recorded before goes first."""
        earlier = list(self._unrecorded)
        seqs = self._journal.append([*earlier, *facts])
        if earlier:
            self._unrecorded.clear()
            log.warning("journal: %d records made up for", len(earlier))
        return seqs[len(earlier) :]

    def _carry_out(self, act: _Act, seq: int | None) -> Fact | None:
        """Releases the door of a granted decision; returns what there is to record if the lock failed."""
        if act.point is None or act.reader is None:
            return None
        if not act.granted:
            unreadable = act.fact.reason is Reason.UNREADABLE
            self._indicate(act.reader, Indication.TRY_AGAIN if unreadable else Indication.DENIED)
            return None
        try:
            act.point.release()
        except DriverError as error:
            log.error("door %s: granted, but the lock was not driven: %s", act.point.door, error)
            return self._fact(Kind.RELEASE_FAILED, door=act.point.door, reason=Reason.LOST_DRIVE, links=seq)
        self._indicate(act.reader, Indication.GRANTED)
        return None

    def _without_a_journal(self, acts: list[_Act], error: JournalUnavailable) -> None:
        """The declared policy: enrolled residents are let in with a loud alarm and a record in memory,
        everybody else is sent to a person. Exit does not depend on us."""
        log.critical("nothing can be recorded: %s", error)
        for act in acts:
            may = act.granted and act.fact.reason is Reason.LISTED
            let_in = may and act.point is not None and act.point.admit_listed_unrecorded
            self._keep_in_memory([_as_decided_without_a_journal(act, let_in=let_in)])
            if let_in:
                failure = self._carry_out(act, seq=None)
                self._keep_in_memory([failure] if failure else [])
            elif act.reader is not None:
                self._indicate(act.reader, Indication.DENIED)

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
            self._keep_in_memory(facts)
            return
        self._announce(self._journal.head)

    def _care_for_the_journal(self) -> None:
        """Between events: make up for what was not recorded, note acknowledgements, prune a little."""
        self._cared_s = time.monotonic()
        try:
            if self._unrecorded:
                self._record([])
                self._announce(self._journal.head)
            for epoch, through in self._acknowledged.items():
                self._journal.acknowledge(epoch, through)
            self._acknowledged.clear()
            while self._journal.prune(self._keep_days) and self.inbox.empty():
                continue
        except JournalUnavailable as error:
            log.critical("nothing can be recorded: %s", error)

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

    def _local_date(self, now_us: int) -> date:
        return datetime.fromtimestamp(now_us / 1e6, UTC).astimezone(self._zone).date()


_READER_KINDS: Mapping[DeviceState, tuple[Kind, Reason | None]] = {
    DeviceState.RECOVERING: (Kind.READER_RECOVERING, None),
    DeviceState.OK: (Kind.READER_RESTORED, Reason.ANSWERS_AGAIN),
    DeviceState.DEGRADED: (Kind.READER_DEGRADED, Reason.DEVICE_FAULT),
    DeviceState.LOST: (Kind.READER_LOST, Reason.NO_ANSWER),
}
_LOCK_KINDS: Mapping[DeviceState, tuple[Kind, Reason | None]] = {
    DeviceState.RECOVERING: (Kind.LOCK_RECOVERING, None),
    DeviceState.OK: (Kind.LOCK_RESTORED, None),  # boards take commands; most of them answer nothing
    DeviceState.DEGRADED: (Kind.LOCK_DEGRADED, Reason.DEVICE_FAULT),
    DeviceState.LOST: (Kind.LOCK_LOST, Reason.NO_ANSWER),
}


def _as_decided_without_a_journal(act: _Act, *, let_in: bool) -> Fact:
    if not act.granted:
        return act.fact
    if let_in:
        return replace(act.fact, reason=Reason.LISTED_UNRECORDED)
    return replace(act.fact, kind=Kind.ACCESS_DENIED, reason=Reason.NOT_RECORDABLE)
