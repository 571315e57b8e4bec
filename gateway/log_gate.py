"""How much is logged: what repeats is left out and counted, so that a babbling device fills no disk. Pure."""

from __future__ import annotations

from collections import Counter

SAME_A_MINUTE = 5
"""Of one message word for word."""

ALIKE_A_MINUTE = 30
"""Of one message with different names or figures in it."""

ALL_A_MINUTE = 300
"""Of all below an error; what operators must act on is not crowded out by what they may know."""

_MINUTE_S = 60.0


class LogGate:
    """Counts minute by minute. Its memory is bounded by the messages that the program has."""

    def __init__(self) -> None:
        self._ends_s = float("-inf")
        self._same: Counter[tuple[str, str]] = Counter()
        self._alike: Counter[str] = Counter()
        self._all = 0
        self._left_out: Counter[str] = Counter()

    def admits(self, alike: str, said: str, *, grave: bool, now_s: float) -> bool:
        """Whether a message is to be written. `alike`: what it has in common with others of its kind; `said`:
        the whole of it; `grave`: an error or worse."""
        if now_s >= self._ends_s:
            self._begin(now_s)
        full = (
            self._alike[alike] >= ALIKE_A_MINUTE
            or self._same[alike, said] >= SAME_A_MINUTE
            or (not grave and self._all >= ALL_A_MINUTE)
        )
        if full:
            self._left_out[alike] += 1
            return False
        self._alike[alike] += 1
        self._same[alike, said] += 1
        self._all += not grave
        return True

    def left_out(self, now_s: float) -> dict[str, int]:
        """How many of each kind were left out in the minute that has ended; asked for once each minute."""
        if not self._left_out or now_s < self._ends_s:
            return {}
        return self.flush()

    def flush(self) -> dict[str, int]:
        """The same of the minute that goes on."""
        found, self._left_out = dict(self._left_out), Counter()
        return found

    def _begin(self, now_s: float) -> None:
        self._ends_s = now_s + _MINUTE_S
        self._same.clear()
        self._alike.clear()
        self._all = 0
