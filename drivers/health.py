"""How a device is: tells the gateway each change of state, and the log what happened and when it was over.

Bounded by design: a change of state is one line, repeats of the same trouble are counted, and a device that
keeps falling must stay well longer and longer before it is called well again. Knows no port and no protocol.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from drivers.base import DeviceChanged, DeviceState, Emit

log = logging.getLogger(__name__)

BACK_OFF_S = (0.5, 1.0, 2.0)
"""Pauses before opening again; the last one stays: a device that returns must be back within 5 s."""
HEALTHY_S = 60.0  # after this long without trouble everything is forgotten
SAME_BLIP_LINES_S = 60.0  # the same small trouble gets a line at most this often, with a count
QUIET_S = 5.0  # a noisy device is well again after so long without a blip
NOISY_BLIPS = 20  # so many small troubles within SAME_BLIP_LINES_S are a degraded device
SETTLE_S = (0.0, 5.0, 10.0, 20.0, 40.0)  # how long a device must be well again, by how often it fell lately


@dataclass(slots=True)
class _Fault:
    cause: str
    seen_s: float


@dataclass(slots=True)
class _Blips:
    logged_s: float
    unsaid: int = 0


class Health:
    """State of one device, held by the thread that keeps it. `what` is the kind in words: "reader"."""

    def __init__(
        self, what: str, name: str, emit: Emit, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._what = f"{what} {name}"
        self._name = name
        self._emit = emit
        self._clock = clock
        self.state = DeviceState.RECOVERING
        self._episode: tuple[str, float] | None = None  # first cause and begin of what is not over yet
        self._lost_causes: set[str] = set()
        self._faults: dict[str, _Fault] = {}
        self._pending: tuple[str, float] | None = None  # a small trouble, not known to be over
        self._blips: dict[str, _Blips] = {}
        self._attempts = 0
        self._falls = 0
        self._troubled_s = clock()

    def lost(self, cause: str, *, gone: bool, insecure: bool = False) -> None:
        """The device cannot be used. `gone` causes are one and the same: there is nothing at the port.

        `insecure`: it failed to prove itself, which is told even when it was lost before.
        """
        self._note_trouble()
        known = "gone" if gone else cause
        if self.state is not DeviceState.LOST or (insecure and known not in self._lost_causes):
            self._fall(DeviceState.LOST, cause, insecure=insecure)
        elif not gone and known not in self._lost_causes and len(self._lost_causes) < len(BACK_OFF_S):
            log.warning("%s: still lost: %s", self._what, cause)  # another reason, and one to act on
        self._lost_causes.add(known)
        self._faults.clear()

    def recovering(self, detail: str) -> None:
        """A lost device answers again and is being set up."""
        if self.state is DeviceState.LOST:
            self._change(DeviceState.RECOVERING, detail)

    def degraded(self, source: str, cause: str, *, insecure: bool = False) -> None:
        """The device answers, but `source` (a part of it) does not work; over when that part is `fine`."""
        self._note_trouble()
        self._faults[source] = _Fault(cause, self._clock())
        if self.state in (DeviceState.OK, DeviceState.RECOVERING):
            self._fall(DeviceState.DEGRADED, cause, insecure=insecure)

    def blip(self, cause: str) -> None:
        """Something small went wrong; if `fine` comes next, that was all. `cause` is one of a few texts."""
        self._note_trouble()
        if self._pending is None:
            self._pending = (cause, self._clock())

    def ready(self, detail: str) -> None:
        """The device was opened, probed and set up; `detail` says what is there."""
        self._pending = None  # what went wrong on the way is part of the way
        if self.state is not DeviceState.OK and not self._faults:
            self._recover(detail, self._clock())

    def fine(self, source: str) -> None:
        """`source` works. Ends a blip, and a degraded state when nothing else is wrong."""
        if self._pending is None and not self._faults and not self._blips and self.state is DeviceState.OK:
            return  # the ordinary case, ten times a second
        now = self._clock()
        self._drop_fault(source, now)
        self._end_blip(now)
        self._say_unsaid(now)
        if not self._faults and self.state is DeviceState.DEGRADED:
            self._recover("", now)

    def retry_in_s(self) -> float:
        """The pause before the next attempt to open."""
        pause = BACK_OFF_S[min(self._attempts, len(BACK_OFF_S) - 1)]
        self._attempts += 1
        return pause

    def _note_trouble(self) -> None:
        now = self._clock()
        if now - self._troubled_s >= HEALTHY_S:
            self._attempts = self._falls = 0
        self._troubled_s = now

    def _fall(self, state: DeviceState, cause: str, *, insecure: bool = False) -> None:
        """A change for the worse; the episode began with the small trouble before it, if there was one."""
        if self._episode is None:
            self._episode = (cause, self._pending[1] if self._pending else self._clock())
            self._falls += 1
        self._pending = None
        log.warning("%s: %s: %s", self._what, state.value, cause)
        self._change(state, cause, insecure=insecure)

    def _recover(self, detail: str, now: float) -> None:
        self._lost_causes.clear()
        if self._episode is None:
            log.info("%s: ok: %s", self._what, detail)
            self._change(DeviceState.OK, detail)
            return
        cause, since = self._episode
        self._episode = None
        log.info("%s: ok again after %.1f s (%s)", self._what, now - since, cause)
        self._change(DeviceState.OK, f"ok again after {now - since:.1f} s ({cause})")

    def _drop_fault(self, source: str, now: float) -> None:
        fault = self._faults.get(source)
        settle_s = SETTLE_S[min(max(self._falls - 1, 0), len(SETTLE_S) - 1)]
        if fault is not None and now - fault.seen_s >= settle_s:
            del self._faults[source]

    def _end_blip(self, now: float) -> None:
        if self._pending is None:
            return
        cause, since = self._pending
        self._pending = None
        earlier = self._blips.get(cause)
        if earlier is None:
            self._blips[cause] = _Blips(now)
            log.warning("%s: %s; over after %.2f s", self._what, cause, now - since)
            return
        earlier.unsaid += 1
        if earlier.unsaid == NOISY_BLIPS:
            self.degraded(cause, f"again and again: {cause}")
        elif earlier.unsaid > NOISY_BLIPS and cause in self._faults:
            self._faults[cause].seen_s = now

    def _say_unsaid(self, now: float) -> None:
        for cause, blips in list(self._blips.items()):
            noisy = self._faults.get(cause)
            if noisy is not None and now - noisy.seen_s >= QUIET_S:
                del self._faults[cause]
            if now - blips.logged_s < SAME_BLIP_LINES_S:
                continue
            if blips.unsaid:
                log.warning("%s: %d times more: %s", self._what, blips.unsaid, cause)
            del self._blips[cause]
            self._faults.pop(cause, None)

    def _change(self, state: DeviceState, cause: str, *, insecure: bool = False) -> None:
        self.state = state
        self._emit(DeviceChanged(self._name, state, cause, insecure))
