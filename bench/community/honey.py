"""Honey records of the community: planted before the first look-up, each by the register's own acts, and who
touched one since."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Final

from sqlalchemy import select

from bench.community.people import Population
from bench.community.places import Room
from bench.community.register import Acts, Registered
from bench.community.times import ZONE, Days
from bench.community.trial import TRIAL_DAYS
from central.accounts.who import Role
from central.honey.book import plant
from central.honey.touches import Toucher
from central.register.desk import Desk
from central.register.places import set_use
from central.register.words import HomeUse
from central.store.honey_tables import honey_record
from central.times import local

_PLANTED: Final = (
    (4, 18.9, True, True),
    (3, 18.6, False, True),
    (3, 19.2, True, False),
    (2, 18.8, True, True),
)
"""So many days before the trial, at which hour, whether with a home, and whether with a card. Nobody works at
the register so late: the acts of planting need a minute of their own."""


@dataclass
class Honeys:
    """`people`: their rows in the register; `rooms`: of those who were given one, in order."""

    people: list[int] = field(default_factory=list)
    rooms: list[int] = field(default_factory=list)

    def planted(
        self, approver: int, population: Population, registered: Registered, days: Days, seed: int
    ) -> Acts:
        """When each is planted, and how."""
        drawn = Random(f"honey:{seed}")
        rooms = list(_never_lived_in(population))
        empty = iter(drawn.sample(rooms, len(rooms)))
        for before, hour, at_home, card in _PLANTED:
            at_us = days.at(-TRIAL_DAYS - before, hour)
            room = next(empty) if at_home else None
            act = partial(
                self._plant, approver=approver, room=room, registered=registered, card=card, drawn=drawn
            )
            yield at_us, act

    def _plant(
        self,
        desk: Desk,
        approver: int,
        room: Room | None,
        registered: Registered,
        *,
        card: bool,
        drawn: Random,
    ) -> None:
        by = Toucher(approver, Role.APPROVER, origin="127.0.0.1")
        home = None if room is None else registered.places[room]
        made = plant(
            replace(desk, account=approver),
            by,
            today=local(desk.now_us, ZONE).date(),
            room=home,
            card=card,
            below=drawn.randrange,
        )
        person = select(honey_record.c.person_id).where(honey_record.c.id == made)
        self.people.append(int(desk.connection.execute(person).scalar_one()))
        if home is not None:
            set_use(desk, home, HomeUse.OWNER_OCCUPIED)
            self.rooms.append(home)


def _never_lived_in(population: Population) -> Iterator[Room]:
    """Of houses in which somebody else lives, and that no crowd walks into."""
    lived_in = {each.room for each in population.households}
    for room in population.empty:
        if room not in lived_in and not room.house.simulated and not room.house.under_repair:
            yield room
