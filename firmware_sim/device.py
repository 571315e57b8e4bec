"""What every simulated device is: bytes in, frames out, time as an argument.

A device knows no port, thread, clock or file. Seconds come from the caller's monotonic clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from firmware_sim.cards import Card


@dataclass(frozen=True, slots=True)
class Frame:
    """One reply, whole, as the device wants it on the wire."""

    data: bytes
    due_s: float  # not before this moment
    asked_s: float  # when the request was complete
    rate: int  # bits per second it leaves at
    usual_s: float = 0.0  # what a real device takes for this reply, whatever the profile
    read_of: str | None = None  # card whose data this frame delivers


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


class CardReader(Device, Protocol):
    """A device that cards are laid on."""

    @property
    def card(self) -> Card | None:
        """What lies on it."""

    def present(self, card: Card, now: float) -> None:
        """Lay a card down; the caller sees to it that none lies there."""

    def remove(self, now: float) -> None:
        """Take the card away."""


class KeyPad(Protocol):
    """A device with keys."""

    def press(self, keys: str, now: float) -> None:
        """Type `keys`, of 0 to 9, * and #, one after the other as a person does."""


class InputDevice(Protocol):
    """A device with contacts to sense. Number 0 is its own tamper contact, -1 its power supply."""

    def set_input(self, number: int, state: str, now: float) -> None:
        """`state`: open or closed; with supervised lines also short or cut. For 0 and -1: good or bad."""
