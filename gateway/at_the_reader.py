"""What is shown to a reader becomes a decision, and the facts that tell of it."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from drivers.base import Assurance, CardRead, CardUnreadable
from gateway.access import Access, presented
from gateway.clock import Glance
from gateway.decision import Decision
from gateway.doors import AccessPoint
from gateway.facts import Fact
from gateway.presentation import RepeatWindow
from gateway.recording import Act, Recorder
from messages.model import AssuranceLevel, Credential, Direction, Kind, Reason
from messages.site_settings import VISITOR

_LEVELS = {each: AssuranceLevel(each) for each in Assurance}
"""Looked up, because a member is found by its value a hundred times as slowly."""


class AtTheReader:
    """For whoever has the turn to decide. Records nothing and opens nothing."""

    def __init__(
        self,
        points: Mapping[str, AccessPoint],
        access: Access,
        recorder: Recorder,
        clock: Glance,
    ) -> None:
        """`points` by reader."""
        self._points = points
        self._access = access
        self._recorder = recorder
        self._clock = clock
        self._repeats = RepeatWindow()
        self._last: CardRead | None = None  # of anybody, with no PIN and nothing sealed

    def read(self, read: CardRead) -> list[Act]:
        """Nothing for a repeat, or for a reader without a door."""
        point = self._points.get(read.reader)
        shown = read.token if read.pin is None else f"{read.token} {read.pin}"  # another PIN is another try
        if point is None or self._repeats.is_repeat(read.reader, shown, read.at_ns):
            return []
        if read.pin is None and read.sealed is None:
            self._last = read
        decision = self._access.decide(presented(read), point.door, point.direction, self._clock.moment)
        fact = self._decision_fact(read, point, decision)
        acts = [Act(fact, point, read.reader, decision)]
        if decision.duress:
            acts.append(Act(replace(fact, kind=Kind.DURESS, reason=None, envelope=None)))
        if decision.repeated:
            acts.append(Act(self._recorder.fact(Kind.REPEATED_DENIALS, door=point.door, reader=read.reader)))
        return acts

    def rehearsed(self, reader: str) -> Fact | None:
        """What would be recorded of the last card once more, were it shown to this reader; of that nothing
        remains. None as long as there is no such card."""
        point, read = self._points.get(reader), self._last
        if point is None or read is None:
            return None
        decision = self._access.rehearse(presented(read), point.door, point.direction, self._clock.moment)
        return self._decision_fact(read, point, decision)

    def unreadable(self, event: CardUnreadable) -> list[Act]:
        point = self._points.get(event.reader)
        if point is None:
            return []
        fact = self._recorder.fact(
            Kind.ACCESS_DENIED,
            door=point.door,
            reader=event.reader,
            direction=point.direction,
            reason=Reason.UNREADABLE,
        )
        return [Act(fact, point, event.reader)]

    def _decision_fact(self, read: CardRead, point: AccessPoint, decision: Decision) -> Fact:
        clock, access_list = self._clock, self._access.access_list
        at_us = clock.now_us()
        return Fact(
            kind=Kind.ACCESS_GRANTED if decision.granted else Kind.ACCESS_DENIED,
            at_us=at_us,
            uptime_us=clock.uptime_us(),
            clock=clock.quality(),
            door=point.door,
            reader=read.reader,
            direction=point.direction,
            credential=Credential(read.kind, read.token, _LEVELS[read.assurance]),
            holder=decision.holder,
            category=decision.category,
            reason=decision.reason,
            list_version=access_list.version,
            list_age_s=access_list.age_s(at_us),
            envelope=read.sealed if read.sealed is not None and _is_a_visitors(decision, point) else None,
        )


def _is_a_visitors(decision: Decision, point: AccessPoint) -> bool:
    """Of whom identity is kept: whoever is let in as a visitor. Residents' does not travel (trust.md section
    1), a refusal needs none, and who goes out was let in before."""
    visits = decision.reason is Reason.VERIFIED_ID or decision.category == VISITOR
    return decision.granted and visits and point.direction is not Direction.OUT
