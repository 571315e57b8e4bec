"""Room for the journal: what is left on its disk, and a reserve to fall back on (trust.md R-13)."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from messages.model import Kind, Reason

log = logging.getLogger(__name__)

MIB = 1 << 20
_PRIVATE = 0o600

_NEARLY = 0.80
_ALMOST = 0.90
_BACK = 0.03
"""A level is left only this far below where it begins: a log that comes and goes tells nothing new."""

_FULL_BYTES = MIB
_FULL_SHARE = 0.02
"""Full is what leaves less than both: some commits still fit, a day of them does not."""


@dataclass(frozen=True, slots=True)
class Space:
    """Of one file system, bytes: what programs may use, and how much of that is left."""

    total: int
    free: int

    @property
    def used(self) -> float:
        """Between 0 and 1."""
        return 1 - self.free / self.total if self.total > 0 else 0.0

    @property
    def is_full(self) -> bool:
        return self.free < min(_FULL_BYTES, self.total * _FULL_SHARE)


class Level(IntEnum):
    ROOM = 0
    NEARLY_FULL = 1
    ALMOST_FULL = 2
    FULL = 3


_REASONS = {
    Level.NEARLY_FULL: Reason.NEARLY_FULL,
    Level.ALMOST_FULL: Reason.ALMOST_FULL,
    Level.FULL: Reason.FULL,
}


def space_of(path: Path) -> Space:
    """The file system under `path`, or under the nearest folder that exists. Raises OSError."""
    while not path.exists() and path != path.parent:
        path = path.parent
    found = os.statvfs(path)
    used = found.f_blocks - found.f_bfree
    return Space((used + found.f_bavail) * found.f_frsize, found.f_bavail * found.f_frsize)


def level(space: Space, former: Level) -> Level:
    """How full a disk counts, having counted as `former` before; pure."""
    if space.is_full:
        return Level.FULL
    for found, begins in ((Level.ALMOST_FULL, _ALMOST), (Level.NEARLY_FULL, _NEARLY)):
        if space.used >= begins - (_BACK if former >= found else 0):
            return found
    return Level.ROOM


class StorageWatch:
    """Tells when the disks of the journals fill up and have room again. For one thread."""

    def __init__(self, paths: Sequence[Path], space: Callable[[Path], Space] = space_of) -> None:
        self._paths = tuple(paths)
        self._space = space
        self._levels = dict.fromkeys(self._paths, Level.ROOM)
        self._unknown: set[Path] = set()

    def look(self) -> list[tuple[Kind, Reason | None]]:
        """What there is to record: a change of how full the fullest of the disks is, or nothing."""
        before = max(self._levels.values(), default=Level.ROOM)
        for path in self._paths:
            self._look_at(path)
        now = max(self._levels.values(), default=Level.ROOM)
        if now is before:
            return []
        if now is Level.ROOM:
            return [(Kind.STORAGE_RESTORED, None)]
        return [(Kind.STORAGE_LOW, _REASONS[now])]

    def _look_at(self, path: Path) -> None:
        try:
            space = self._space(path)
        except OSError as error:
            if path not in self._unknown:
                log.error("%s: how full its disk is cannot be told (%s)", path, error.strerror)
                self._unknown.add(path)
            return
        self._unknown.discard(path)
        found = level(space, self._levels[path])
        if found is not self._levels[path]:
            log.log(
                logging.WARNING if found else logging.INFO,
                "%s: %.0f %% of its disk are in use, %.1f MiB are free",
                path,
                space.used * 100,
                space.free / MIB,
            )
        self._levels[path] = found


class Reserve:
    """A file beside the journal that only holds room; given back when the disk is full."""

    def __init__(self, journal: Path, size: int) -> None:
        """`size` in bytes; 0 keeps none."""
        self.path = journal.with_name(journal.name + ".reserve")
        self._size = size
        self._failure_logged = False

    @property
    def is_there(self) -> bool:
        """Also where none is wanted."""
        return self.held == self._size

    def release(self) -> bool:
        """Gives the room back to the disk; whether there was any."""
        held = self.held
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            log.error("%s: the reserve cannot be released (%s)", self.path, error.strerror)
            return False
        if held:
            log.error("the disk is full: the reserve of %d MiB is released; make room", held // MIB)
        return held > 0

    def restore(self) -> bool:
        """Makes the reserve where it is missing and there is room for half as much again; whether it is
        there."""
        if self.is_there:
            return True
        try:
            if self._size == 0:
                self.path.unlink()
                return True
            if space_of(self.path).free < self._size * 3 // 2:
                return False
            self._allocate()
        except OSError as error:
            self._cannot(error)
            return False
        self._failure_logged = False
        return True

    @property
    def held(self) -> int:
        """Bytes that it keeps free now."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def _allocate(self) -> None:
        """Blocks of the disk, not a sparse file. A half-made one is taken away again."""
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE)
        try:
            os.posix_fallocate(handle, 0, self._size)
            os.ftruncate(handle, self._size)  # where settings now ask for less
            os.fsync(handle)
        except OSError:
            self.path.unlink(missing_ok=True)
            raise
        finally:
            os.close(handle)

    def _cannot(self, error: OSError) -> None:
        if not self._failure_logged:
            self._failure_logged = True
            log.warning("%s: no reserve can be made there (%s)", self.path, error.strerror)
