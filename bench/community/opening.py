"""Opens an estate on the community: brought from the shelf, or made now and put there."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

from bench.community.fill import LAST, Wanted, fill
from bench.community.gateways import Gateways, greet
from bench.community.kept import Shelf
from bench.community.people import Member, populate
from bench.community.places import estates_of
from bench.community.size import WHOLE, Size
from bench.community.times import ZONE
from bench.estate import SITE, Estate
from bench.plan import Plan
from central.register.credentials import CredentialKind

Say = Callable[[str], None]


def estate_of_community(folder: Path, plan: Plan, say: Say) -> Estate:
    """`folder` is empty, or one that was opened before. Not started yet."""
    plan = replace(plan, used_by=at_their_doors(plan, datetime.now(ZONE).date()))
    shutil.rmtree(
        folder / "broker", ignore_errors=True
    )  # what it kept for who is gone was said since by others
    if (folder / "centre" / LAST).exists():
        estate = Estate(folder, plan)
    else:
        shutil.rmtree(folder / "centre", ignore_errors=True)  # half-made, by a start that was stopped
        shelf = Shelf(repr((plan.buildings, plan.people, plan.seed)))
        if shelf.bring(folder):
            say("a community that was made today is brought from its shelf 使用今天已生成的社区")
            estate = Estate(folder, plan)
        else:
            say("making a community with 60 days behind it; the next start today takes it as it is")
            say("正在生成社区与 60 天的记录；今天再次启动时直接使用")
            estate = Estate(folder, plan, lambda made: _filled(made, say))
            shelf.keep(folder)
    greet(estate.database)
    return estate


def at_their_doors(plan: Plan, today: date, size: Size = WHOLE) -> dict[str, frozenset[str]]:
    """Of the simulated doors, who of the crowd comes there: whoever lives behind it, and to a garage whoever
    of the buildings linked with it has none of their own."""
    estate = estates_of(plan.buildings, size)[0]
    population = populate([estate], plan.seed, plan.people, size, today)
    crowd = [each for each in population.members() if each.number <= plan.people]
    used_by = {}
    for house in (each for each in estate.houses if each.simulated):
        for door in house.doors:
            theirs = [each for each in crowd if each.comes_by(house, door)]
            used_by[door.name] = frozenset(each.person.ref for each in theirs)
    return used_by


def other_gateways(estate: Estate) -> Gateways:
    """Those that do not run; use it once the broker is there."""
    return Gateways(estate.database, estate.broker.port, _running(estate), estate.plan.seed)


def _filled(estate: Estate, say: Say) -> None:
    def more_cards(member: Member) -> list[tuple[CredentialKind, str]]:
        if member.number > estate.plan.people:
            return []
        return [(CredentialKind(kind), number) for kind, number in estate.credentials_of(member.person)]

    wanted = Wanted(
        seed=estate.plan.seed,
        now_us=time.time_ns() // 1_000,
        site_keys={SITE: estate.site_key},
        simulated=estate.plan.buildings,
        listed=estate.plan.people,
        more_cards=more_cards,
    )
    fill(estate.database.parent, wanted, say)


def _running(estate: Estate) -> list[tuple[str, str]]:
    return [(SITE, building.name) for building in estate.plan.buildings]
