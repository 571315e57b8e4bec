"""The gateway's journal and controller in this process, with doors that only count: for what real readers on
real lines would only make slower to measure. The one place of the benchmarks that puts them together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from drivers.base import Assurance, CardRead, CredentialKind
from gateway.access import Access
from gateway.access_list import AccessList
from gateway.clock import Clock
from gateway.controller import Controller
from gateway.decision import DoorPolicy
from gateway.doors import AccessPoint, Doors, Doorway
from gateway.events import NewList
from gateway.journal import Head, Journal
from gateway.passes import PassBook
from gateway.portal import Portal
from gateway.senses import Senses
from gateway.surroundings import Surroundings
from messages.access_list import EVERY_DOOR, Entry
from messages.model import ClockQuality, Direction

SITE, GATEWAY = "riverside", "east"
ZONE = ZoneInfo("Asia/Shanghai")
_US = 1_000_000
_NS_PER_US = 1_000


class FastClock:
    """Time of day and uptime as the caller lets them pass; only the first may jump."""

    def __init__(self, now_us: int, quality: ClockQuality = ClockQuality.HELD) -> None:
        self.boot = "fa57c10cfa57c10c"
        self._now_us = now_us
        self._uptime_us = 60 * _US
        self._quality = quality

    def passes(self, us: int) -> None:
        self._now_us += us
        self._uptime_us += us

    def jumps(self, us: int) -> None:
        self._now_us = max(0, self._now_us + us)

    def now_us(self) -> int:
        return self._now_us

    def uptime_us(self) -> int:
        return self._uptime_us

    def quality(self) -> ClockQuality:
        return self._quality


def controller_of(
    journal: Journal,
    clock: Clock,
    doors: Sequence[str],
    released: Callable[[str], None],
    announce: Callable[[Head], None] = lambda _: None,
) -> Controller:
    """Each door has one reader, called as the door is; `released(door)` is its lock."""
    points = {
        door: AccessPoint(
            door=door, direction=Direction.IN, lock_board="board", release=partial(released, door)
        )
        for door in doors
    }
    access = Access(dict.fromkeys(doors, DoorPolicy()), ZONE, PassBook(SITE, GATEWAY))
    doorways = [Doorway(_portal(), (point,)) for point in points.values()]
    return Controller(
        journal=journal,
        clock=clock,
        access=access,
        points=points,
        doors=Doors(doorways, access),
        senses=Senses(points, {}),
        surroundings=Surroundings(lambda _reader, _signal: None, announce),
        keep_acknowledged_days=7,
    )


def _portal() -> Portal:
    return Portal(release_s=5.0, open_limit_s=30.0, has_contact=False, exit_by_handle=True)


def open_journal(path: Path, clock: Clock) -> Journal:
    return Journal(path, GATEWAY, clock)


def residents(count: int, issued_us: int) -> AccessList:
    """`count` credentials that may open every door."""
    entries = (
        Entry(token=token(number), holder=f"h-{number:05d}", category="resident", doors=(EVERY_DOOR,))
        for number in range(count)
    )
    return AccessList(1, issued_us, {entry.token: entry for entry in entries})


def give(controller: Controller, access_list: AccessList) -> None:
    """Before the first card."""
    controller.handle([NewList(access_list)])


def token(number: int) -> str:
    return f"{number:032x}"


def card(door: str, number: int, at_us: int) -> CardRead:
    return CardRead(door, CredentialKind.ID_CARD, token(number), Assurance.L3, at_us * _NS_PER_US)
