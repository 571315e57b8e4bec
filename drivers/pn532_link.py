"""One command and its answer on a PN532's line: acknowledgement, limits of time, damaged and late answers.

An answer counts only behind the acknowledgement of its own command: the chip does one thing after the other,
so whatever came before that belongs to an earlier command. After a command that was not answered as it should
be, the running one is broken off and the chip is woken and set up again before anything else is asked: it may
have lost its power in between, and with it all that it had been told (readers.md 5.3).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from drivers.errors import DeviceUnavailable, ProtocolViolation
from drivers.pn532_codec import (
    ACK_FRAME,
    FIELD_ON,
    FIRMWARE_VERSION,
    RETRY_ONCE,
    SAM_NORMAL,
    WAKE_UP,
    Answer,
    Command,
    Frame,
    FrameParser,
    Signal,
    firmware_text,
)
from drivers.transport import Transport

ACK_LIMIT_S = 0.5  # the chip needs a few ms, network converters up to 0.1 s
ANSWER_LIMIT_S = 1.0  # looking for a card ends after three tries, an exchange with one after some 50 ms
SILENCE_S = 0.3  # within a frame
AFTER_DAMAGE_S = 0.1  # a damaged answer has most likely been the answer
WHOLE_ANSWER_S = 3.0  # the longest of ours has some 50 bytes
MAX_NOISE = 16 * 1024  # bytes without a frame during one exchange: the device babbles


@dataclass(frozen=True, slots=True)
class Miss:
    """No usable answer. `silent`: no frame came at all."""

    cause: str
    silent: bool = False


NO_ACKNOWLEDGEMENT = Miss("no answer in time", silent=True)
NO_ANSWER = Miss("a command was acknowledged and not answered")
DAMAGED = Miss("a damaged answer")
REFUSED = Miss("the chip does not take a command; is it a PN532?")
STOPPED = Miss("stopped", silent=True)


class Pn532Link:
    """Asks one chip. Belongs to one thread; `stopping` is looked at whenever a read ends."""

    def __init__(self, transport: Transport, stopping: Callable[[], bool]) -> None:
        self._transport = transport
        self._stopping = stopping
        self._parser = FrameParser()
        self._is_set_up = False
        self.firmware = ""
        self.read_at_ns = 0  # time.monotonic_ns() when the last bytes had been read
        self.noise = 0  # bytes of the last exchange that belonged to no frame

    def ask(self, command: Command) -> Answer | Miss:
        """Sends `command` to the chip, which is set up first if need be. Raises DeviceUnavailable."""
        if not self._is_set_up:
            miss = self.set_up()
            if miss is not None:
                return miss
        return self._exchange(command)

    def set_up(self) -> Miss | None:
        """Wakes the chip and tells it how to work; None if all of that was done. Raises DeviceUnavailable."""
        for command, before in (
            (SAM_NORMAL, WAKE_UP),
            (FIRMWARE_VERSION, b""),
            (RETRY_ONCE, b""),
            (FIELD_ON, b""),
        ):
            answer = self._exchange(command, before)
            if isinstance(answer, Miss):
                return answer
            if command is FIRMWARE_VERSION:
                try:
                    self.firmware = firmware_text(answer.data)
                except ProtocolViolation as error:
                    return Miss(str(error))
        self._is_set_up = True
        return None

    def _exchange(self, command: Command, before: bytes = b"") -> Answer | Miss:
        parser = self._parser
        parser.reset()
        self._transport.flush_input()
        discarded, rejected = parser.discarded, parser.rejected
        self._transport.write(before + command.frame)
        answer = self._await(command, time.monotonic())
        self.noise = parser.discarded - discarded
        if isinstance(answer, Answer) or self._stopping():
            return answer
        self._is_set_up = False
        self._transport.write(ACK_FRAME)  # breaks off what the chip may still be at
        if answer is not REFUSED and (parser.collecting or parser.rejected > rejected):
            return DAMAGED
        return answer

    def _await(self, command: Command, start: float) -> Answer | Miss:
        parser, discarded, rejected = self._parser, self._parser.discarded, self._parser.rejected
        acknowledged = False
        limit = first_limit = start + ACK_LIMIT_S
        while (left := limit - time.monotonic()) > 0:
            data = self._transport.read(left)
            if self._stopping():
                return STOPPED
            if not data:
                continue
            self.read_at_ns = time.monotonic_ns()
            was_acknowledged = acknowledged
            for frame in parser.feed(data):
                acknowledged = acknowledged or frame is Signal.ACK
                result = _result(command, frame) if acknowledged else None
                if result is not None:
                    return result
            if parser.discarded - discarded > MAX_NOISE:
                raise DeviceUnavailable(self._transport.port, "the device sends without end or sense")
            now = time.monotonic()
            if acknowledged and not was_acknowledged:
                first_limit = now + ANSWER_LIMIT_S
            limit = first_limit
            if parser.collecting:
                limit = max(limit, min(now + SILENCE_S, start + WHOLE_ANSWER_S))
            elif parser.rejected > rejected:
                limit = min(limit, now + AFTER_DAMAGE_S)
        return NO_ANSWER if acknowledged else NO_ACKNOWLEDGEMENT


def _result(command: Command, frame: Frame) -> Answer | Miss | None:
    """What a frame behind the acknowledgement means for the command; None: it belongs to another."""
    if frame is Signal.ERROR:
        return REFUSED
    return frame if isinstance(frame, Answer) and command.is_answered_by(frame) else None
