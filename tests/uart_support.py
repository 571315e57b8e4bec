"""What a UART at one speed makes of bytes that were sent at another: bit by bit, from any offset.

Time is counted in bits of the sender. A receiver waits for a low level, samples eight bits in their middle,
and looks for the next start after the middle of the stop bit. Each thing it can do is a place: what byte it
gets there and at which place it goes on. Places are few: all offsets together cost hardly more than one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

_PARTS = 2  # offsets looked at within one bit


def levels_of(data: bytes) -> list[int]:
    """The line's level for each bit of a burst sent without pause, 8N1."""
    return [bit for byte in data for bit in (0, *((byte >> at) & 1 for at in range(8)), 1)]


@dataclass(frozen=True)
class Receiver:
    """`ratio`: its speed as a multiple of the sender's, tolerance included."""

    ratio: float
    keeps_damaged: bool  # hands on bytes whose stop bit was low
    waits_for_edge: bool  # after such a byte, waits until the line was high


@dataclass
class Burst:
    """The places of one burst, with silence before and after it."""

    levels: list[int]
    receiver: Receiver
    _places: dict[float, tuple[int | None, float | None]] = field(default_factory=dict)

    def offsets(self) -> Iterator[float]:
        """Where a receiver may begin to listen: in silence, and at every part of every bit."""
        return (part / _PARTS for part in range(len(self.levels) * _PARTS))

    def start(self, at: float) -> float | None:
        """The next moment from `at` on that looks like a start bit; None when only silence follows."""
        levels, bit = self.levels, int(at)
        if bit >= len(levels):
            return None
        if levels[bit] == 0 and not (self.receiver.waits_for_edge and bit and levels[bit - 1] == 0):
            return at
        while bit < len(levels) and levels[bit] == 0:
            bit += 1
        while bit < len(levels) and levels[bit] == 1:
            bit += 1
        return float(bit) if bit < len(levels) else None

    def place(self, start: float) -> tuple[int | None, float | None]:
        """What is received from this start bit, None for nothing, and the next start."""
        known = self._places.get(start)
        if known is None:
            known = self._places[start] = self._receive(start)
        return known

    def _receive(self, start: float) -> tuple[int | None, float | None]:
        levels, length, end = self.levels, 1 / self.receiver.ratio, len(self.levels)
        if self._level(start + 0.5 * length):  # too short for a start bit
            return None, self.start(start + 0.5 * length)
        byte = 0
        at = start + 1.5 * length
        for bit in range(8):
            index = int(at)
            if index >= end or levels[index]:
                byte |= 1 << bit
            at += length
        good = self._level(at) == 1
        # a sixteenth of a bit is what a receiver can tell apart
        following = self.start(round(at * 16) / 16)
        return (byte if good or self.receiver.keeps_damaged else None), following

    def _level(self, at: float) -> int:
        index = int(at)
        return self.levels[index] if index < len(self.levels) else 1


def heard_from(burst: Burst, start: float | None) -> Iterator[int]:
    """The bytes received from one place on."""
    while start is not None:
        byte, start = burst.place(start)
        if byte is not None:
            yield byte


def heard_whole(burst: Burst) -> bytes:
    """What a receiver gets that listened before the burst began."""
    return bytes(heard_from(burst, burst.start(0.0)))


def all_starts(burst: Burst) -> Iterator[float]:
    """Every place that a receiver can come to, whenever it began to listen."""
    waiting = [start for at in burst.offsets() if (start := burst.start(at)) is not None]
    seen: set[float] = set()
    while waiting:
        start = waiting.pop()
        if start in seen:
            continue
        seen.add(start)
        yield start
        following = burst.place(start)[1]
        if following is not None:
            waiting.append(following)
