"""How much a device may say: enough for people, and no more than the gateway can bear. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

MOST_READS, READS_PER_S = 200, 10  # presentations: people are slower
FORGOTTEN_S = 5.0

TOO_MUCH = "the device sends without a pause: check its mode, speed and wiring"


@dataclass(slots=True)
class Allowance:
    """How much may come: `most` at once, `per_s` in the long run. Times are monotonic, in seconds."""

    most: float
    per_s: float
    _left: float = field(init=False)
    _at_s: float = field(default=0.0, init=False)
    _exceeded_s: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._left = self.most

    def take(self, amount: int, now: float) -> bool:
        """Whether so much more may come; what may not takes nothing from what is left."""
        self._left = min(self.most, self._left + (now - self._at_s) * self.per_s)
        self._at_s = now
        if amount > self._left:
            self._exceeded_s = now
            return False
        self._left -= amount
        return True

    def is_kept(self, now: float) -> bool:
        """Nothing was refused in the last `FORGOTTEN_S` seconds."""
        return self._exceeded_s is None or now - self._exceeded_s >= FORGOTTEN_S
