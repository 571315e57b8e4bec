"""What was carried here by hand, waiting beside the journal for the running gateway to take it.

Each file is one payload as it would come by MQTT, named after its topic's last word: `list-0001.json`,
`settings-0001.json`, `ack-0001.json`. Lists and settings are signed in themselves; acknowledgements are not,
so that the folder is the gateway's alone. `exported-0001.json` only says that records were carried away.

A file stays until what it says is durably in force or noted, or refused for good: what a gateway that was
killed had in memory alone is taken once more. Taking anything twice changes nothing.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from gateway.errors import CarryError
from gateway.order_queue import Fate, Settle
from messages.access_list import CHUNK_START
from messages.topics import Leaf
from messages.wire import MAX_PAYLOAD_BYTES

log = logging.getLogger(__name__)

EXPORTED: Final = "exported"
_ORDER: Final = (EXPORTED, Leaf.SETTINGS.value, Leaf.LIST.value, Leaf.ACK.value)
_NAME: Final = re.compile(rf"({'|'.join(_ORDER)})-([0-9]{{4,9}})\.json")
_NEWEST: Final = "newest"  # when the newest bundle taken in was made
_MAX_FILES: Final = 10_000
_PRIVATE: Final = 0o600
_PRIVATE_FOLDER: Final = 0o700

HandOver = Callable[[Leaf, bytes, Settle], bool]
"""False: there was no room for it. Else what it is given is called once it is settled."""


def spool_folder(journal: Path) -> Path:
    return journal.parent / "spool"


@dataclass(slots=True)
class _Together:
    """A list's manifest and chunks, or any other file alone: kept and removed together."""

    open: set[Path] = field(default_factory=set)  # handed over, and not settled
    done: set[Path] = field(default_factory=set)
    again: bool = False  # some of it could not be decided: all of it is taken again


class Spool:
    """The programs `import` and `export` put in, the gateway takes out; each in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._settling = threading.Lock()
        self._handed: dict[Path, _Together] = {}  # by this process, and not settled yet

    def newest_us(self) -> int:
        """When the newest bundle that was put in had been made, microseconds; 0: none was."""
        try:
            noted = (self._folder / _NEWEST).read_bytes()
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise self._trouble(error) from error
        return int(noted) if noted.isdigit() and len(noted) < 20 else 0  # noqa: PLR2004  of 64 bits

    def put(self, payloads: Sequence[tuple[str, bytes]], made_us: int | None = None) -> None:
        """Each payload with its prefix: durable when this returns, in sight of the gateway all together.

        Raises CarryError; then the gateway sees none of them.
        """
        try:
            with self._locked(make=True):
                self._put(payloads, made_us)
        except OSError as error:
            raise self._trouble(error) from error

    def take(self, hand_over: HandOver, exported: Callable[[Settle], None]) -> int:
        """Hands over what is there and is not at work already, until something finds no room; how many files
        that were. Cheap where there is nothing. A file is removed once it is settled for good.

        Raises CarryError where the folder cannot be used; what `hand_over` raises goes through, and its file
        stays.
        """
        handed = 0
        try:
            if not self._waiting():
                return 0
            with self._locked(make=False):
                together = _Together()
                for prefix, path in self._waiting():
                    if path in self._handed:
                        together = self._handed.get(path, together)
                        continue
                    payload = _read(path)
                    if payload is None:
                        continue
                    if not payload.startswith(CHUNK_START):
                        together = _Together()
                    give = exported if prefix == EXPORTED else partial(hand_over, Leaf(prefix), payload)
                    if len(payload) > MAX_PAYLOAD_BYTES:
                        log.error("spool: %s is longer than any message; removed", path)
                        path.unlink()
                    elif self._hand_over(path, together, give):
                        handed += 1
                    else:
                        break
        except OSError as error:
            raise self._trouble(error) from error
        return handed

    def _put(self, payloads: Sequence[tuple[str, bytes]], made_us: int | None) -> None:
        there = self._waiting()
        if len(there) + len(payloads) > _MAX_FILES:
            raise CarryError(f"{self._folder}: {len(there)} files wait there; is the gateway running?")
        first = max((_number(path) for _, path in there), default=0) + 1
        parts = []
        for number, (prefix, body) in enumerate(payloads, first):
            path = self._folder / f"{prefix}-{number:04d}.json"
            parts.append((_write(path.with_suffix(".part"), body), path))
        if made_us is not None:
            newest = self._folder / _NEWEST
            parts.append((_write(newest.with_suffix(".part"), b"%d" % made_us), newest))
        for part, path in parts:
            part.replace(path)
        _sync_folder(self._folder)

    def _hand_over(self, path: Path, together: _Together, give: Callable[[Settle], bool | None]) -> bool:
        with self._settling:  # before: it may be settled at once, by another thread
            self._handed[path] = together
            together.open.add(path)
        taken = False
        try:
            taken = give(partial(self._settle, path, together)) is not False
        finally:
            if not taken:
                with self._settling:
                    self._handed.pop(path, None)
                    self._close(path, together)
        return taken

    def _settle(self, path: Path, together: _Together, fate: Fate) -> None:
        """By any thread."""
        with self._settling:
            together.done.add(path)
            together.again |= fate is Fate.NOT_NOW
            self._close(path, together)

    def _close(self, path: Path, together: _Together) -> None:
        together.open.discard(path)
        if together.open:
            return
        for each in together.done:
            if together.again or _removed(each):
                self._handed.pop(each, None)
        together.done.clear()

    def _waiting(self) -> list[tuple[str, Path]]:
        """By prefix, then by number. A folder that is not there holds nothing."""
        try:
            paths = list(self._folder.iterdir())
        except FileNotFoundError:
            return []
        found = ((match[1], path) for path in paths if (match := _NAME.fullmatch(path.name)))
        return sorted(found, key=lambda each: (_ORDER.index(each[0]), _number(each[1])))

    @contextmanager
    def _locked(self, *, make: bool) -> Iterator[None]:
        """One process at a time: nobody sees half of what is put in."""
        if make and not self._folder.exists():
            self._folder.mkdir(mode=_PRIVATE_FOLDER, parents=True)
            _give_to_owner(self._folder)
        with (self._folder / "lock").open("ab") as handle:
            _give_to_owner(self._folder / "lock")
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _trouble(self, error: OSError) -> CarryError:
        return CarryError(
            f"{self._folder}: cannot be used ({error.strerror}); run this as the user the gateway runs as"
        )


def _read(path: Path) -> bytes | None:
    """None where it was settled and removed meanwhile."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_PAYLOAD_BYTES + 1)
    except FileNotFoundError:
        return None


def _removed(path: Path) -> bool:
    """Whether it could be; else it stays handed over, and is taken again at the next start."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.error("spool: %s is done with and cannot be removed (%s)", path, error.strerror)
        return False
    return True


def _number(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def _write(path: Path, body: bytes) -> Path:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE), "wb") as file:  # noqa: PTH123
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    _give_to_owner(path)
    return path


def _give_to_owner(path: Path) -> None:
    """Put in by root, it is the gateway's all the same: whoever owns the folder above."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
