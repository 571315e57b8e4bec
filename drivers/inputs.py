"""From what a line measures to what is told of it: contacts, supervised lines, debounce. Pure.

Source: readers.md 7.5. Time is an argument, in nanoseconds of one monotonic clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from drivers.base import InputChanged, InputState
from drivers.settings import InputSettings, Part

RESTLESS_NS = 10 * 10**9  # an input that does not settle for so long has a loose wire or a broken contact

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
class _Line:
    debounce_ns: int
    told: InputState | None = None
    seen: InputState | None = None  # last, and so since:
    since_ns: int = 0
    restless_ns: int | None = None  # since when it has not been settled


class Inputs:
    """All inputs of one board: raw states in, as often as they are looked at; settled changes out."""

    def __init__(self, device: str, settings: Sequence[InputSettings]) -> None:
        self._device = device
        self._lines = {each.channel: _Line(round(each.debounce_s * 1e9)) for each in settings}

    def see(self, channel: int, state: InputState, at_ns: int) -> list[InputChanged]:
        """The input is so now. Returns the change this settles, if any; channels without settings: none."""
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
        waiting = [line for line in self._lines.values() if line.seen is not line.told]
        return min((line.since_ns + line.debounce_ns for line in waiting), default=None)

    def told(self, channel: int) -> InputState | None:
        return self._lines[channel].told

    def all_told(self) -> bool:
        """Whether each input has settled once."""
        return all(line.told is not None for line in self._lines.values())

    def restless(self, now_ns: int) -> list[int]:
        """Inputs that have not settled for long."""
        return [
            channel
            for channel, line in self._lines.items()
            if line.restless_ns is not None and now_ns - line.restless_ns >= RESTLESS_NS
        ]

    def _settle(self, channel: int, line: _Line, now_ns: int) -> list[InputChanged]:
        if line.seen is None or now_ns - line.since_ns < line.debounce_ns:
            return []
        line.restless_ns = None
        if line.seen is line.told:
            return []
        line.told = line.seen
        return [InputChanged(self._device, channel, line.seen, line.since_ns)]
