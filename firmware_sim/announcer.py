"""A reader that speaks unasked and hears nothing: it sends what it makes of a card, once or while it lies.

What the bytes are is the business of the kinds made from it. Knows no port, thread, clock or file.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from firmware_sim.cards import Card
from firmware_sim.device import Frame, Notice, Outbox
from firmware_sim.faults import FaultSet
from firmware_sim.profiles import Profile

RATES = (115200, 57600, 38400, 19200, 9600, 4800, 2400, 1200)  # what such readers can be switched to
FACTORY_RATE = 9600

_FOUND_S = 0.03  # our guess: from the card's arrival to the first bit
_KEY_S = 0.15  # between two keys of a quick finger


@dataclass(frozen=True, slots=True)
class Manner:
    """How a kind of reader announces. `encode(card, wrong_check)`: None if it cannot read such a card."""

    encode: Callable[[Card, bool], bytes | None]
    rate: int = FACTORY_RATE
    repeat_s: float | None = None  # from one frame's begin to the next while the card lies; None: once
    encode_key: Callable[[str], bytes] | None = None  # None: no keys


class Announcer:
    """One such reader. `now` is the caller's monotonic clock in seconds."""

    def __init__(self, manner: Manner, faults: FaultSet, profile: Profile) -> None:
        self._manner = manner
        self._faults = faults
        self._found_s = _FOUND_S if profile.paced else 0.0
        self._key_s = _KEY_S if profile.paced else 0.0
        self._rate = manner.rate
        self._card: Card | None = None
        self._next_s: float | None = None  # when the card is announced next
        self._outbox = Outbox()
        self.unheard = 0  # bytes that a program sent in vain

    @property
    def rate(self) -> int:
        return self._rate

    def leave_at(self, rate: int) -> None:
        """Another rate from now on, as a jumper or a set-up code leaves it."""
        self._rate = rate

    @property
    def card(self) -> Card | None:
        return self._card

    def present(self, card: Card, now: float) -> None:
        self._card = card
        self._next_s = now + self._found_s
        self._outbox.tell(Notice("presented", card=card.ref))

    def remove(self, now: float) -> None:  # noqa: ARG002 - the reader just falls silent
        if self._card is None:
            return
        self._outbox.tell(Notice("removed", card=self._card.ref))
        self._card = None
        self._next_s = None

    def press(self, keys: str, now: float) -> None:
        """Type keys. ValueError: this reader has none."""
        encode = self._manner.encode_key
        if encode is None:
            raise ValueError("it has no keys in this scene")
        for at, key in enumerate(keys):
            due_s = now + at * self._key_s
            self._outbox.put(Frame(encode(key), due_s, now, self._rate, usual_s=self._key_s, check_at=None))
        self._outbox.tell(Notice("typed", detail=f"{len(keys)} keys"))

    def feed(self, data: bytes, now: float) -> None:  # noqa: ARG002 - it has no ears
        self.unheard += len(data)

    def take(self, now: float) -> list[Frame]:
        self._announce(now)
        return self._outbox.take(now)

    def next_due(self) -> float | None:
        moments = [moment for moment in (self._next_s, self._outbox.next_due()) if moment is not None]
        return min(moments, default=None)

    def notices(self) -> list[Notice]:
        return self._outbox.notices()

    def power_cycle(self, now: float) -> None:
        self._outbox.clear()
        self._next_s = None if self._card is None else now + self._found_s

    def describe(self, now: float) -> dict[str, Any]:  # noqa: ARG002 - the same at all times
        return {"ignored_bytes": self.unheard}

    def _announce(self, now: float) -> None:
        """Send the card's frame if its moment has come. A moment that was missed is not made up for."""
        if self._next_s is None or self._next_s > now or self._card is None:
            return
        repeat_s = self._manner.repeat_s
        self._next_s = None if repeat_s is None else now + repeat_s
        wrong = self._faults.use("wrong_checksum") is not None
        data = self._manner.encode(self._card, wrong)
        if data is None:
            self._next_s = None
            return
        read_of = None if wrong else self._card.ref
        self._outbox.put(
            Frame(data, now, now, self._rate, usual_s=self._found_s, read_of=read_of, check_at=None)
        )
