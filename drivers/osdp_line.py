"""The open RS-485 line under an OSDP bus: sends a packet and finds its answer among all else."""

from __future__ import annotations

import time

from drivers.errors import DeviceUnavailable
from drivers.osdp_codec import OsdpFramer, packet_from
from drivers.osdp_guard import Guard, Verdict
from drivers.transport import Transport

REPLY_LIMIT_S = 0.2  # readers.md 6.2: a device begins its reply within this
GAP_S = 0.05  # inside a packet: 20 ms, and what an adapter adds
NOISE_BYTES, NOISE_PER_S = 4096, 4096  # beyond this someone sends without a pause
BABBLE = "somebody on the line sends without a pause: check wiring, termination and speed"


class Line:
    """The open port: sends one packet, finds its answer. Raises DeviceUnavailable."""

    def __init__(self, transport: Transport, rate: int) -> None:
        self._transport = transport
        self._char_s = 10 / rate
        self._framer = OsdpFramer()
        self._heard_s = 0.0
        self._noise_left = float(NOISE_BYTES)
        self._noise_s = time.monotonic()
        self.refused = False  # during the last exchange, somebody did what may not be

    def ask(self, frame: bytes, guard: Guard) -> bytes | None:
        """The packet that answers, or None."""
        self.refused = False
        self._pause_between_packets()
        self._framer.reset_raw()
        self._framer.discarded = 0
        self._account(self._transport.flush_input())
        self._transport.write(frame)
        return self._wait_for(guard, len(frame))

    @property
    def was_noisy(self) -> bool:
        """During the last exchange."""
        return self._framer.discarded > 0

    def rest(self, pause_s: float) -> None:
        """Waits; what arrives unasked is nobody's answer."""
        if data := self._transport.read(pause_s):
            self._heard_s = time.monotonic()
            self._account(len(data))

    def _wait_for(self, guard: Guard, sent: int) -> bytes | None:
        now = time.monotonic()
        ends_s = now + REPLY_LIMIT_S + sent * self._char_s
        latest_s = ends_s + 2 * REPLY_LIMIT_S + 256 * self._char_s  # whatever goes on on the line
        while now < min(ends_s, latest_s):
            pause_s = GAP_S if self._framer.is_waiting else ends_s - now
            data = self._transport.read(min(pause_s, ends_s - now, latest_s - now))
            now = time.monotonic()
            if data:
                self._heard_s = now
                self._account(len(data))
                frames = self._framer.feed_raw(data)
                ends_s = max(ends_s, now + GAP_S) if self._framer.is_waiting else ends_s
            else:  # a false beginning may have hidden the answer
                frames = self._framer.reset_raw() if now >= self._heard_s + GAP_S else []
            for frame in frames:
                verdict = guard.hears(packet_from(frame))
                self.refused = self.refused or verdict is Verdict.REFUSE
                if verdict is Verdict.PASS:
                    return frame
        return None

    def _pause_between_packets(self) -> None:
        """Two characters of silence before sending (readers.md 6.2)."""
        left_s = self._heard_s + 2 * self._char_s - time.monotonic()
        if left_s > 0:
            time.sleep(left_s)

    def _account(self, noise: int) -> None:
        now = time.monotonic()
        self._noise_left = min(NOISE_BYTES, self._noise_left + (now - self._noise_s) * NOISE_PER_S) - noise
        self._noise_s = now
        if self._noise_left < 0:
            raise DeviceUnavailable(self._transport.port, BABBLE)
