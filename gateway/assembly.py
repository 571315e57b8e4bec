"""From settings to the doors of the building: access points, portals, senses. Knows no thread and no port."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from zoneinfo import ZoneInfo

from drivers.base import LockDriver
from gateway.access import Access
from gateway.doors import AccessPoint, Doorway
from gateway.passes import PassBook
from gateway.portal import Portal
from gateway.sealing import Sealer
from gateway.senses import Place
from gateway.sensing import InputFunction, Sensor
from gateway.settings import DoorPart, Settings


def make_access(settings: Settings, passes: PassBook, sealer: Sealer | None = None) -> Access:
    """Without list and site settings yet: nobody is on the list, and the gateway's own settings hold."""
    return Access(
        {door.name: door.policy for door in settings.doors},
        ZoneInfo(settings.gateway.timezone),
        passes,
        contacts=_with_contact(settings),
        sealer=sealer,
    )


def make_points(settings: Settings, boards: Mapping[str, LockDriver]) -> dict[str, AccessPoint]:
    """By reader; readers of one door share its point."""
    points = {door.name: _point(door, boards) for door in settings.doors}
    return {reader: points[door.name] for door in settings.doors for reader in door.readers}


def make_doorways(settings: Settings, points: Mapping[str, AccessPoint]) -> list[Doorway]:
    """One for each lock. Of doors that share one, that with a contact gives the doorway its name."""
    by_door = {point.door: point for point in points.values()}
    felt = _felt(settings)
    leaves: dict[tuple[str, int], list[DoorPart]] = {}
    for door in settings.doors:
        leaves.setdefault((door.lock.board, door.lock.channel), []).append(door)
    return [
        _doorway(sorted(doors, key=lambda door: door.name not in felt), by_door, felt)
        for doors in leaves.values()
    ]


def make_sensors(settings: Settings) -> dict[Place, Sensor]:
    """By board or reader and number of its input."""
    return {(wired.board, wired.channel): Sensor(wired.function, (wired.door,)) for wired in settings.inputs}


def _point(door: DoorPart, boards: Mapping[str, LockDriver]) -> AccessPoint:
    return AccessPoint(
        door=door.name,
        direction=door.direction,
        lock_board=door.lock.board,
        release=partial(boards[door.lock.board].release, door.lock.channel, door.pulse_s),
        pulse_s=door.pulse_s,
        admit_listed_unrecorded=door.when_not_recordable == "admit_listed",
    )


def _doorway(doors: list[DoorPart], points: Mapping[str, AccessPoint], felt: frozenset[str]) -> Doorway:
    first = doors[0]
    portal = Portal(
        release_s=max(door.pulse_s for door in doors),
        open_limit_s=first.open_limit_s,
        has_contact=first.name in felt,
        exit_by_handle=first.exit == "handle",
    )
    return Doorway(portal, tuple(points[door.name] for door in doors))


def _with_contact(settings: Settings) -> frozenset[str]:
    """Doors whose leaf is felt: those with a contact, and those that share such a door's lock."""
    felt = _felt(settings)
    locks = {(door.lock.board, door.lock.channel) for door in settings.doors if door.name in felt}
    return frozenset(door.name for door in settings.doors if (door.lock.board, door.lock.channel) in locks)


def _felt(settings: Settings) -> frozenset[str]:
    return frozenset(wired.door for wired in settings.inputs if wired.function is InputFunction.CONTACT)
