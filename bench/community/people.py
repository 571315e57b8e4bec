"""Who lives there: households in their rooms, whoever moved, and who works there. Pure, from a seed.

Nobody exists: names and numbers are those of the simulator's crowd, whose area code was never given out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice
from random import Random
from typing import Final

from bench.community.places import Estate, House, Room, rooms_of
from bench.community.size import Size
from central.register.credentials import CredentialKind
from central.register.words import CATEGORY_OF, Category, DocumentType, Relation
from firmware_sim.cards import Layout
from firmware_sim.people import Person, make_people

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
    """Somebody of the community. `room` None: works there. `came`, `left`: days since the first one; None:
    before it, and not yet."""

    number: int
    person: Person
    estate: Estate
    room: Room | None
    relation: Relation | None
    habit: Habit
    kind: CredentialKind
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
        return _DOCUMENTS[self.person.card.layout]

    @property
    def credential(self) -> str:
        """Its number, as the reader writes it."""
        is_document = self.kind is CredentialKind.ID_CARD
        return self.person.id_number if is_document else self.person.card.uid.hex().upper()

    @property
    def born(self) -> int:
        """The year."""
        return _born(self.person)

    def is_there(self, day: int) -> bool:
        """All of that day: neither on the one on which they move in, nor on that on which they leave."""
        return (self.came is None or self.came < day) and (self.left is None or day < self.left)


def _born(person: Person) -> int:
    """The year, as the number says it; one of the elder permanent residence cards has two digits of it."""
    if person.card.layout is not Layout.FOREIGNER_I:
        return int(person.id_number[6:10])
    short = int(person.id_number[7:9])
    return short + (1900 if short >= _FIRST_BORN else 2000)


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


def populate(estates: Sequence[Estate], seed: int, listed: int, size: Size) -> Population:
    """`listed`: so many of the crowd are on the lists of simulated gateways; strangers follow them."""
    return _Peopling(estates, seed, listed, size).run()


class _Peopling:
    def __init__(self, estates: Sequence[Estate], seed: int, listed: int, size: Size) -> None:
        self._estates, self._listed, self._size = estates, listed, size
        self._drawn = Random(f"households:{seed}")
        workers = len(estates) * (GUARDS + _CLEANERS)
        strangers = max(_STRANGERS, listed)
        sizes = (listed, strangers, size.residents - listed, _FORMER, 3 * workers, 2 * VISITORS)
        crowd = enumerate(make_people(sum(sizes), seed), 1)
        first, _, others, former, working, visitors = (list(islice(crowd, size)) for size in sizes)
        self._people = iter([*first, *others])
        self._former, self._working = iter(former), iter(working)
        papers = [each for _, each in visitors if each.card.layout is Layout.RESIDENT]
        self._visitors = tuple(papers[:VISITORS])

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
        kind = CredentialKind.ID_CARD if documented else CredentialKind.CARD_UID
        habit = Habit.GUARD if relation is None else self._habit(person)
        return Member(number, person, estate, room, relation, habit, kind, came, left)

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
