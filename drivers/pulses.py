"""Which relay should be on until when, and what each was told last. Pure: the time is an argument.

A relay that is on releases a lock; off is its rest. Shared by all drivers whose pulses the gateway must end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from drivers.errors import ConfigurationError

MIN_PULSE_S = 1.0  # trust.md R-38: shorter ones do not let a person in,
MAX_PULSE_S = 30.0  # longer ones leave a door open that nobody watches

SafeState = Literal["locked", "unlocked"]
SafeStates = Annotated[
    dict[Annotated[int, Field(ge=1)], SafeState],
    Field(description='channels whose lock stays released without a gateway, such as { 2 = "unlocked" }'),
]
"""What a relay does while no gateway drives it: "locked" is off, "unlocked" is on (trust.md R-38, R-39)."""


def check_safe_states(states: Mapping[int, SafeState], channels: int) -> None:
    """Raises ValueError if a channel is named that the board does not have."""
    for channel in states:
        if channel > channels:
            raise ValueError(f"safe_state names channel {channel}; this board has channels 1 to {channels}")


@dataclass(slots=True)
class Relay:
    """`written`: what it was told last; None: not known, write again."""

    number: int
    safe: bool = False  # on or off when nobody drives it
    until_s: float | None = None
    pulse_s: float = 0.0  # asked for and not begun: the pulse counts from when the relay was told
    written: bool | None = None
    asked: int = 0  # how often; who waits for an answer to a command sees whether more was asked meanwhile

    def wanted(self, now: float) -> bool:
        return self.until_s is not None and now < self.until_s

    def is_due(self, now: float) -> bool:
        return self.written is not self.wanted(now)

    def left_s(self, now: float) -> float:
        """How long it should be on from now, were it told now."""
        return max((self.until_s or now) - now, self.pulse_s)

    def told(self, *, on: bool, now: float) -> None:
        """The command has left. A pulse begins with it, so that nobody waits for a part of theirs."""
        self.written = on
        self.until_s = max(self.until_s, now + self.pulse_s) if on and self.until_s is not None else None
        self.pulse_s = 0.0

    def give_up(self) -> None:
        """Whoever asked was told that it failed."""
        self.until_s, self.pulse_s = None, 0.0


class Pulses:
    """All relays of one board, numbered from 1."""

    def __init__(self, board: str, channels: int, safe_states: Mapping[int, SafeState] | None = None) -> None:
        self._board = board
        states = safe_states or {}
        self._relays = {
            number: Relay(number, safe=states.get(number) == "unlocked") for number in range(1, channels + 1)
        }

    def __len__(self) -> int:
        return len(self._relays)

    @property
    def relays(self) -> list[Relay]:
        return list(self._relays.values())

    def ask(self, channel: int, pulse_s: float, now: float) -> Relay:
        """The relay to be told, its pulse begun or prolonged.

        Raises ConfigurationError if channel or pulse cannot be; then nothing has changed.
        """
        self.check(channel, pulse_s)
        relay = self._relays[channel]
        relay.until_s = max(relay.until_s or 0.0, now + pulse_s)
        relay.pulse_s = max(relay.pulse_s, pulse_s)
        relay.asked += 1
        relay.written = None  # also when it is on already: a repeat costs nothing and may be needed
        return relay

    def check(self, channel: int, pulse_s: float) -> None:
        """Raises ConfigurationError if there is no such channel, or a pulse may not be so long."""
        if channel not in self._relays:
            raise ConfigurationError(f"lock board {self._board} has no channel {channel}: see its settings")
        if not MIN_PULSE_S <= pulse_s <= MAX_PULSE_S:
            raise ConfigurationError(f"a pulse of {pulse_s} s: write {MIN_PULSE_S:g} to {MAX_PULSE_S:g} s")

    def due(self, now: float) -> list[Relay]:
        """Relays to be told, people who wait first."""
        due = [relay for relay in self._relays.values() if relay.is_due(now)]
        return sorted(due, key=lambda relay: not relay.wanted(now))

    def next_end_s(self, now: float) -> float | None:
        """When the next pulse ends that has not ended yet."""
        ends = [r.until_s for r in self._relays.values() if r.until_s is not None and r.wanted(now)]
        return min(ends, default=None)

    def forget(self) -> None:
        """Nothing is known of what the relays do: all are due."""
        for relay in self._relays.values():
            relay.written = None

    def unsafe(self) -> list[Relay]:
        """Relays that may not be in their safe state."""
        return [relay for relay in self._relays.values() if relay.written is not relay.safe]
