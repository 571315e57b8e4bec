"""What the register has of what some rows speak of: a few questions for hundreds of rows.

A preview keeps one `Known` for the whole file and adds to it what earlier rows will make; an import asks anew
for each part, as others change the register meanwhile.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from sqlalchemy import BindParameter, Connection, bindparam, func, select

from central.identity.vault import Vault
from central.register.credential_life import CredentialState
from central.register.credentials import CredentialKind
from central.register.imports.rows import Wanted
from central.register.person_identity import Indexes
from central.register.place_tree import root_of
from central.register.words import PersonState
from central.store.engine import among
from central.store.register_tables import credential, home_use, person, place, residency, tenancy

_IN_ONE_QUESTION: Final = 1_000

_MERGED: Final[BindParameter[str]] = bindparam(None, PersonState.MERGED.value, literal_execute=True)
_RETURNED: Final[BindParameter[str]] = bindparam(None, CredentialState.RETURNED.value, literal_execute=True)
"""Written into the statement: an index of some rows serves PostgreSQL where it sees that they are meant."""

_T = TypeVar("_T")


@dataclass(slots=True)
class KnownPlace:
    id: int
    parent: int | None
    kind: str
    name: str
    code: str | None


@dataclass(slots=True)
class KnownPerson:
    """`sealed` None: an earlier row of this file made it. `row`, as of all that follow: the earlier row of
    this file that wrote it, which no later one may contradict."""

    id: int
    state: str
    category: str
    document: str
    indexes: Indexes
    sealed: bytes | None
    row: int | None = None


@dataclass(slots=True)
class KnownHome:
    id: int
    relation: str
    lease: int | None
    from_us: int
    until_us: int | None
    row: int | None = None


@dataclass(slots=True)
class KnownLease:
    id: int
    until_us: int | None
    ended_us: int | None


@dataclass(slots=True)
class KnownCard:
    id: int
    person: int
    state: str
    from_us: int
    until_us: int | None
    row: int | None = None


@dataclass(slots=True)
class KnownUse:
    id: int
    use: str
    row: int | None = None


def squeezed(name: str) -> str:
    """1 号楼 and 1号楼 are one building."""
    return name.replace(" ", "").casefold()


@dataclass(slots=True)
class Known:
    """Of one community. `root`: the community as a place."""

    community: int
    root: int
    places: dict[tuple[int, str], KnownPlace] = field(default_factory=dict)
    by_code: dict[str, KnownPlace] = field(default_factory=dict)
    people: dict[int, KnownPerson] = field(default_factory=dict)
    by_number: dict[bytes, int] = field(default_factory=dict)
    by_name: dict[bytes, set[int]] = field(default_factory=lambda: defaultdict(set))
    homes: dict[tuple[int, int], list[KnownHome]] = field(default_factory=lambda: defaultdict(list))
    leases: dict[tuple[int, int], KnownLease] = field(default_factory=dict)
    cards: dict[tuple[str, bytes], KnownCard] = field(default_factory=dict)
    uses: dict[int, KnownUse] = field(default_factory=dict)
    without_number: dict[bytes, set[int]] = field(default_factory=lambda: defaultdict(set))  # by name
    _parents: set[int] = field(default_factory=set)
    _people: set[int] = field(default_factory=set)
    _rooms: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, connection: Connection, community: int) -> Known:
        return cls(community, root_of(connection, community).id)

    # --- what the rows of a part speak of

    def load(self, connection: Connection, rows: Sequence[Indexed]) -> None:
        """Asks for what is not known yet."""
        rooms = self._load_places(connection, [row.wanted for row in rows])
        self._load_people(connection, rows)
        self._load_cards(connection, rows)
        self._load_homes(connection)
        self._load_of_rooms(connection, rooms)

    def room_of(self, wanted: Wanted) -> KnownPlace | None:
        """The place at the end of its path, as far as it is there."""
        if not wanted.path:
            return None if wanted.code is None else self.by_code.get(wanted.code)
        parent, found = self.root, None
        for _, name in wanted.path:
            found = self.places.get((parent, squeezed(name)))
            if found is None:
                return None
            parent = found.id
        return found

    def _load_places(self, connection: Connection, rows: Sequence[Wanted]) -> list[int]:
        """Ids of the rows' rooms that are there."""
        codes = sorted({row.code for row in rows if row.code is not None} - self.by_code.keys())
        for found in self._rows(connection, place, place.c.code, codes, place.c.until_at.is_(None)):
            self.take_place(KnownPlace(found.id, found.parent_id, found.kind, found.name, found.code))
        depth = max((len(row.path) for row in rows), default=0)
        for level in range(depth):
            parents = {self._above(row, level) for row in rows if len(row.path) > level}
            fresh = sorted(each for each in parents if each is not None and each not in self._parents)
            self._parents.update(fresh)
            there = place.c.until_at.is_(None)
            for found in self._rows(connection, place, place.c.parent_id, fresh, there):
                self.take_place(KnownPlace(found.id, found.parent_id, found.kind, found.name, found.code))
        return sorted({room.id for row in rows if (room := self.room_of(row)) is not None})

    def _above(self, row: Wanted, level: int) -> int | None:
        parent = self.root
        for _, name in row.path[:level]:
            found = self.places.get((parent, squeezed(name)))
            if found is None:
                return None
            parent = found.id
        return parent if parent > 0 else None

    def _load_people(self, connection: Connection, rows: Sequence[Indexed]) -> None:
        """By number; by name those without one, and of rows without a number everybody of that name."""
        named = [row for row in rows if row.wanted.name is not None]
        numbers = {row.indexes.number for row in named if row.indexes.number is not None}
        with_number = {row.indexes.name for row in named if row.indexes.number is not None}
        without = {row.indexes.name for row in named if row.indexes.number is None}
        registered = person.c.state == PersonState.REGISTERED.value
        living = person.c.state != _MERGED
        unnumbered = registered & person.c.number_index.is_(None)
        number, name = person.c.number_index, person.c.name_index
        for column, keys, where in (
            (number, numbers - self.by_number.keys(), living),
            (name, with_number - without, unnumbered),
            (name, without, registered),
        ):
            for found in self._rows(connection, person, column, sorted(keys), where):
                self._take_row(found)

    def _take_row(self, found: Any) -> None:
        if found.id not in self.people:
            indexes = Indexes(found.name_index, found.number_index, found.phone_index)
            made = KnownPerson(
                found.id, found.state, found.category, found.document_type, indexes, found.sealed
            )
            self.take_person(made)

    def _load_cards(self, connection: Connection, rows: Sequence[Indexed]) -> None:
        indexes = sorted({row.card for row in rows if row.card is not None})
        used = credential.c.state != _RETURNED
        mine = (credential.c.community_id == self.community) & credential.c.kind.in_([*CredentialKind])
        counting = func.coalesce(person.c.merged_into, person.c.id).label("human")
        for part in _parts(indexes):
            asked = (
                select(credential, counting)
                .join(person, person.c.id == credential.c.person_id)
                .where(mine, used, among(connection, credential.c.number_index, part))
            )
            for found in connection.execute(asked):
                card = KnownCard(found.id, found.human, found.state, found.valid_from, found.valid_until)
                self.cards.setdefault((found.kind, found.number_index), card)

    def _load_homes(self, connection: Connection) -> None:
        ids = sorted(each for each in self.people.keys() - self._people if each > 0)
        self._people.update(ids)
        of = {each: each for each in ids}
        for part in _parts(ids):
            into = among(connection, person.c.merged_into, part)
            merged = select(person.c.id, person.c.merged_into).where(into)
            of |= {row.id: row.merged_into for row in connection.execute(merged)}
        true = residency.c.voided_at.is_(None)
        for row in self._rows(connection, residency, residency.c.person_id, sorted(of), true):
            home = KnownHome(row.id, row.relation, row.tenancy_id, row.from_at, row.until_at)
            self.homes[of[row.person_id], row.place_id].append(home)

    def _load_of_rooms(self, connection: Connection, rooms: list[int]) -> None:
        fresh = [room for room in rooms if room > 0 and room not in self._rooms]
        self._rooms.update(fresh)
        for row in self._rows(connection, tenancy, tenancy.c.place_id, fresh, tenancy.c.voided_at.is_(None)):
            self.leases[row.place_id, row.from_at] = KnownLease(row.id, row.until_at, row.ended_at)
        lasting = home_use.c.until_at.is_(None)
        for row in self._rows(connection, home_use, home_use.c.place_id, fresh, lasting):
            self.uses[row.place_id] = KnownUse(row.id, row.use)

    def _rows(
        self, connection: Connection, table: Any, column: Any, keys: list[Any], where: Any
    ) -> Iterator[Any]:
        for part in _parts(keys):
            mine = table.c.community_id == self.community
            asked = select(table).where(mine, among(connection, column, part), where).order_by(table.c.id)
            yield from connection.execute(asked).all()

    # --- what a row adds

    def take_place(self, found: KnownPlace) -> None:
        if found.parent is not None:
            self.places.setdefault((found.parent, squeezed(found.name)), found)
        if found.code is not None:
            self.by_code[found.code] = found

    def take_person(self, found: KnownPerson) -> None:
        """Anew, or as they are written now."""
        before = self.people.get(found.id)
        if before is not None:
            self.by_name[before.indexes.name].discard(found.id)
            self.without_number[before.indexes.name].discard(found.id)
        self.people[found.id] = found
        if found.indexes.number is not None:
            self.by_number[found.indexes.number] = found.id
        if found.state == PersonState.REGISTERED:
            self.by_name[found.indexes.name].add(found.id)
            if found.indexes.number is None:
                self.without_number[found.indexes.name].add(found.id)


@dataclass(frozen=True, slots=True)
class Indexed:
    """A row with the blind indexes by which the register finds what it speaks of."""

    wanted: Wanted
    indexes: Indexes
    card: bytes | None


def indexed(vault: Vault, community: int, wanted: Wanted) -> Indexed:
    def index(kind: str, value: str | None) -> bytes | None:
        return None if value is None else vault.register_index(community, kind, value)

    name = index("name", wanted.name) or b""
    indexes = Indexes(name, index("id_number", wanted.number), index("phone", wanted.phone))
    return Indexed(wanted, indexes, index("card", wanted.card))


def _parts(keys: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for at in range(0, len(keys), _IN_ONE_QUESTION):
        yield keys[at : at + _IN_ONE_QUESTION]
