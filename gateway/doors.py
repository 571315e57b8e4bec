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


@dataclass(frozen=True, slots=True)
class DoorTold:
    """Something to record of `door`."""

    door: str
    told: Told


@dataclass(slots=True)
class Doorway:
    """One leaf with its lock: its portal, and the access points through it; the first gives its name."""

    portal: Portal
    points: tuple[AccessPoint, ...]
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
        """Keeps the locks of free doors released; that they are free is recorded before."""
        for doorway in self._doorways:
            self._keep_free(doorway, now_s)

    def turn(self, reason: Reason, now: Moment, now_s: float) -> list[DoorTold]:
        """Brings every portal to the mode that schedule or command want of it now."""
        found = []
        for doorway in self._doorways:
            wanted = _MODES[self._access.mode(doorway.name, now)]
            if (signal := _turn(doorway.portal.mode, wanted)) is not None:
                found += self._signal(doorway, signal, now, now_s, reason=reason)
        return found

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
