"""From what a line measures to what is told of it: contacts, supervised lines, debounce, chatter. Pure.

Source: readers.md 7.5. Time is an argument, in nanoseconds of one monotonic clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from drivers.base import InputChanged, InputState
from drivers.settings import InputSettings, Part

RESTLESS_NS = 10 * 10**9  # an input that does not settle for so long has a loose wire or a broken contact
MOST_CHANGES = 20  # at once, and one more in each FORGOTTEN_NS: no door opens and shuts for long so often
FORGOTTEN_NS = 2 * 10**9
CALM_CHANGES = MOST_CHANGES // 2  # so few are left to forget when an input that chattered is at rest again
CHATTER_TOLD_NS = 10 * 10**9  # how often a chattering input is told

Measured = Annotated[int, Field(ge=0, le=0xFFFF)]


class Supervision(Part):
    """What a supervised line measures, more for more resistance, in the board's own unit.

    Below `closed_from` the line is shorted; from there the contact is closed; from `open_from` it is open;
    from `cut_from` on nothing is connected any more.
    """

    closed_from: Measured
    open_from: Measured
    cut_from: Measured

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.closed_from < self.open_from < self.cut_from:
            raise ValueError("closed_from, open_from and cut_from must rise in this order")
        return self

    def state(self, measured: int, normal: Literal["open", "closed"]) -> InputState:
        if measured < self.closed_from:
            return InputState.SHORTED
        if measured >= self.cut_from:
            return InputState.CUT
        return contact_state(closed=measured < self.open_from, normal=normal)


def contact_state(*, closed: bool, normal: Literal["open", "closed"]) -> InputState:
    """What an unsupervised contact says."""
    return InputState.NORMAL if closed == (normal == "closed") else InputState.ACTIVE


@dataclass(slots=True)
class _Unrest:
    """How often an input changed of late: each change counts, and one is forgotten in each FORGOTTEN_NS."""

    changes: float = 0.0
    at_ns: int = 0
    _is_high: bool = False

    def count(self, at_ns: int) -> None:
        self._forget(at_ns)
        self.changes = min(self.changes + 1, MOST_CHANGES)
        self._is_high = self._is_high or self.changes >= MOST_CHANGES

    def is_high(self, now_ns: int) -> bool:
        self._forget(now_ns)
        self._is_high = self._is_high and self.changes > CALM_CHANGES
        return self._is_high

    def _forget(self, now_ns: int) -> None:
        self.changes = max(0.0, self.changes - max(0, now_ns - self.at_ns) / FORGOTTEN_NS)
        self.at_ns = now_ns


@dataclass(slots=True)
class _Line:
    debounce_ns: int
    told: InputState | None = None
    told_ns: int = 0
    settled: InputState | None = None  # last, and so since:
    settled_ns: int = 0
    seen: InputState | None = None  # last, and so since:
    since_ns: int = 0
    restless_ns: int | None = None  # since when it has not been settled
    unrest: _Unrest = field(default_factory=_Unrest)

    def settle(self, now_ns: int) -> None:
        if self.seen is None or now_ns - self.since_ns < self.debounce_ns:
            return
        self.restless_ns = None
        if self.seen is not self.settled:
            if self.settled is not None:
                self.unrest.count(now_ns)
            self.settled, self.settled_ns = self.seen, self.since_ns

    def is_due(self, now_ns: int) -> bool:
        """Whether the settled state is to be told now."""
        if self.settled is self.told:
            return False
        return now_ns - self.told_ns >= CHATTER_TOLD_NS or not self.unrest.is_high(now_ns)

    def next_ns(self) -> int | None:
        """When it settles, or else is due, if nothing changes until then."""
        if self.seen is not self.settled:
            return self.since_ns + self.debounce_ns
        return None if self.settled is self.told else self.told_ns + CHATTER_TOLD_NS


class Inputs:
    """All inputs of one board: raw states in, as often as they are looked at; settled changes out."""

    def __init__(self, device: str, settings: Sequence[InputSettings]) -> None:
        self._device = device
        self._lines = {each.channel: _Line(round(each.debounce_s * 1e9)) for each in settings}

    def see(self, channel: int, state: InputState, at_ns: int) -> list[InputChanged]:
        """The input is so now. Returns the change this settles, if any; channels without settings: none.

        An input that chatters is told as it is every CHATTER_TOLD_NS at most, if that is another state.
        """
        line = self._lines.get(channel)
        if line is None:
            return []
        if state is not line.seen:
            line.seen, line.since_ns = state, at_ns
            line.restless_ns = at_ns if line.restless_ns is None else line.restless_ns
        return self._settle(channel, line, at_ns)

    def tick(self, now_ns: int) -> list[InputChanged]:
        """Changes that have lasted by now, of inputs that nobody looks at because they tell edges."""
        return [
            change for channel, line in self._lines.items() for change in self._settle(channel, line, now_ns)
        ]

    def next_ns(self) -> int | None:
        """When `tick` has something to tell, if nothing changes until then."""
        due = [line.next_ns() for line in self._lines.values()]
        return min((at_ns for at_ns in due if at_ns is not None), default=None)

    def trouble(self, now_ns: int) -> str | None:
        """What is wrong with an input, for whoever can repair it."""
        for channel, line in self._lines.items():
            if line.restless_ns is not None and now_ns - line.restless_ns >= RESTLESS_NS:
                return f"input {channel} does not settle; check its contact and wiring"
            if line.unrest.is_high(now_ns):
                return f"input {channel} never rests: its contact or wiring chatters"
        return None

    def _settle(self, channel: int, line: _Line, now_ns: int) -> list[InputChanged]:
        line.settle(now_ns)
        if line.settled is None or not line.is_due(now_ns):
            return []
        line.told, line.told_ns = line.settled, now_ns
        return [InputChanged(self._device, channel, line.settled, line.settled_ns)]
