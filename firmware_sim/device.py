"""What every simulated device is: bytes in, frames out, time as an argument.

A device knows no port, thread, clock or file. Seconds come from the caller's monotonic clock.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

from firmware_sim.cards import Card

TAMPER_INPUT = 0
POWER_INPUT = -1


@dataclass(frozen=True, slots=True)
class Frame:
    """One reply, whole, as the device wants it on the wire."""

    data: bytes
    due_s: float  # not before this moment
    asked_s: float  # when the request was complete
    rate: int  # bits per second it leaves at
    usual_s: float = 0.0  # what a real device takes for this reply, whatever the profile
    read_of: str | None = None  # card whose data this frame delivers
    check_at: int | None = -1  # which byte spoils the check value; None: the device spoils it itself
    length_at: tuple[int, int] | None = None  # where the length stands, u8 or u16be: from, to


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that happened inside the device and that nobody sees on the wire."""

    event: str
    card: str | None = None
    channel: int | None = None
    edge: bool | None = None  # whether a relay command changed the relay's position
    detail: str | None = None  # what was shown, typed or refused, in words without identity


class Device(Protocol):
    """The simulated end of a cable."""

    @property
    def rate(self) -> int:
        """Bits per second the device listens at now."""

    def feed(self, data: bytes, now: float) -> None:
        """Take bytes as they came, in any portions."""

    def take(self, now: float) -> Sequence[Frame]:
        """Give up the frames due by `now`, in order."""

    def next_due(self) -> float | None:
        """The moment of the next frame, None if nothing waits."""

    def notices(self) -> Sequence[Notice]:
        """What happened since the last call."""

    def power_cycle(self, now: float) -> None:
        """Lose power and come back: what is pending is lost."""


@runtime_checkable
class CardReader(Device, Protocol):
    """A device that cards are laid on."""

    @property
    def card(self) -> Card | None:
        """What lies on it."""

    def present(self, card: Card, now: float) -> None:
        """Lay a card down; the caller sees to it that none lies there."""

    def remove(self, now: float) -> None:
        """Take the card away."""


@runtime_checkable
class KeyPad(Protocol):
    """A device with keys."""

    def press(self, keys: str, now: float) -> None:
        """Type `keys`, of 0 to 9, * and #, one after the other as a person does."""


@runtime_checkable
class InputDevice(Protocol):
    """A device with contacts to sense. TAMPER_INPUT is its own tamper contact, POWER_INPUT its supply."""

    def set_input(self, number: int, state: str, now: float) -> None:
        """`state`: open or closed; with supervised lines also short or cut; good or bad for tamper and power.

        ValueError: no such input, or no such state of it.
        """


@runtime_checkable
class RelayBoard(Protocol):
    """A device with relays."""

    @property
    def relays(self) -> tuple[bool, ...]:
        """Position of each relay, channel 1 first."""


@runtime_checkable
class Tunable(Protocol):
    """A device whose rate can be set otherwise than over its line."""

    def leave_at(self, rate: int) -> None:
        """Listen and speak at this rate from now on, as another program or a wrong switch left it."""


@runtime_checkable
class Connected(Protocol):
    """A device that notices when the program at the other end leaves; only sockets tell."""

    def hung_up(self, now: float) -> None:
        """The program has left."""


@runtime_checkable
class Describing(Protocol):
    """A device that has more to say in `status`."""

    def describe(self, now: float) -> dict[str, Any]:
        """Facts as JSON values, without identity."""


class Outbox:
    """Frames on their way and notices to be told: what nearly every device keeps."""

    def __init__(self) -> None:
        self._frames: deque[Frame] = deque()
        self._notices: list[Notice] = []

    def put(self, frame: Frame) -> None:
        """Queue a frame; it leaves after those before it."""
        if self._frames and frame.due_s < self._frames[-1].due_s:
            frame = replace(frame, due_s=self._frames[-1].due_s)
        self._frames.append(frame)

    def tell(self, notice: Notice) -> None:
        self._notices.append(notice)

    def take(self, now: float) -> list[Frame]:
        due: list[Frame] = []
        while self._frames and self._frames[0].due_s <= now:
            due.append(self._frames.popleft())
        return due

    def next_due(self) -> float | None:
        return self._frames[0].due_s if self._frames else None

    def notices(self) -> list[Notice]:
        notices, self._notices = self._notices, []
        return notices

    def clear(self) -> None:
        """Forget the frames; what was noticed stays."""
        self._frames.clear()
