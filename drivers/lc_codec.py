"""LC / LCUS relay boards: four bytes set a relay, one asks, loose lines of text come back. Pure.

Source: readers.md 7.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from drivers.errors import ConfigurationError

BAUDRATE = 9600
MAX_CHANNEL = 8
QUERY = b"\xff"
_START = 0xA0
_MAX_LINE = 64  # a status line has about ten characters; a longer one is noise
_STATE = re.compile(rb"CH\s*([1-8])\s*[:=]\s*(ON|OFF)\b", re.IGNORECASE)
_LINE_END = re.compile(rb"[\r\n]")


@dataclass(frozen=True, slots=True)
class RelayState:
    channel: int
    on: bool


def set_relay(channel: int, *, on: bool) -> bytes:
    """The command that switches one relay; the board does not answer it."""
    if not 1 <= channel <= MAX_CHANNEL:
        raise ConfigurationError(f"channel {channel}: a board has channels 1 to {MAX_CHANNEL}")
    command = bytes((_START, channel, int(on)))
    return command + bytes((sum(command) & 0xFF,))


class StatusParser:
    """Board bytes in, states out, cut anywhere; what is no status line is dropped."""

    def __init__(self) -> None:
        self._line = bytearray()
        self.discarded = 0

    def feed(self, data: bytes) -> list[RelayState]:
        """The states of all lines that `data` completes."""
        *ended, rest = _LINE_END.split(bytes(self._line) + data)
        states = [state for line in ended for state in self._states(line)]
        self.discarded += max(0, len(rest) - _MAX_LINE)
        self._line[:] = rest[-_MAX_LINE:]
        return states

    def reset(self) -> None:
        self._line.clear()

    def _states(self, line: bytes) -> list[RelayState]:
        found = _STATE.findall(line[-_MAX_LINE:])
        if line and not found:
            self.discarded += len(line)
        return [RelayState(int(channel), state.upper() == b"ON") for channel, state in found]
