"""Writes the community's register as people would, each act at its time: first an import, then by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Final

from sqlalchemy import Connection, Engine, select

from bench.community.people import Habit, Household, Member, Population
from bench.community.places import GATES, Estate, Room, rooms_of
from bench.community.times import DAY_US, HOUR_US, ZONE, Days
from bench.community.workbook import BEGAN_DAYS, phone, workbook
from central.errors import BadQuestion
from central.identity.vault import Vault
from central.register.credential_life import CredentialAct
from central.register.credentials import CredentialKind, change, issue
from central.register.desk import Desk
from central.register.groups import Door, Whose, create_group, grant, set_doors
from central.register.imports import jobs
from central.register.imports.work import Worker
from central.register.leases import end_lease, extend_lease, make_lease
from central.register.people import register_person
from central.register.pins import good_pin, set_pin
from central.register.places import place_door, set_use
from central.register.residencies import Arrival, move_in, move_out
from central.register.words import DocumentType, HomeUse, PlaceKind, Relation
from central.store.engine import writing
from central.store.register_tables import credential, holder, person, place, residency, tenancy

_LEASE_DAYS: Final = 365
_LOST, _ENDINGS = 18, 3
"""Cards that are lost; how the loss of each goes on is one of so many ways, by turns."""

_IN_GRACE, _SHUT_OUT, _SHUT_OUT_DAYS = 3, 2, 20
"""Leases that are over: after which doors are open still, and shut; and how long ago that is at most."""


Acts = Iterator[tuple[int, Callable[[Desk], None]]]
"""What is done, each with its time."""

MoreCards = Callable[[Member], list[tuple[CredentialKind, str]]]
"""What somebody presents at simulated readers beside the card that they have anyhow."""


@dataclass
class Registered:
    """`places`: of estates, houses and rooms. By the numbers of members: their row, what records call them,
    their card; on which day whose card was lost, and found again or replaced by another; and from which day
    on whose lease opens no door any more."""

    places: dict[Estate | Room | tuple[str, str], int] = field(default_factory=dict)
    people: dict[int, int] = field(default_factory=dict)
    references: dict[int, str] = field(default_factory=dict)
    cards: dict[int, int] = field(default_factory=dict)
    lost: dict[int, int] = field(default_factory=dict)
    found: dict[int, int] = field(default_factory=dict)
    replaced: dict[int, tuple[int, str]] = field(default_factory=dict)
    shut_out: dict[int, int] = field(default_factory=dict)

    def opens(self, number: int, day: int) -> bool:
        """Whether a member of that number has a card that opens doors all of that day."""
        if day >= self.shut_out.get(number, day + 1):
            return False
        lost = self.lost.get(number)
        if lost is None or day < lost:
            return True
        again = self.found.get(number)
        if number in self.replaced:
            again, _ = self.replaced[number]
        return again is not None and day > again


class Registering:
    """`account`: of the community worker who writes."""

    def __init__(  # noqa: PLR0917  once
        self,
        writer: Engine,
        reader: Engine,
        vault: Vault,
        community: int,
        account: int,
        days: Days,
        more_cards: MoreCards,
    ) -> None:
        self._writer, self._reader = writer, reader
        self._vault, self._community, self._account = vault, community, account
        self._days = days
        self._more_cards = more_cards
        self._drawn = Random("register")
        self.done = Registered()

    def write(self, estates: Sequence[Estate], population: Population, more: Acts) -> Registered:
        """`more`: acts of others, each at its time among these."""
        self._import(workbook(estates, population, self._days.date(0)))
        with writing(self._writer) as connection:
            self._find_places(connection, estates)
            self._find_people(connection, population)
            self._children(self._desk(connection, -BEGAN_DAYS, 14.5), population.households)
            self._place_doors(self._desk(connection, -BEGAN_DAYS, 15), estates)
            self._groups(self._desk(connection, -BEGAN_DAYS, 16), estates, population.workers)
            self._shared(self._desk(connection, -BEGAN_DAYS, 16), estates[0], population.households)
            acts = [*self._moves(population), *self._extensions(connection, population)]
            acts += [*self._losses(population), *more]
            for at_us, act in sorted(acts, key=lambda each: each[0]):
                act(replace(self._desk(connection, 0), now_us=at_us))
        return self.done

    def _desk(self, connection: Connection, day: int, hour: float = 10) -> Desk:
        at_us = min(self._days.at(day, hour), self._days.now_us)
        return Desk(connection, self._community, self._account, at_us, self._vault)

    # --- the beginning

    def _import(self, data: bytes) -> None:
        began_us = self._days.at(-BEGAN_DAYS, 14)
        worker = Worker(self._writer, self._reader, self._vault, ZONE, lambda: began_us, word="the-beginning")
        with writing(self._writer) as connection:
            number = jobs.begin(self._desk(connection, -BEGAN_DAYS, 14), data)
        worker.work(number)
        with writing(self._writer) as connection:
            jobs.consent(self._desk(connection, -BEGAN_DAYS, 14), number, without_wrong=False)
        worker.work(number)

    def _find_places(self, connection: Connection, estates: Sequence[Estate]) -> None:
        rows = connection.execute(select(place.c.id, place.c.parent_id, place.c.kind, place.c.name)).all()
        ids = {(row.parent_id, row.name): row.id for row in rows}
        root = next(row.id for row in rows if row.kind == PlaceKind.COMMUNITY)
        for estate in estates:
            self.done.places[estate] = ids[root, estate.name]
            for house in estate.houses:
                here = ids[ids[root, estate.name], house.name]
                self.done.places[house.site, house.gateway] = here
                for room in rooms_of(house):
                    unit = ids[here, f"{room.unit} 单元"]
                    self.done.places[room] = ids[unit, room.name]

    def _find_people(self, connection: Connection, population: Population) -> None:
        rows = connection.execute(
            select(person.c.id, person.c.number_index, holder.c.reference, credential.c.id.label("card"))
            .join(holder, holder.c.person_id == person.c.id)
            .join(credential, credential.c.person_id == person.c.id)
        )
        found = {row.number_index: row for row in rows}
        for household in population.households:
            for member in household.members:
                if household.by_hand or member.document is DocumentType.NONE:
                    continue
                number = self._vault.register_index(self._community, "id_number", member.person.id_number)
                row = found[number]
                self.done.people[member.number] = row.id
                self.done.references[member.number] = row.reference
                self.done.cards[member.number] = row.card

    def _children(self, desk: Desk, households: Sequence[Household]) -> None:
        """Whom the list cannot name, written down at the desk beside the family that it brought."""
        lasting = select(tenancy.c.place_id, tenancy.c.id).where(tenancy.c.ended_at.is_(None))
        leases = {row.place_id: row.id for row in desk.connection.execute(lasting)}
        for household in households:
            room = self.done.places[household.room]
            for member in () if household.by_hand else household.members:
                if member.document is DocumentType.NONE:
                    assert member.relation is not None
                    self._register(desk, member)
                    person_id = self.done.people[member.number]
                    arrival = Arrival(person_id, room, member.relation, leases.get(room))
                    move_in(desk, arrival, since_us=desk.now_us)

    def _place_doors(self, desk: Desk, estates: Sequence[Estate]) -> None:
        parents = select(place.c.parent_id).where(place.c.kind == PlaceKind.ROOM)
        units = select(place.c.id, place.c.parent_id, place.c.name).where(place.c.id.in_(parents))
        unit_of = {(row.parent_id, row.name): row.id for row in desk.connection.execute(units)}
        for estate in estates:
            for gate in estate.gates:
                place_door(desk, estate.site, GATES, gate.name, self.done.places[estate])
            for house in estate.houses:
                here = self.done.places[house.site, house.gateway]
                for door in house.doors:
                    where = here if door.unit is None else unit_of[here, f"{door.unit} 单元"]
                    place_door(desk, house.site, house.gateway, door.name, where)

    def _groups(self, desk: Desk, estates: Sequence[Estate], workers: Sequence[Member]) -> None:
        """All doors of an estate for its guards and cleaners, each by name."""
        for estate in estates:
            group = create_group(desk, f"{estate.name}物业")
            doors = [Door(estate.site, GATES, gate.name) for gate in estate.gates]
            doors += [Door(each.site, each.gateway, one.name) for each in estate.houses for one in each.doors]
            set_doors(desk, group, frozenset(doors))
            for worker in (each for each in workers if each.estate == estate):
                self._register(desk, worker)
                why = "保安" if worker.habit is Habit.GUARD else "保洁"
                grant(desk, group, Whose(person=self.done.people[worker.number]), reason=why)

    def _shared(self, desk: Desk, estate: Estate, households: Sequence[Household]) -> None:
        """Who is on the lists of the simulated gateways, and their neighbours, pass the garages of all those
        buildings, which are one below ground."""
        group = create_group(desk, "车库相连各楼")
        simulated = [each for each in estate.houses if each.simulated]
        garages = [(each, one) for each in simulated for one in each.doors if one.unit is None]
        doors = {Door(house.site, house.gateway, one.name) for house, one in garages}
        set_doors(desk, group, frozenset(doors))
        listed = {each.room.house for each in households if each.by_hand and each.came is None}
        for house in sorted(listed, key=lambda each: each.gateway):
            here = self.done.places[house.site, house.gateway]
            grant(desk, group, Whose(place=here), reason="地下车库相连")

    # --- moving in and out, leases

    def _moves(self, population: Population) -> Acts:
        for household in population.households:
            if household.by_hand:
                came = household.came
                day = -self._drawn.randrange(4, BEGAN_DAYS - 5) if came is None else came
                came_us = self._days.at(day, self._drawn.uniform(8.5, 17.5))
                came_us = min(came_us, self._days.now_us - HOUR_US)
                yield came_us, partial(self._move_in, household=household)
            if household.left is not None:
                left_us = self._days.at(household.left, self._drawn.uniform(9, 12))
                yield left_us, partial(self._move_out, household=household)

    def _move_in(self, desk: Desk, household: Household) -> None:
        room = self.done.places[household.room]
        for member in household.members:
            self._register(desk, member)
        lease = None
        if household.let:
            until_us = desk.now_us + _LEASE_DAYS * DAY_US
            lease = make_lease(desk, room, from_us=desk.now_us, until_us=until_us)
        set_use(desk, room, _use_of(household))
        for member in household.members:
            assert member.relation is not None
            arrival = Arrival(self.done.people[member.number], room, member.relation, lease)
            move_in(desk, arrival, since_us=desk.now_us)

    def _move_out(self, desk: Desk, household: Household) -> None:
        reason = "租约到期搬离" if household.let else "房屋已出售"
        for member in household.members:
            mine = residency.c.person_id == self.done.people[member.number]
            home = desk.connection.execute(select(residency.c.id).where(mine)).scalar_one()
            move_out(desk, home, at_us=desk.now_us, reason=reason)
            if member.kind is not None:
                change(desk, self.done.cards[member.number], CredentialAct.RETURN, reason="搬离退卡")
        room = self.done.places[household.room]
        set_use(desk, room, HomeUse.EMPTY)
        here = (tenancy.c.place_id == room) & tenancy.c.ended_at.is_(None)
        for lease in desk.connection.execute(select(tenancy).where(here)).all():
            if lease.until_at is None or lease.until_at > desk.now_us:
                end_lease(desk, lease.id, at_us=desk.now_us, reason=reason)

    def _register(self, desk: Desk, member: Member) -> None:
        documented = member.document is not DocumentType.NONE
        made = register_person(
            desk,
            name=member.person.name,
            document=member.document,
            number=member.person.id_number if documented else None,
            phone=phone(self._drawn) if documented else None,
            category=member.category,
            reference=lambda: member.reference,
        )
        self.done.people[member.number] = made
        self.done.references[member.number] = member.reference
        if member.kind is None:
            return
        self.done.cards[member.number] = issue(desk, made, member.kind, member.credential)
        more = self._more_cards(member)
        cards = [self.done.cards[member.number]]
        for kind, number in more:
            if (kind, number) != (member.kind, member.credential):
                cards.append(issue(desk, made, kind, number))
        if more and not is_guessed_first(member.person.card.pin):
            for card in cards:
                set_pin(desk, card, member.person.card.pin)

    def _extensions(self, connection: Connection, population: Population) -> Acts:
        """Most leases that would be over by now were extended a few days before; some wait for somebody to
        ask, and of a few the doors are shut already."""
        now_us = self._days.now_us
        due = tenancy.c.until_at < now_us + 6 * DAY_US
        in_grace = shut_out = 0
        live = {self.done.places[each.room]: each for each in population.households if not each.by_hand}
        for row in connection.execute(select(tenancy).where(due).order_by(tenancy.c.id)).all():
            shut_us, lives = row.until_at + row.grace_days * DAY_US, live[row.place_id]
            if lives.left is not None:
                if row.until_at >= self._days.begins(lives.left):
                    continue  # they moved out before it was over
            elif shut_us >= now_us:
                if in_grace < _IN_GRACE or row.until_at >= now_us:
                    in_grace += row.until_at < now_us
                    continue
            elif shut_out < _SHUT_OUT and shut_us >= now_us - _SHUT_OUT_DAYS * DAY_US:
                shut_out += 1
                day = self._days.last - (self._days.begins(self._days.last) - shut_us) // DAY_US - 1
                self.done.shut_out |= dict.fromkeys((each.number for each in lives.members), day)
                continue
            asked_us = row.until_at - self._drawn.randrange(7, 20) * DAY_US + 10 * HOUR_US
            asked_us = max(asked_us, self._days.at(-BEGAN_DAYS + 1, 10))
            yield asked_us, partial(_extend, lease=row.id, until_us=row.until_at)

    # --- lost cards

    def _losses(self, population: Population) -> Acts:
        """Some that were lost stay so; others are found again some days later, or replaced."""
        there = [
            member
            for household in population.households
            if not household.by_hand and household.left is None
            for member in household.members
            if member.kind is CredentialKind.CARD_UID
        ]
        lost = self._drawn.sample(there, min(_LOST, len(there)))
        for number, member in enumerate(lost):
            day = 1 + number * (self._days.count - 3) // len(lost)
            card = self.done.cards[member.number]
            self.done.lost[member.number] = day
            yield self._days.at(day, self._drawn.uniform(9, 17)), partial(_lose, card=card)
            match number % _ENDINGS:
                case 0:
                    self.done.found[member.number] = day + 2
                    yield self._days.at(day + 2, 10), partial(_find, card=card)
                case 1:
                    other = self._drawn.randbytes(4).hex().upper()
                    self.done.replaced[member.number] = (day + 1, other)
                    yield self._days.at(day + 1, 15), partial(self._replace, member=member, number=other)

    def _replace(self, desk: Desk, member: Member, number: str) -> None:
        person, lost = self.done.people[member.number], self.done.cards[member.number]
        issue(desk, person, CredentialKind.CARD_UID, number, replaces=lost)


def _extend(desk: Desk, lease: int, until_us: int) -> None:
    extend_lease(desk, lease, until_us=until_us + _LEASE_DAYS * DAY_US, reason="续租一年")


def is_guessed_first(pin: str) -> bool:
    """Whoever carries such a one was told at the desk to choose another, and has not yet."""
    try:
        good_pin(pin, "pin")
    except BadQuestion:
        return True
    return False


def _lose(desk: Desk, card: int) -> None:
    change(desk, card, CredentialAct.REPORT_LOST, reason="本人报失")


def _find(desk: Desk, card: int) -> None:
    change(desk, card, CredentialAct.LIFT_LOSS, reason="本人找回")


def _use_of(household: Household) -> HomeUse:
    if household.members[0].relation is Relation.STAFF:
        return HomeUse.BUSINESS
    return HomeUse.LET if household.let else HomeUse.OWNER_OCCUPIED
