"""What an OSDP driver is told by the line it shares, and its inbox. Knows no port and no library.

Items that hold what a person showed or typed do not show it in `repr`.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field

from drivers.health import Health

LINE = "line"
BUSY = "busy"
SECURITY = "security"
FLOOD = "flood"
TICK_S = 1.0  # how often health looks whether a trouble is over
MOST_WAITING = 256  # reports for a driver that takes none; a person shows a card a second

NOT_TAKEN = "reports were dropped: this computer was too busy to take them"

Wish = dict[str, int | bool | bytes]
"""A command in the library's own words."""


@dataclass(frozen=True, slots=True)
class Online:
    """The device has proved its key and takes commands. `what` is for a person."""

    what: str
    outputs: int
    inputs: int
    leds: int
    buzzers: int


@dataclass(frozen=True, slots=True)
class Offline:
    cause: str
    gone: bool = False
    insecure: bool = False


@dataclass(frozen=True, slots=True)
class Trouble:
    """The device answers, but `source` is wrong; over with `Fine` of the same source."""

    source: str
    cause: str
    insecure: bool = False


@dataclass(frozen=True, slots=True)
class Fine:
    source: str


@dataclass(frozen=True, slots=True)
class Blip:
    cause: str


@dataclass(frozen=True, slots=True)
class Installed:
    """The reader has taken and proved its own key; the installation is over."""


@dataclass(frozen=True, slots=True)
class Shown:
    bits: int
    data: bytes = field(repr=False)  # the first bit is bit 7 of the first byte
    at_ns: int
    is_word: bool = True  # False: a text of a format that is long obsolete


@dataclass(frozen=True, slots=True)
class Typed:
    keys: str = field(repr=False)  # "0" to "9", "*" and "#"


@dataclass(frozen=True, slots=True)
class Local:
    """The device's own tamper contact and power supply, as it says."""

    tampered: bool
    power_failed: bool
    at_ns: int


@dataclass(frozen=True, slots=True)
class Contacts:
    """Its inputs, from the first; True is active."""

    active: tuple[bool, ...]
    at_ns: int


@dataclass(frozen=True, slots=True)
class Outputs:
    """What its outputs do, from the first; True is on. No command to one was on its way."""

    on: tuple[bool, ...]
    at_ns: int


Item = Online | Offline | Trouble | Fine | Blip | Installed | Shown | Typed | Local | Contacts | Outputs
_REPORTS = (Shown, Typed, Local, Contacts, Outputs)


class Inbox:
    """Items in order; any thread puts, one takes. Reports beyond the limit are dropped, states never are.

    Each run of dropped reports is told as one `Blip`.
    """

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._woken = False
        self._is_dropping = False

    def put(self, item: Item) -> None:
        with self._changed:
            if isinstance(item, _REPORTS):
                was_dropping, self._is_dropping = self._is_dropping, len(self._items) >= MOST_WAITING
                if was_dropping and self._is_dropping:
                    return
                if self._is_dropping:
                    item = Blip(NOT_TAKEN)
            self._items.append(item)
            self._changed.notify()

    def wake(self) -> None:
        """Ends the current or, if there is none, the next wait."""
        with self._changed:
            self._woken = True
            self._changed.notify()

    def take(self, timeout_s: float | None) -> Item | None:
        """The next item; None after `timeout_s` or when woken."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._woken, timeout_s)
            if self._items:
                return self._items.popleft()
            self._woken = False
            return None


class Bulletin:
    """What the line tells of the device, as the driver's own health; used by the driver's thread alone."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._troubled: set[str] = set()
        self.is_online = False

    def note(self, item: Item) -> None:
        match item:
            case Online():
                self._health.recovering("answers")
                self._health.ready(item.what)
                self._troubled.clear()
                self.is_online = True
            case Offline():
                self._health.lost(item.cause, gone=item.gone, insecure=item.insecure)
                self.is_online = False
            case Trouble():
                self._troubled.add(item.source)
                self._health.degraded(item.source, item.cause, insecure=item.insecure)
            case Fine():
                self._troubled.discard(item.source)
            case Blip():
                self._health.blip(item.cause)
        self.tick()

    def tick(self) -> None:
        """To be called now and then: a trouble must have been over for a while."""
        if self.is_online:
            for source in (LINE, BUSY, SECURITY, FLOOD):
                if source not in self._troubled:
                    self._health.fine(source)
