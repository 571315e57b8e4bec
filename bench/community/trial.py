"""The months before the first of the days: a trial at the gates alone, in which some residents took part. The
public report on look-ups is of a whole quarter, and tells of these. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from random import Random
from typing import Final

from bench.community.happening import Carried, Happening
from bench.community.ordered import reference_of
from bench.community.people import Habit, Member, Population
from bench.community.places import GATES
from bench.community.times import HOUR_US, MINUTE_US, Days
from bench.community.troubles import released
from messages.model import Direction

TRIAL_DAYS: Final = 110
"""With the days themselves ten fewer than entries are kept: of a demo that is left open for a week none ends
on the way, and most of the last quarter that is over lies within."""

TAKE_PART: Final = 40
"""Of each estate."""

_SHARE, _OUT, _RELEASED = 0.28, 0.35, 0.25
_COME_AND_GO: Final = frozenset({Habit.OFFICE, Habit.HOME})


def taking_part(population: Population) -> dict[str, list[Member]]:
    """Of each estate, by site: one of a home, there since before the trial, who comes and goes."""
    found: dict[str, list[Member]] = defaultdict(list)
    for household in population.households:
        if household.came is not None or household.left is not None or household.by_hand:
            continue
        mine = found[household.room.house.site]
        able = [each for each in household.members if each.habit in _COME_AND_GO]
        if able and len(mine) < TAKE_PART:
            mine.append(able[0])
    return found


def at_the_gates(
    there: Sequence[Carried], days: Days, day: int, drawn: Random, operators: Sequence[int]
) -> Iterator[Happening]:
    """Of one estate's; `day`: negative; `operators`: accounts. In the order of time."""
    found = []
    for each in there:
        if drawn.random() < _SHARE:
            at_us = days.at(day, min(max(drawn.gauss(17.6, 2.2), 6), 23.5))
            found.append(each.at_the_gate(at_us, Direction.IN, drawn))
            if drawn.random() < _OUT:
                left_us = at_us - int(drawn.uniform(0.6, 9) * HOUR_US)
                found.append(
                    each.at_the_gate(max(left_us, days.begins(day) + MINUTE_US), Direction.OUT, drawn)
                )
    if there and drawn.random() < _RELEASED:
        estate = there[0].member.estate
        gate = next(each for each in estate.gates if each.direction is Direction.IN)
        fields = released(gate.name, reference_of(drawn.choice(operators)))
        found.append(Happening(days.at(day, drawn.uniform(8, 19)), estate.site, GATES, fields))
    yield from sorted(found, key=lambda each: each.at_us)
