"""When to stop by ourselves: the battery is low without mains, and has been so for long enough. Pure.

A clean stop closes the journal while there still is power (trust.md R-45). It is for the site to want it.
"""

from __future__ import annotations

from drivers.base import InputState
from gateway.sensing import InputFunction

Place = tuple[str, int]
"""Board or reader, and number of its input."""


class PowerWatch:
    """Fed by the deciding thread with what inputs say; times are monotonic seconds."""

    def __init__(self, stop_after_s: float | None) -> None:
        """`stop_after_s` of battery low without mains; None: never stops."""
        self._stop_after_s = stop_after_s
        self._mains_failed: dict[Place, bool] = {}
        self._battery_low: dict[Place, bool] = {}
        self._since_s: float | None = None

    def take(self, place: Place, function: InputFunction, state: InputState, now_s: float) -> None:
        """What an input is wired to and what it says; inputs of other functions are ignored.

        A line that is cut or shorted says nothing of the power: what it said before holds.
        """
        known = {InputFunction.MAINS: self._mains_failed, InputFunction.BATTERY: self._battery_low}
        states = known.get(function)
        if states is None or state not in (InputState.ACTIVE, InputState.NORMAL):
            return
        states[place] = state is InputState.ACTIVE
        if not self._on_the_last():
            self._since_s = None
        elif self._since_s is None:
            self._since_s = now_s

    def should_stop(self, now_s: float) -> bool:
        due_s = self.due_s()
        return due_s is not None and now_s >= due_s

    def due_s(self) -> float | None:
        """When it will be time to stop if nothing changes; None while nothing asks for it."""
        if self._since_s is None or self._stop_after_s is None:
            return None
        return self._since_s + self._stop_after_s

    def _on_the_last(self) -> bool:
        """Any battery is low, and no supply says that it has mains. Where no mains input is wired, a low
        battery alone is what there is to go by."""
        return any(self._battery_low.values()) and all(self._mains_failed.values())
