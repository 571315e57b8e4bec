"""The doors of one building: each portal kept in step with decisions, inputs, schedules and commands.

Between `portal` (one door, pure), `access` (who may pass) and the locks. Doors that share a lock, such as the
way in and the way out of one leaf, share a portal. For the deciding thread alone; time is an argument.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from drivers.errors import DriverError
from gateway.access import Access
from gateway.clock import Moment
from gateway.decision import Decision
from gateway.portal import Portal, Told
from gateway.portal_table import Mode, Signal
from messages.model import Direction, Kind, Reason
from messages.site_settings import DoorMode

log = logging.getLogger(__name__)

MAX_WAITING: Final = 4_096
"""Decisions remembered until their door says whether they were taken."""

KEEP_FREE_SHARE: Final = 0.5
"""A free door's pulse is renewed when so much of it is over."""


@dataclass(frozen=True, slots=True)
class AccessPoint:
    """One controlled direction through a door, and how it is released."""

    door: str
    direction: Direction
    lock_board: str
    release: Callable[[], None]  # drives the lock for `pulse_s`; raises DriverError
    pulse_s: float = 5.0
    admit_listed_unrecorded: bool = True


class DoorTold(Struct, frozen=True, gc=False):
    """Something to record of `door`."""

    door: str
    told: Told


@dataclass(frozen=True, slots=True)
class Freed:
    """A door that is to stand free from now on, and why; `admits_unrecorded`: also with nothing durable."""

    door: str
    reason: Reason
    admits_unrecorded: bool


@dataclass(slots=True)
class Doorway:
    """One leaf with its lock: its portal, and the access points through it; the first gives its name."""

    portal: Portal
    points: tuple[AccessPoint, ...]
    free_by: Reason | None = None  # it is to stand free, and waits for the record of that
    renew_s: float = field(default=float("-inf"))  # when a free door's pulse wants renewing
    stuck: bool = False  # kept free, and its lock does not take it

    @property
    def name(self) -> str:
        return self.points[0].door


_MODES: Mapping[DoorMode, Mode] = {
    DoorMode.CONTROLLED: Mode.CONTROLLED,
    DoorMode.FREE: Mode.FREE,
    DoorMode.LOCKED_DOWN: Mode.LOCKED_DOWN,
}
_TURNS: Mapping[Mode, Signal] = {Mode.FREE: Signal.FREE_BEGAN, Mode.LOCKED_DOWN: Signal.LOCKDOWN_BEGAN}
_BACK: Mapping[Mode, Signal] = {Mode.FREE: Signal.FREE_ENDED, Mode.LOCKED_DOWN: Signal.LOCKDOWN_ENDED}


