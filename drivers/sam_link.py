"""One request and its reply on a SAM-V line: limits of time, damaged and late replies, rate detection.

Replies carry no number. After a request that was not answered as it should be, nothing is sent but the
request for the module's number until that is answered: the module answers in order, so whatever was late came
before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from drivers.errors import DeviceUnavailable
from drivers.sam_codec import (
    FIND,
    RATES,
    READ_CARD,
    READ_NEWEST_ADDRESS,
    READ_SAM_NUMBER,
    RESET,
    SELECT,
    SELF_CHECK,
    Command,
    Reply,
    SamFramer,
    SamNumber,
    Status,
)
from drivers.transport import READ_BLOCK, Transport

# Until the first byte of a reply (readers.md 1.8). The module's number is nothing but a memory read; find and
# select are given five times what one host allows, because waiting costs nothing when the answer is there.
PROBE_LIMIT_S = 0.3
LIMITS_S = {
    READ_SAM_NUMBER: 0.5,
    FIND: 0.5,
    SELECT: 0.5,
    READ_CARD: 2.0,
    READ_NEWEST_ADDRESS: 1.5,
    SELF_CHECK: 0.5,
    RESET: 0.5,
}
SILENCE_S = 0.3  # within a reply: network adapters pause for 0.1 s, no line for longer
AFTER_DAMAGE_S = 0.1  # a damaged reply has most likely been the reply
WHOLE_REPLY_S = 30.0  # a card's 1295 bytes one by one, each 20 ms late
MAX_NOISE = 16 * 1024  # bytes without a frame during one exchange: the device babbles


@dataclass(frozen=True, slots=True)
class Miss:
    """No usable reply. `silent`: not a byte of one came. `status`: it was good, but not to this request."""

    cause: str
    silent: bool = False
    status: Status | None = None


NO_ANSWER = Miss("no answer in time", silent=True)
DAMAGED = Miss("a damaged answer")
STOPPED = Miss("stopped", silent=True)


class SamLink:
    """Asks one module. Belongs to one thread; `stopping` is looked at whenever a read ends."""

    def __init__(self, transport: Transport, stopping: Callable[[], bool]) -> None:
        self._transport = transport
        self._stopping = stopping
        self._framer = SamFramer()
        self._block = bytearray(READ_BLOCK)
        self._view = memoryview(self._block)
        self._in_step = True
        self.read_at_ns = 0  # time.monotonic_ns() when the last bytes had been read
        self.noise = 0  # bytes of the last exchange that belonged to no frame

    def find_rate(self, rates: tuple[int, ...]) -> tuple[int, SamNumber | None] | None:
        """Asks for the module's number at each rate; None if there is no answer at any (readers.md 1.7).

        A good frame that is not the number (a busy or locked module) tells the rate as well.
        """
        for rate in rates:
            if self._stopping():
                return None
            self._transport.set_rate(rate)
            answer = self._exchange(READ_SAM_NUMBER, PROBE_LIMIT_S)
            if isinstance(answer, Reply) and answer.status is Status.SUCCESS:
                return rate, SamNumber.from_bytes(answer.data)
            if isinstance(answer, Reply) or answer.status is not None:
                return rate, None
        return None

    def ask(self, command: Command, meanwhile: Callable[[], None] | None = None) -> Reply | Miss:
        """Sends `command`, calls `meanwhile` while the module works on it, and returns its reply, which the
        caller wipes. Raises DeviceUnavailable."""
        if not self._in_step:
            barrier = self._exchange(READ_SAM_NUMBER, LIMITS_S[READ_SAM_NUMBER])
            if isinstance(barrier, Miss):
                return barrier
        return self._exchange(command, LIMITS_S[command], meanwhile)

    def _exchange(
        self, command: Command, limit_s: float, meanwhile: Callable[[], None] | None = None
    ) -> Reply | Miss:
        self._framer.reset()
        self._transport.flush_input()
        discarded, rejected = self._framer.discarded, self._framer.rejected
        self._in_step = False
        self._transport.write(command.frame)
        sent_s = time.monotonic()
        if meanwhile is not None:
            meanwhile()
        answer = self._await(command, sent_s, limit_s)
        self.noise = self._framer.discarded - discarded
        if isinstance(answer, Reply):
            self._in_step = True
        elif answer is NO_ANSWER and (self._framer.collecting or self._framer.rejected > rejected):
            return DAMAGED
        return answer

    def _await(self, command: Command, start: float, limit_s: float) -> Reply | Miss:
        framer, first_limit = self._framer, start + limit_s
        discarded, rejected = framer.discarded, framer.rejected
        result: Miss = NO_ANSWER
        limit = first_limit
        while (left := limit - time.monotonic()) > 0:
            count = self._transport.read_into(self._block, left)
            self.read_at_ns = time.monotonic_ns()
            if self._stopping():
                return STOPPED
            if count == 0:
                continue
            reply = self._pick(command, framer.feed(self._view[:count]))
            self._view[:count] = bytes(count)
            if isinstance(reply, Reply):
                return reply
            result = reply or result
            if framer.discarded - discarded > MAX_NOISE:
                raise DeviceUnavailable(self._transport.port, "the device sends without end or sense")
            now = time.monotonic()
            if framer.collecting:
                limit = min(now + SILENCE_S, start + WHOLE_REPLY_S)
            elif framer.rejected > rejected:
                limit = min(first_limit, now + AFTER_DAMAGE_S)
            else:
                limit = first_limit
        return result

    def _pick(self, command: Command, replies: list[Reply]) -> Reply | Miss | None:
        """The first reply that can belong to the request; all others are late or doubled, and wiped."""
        result: Reply | Miss | None = None
        for reply in replies:
            if not isinstance(result, Reply) and command.may_be_answered_by(reply):
                result = reply
                continue
            reply.wipe()
            if result is None:
                cause = f"answers {reply.status.value:02X} to '{command.name}': stuck, or late"
                result = Miss(cause, status=reply.status)
        return result


def rates_to_try(setting: int | None, last_good: int | None, *, sets_rate: bool) -> tuple[int, ...]:
    """The rates in the order to probe them: where it was last, then as they are met in practice."""
    if setting is not None:
        return (setting,)
    if not sets_rate:
        return RATES[:1]
    return tuple(sorted(RATES, key=lambda rate: (rate != last_good, -rate)))
