"""Makes the community in an empty centre: keys, accounts, register, days of entries, look-ups."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from sqlalchemy import func, select

from bench import console
from bench.assessed import an_assessment, goes_live
from bench.community.colleagues import (
    COLLEAGUES,
    SECOND_OFFICER,
    SECOND_WORKER,
    THIRD_OFFICER,
    make_colleagues,
)
from bench.community.honey import Honeys
from bench.community.look_ups import People, looked_up
from bench.community.own import did_about_their_own, resident_of
from bench.community.past import Past
from bench.community.people import OF_AGE, Habit, Member, populate
from bench.community.places import COMMUNITY, estates_of
from bench.community.register import MoreCards, Registered, Registering
from bench.community.size import WHOLE, Size
from bench.community.times import ZONE, Days
from bench.community.trial import TRIAL_DAYS
from bench.community.workbook import BEGAN_DAYS
from bench.community.working import BEGAN_WITH_RESIDENTS, works
from bench.community.world import World
from bench.plan import Building
from central.accounts import book
from central.accounts.who import Role
from central.console.demo_accounts import DemoSubject
from central.fleet.keys import make_centre_keys
from central.identity.ring import make_ring
from central.identity.suites import INTERNATIONAL
from central.identity.vault import SITE_KEY_BYTES, Vault
from central.lookup.rules import Asker
from central.register.credentials import CredentialKind
from central.register.place_tree import path_text, paths
from central.register.words import DocumentType, Relation
from central.store.engine import migrate, open_reader, open_writer, reading, writing
from central.store.tables import record

Say = Callable[[str], None]
_CANDIDATES, _OF_LATE = 60, 6
LAST: Final = "demo-accounts.json"
"""What is written last of all: where it is, everything is."""

_EVERY: Final = 10
"""Days between two words about how far it is."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """`site_keys`: of sites whose gateways run, by which they know cards; `simulated`: their buildings;
    `listed`: how many of the crowd are on their lists."""

    seed: int
    now_us: int
    site_keys: dict[str, bytes]
    simulated: Sequence[Building]
    listed: int
    more_cards: MoreCards
    size: Size = WHOLE


def fill(folder: Path, wanted: Wanted, say: Say) -> None:
    """`folder`: of the centre's settings, database and keys; nothing of it is there yet."""
    begun_s = time.monotonic()
    database = f"sqlite:///{folder / 'central.db'}"
    signing = make_centre_keys(folder / "centre.key").signing[0]
    vault = Vault(make_ring(folder / "key-ring", INTERNATIONAL), INTERNATIONAL, ZONE)
    estates, days = estates_of(wanted.simulated, wanted.size), Days(wanted.now_us, wanted.size.days)
    population = populate(estates, wanted.seed, wanted.listed, wanted.size, days.today)
    for estate in estates:
        vault.keep_site_key(
            estate.site, wanted.site_keys.get(estate.site) or secrets.token_bytes(SITE_KEY_BYTES)
        )
    writer = open_writer(database)
    try:
        migrate(writer)
        reader = open_reader(database)
        began_us = days.at(-BEGAN_DAYS, 9)
        with writing(writer) as connection:
            community = book.make_community(
                connection,
                console.COMMUNITY,
                COMMUNITY,
                [each.site for each in estates],
                began_us,
                vault=vault,
            )
        accounts = console.DemoAccounts(writer, folder / "accounts.key", began_us)
        accounts.make_staff()
        say("  the register: buildings, homes, people 登记小区、房屋与人员")
        staff = accounts.numbers
        colleagues = make_colleagues(
            accounts, writer, staff[Role.ADMINISTRATOR], days.at(-TRIAL_DAYS + 20, 16)
        )
        with writing(writer) as connection:
            goes_live(
                connection,
                community,
                began_us,
                writer=staff[Role.WORKER],
                supervisor=staff[Role.SUPERVISOR],
                assessment=an_assessment(("东湖", "滨河"), ("East Lake", "Riverside")),
            )
        registering = Registering(
            writer, reader, vault, community, staff[Role.WORKER], days, wanted.more_cards
        )
        honeys = Honeys()
        plantings = honeys.planted(staff[Role.APPROVER], population, registering.done, days, wanted.seed)
        registered = registering.write(estates, population, plantings)
        world = World(
            writer,
            reader,
            vault,
            signing,
            community,
            estates,
            population,
            registered,
            days,
            wanted.seed,
            worker=staff[Role.WORKER],
            operator=staff[Role.OPERATOR],
            colleagues=colleagues,
            honeys=honeys,
        )
        Past(world).happens(lambda day: _progress(day, wanted.size.days, say))
        say("  look-ups, approvals and reviews 查询、审批与复核")
        resident = _a_resident(world)
        looked_up(world, _people(accounts, colleagues, community), resident)
        accounts.make_resident(registered.people[resident.number], days.at(-BEGAN_WITH_RESIDENTS, 10.4))
        works(world, staff)
        own = resident_of(accounts.numbers[Role.RESIDENT], community, registered.people[resident.number])
        did_about_their_own(world, own, _others(population.members(), registered, resident))
        accounts.write(folder / LAST, _to_look_up(world))
        reader.dispose()
    finally:
        writer.dispose()
    say(f"  done in {time.monotonic() - begun_s:.0f} s")


