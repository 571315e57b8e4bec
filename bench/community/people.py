"""Who lives there: households in their rooms, whoever moved, and who works there. Pure, from a seed.

Nobody exists: names and numbers are those of the simulator's crowd, whose area code was never given out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from itertools import islice
from random import Random
from typing import Final

from bench.community.places import Door, Estate, House, Room, rooms_of
from bench.community.size import Size
from central.register.credentials import CredentialKind
from central.register.words import CATEGORY_OF, Category, DocumentType, Relation
from firmware_sim.cards import Layout
from firmware_sim.people import Person, check_character, make_people

VISITORS: Final = 300
GUARDS: Final = 4
"""Of each estate."""

_CLEANERS: Final = 3
_FORMER: Final = 260
_STRANGERS: Final = 800
"""Whom the simulator may let come to its doors."""

_EMPTY, _LET, _BUSINESS, _HELPED, _ARRIVED, _LEFT = 0.07, 0.24, 0.015, 0.03, 0.04, 0.015
_RELATED, _BY_DOCUMENT, _AT_NIGHT = 0.7, 0.55, 0.07
_SIZES: Final = (1, 2, 2, 3, 3, 3, 3, 4, 4, 5)
_FIRST_BORN: Final = 50
_OLD_BEFORE, _YOUNG_FROM = 1964, 2003
"""Born before: they no longer work; from then on: they still learn."""

OF_AGE: Final = 18
_YOUNGEST, _ELDEST = 2, 20
"""Years since the birth of whoever grows up there; nobody of the crowd itself is as young. The youngest were
born before the register was begun."""

_PARENTS: Final = (22, 38)
"""How old a parent was then."""

_IS_A_CHILD, _HAS_A_CHILD = 0.75, 0.45
"""Of whoever lives with two others as their family; and of homes of the crowd, whose cards are laid: to these
a child without a card comes, as everybody in them is of the simulator's making."""

_MORE: Final = 100
_GOES_ALONE, _HAS_A_DOCUMENT = 7, 16
"""Years of age. Younger ones have no card: somebody takes them along. Until then nobody need have a document,
and the register has no number of theirs."""

_CARDED: Final = 0.7
"""Of those who go alone and have no document."""

_DOCUMENTS: Final = {
    Layout.RESIDENT: DocumentType.RESIDENT_ID,
    Layout.PERMIT_J: DocumentType.RESIDENCE_PERMIT,
    Layout.FOREIGNER_I: DocumentType.PERMANENT_RESIDENCE,
    Layout.FOREIGNER_Y: DocumentType.PERMANENT_RESIDENCE,
}


