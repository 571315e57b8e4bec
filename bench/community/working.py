"""What those who work there do day by day, beside what the other modules tell of: they sign in, make tokens
for machines, hang the notice at doors, and bring one more list of people."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Final

from sqlalchemy import Connection

from bench.community.times import HOUR_US, MINUTE_US, ZONE
from bench.community.world import World
from central.accounts.events import AccountEvent, note
from central.accounts.tokens import make_machine_token
from central.accounts.who import Role
from central.assessments.hung import saw_it_hang
from central.register.desk import Desk
from central.register.imports import jobs
from central.register.imports.work import Worker
from central.store.engine import writing
from firmware_sim.people import check_character

BEGAN_WITH_RESIDENTS: Final = 12
"""So many days before the first one, residents got accounts."""

_AT_WORK, _MISTYPED, _ON_FREE_DAYS = 0.85, 0.05, 0.25
_SATURDAY: Final = 6
_MACHINES: Final = (
    ("lobby-display", Role.OFFICER, 3, 180),
    ("gateway-watch", Role.OPERATOR, 5, 365),
)
"""Name, role, on which day, and good for how many days."""

_NOT_SEEN: Final = 7
"""Every so many doors the notice was not seen yet."""

_LIST: Final = """小区,楼栋,单元,层,室,姓名,证件类型,证件号码,关系
枫林家园,1 号楼,1 单元,1,101,韩晓晨,居民身份证,{first},业主
枫林家园,1 号楼,1 单元,1,101,韩思源,居民身份证,{second},家人
枫林家园,1 号楼,1 单元,5,501,沈静怡,居民身份证,00000019880230001X,业主
"""
"""The last number has a day that no calendar has."""


def works(world: World, staff: Mapping[Role, int]) -> None:
    drawn = Random(f"working:{world.seed}")
    with writing(world.writer) as connection:
        _signs_in(connection, world, staff, drawn)
        _hangs(connection, world, drawn)
    _brings_a_list(world)


def _signs_in(connection: Connection, world: World, staff: Mapping[Role, int], drawn: Random) -> None:
    """Each on most days, in the order of time; with machines' tokens among it."""
    days, people = world.days, [number for role, number in staff.items() if role is not Role.RESIDENT]
    people += world.colleagues.values()
    for day in range(days.count):
        share = _AT_WORK if days.date(day).isoweekday() < _SATURDAY else _ON_FREE_DAYS
        moments = []
        for each in (each for each in people if drawn.random() < share):
            at_us = days.at(day, drawn.uniform(8, 9.4))
            if drawn.random() < _MISTYPED:
                moments.append((at_us - MINUTE_US, each, AccountEvent.REFUSED))
            moments.append((at_us, each, AccountEvent.SIGNED_IN))
        for at_us, each, happened in sorted(moments):
            if at_us < days.now_us:
                note(connection, each, happened, str(each), at_us)
        for name, role, on, good in _MACHINES:
            if on == day:
                by, at_us = str(staff[Role.ADMINISTRATOR]), min(days.at(day, 10), days.now_us)
                make_machine_token(
                    connection,
                    name,
                    role=role,
                    communities=[world.community],
                    days=good,
                    by=by,
                    now_us=at_us,
                )


def _hangs(connection: Connection, world: World, drawn: Random) -> None:
    """At gates, and at every building by the first of its doors."""
    places = []
    for estate in world.estates:
        places += [(estate.site, "gates", gate.name) for gate in estate.gates]
        places += [(estate.site, each.gateway, each.door_of(1).name) for each in estate.houses]
    at_us = world.days.at(0, 9.2)
    for number, (site, gateway, door) in enumerate(places):
        if number % _NOT_SEEN:
            at_us += drawn.randrange(3, 9) * MINUTE_US
            desk = Desk(connection, world.community, drawn.choice(world.workers), at_us, world.vault)
            saw_it_hang(desk, site, gateway, door)


def _brings_a_list(world: World) -> None:
    """It is read and waits for a word, as one of its lines is wrong."""
    at_us = world.days.now_us - 2 * HOUR_US
    worker = Worker(world.writer, world.reader, world.vault, ZONE, lambda: at_us, word="one-more")
    text = _LIST.format(first=_whole("00000019850612101"), second=_whole("00000019870921202"))
    with writing(world.writer) as connection:
        number = jobs.begin(
            Desk(connection, world.community, world.worker, at_us, world.vault), text.encode()
        )
    worker.work(number)


def _whole(first_17: str) -> str:
    return first_17 + check_character(first_17)
