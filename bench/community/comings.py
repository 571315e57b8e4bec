"""How residents come and go on a day: mornings, evenings, weekends. Pure, from a seed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random
from typing import Final, NamedTuple

from bench.community.happening import Carried, Happening
from bench.community.people import Habit
from bench.community.times import MINUTE_US, Days
from messages.model import Direction

_SATURDAY: Final = 6
_AT_THE_DOOR, _AT_THE_GATE, _OUT = 0.58, 0.2, 0.1
"""How often a homecoming or leaving is one that a reader sees: doors are held for neighbours."""


class Coming(NamedTuple):
    """On so many of such days somebody comes home at about this hour, after so many hours away."""

    share: float
    hour: float
    spread: float
    away: float


_WORKDAY: Final = {
    Habit.OFFICE: (Coming(0.72, 18.4, 1.1, 10.2), Coming(0.18, 21.0, 0.7, 1.2)),
    Habit.SCHOOL: (Coming(0.75, 16.6, 0.6, 8.8), Coming(0.2, 19.5, 0.8, 1.0)),
    Habit.NIGHTS: (Coming(0.7, 7.6, 0.7, 9.5), Coming(0.3, 16.5, 1.2, 1.0)),
    Habit.HOME: (Coming(0.5, 8.9, 0.9, 1.4), Coming(0.3, 11.2, 0.7, 1.0), Coming(0.3, 17.2, 1.0, 1.5)),
    Habit.GUARD: (),
}
_FREE_DAY: Final = (Coming(0.4, 11.4, 1.5, 1.8), Coming(0.42, 17.6, 1.7, 4.0), Coming(0.1, 21.6, 0.8, 3.0))


def comings(there: Iterable[Carried], days: Days, day: int, drawn: Random) -> Iterator[Happening]:
    """Not in the order of time."""
    begins_us, ends_us = days.begins(day), days.ends(day)
    free = days.date(day).isoweekday() >= _SATURDAY
    for each in there:
        habit = each.member.habit
        wanted = _FREE_DAY if free and habit is not Habit.NIGHTS else _WORKDAY[habit]
        for coming in wanted if each.member.room is not None else ():
            if drawn.random() < coming.share:
                hour = min(max(drawn.gauss(coming.hour, coming.spread), 0.2), 23.9)
                at_us = begins_us + int(hour * 60 * MINUTE_US)
                for found in _one(each, at_us, coming, drawn):
                    if begins_us <= found.at_us < ends_us:
                        yield found


def _one(each: Carried, at_us: int, coming: Coming, drawn: Random) -> Iterator[Happening]:
    if drawn.random() < _OUT:
        gone_us = at_us - int(coming.away * drawn.uniform(0.8, 1.1) * 60 * MINUTE_US)
        yield each.at_the_gate(gone_us, Direction.OUT, drawn)
    if drawn.random() < _AT_THE_GATE:
        yield each.at_the_gate(at_us - int(drawn.uniform(2, 5) * MINUTE_US), Direction.IN, drawn)
    if drawn.random() < _AT_THE_DOOR:
        yield each.at_home(at_us)
