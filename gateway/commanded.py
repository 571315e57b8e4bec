"""What commands make of doors for a time, and when that is over. Pure.

An end stands in UTC and, within one boot, in uptime. The first of both ends free hours, for good: a clock
that jumps back by years keeps no door released, and one that comes back from the future frees none again. A
lock-down ends by uptime alone: a clock that jumps forward opens no door.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.clock import Moment
from messages.commands import Action, Command
from messages.model import ClockQuality
from messages.site_settings import DoorMode

TURNS: Final = {
    Action.FREE: DoorMode.FREE,
    Action.LOCK_DOWN: DoorMode.LOCKED_DOWN,
    Action.BACK_TO_SCHEDULE: None,
}
"""The commands that turn a door, and to what."""


@dataclass(frozen=True, slots=True)
class Until:
    """An end, in microseconds: UTC since 1970, and uptime of this boot."""

    utc_us: int
    uptime_us: int

    def is_over(self, mode: DoorMode, now: Moment) -> bool:
        by_time_of_day = mode is not DoorMode.LOCKED_DOWN and now.now_us >= self.utc_us
        return by_time_of_day or now.uptime_us >= self.uptime_us


@dataclass(frozen=True, slots=True)
class Turn:
    """What a command makes of a door, as it is kept; `mode` None: back to its schedule, and the rest empty.

    `end_uptime_us` is `until_us` in the uptime of `boot`; `boot` is empty where it was not noted.
    """

    door: str
    mode: str | None
    until_us: int | None = None
    issued_us: int = 0
    boot: str = ""
    end_uptime_us: int = 0


def until(until_us: int, issued_us: int, now: Moment) -> Until:
    """Never longer than the command was meant for when it was issued, whatever the time of day is now."""
    return Until(until_us, now.uptime_us + max(until_us - max(now.now_us, issued_us), 0))


def turn_of(command: Command, now: Moment, boot: str) -> Turn | None:
    """What `command` makes of its door, to be kept; None for a command that turns none."""
    if command.door is None or command.action not in TURNS:
        return None
    mode = TURNS[command.action]
    if mode is None or command.until_us is None:
        return Turn(command.door, None)
    end = until(command.until_us, command.issued_us, now)
    return Turn(command.door, mode, end.utc_us, command.issued_us, boot, end.uptime_us)


class CommandedModes:
    """For the deciding thread."""

    def __init__(self) -> None:
        self._modes: dict[str, tuple[DoorMode, Until | None]] = {}
        self._unjudged: dict[str, Turn] = {}  # of a former boot, while the time of day is not known

    def turn(self, door: str, mode: DoorMode | None, until: Until | None) -> None:
        """`mode` None: back to the schedule; `until` None: until the next command."""
        self._unjudged.pop(door, None)
        self._modes.pop(door, None)
        if mode is not None:
            self._modes[door] = mode, until

    def take_up(self, turn: Turn, boot: str) -> None:
        """One from before a restart. What is left of it after a new start of the machine is known once the
        clock is; until then a lock-down holds, and a freed door follows its schedule."""
        if turn.mode is None or turn.until_us is None:
            return
        mode = DoorMode(turn.mode)
        if turn.boot == boot:
            self.turn(turn.door, mode, Until(turn.until_us, turn.end_uptime_us))
            return
        if mode is DoorMode.LOCKED_DOWN:
            # Ordered before this boot: whatever is left of it is over when its whole length is.
            self.turn(turn.door, mode, Until(turn.until_us, turn.until_us - turn.issued_us))
        self._unjudged[turn.door] = turn

    def mode(self, door: str, now: Moment) -> DoorMode | None:
        """None: by its schedule. What is over is forgotten here."""
        if door in self._unjudged:
            self._judge(door, now)
        mode, end = self._modes.get(door, (None, None))
        if mode is not None and end is not None and end.is_over(mode, now):
            self.turn(door, None, None)
            return None
        return mode

    def _judge(self, door: str, now: Moment) -> None:
        if now.clock is ClockQuality.UNKNOWN:
            return
        turn = self._unjudged.pop(door)
        if turn.mode is not None and turn.until_us is not None:
            self._modes[door] = DoorMode(turn.mode), until(turn.until_us, turn.issued_us, now)