class Doors:
    def __init__(self, doorways: Iterable[Doorway], access: Access) -> None:
        self._doorways = tuple(doorways)
        self._by_door = {point.door: doorway for doorway in self._doorways for point in doorway.points}
        self._access = access
        self._waiting: OrderedDict[int, tuple[Decision, AccessPoint]] = OrderedDict()

    def granted(
        self, decision: Decision, point: AccessPoint, seq: int | None, now: Moment, now_s: float
    ) -> list[DoorTold]:
        """The decision is durable as record `seq` (None: kept in memory) and the lock was driven."""
        self._access.granted(decision, point.door, point.direction, now)
        if seq is not None:
            self._waiting[seq] = decision, point
            while len(self._waiting) > MAX_WAITING:
                self._waiting.popitem(last=False)
        return self._signal(self._by_door[point.door], Signal.GRANTED, now, now_s, decision=seq)

    def commanded(self, door: str, seq: int | None, now: Moment, now_s: float) -> list[DoorTold]:
        """Released by the centre, as record `seq` says."""
        return self._signal(self._by_door[door], Signal.COMMANDED, now, now_s, decision=seq)

    def signal(self, door: str, signal: Signal, now: Moment, now_s: float) -> list[DoorTold]:
        """From an input or its board. A door that is not here says nothing."""
        doorway = self._by_door.get(door)
        return [] if doorway is None else self._signal(doorway, signal, now, now_s)

    def tick(self, now: Moment, now_s: float) -> list[DoorTold]:
        """What time alone has brought."""
        found = [each for doorway in self._doorways for each in self._ticked(doorway, now, now_s)]
        return [*found, *self.turn(Reason.SCHEDULE, now, now_s)]

    def keep_free(self, now_s: float) -> None:
        """Keeps the locks of doors released that stand free (`begin_free`)."""
        for doorway in self._doorways:
            self._keep_free(doorway, now_s)

    def turn(self, reason: Reason, now: Moment, now_s: float) -> list[DoorTold]:
        """Brings every portal to the mode that schedule or command want of it now. A door that is to stand
        free waits for `begin_free`, and stays as it is until then."""
        found = []
        for doorway in self._doorways:
            wanted = _MODES[self._access.mode(doorway.name, now)]
            signal = _turn(doorway.portal.mode, wanted)
            if signal is Signal.FREE_BEGAN:
                doorway.free_by = doorway.free_by or reason
                continue
            doorway.free_by = None
            if signal is not None:
                found += self._signal(doorway, signal, now, now_s, reason=reason)
        return found

    def to_be_free(self) -> list[Freed]:
        """The doors that wait to stand free."""
        return [
            Freed(each.name, each.free_by, all(point.admit_listed_unrecorded for point in each.points))
            for each in self._doorways
            if each.free_by is not None
        ]

    def begin_free(self, doors: Iterable[Freed], now: Moment, now_s: float) -> None:
        """They stand free from now on, and that is recorded already. After `tick` with the same `now_s`, so
        that nothing else is told here."""
        for each in doors:
            doorway = self._by_door[each.door]
            doorway.free_by = None
            self._signal(doorway, Signal.FREE_BEGAN, now, now_s, reason=each.reason)

    def stands_free(self, door: str | None) -> bool:
        """Whether it is open to everybody now. One that waits to be is not."""
        return door in self._by_door and self._by_door[door].portal.mode is Mode.FREE

    def due_s(self) -> float | None:
        """When `tick` has something to do next, schedules apart."""
        dues = [due_s for doorway in self._doorways if (due_s := doorway.portal.due_s()) is not None]
        dues += [doorway.renew_s for doorway in self._doorways if doorway.portal.wants_release]
        return min(dues, default=None)

    def forget_decisions(self) -> None:
        """The journal has begun another epoch: numbers of the former one are not linked to any more."""
        self._waiting.clear()
        for doorway in self._doorways:
            doorway.portal.forget_decisions()

    def point_of(self, door: str) -> AccessPoint | None:
        doorway = self._by_door.get(door)
        return next((p for p in doorway.points if p.door == door), None) if doorway else None

    def _ticked(self, doorway: Doorway, now: Moment, now_s: float) -> list[DoorTold]:
        return self._heard(doorway, doorway.portal.tick(now_s), now)

    def _signal(
        self,
        doorway: Doorway,
        signal: Signal,
        now: Moment,
        now_s: float,
        *,
        decision: int | None = None,
        reason: Reason | None = None,
    ) -> list[DoorTold]:
        return self._heard(doorway, doorway.portal.signal(signal, now_s, decision, reason), now)

    def _heard(self, doorway: Doorway, told: Iterable[Told], now: Moment) -> list[DoorTold]:
        is_open = doorway.portal.is_open
        if is_open is not None:
            for point in doorway.points:
                self._access.door_is(point.door, open=is_open)
        return [self._named(doorway, each, now) for each in told]

    def _named(self, doorway: Doorway, told: Told, now: Moment) -> DoorTold:
        """Under the door of the decision that it belongs to: whoever asks about that finds both."""
        if told.links is None or told.links not in self._waiting:
            return DoorTold(doorway.name, told)
        decision, point = self._waiting[told.links]
        if told.kind is Kind.ACCESS_TAKEN:
            self._access.passed(decision, point.door, point.direction, now)
        elif told.kind in (Kind.ACCESS_NOT_TAKEN, Kind.DOOR_CLOSED):
            del self._waiting[told.links]
        return DoorTold(point.door, told)

    def _keep_free(self, doorway: Doorway, now_s: float) -> None:
        if not doorway.portal.wants_release:
            doorway.renew_s = float("-inf")
            return
        if now_s < doorway.renew_s:
            return
        point = doorway.points[0]
        doorway.renew_s = now_s + point.pulse_s * KEEP_FREE_SHARE
        try:
            point.release()
            doorway.stuck = False
        except DriverError as error:
            if not doorway.stuck:  # said once: it is tried again and again
                log.error("door %s is free now, but its lock was not driven: %s", doorway.name, error)
            doorway.stuck = True


def _turn(mode: Mode, wanted: Mode) -> Signal | None:
    if wanted is mode:
        return None
    return _BACK[mode] if wanted is Mode.CONTROLLED else _TURNS[wanted]
