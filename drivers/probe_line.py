"""The line under a probe: what is sent and heard at which speed, in what portions, and what it means so far.

Whoever watches is shown overwritten bytes; what was heard is overwritten at the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from drivers.probe_finding import Finding, Heard, Sureness
from drivers.probe_guess import guess, leftover
from drivers.probe_meaning import Piece, dissect
from drivers.probe_plan import PAUSE_S, Query
from drivers.transport import Transport

BURST_GAP_S = 0.08  # so long a silence ends what belongs together
LONG_BURST_S = 0.3  # a device that speaks without a pause is not waited for
LONG_BURST = 512
FRAME_GAP_S = 0.02  # between two frames of a reader that repeats
DISTURBANCE = 2  # bytes that a spark or a plug may make
MAX_HEARD = 4096  # bytes kept of each speed


class Watcher(Protocol):
    """Whoever stands at the port."""

    def step(self, text: str) -> None:
        """What is being done."""

    def show_card(self, text: str) -> None:
        """A card or code is to be shown now."""

    def bytes_seen(self, rate: int | None, shown: str, meaning: str, *, sent: bool) -> None:
        """Bytes on the line, in hex with identity overwritten."""


class Stopped(Exception):
    """Time is up, or whoever watches has seen enough."""


@dataclass(slots=True)
class Visit:
    """A time at one speed."""

    rate: int | None
    heard: int = 0  # bytes


class ProbedLine:
    """Belongs to one thread. `end_s`: time.monotonic() after which every wait raises Stopped."""

    def __init__(
        self, transport: Transport, watcher: Watcher, end_s: float, stopping: Callable[[], bool]
    ) -> None:
        self._transport = transport
        self._watcher = watcher
        self._end_s = end_s
        self._stopping = stopping
        self._heard: dict[int | None, bytearray] = {}
        self._burst = bytearray()
        self._burst_at_s = self._last_s = 0.0
        self.rate: int | None = None
        self.trail: list[Visit] = []  # in the order of the visits
        self.portions: list[int] = []  # bytes that came in one go, since the speed was set

    def settable(self, rates: Sequence[int]) -> Sequence[int | None]:
        """`rates`, or the one that an adapter far away has."""
        return rates if self._transport.sets_rate else (None,)

    def set(self, rate: int | None) -> None:
        """From here on at this speed."""
        self.end_burst()
        if rate is not None and rate != self.rate:
            self._transport.set_rate(rate)
        self.rate = rate
        self.portions.clear()
        self.trail.append(Visit(rate))

    def send(self, query: Query, wait_s: float = PAUSE_S) -> list[Piece]:
        """Sends one query of the plan, and returns what comes in the time after it. Raises Stopped."""
        self.end_burst()
        self._watcher.bytes_seen(self.rate, query.data.hex(" ").upper(), query.what, sent=True)
        self._transport.write(query.data)
        before = len(self._here())
        self.listen(max(wait_s, PAUSE_S))
        return dissect(bytes(self._here()[before:]))

    def listen(self, for_s: float, enough: Callable[[], bool] | None = None) -> bool:
        """Whether it was enough. Judged when the line falls silent: only then is a line of text whole.

        Raises Stopped, and DeviceUnavailable.
        """
        end_s = min(time.monotonic() + for_s, self._end_s)
        while (left_s := end_s - time.monotonic()) > 0:
            if self._stopping():
                raise Stopped
            data = self._transport.read(min(left_s, BURST_GAP_S))
            if data:
                self._take(data)
            if self._burst and (not data or self._is_long()):
                self.end_burst()
                if enough and enough():
                    return True
        if time.monotonic() >= self._end_s:
            raise Stopped
        return False

    def hears(self, for_s: float) -> bool:
        """Whether anything comes unasked."""
        before = sum(self.portions)
        self.listen(for_s)
        return sum(self.portions) > before

    def end_burst(self) -> None:
        """Shows what came last."""
        for piece in dissect(bytes(self._burst)):
            self._watcher.bytes_seen(self.rate, piece.shown, piece.meaning, sent=False)
        self._burst[:] = bytes(len(self._burst))
        self._burst.clear()

    def forget(self) -> None:
        """Overwrites all that was heard."""
        for data in (*self._heard.values(), self._burst):
            data[:] = bytes(len(data))

    # --- what is known so far ------------------------------------------------------------------------------

    def heard(self) -> list[Heard]:
        return [Heard(rate, bytes(data)) for rate, data in self._heard.items() if data]

    def findings(self) -> list[Finding]:
        return guess(self.heard())

    def is_certain(self) -> bool:
        found = self.findings()
        return bool(found) and found[0].sureness is Sureness.CERTAIN

    def is_odd(self) -> bool:
        """Since the speed was set more came than a disturbance, and nothing is understood."""
        return sum(self.portions) > DISTURBANCE and not self.findings()

    def odd_rates(self) -> list[int | None]:
        return [each.rate for each in self.heard() if leftover(each)]

    # --- bytes ---------------------------------------------------------------------------------------------

    def _here(self) -> bytearray:
        return self._heard.setdefault(self.rate, bytearray())

    def _take(self, data: bytes) -> None:
        now = time.monotonic()
        if self.trail:
            self.trail[-1].heard += len(data)
        kept = self._here()
        kept += data
        if len(kept) > MAX_HEARD:
            del kept[: len(kept) - MAX_HEARD // 2]
        if not self._burst:
            self._burst_at_s = now
        self._burst += data
        if now - self._last_s > FRAME_GAP_S or not self.portions:
            self.portions.append(0)
        self.portions[-1] += len(data)
        self._last_s = now

    def _is_long(self) -> bool:
        return len(self._burst) >= LONG_BURST or time.monotonic() - self._burst_at_s > LONG_BURST_S