def _progress(day: int, of: int, say: Say) -> None:
    if day % _EVERY == 0:
        say(f"  entries, visitors, alarms and rounds: day {day} of {of} 通行、访客、告警与巡更")


def _a_resident(world: World) -> Member:
    """Of those who have long lived there, the one whom doors saw most often of late."""
    found = (
        each
        for each in world.population.members()
        if each.relation is Relation.OWNER
        and each.habit is Habit.OFFICE
        and each.came is None
        and each.left is None
        and each.room is not None
        and not each.room.house.simulated
        and each.number not in world.registered.lost
    )
    some = list(islice(found, _CANDIDATES))
    references = {world.registered.references[each.number]: each for each in some}
    often = (
        select(record.c.holder)
        .where(record.c.at >= world.days.begins(world.days.last - _OF_LATE))
        .where(record.c.holder.in_(references))
        .group_by(record.c.holder)
        .order_by(func.count().desc(), record.c.holder)
    )
    with reading(world.reader) as connection:
        seen = connection.execute(often).scalar()
    return references.get(seen or "", some[0])


def _to_look_up(world: World) -> DemoSubject:
    """Somebody with a card who comes and goes every working day, by what the register calls them."""
    found = next(
        each
        for each in world.population.members()
        if each.habit is Habit.OFFICE
        and each.kind is CredentialKind.CARD_UID
        and each.document is DocumentType.RESIDENT_ID
        and each.came is None
        and each.left is None
        and each.room is not None
        and not each.room.house.simulated
        and each.number not in world.registered.lost
        and each.number not in world.registered.shut_out
    )
    assert found.room is not None
    room = world.registered.places[found.room]
    with reading(world.reader) as connection:
        called = path_text(paths(connection, [room])[room])
    return DemoSubject(found.person.id_number, found.credential, called)


def _others(members: Iterable[Member], registered: Registered, resident: Member) -> list[int]:
    """Rows in the register of some more who live there, and ask for themselves."""
    grown = (each for each in members if each.room is not None and each.age >= OF_AGE)
    theirs = [each for each in grown if each.left is None and each.came is None]
    return [registered.people[each.number] for each in theirs if each.number != resident.number][::97][:7]


def _people(accounts: console.DemoAccounts, colleagues: Mapping[str, int], community: int) -> People:
    units = {role: unit for _, _, role, unit in console.DEMO_PEOPLE}

    def asker(role: Role) -> Asker:
        return Asker(accounts.numbers[role], role, units[role], frozenset({community}), "127.0.0.1")

    others = {
        login: Asker(colleagues[login], role, unit, frozenset({community}), "127.0.0.1")
        for login, _, role, unit in COLLEAGUES
    }
    return People(
        asker(Role.OFFICER),
        others[SECOND_OFFICER],
        others[THIRD_OFFICER],
        asker(Role.APPROVER),
        asker(Role.SUPERVISOR),
        others[SECOND_WORKER],
    )