class Habit(StrEnum):
    """When somebody comes and goes."""

    OFFICE = "office"
    SCHOOL = "school"
    NIGHTS = "nights"
    HOME = "home"
    GUARD = "guard"


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody of the community. `room` None: works there. `age`: in years, today. `kind`: of their card,
    None: they have none. `came`, `left`: days since the first one; None: before it, and not yet."""

    number: int
    person: Person
    estate: Estate
    room: Room | None
    relation: Relation | None
    habit: Habit
    age: int
    kind: CredentialKind | None
    came: int | None = None
    left: int | None = None

    @property
    def reference(self) -> str:
        """As the access lists of the simulated gateways have it."""
        return f"h-{self.number:05d}"

    @property
    def category(self) -> Category:
        return Category.WORKER if self.relation is None else CATEGORY_OF[self.relation]

    @property
    def document(self) -> DocumentType:
        return DocumentType.NONE if self.age < _HAS_A_DOCUMENT else _DOCUMENTS[self.person.card.layout]

    @property
    def credential(self) -> str:
        """The number of their card, as the reader writes it."""
        assert self.kind is not None
        is_document = self.kind is CredentialKind.ID_CARD
        return self.person.id_number if is_document else self.person.card.uid.hex().upper()

    @property
    def born(self) -> int:
        """The year."""
        return _born(self.person)

    def lives_behind(self, house: House, door: Door) -> bool:
        room = self.room
        return room is not None and room.house == house and door.unit in (None, room.unit)

    def comes_by(self, house: House, door: Door) -> bool:
        """Whether that door of a simulated building is one of those by which they come home. Who lives in
        another building, linked with it below ground, has the garage alone."""
        linked = self.room is not None and not self.room.house.simulated and door.unit is None
        return linked or self.lives_behind(house, door)

    def is_there(self, day: int) -> bool:
        """All of that day: neither on the one on which they move in, nor on that on which they leave."""
        return (self.came is None or self.came < day) and (self.left is None or day < self.left)


def _born(person: Person) -> int:
    """The year, as the number says it; one of the elder permanent residence cards has two digits of it."""
    if person.card.layout is not Layout.FOREIGNER_I:
        return int(person.id_number[6:10])
    short = int(person.id_number[7:9])
    return short + (1900 if short >= _FIRST_BORN else 2000)


def _age(person: Person, today: date) -> int:
    """Of whom the number tells the year alone: as of its end."""
    if person.card.layout is not Layout.RESIDENT:
        return today.year - _born(person)
    month, day = int(person.id_number[10:12]), int(person.id_number[12:14])
    return today.year - _born(person) - ((today.month, today.day) < (month, day))


def _works(person: Person) -> bool:
    """Whether they are of an age to work."""
    return _OLD_BEFORE <= _born(person) < _YOUNG_FROM


@dataclass(frozen=True, slots=True)
class Household:
    """`let`: by a lease. `by_hand`: not in the list with which the register began: whoever came later, and
    whoever opens simulated doors, for which they carry several cards. `came`, `left`: as of its members."""

    room: Room
    members: tuple[Member, ...]
    let: bool
    by_hand: bool

    @property
    def came(self) -> int | None:
        return self.members[0].came

    @property
    def left(self) -> int | None:
        return self.members[0].left


@dataclass(frozen=True, slots=True)
class Population:
    """`empty`: rooms in which nobody lives now. `visitors`: people who have come without being registered."""

    households: tuple[Household, ...]
    workers: tuple[Member, ...]
    empty: tuple[Room, ...]
    visitors: tuple[Person, ...]

    def members(self) -> Iterator[Member]:
        for household in self.households:
            yield from household.members
        yield from self.workers


def populate(estates: Sequence[Estate], seed: int, listed: int, size: Size, today: date) -> Population:
    """`listed`: so many of the crowd are on the lists of simulated gateways; strangers follow them. The first
    estates alone: with the same people in the same rooms as among all."""
    return _Peopling(estates, seed, listed, size, today).run()


class _Peopling:
    def __init__(self, estates: Sequence[Estate], seed: int, listed: int, size: Size, today: date) -> None:
        self._estates, self._seed, self._listed, self._size = estates, seed, listed, size
        self._today = today
        self._numbers: set[str] = set()  # of whoever grows up there
        self._drawn = Random(f"households:{seed}")
        workers = len(estates) * (GUARDS + _CLEANERS)
        strangers = max(_STRANGERS, listed)
        sizes = (listed, strangers, size.residents - listed, _FORMER, 3 * workers, 2 * VISITORS, _MORE)
        crowd = enumerate(make_people(sum(sizes), seed), 1)
        first, _, others, former, working, visitors, more = (list(islice(crowd, size)) for size in sizes)
        self._people = iter([*first, *others])
        self._former, self._working = iter(former), iter(working)
        papers = [each for _, each in visitors if each.card.layout is Layout.RESIDENT]
        self._visitors = tuple(papers[:VISITORS])
        self._more = iter([each for each in more if each[1].card.layout is Layout.RESIDENT])

    def run(self) -> Population:
        households: list[Household] = []
        empty: list[Room] = []
        for estate in self._estates:
            for house in estate.houses:
                for room in rooms_of(house):
                    found = list(self._in(estate, house, room))
                    households += found
                    if not any(each.left is None for each in found):
                        empty.append(room)
        return Population(tuple(households), tuple(self._workers()), tuple(empty), self._visitors)

    def _in(self, estate: Estate, house: House, room: Room) -> Iterator[Household]:
        """The household of today after the one before it, if either is."""
        chance, came = self._drawn.random(), None
        moved = self._drawn.random()
        if house.under_repair:
            return
        if moved < _ARRIVED + _LEFT and not house.simulated:
            day = self._drawn.randrange(1, max(2, self._size.days - 2))
            former = self._household(estate, room, self._former, left=day)
            if former is not None:
                yield former
            came = min(day + self._drawn.randrange(1, 6), self._size.days - 1) if moved < _ARRIVED else None
            if came is None:
                return
        if chance >= _EMPTY:
            now = self._household(estate, room, self._people, came=came)
            if now is not None:
                yield now

    def _household(
        self,
        estate: Estate,
        room: Room,
        people: Iterator[tuple[int, Person]],
        *,
        came: int | None = None,
        left: int | None = None,
    ) -> Household | None:
        let, shop = self._drawn.random() < _LET, self._drawn.random() < _BUSINESS
        found = list(islice(people, self._drawn.choice(_SIZES)))
        if not found:
            return None
        shop = shop and all(_works(person) for _, person in found)
        relations = self._relations(found, let=let, shop=shop)
        self._grow_up(found, relations)
        members = tuple(
            self._member(number, person, estate, room, relation, came, left)
            for relation, (number, person) in zip(relations, found, strict=True)
        )
        by_hand = came is not None or members[0].number <= self._listed
        return Household(room, members, let and not shop, by_hand)

    def _relations(self, found: Sequence[tuple[int, Person]], *, let: bool, shop: bool) -> list[Relation]:
        """Of these people, in their order; a helper is of an age to work."""
        if shop:
            return [Relation.STAFF] * len(found)
        if let:
            others = [Relation.TENANT_FAMILY if self._drawn.random() < _RELATED else Relation.LODGER]
            return [Relation.TENANT, *(others * (len(found) - 1))]
        relations = [Relation.OWNER, *([Relation.FAMILY] * (len(found) - 1))]
        if self._drawn.random() < _HELPED and len(found) > 1 and _works(found[-1][1]):
            relations[-1] = Relation.HOUSEHOLD_HELPER
        return relations

    def _grow_up(self, found: list[tuple[int, Person]], relations: list[Relation]) -> None:
        """Makes children of some of a family, or adds one to it: of the first or the second in it."""
        drawn = Random(f"children:{self._seed}:{found[0][0]}")
        family = {Relation.OWNER: Relation.FAMILY, Relation.TENANT: Relation.TENANT_FAMILY}.get(relations[0])
        parents = [
            person
            for (_, person), relation in zip(found[:2], relations, strict=False)
            if relation in (relations[0], family) and self._births(person, _ELDEST)
        ]
        if family is None or not parents or Relation.LODGER in relations:
            return
        if found[0][0] > self._listed:
            for at in range(2, len(found)):
                number, person = found[at]
                is_child = drawn.random() < _IS_A_CHILD and relations[at] is family
                if is_child and person.card.layout is Layout.RESIDENT:
                    found[at] = number, self._child(person, drawn.choice(parents), _ELDEST, drawn)
        elif len(found) > 1 and drawn.random() < _HAS_A_CHILD:
            young = [each for each in parents if self._births(each, _GOES_ALONE - 1)]
            more = next(self._more, None)
            if young and more is not None:
                found.append((more[0], self._child(more[1], drawn.choice(young), _GOES_ALONE - 1, drawn)))
                relations.append(family)

    def _births(self, parent: Person, eldest: int) -> range:
        """Years in which a child of theirs can have been born that is so many years old at most."""
        if parent.card.layout is not Layout.RESIDENT:
            return range(0)
        born, year = _born(parent), self._today.year
        return range(max(year - eldest, born + _PARENTS[0]), min(year - _YOUNGEST, born + _PARENTS[1]) + 1)

    def _child(self, person: Person, parent: Person, eldest: int, drawn: Random) -> Person:
        """Of that parent's name, with a number that nobody else has."""
        born = date(
            drawn.choice(self._births(parent, eldest)), drawn.randrange(1, 13), drawn.randrange(1, 29)
        )
        number = ""
        while not number or number in self._numbers:
            first = f"{person.id_number[:6]}{born:%Y%m%d}{drawn.randrange(1, 1_000):03d}"
            number = first + check_character(first)
        self._numbers.add(number)
        return replace(person, name=parent.name[0] + person.name[1:], id_number=number)

    def _member(  # noqa: PLR0917  one call
        self,
        number: int,
        person: Person,
        estate: Estate,
        room: Room | None,
        relation: Relation | None,
        came: int | None = None,
        left: int | None = None,
    ) -> Member:
        documented = person.card.layout is Layout.RESIDENT and self._drawn.random() < _BY_DOCUMENT
        kind: CredentialKind | None = CredentialKind.ID_CARD if documented else CredentialKind.CARD_UID
        habit = Habit.GUARD if relation is None else self._habit(person)
        age = _age(person, self._today)
        if age < _HAS_A_DOCUMENT:
            kind = CredentialKind.CARD_UID if self._has_a_card(number, age) else None
        return Member(number, person, estate, room, relation, habit, age, kind, came, left)

    def _has_a_card(self, number: int, age: int) -> bool:
        return age >= _GOES_ALONE and Random(f"card:{self._seed}:{number}").random() < _CARDED

    def _habit(self, person: Person) -> Habit:
        if person.card.layout is not Layout.RESIDENT:
            return Habit.OFFICE
        born = _born(person)
        if born < _OLD_BEFORE:
            return Habit.HOME
        if born >= _YOUNG_FROM:
            return Habit.SCHOOL
        return Habit.NIGHTS if self._drawn.random() < _AT_NIGHT else Habit.OFFICE

    def _workers(self) -> Iterator[Member]:
        """Of each estate the guards first, then the cleaners."""
        able = (each for each in self._working if _works(each[1]))
        for estate in self._estates:
            for at in range(GUARDS + _CLEANERS):
                number, person = next(able)
                made = self._member(number, person, estate, None, None)
                yield made if at < GUARDS else replace(made, habit=Habit.HOME)
