"""Repeats of a lying card are one presentation: pure."""

from __future__ import annotations

REPEAT_WINDOW_S = 2.5
"""readers.md 1.9: two reads of one card within 2-3 seconds are one act of one person."""


class RepeatWindow:
    """Remembers, for each reader, the last credential and when it was last seen there."""

    def __init__(self, window_s: float = REPEAT_WINDOW_S) -> None:
        self._window_ns = int(window_s * 1e9)
        self._last: dict[str, tuple[str, int]] = {}

    def is_repeat(self, reader: str, token: str, at_ns: int) -> bool:
        """Whether `token` is still the same presentation; each repeat prolongs it."""
        token_before, seen_ns = self._last.get(reader, ("", 0))
        self._last[reader] = (token, at_ns)
        return token == token_before and at_ns - seen_ns < self._window_ns
