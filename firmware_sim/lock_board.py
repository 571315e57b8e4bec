"""LC / LCUS relay board as bytes in, bytes out (readers.md 7.1). Knows no door, no port, no clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from firmware_sim.device import Frame, Notice
from firmware_sim.faults import FaultSet
from firmware_sim.kinds import Kind, Role, Surroundings
from firmware_sim.scene_table import Table

RATE = 9600  # 8N1, fixed by the manufacturer
MAX_CHANNELS = 8
MIN_GAP_S = 0.1  # at least 100 ms between commands

_START = 0xA0
_QUERY = 0xFF
_COMMAND_SIZE = 4
_OPERATIONS = {0: False, 1: True}
_STATUS_S = 0.01  # our guess; a status line has no documented time


class Spacing(Enum):
    """Status lines differ between makes in blanks and case; {n} is the channel, {state} ON or OFF."""

    DOCUMENTED = "CH{n}: {state}\r\n"
    TIGHT = "CH{n}:{state}\r\n"
    WIDE = "CH{n} : {state:<3}\r\n"
    LOWER = "ch{n}:\t{state}\r\n"


class LockBoard:
    """A relay board; its relays drop out whenever it loses power."""

    def __init__(
        self,
        channels: int,
        faults: FaultSet,
        *,
        spacing: Spacing = Spacing.DOCUMENTED,
        answers_query: bool = True,
        answer_s: float = 0.0,
    ) -> None:
        if not 1 <= channels <= MAX_CHANNELS:
            raise ValueError(f"a lock board has 1 to {MAX_CHANNELS} channels, not {channels}")
        self._faults = faults
        self._spacing = spacing
        self._answers_query = answers_query
        self._answer_s = answer_s
        self._relays = [False] * channels
        self._buffer = bytearray()
        self._frames: list[Frame] = []
        self._notices: list[Notice] = []
        self._last_command_s: float | None = None
        self._rate = RATE
        self.ignored = 0  # bytes that were no command

    @property
    def rate(self) -> int:
        return self._rate

    def leave_at(self, rate: int) -> None:
        """Speak at another rate than the usual one, as some makes do."""
        self._rate = rate

    @property
    def relays(self) -> tuple[bool, ...]:
        """Position of each relay, channel 1 first."""
        return tuple(self._relays)

    def feed(self, data: bytes, now: float) -> None:
        """Take bytes in any portions; what is no command is skipped byte by byte: noise hides none."""
        self._buffer += data
        buffer = self._buffer
        at = 0
        while at < len(buffer):
            if buffer[at] == _QUERY:
                self._answer_query(now)
                at += 1
            elif buffer[at] != _START:
                self._ignore_one()
                at += 1
            elif at + _COMMAND_SIZE > len(buffer):
                break
            elif sum(buffer[at : at + 3]) & 0xFF != buffer[at + 3]:
                self._ignore_one()
                at += 1
            else:
                self._command(buffer[at + 1], buffer[at + 2], now)
                at += _COMMAND_SIZE
        del buffer[:at]

    def take(self, now: float) -> list[Frame]:
        due = [frame for frame in self._frames if frame.due_s <= now]
        self._frames = [frame for frame in self._frames if frame.due_s > now]
        return due

    def next_due(self) -> float | None:
        return self._frames[0].due_s if self._frames else None

    def describe(self, now: float) -> dict[str, Any]:  # noqa: ARG002 - the same at all times
        return {"ignored_bytes": self.ignored}

    def notices(self) -> list[Notice]:
        notices, self._notices = self._notices, []
        return notices

    def power_cycle(self, now: float) -> None:  # noqa: ARG002 - a board needs no time to come back
        self._buffer.clear()
        self._frames.clear()
        self._last_command_s = None
        for channel, on in enumerate(self._relays, start=1):
            if on:
                self._set(channel, on=False)

    def _ignore_one(self) -> None:
        self.ignored += 1

    def _command(self, channel: int, operation: int, now: float) -> None:
        last_s, self._last_command_s = self._last_command_s, now
        hasty = last_s is not None and now - last_s < MIN_GAP_S
        if hasty and self._faults.use("swallows_hasty") is not None:
            return
        if not 1 <= channel <= len(self._relays) or operation not in _OPERATIONS:
            self.ignored += _COMMAND_SIZE
            return
        stuck = self._faults.peek("does_not_follow")
        if stuck is not None and stuck["channel"] in (None, channel):
            self._faults.use("does_not_follow")
            return
        self._set(channel, on=_OPERATIONS[operation])

    def _set(self, channel: int, *, on: bool) -> None:
        edge = self._relays[channel - 1] is not on
        self._relays[channel - 1] = on
        self._notices.append(Notice("relay_on" if on else "relay_off", channel=channel, edge=edge))

    def _answer_query(self, now: float) -> None:
        if not self._answers_query:
            self._ignore_one()
            return
        lower = self._spacing is Spacing.LOWER
        states = ["on" if on and lower else "ON" if on else "off" if lower else "OFF" for on in self._relays]
        text = "".join(
            self._spacing.value.format(n=n, state=state) for n, state in enumerate(states, start=1)
        )
        self._frames.append(
            Frame(text.encode("ascii"), now + self._answer_s, now, self._rate, usual_s=_STATUS_S)
        )


@dataclass(frozen=True, slots=True)
class LockBoardOptions:
    """Keys of a scene's [[lock_board]] of kind lc_relay."""

    channels: int = 1
    spacing: Spacing = Spacing.DOCUMENTED
    answers_query: bool = True


def _read_options(table: Table) -> LockBoardOptions:
    spacings = tuple(spacing.name.lower() for spacing in Spacing)
    return LockBoardOptions(
        channels=table.whole("channels", 1, low=1, high=MAX_CHANNELS),
        spacing=Spacing[table.choice("spacing", "documented", spacings).upper()],
        answers_query=table.flag("answers_query", default=True),
    )


def _make(options: LockBoardOptions, around: Surroundings) -> LockBoard:
    return LockBoard(
        options.channels,
        around.faults,
        spacing=options.spacing,
        answers_query=options.answers_query,
        answer_s=around.profile.own_s,
    )


def _settings(options: LockBoardOptions) -> Mapping[str, Any]:
    return {"channels": options.channels, "status_query": options.answers_query or None}


def _channels(options: LockBoardOptions) -> int:
    return options.channels


KIND = Kind(role=Role.LOCK_BOARD, read=_read_options, make=_make, settings=_settings, channels=_channels)
