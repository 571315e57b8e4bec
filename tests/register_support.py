"""Helpers for the register: a small community with two buildings, and the acts of its office.

People are invented; area code 000000 was never given to anybody.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from identity_support import NOON_US, a_vault
from sqlalchemy import Connection, Engine, select

from bench.assessed import goes_live
from central.identity.ring import KeyRing
from central.identity.suites import INTERNATIONAL
from central.identity.vault import Vault
from central.register.communities import add_site, communities, create_community
from central.register.credentials import CredentialKind, issue
from central.register.desk import Desk, desk_of
from central.register.people import register_person
from central.register.place_tree import root_of
from central.register.places import create_place, place_door
from central.register.residencies import Arrival, move_in
from central.register.rights import Rights, rights_of
from central.register.words import DocumentType, PlaceKind, Relation
from central.store.engine import migrate, open_writer, reading, writing
from central.store.register_tables import place, rights_changed
from messages.access_list import Entry

DAY_US = 86_400_000_000
CLERK = 31
SITE, GATE, EAST, WEST = "riverside", "gate", "east", "west"
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def a_number(serial: int) -> str:
    """An ID number that nobody has, with the check character that belongs to it."""
    body = f"00000019900101{serial:03d}"
    return body + "10X98765432"[sum(w * int(d) for w, d in zip(_WEIGHTS, body, strict=True)) % 11]


@dataclass
class Estate:
    """A community with a gate, an east building (unit 1: 101, 102) and a west building (201)."""

    engine: Engine
    vault: Vault
    community: int = 0
    now_us: int = NOON_US
    places: dict[str, int] = field(default_factory=dict)
    _serial: int = 0

    @contextmanager
    def desk(self, *, days: float = 0) -> Iterator[Desk]:
        """One transaction, so many days after the community began."""
        with writing(self.engine) as connection:
            at = self.now_us + int(days * DAY_US)
            yield desk_of(connection, self.vault, self.community, account=CLERK, now_us=at)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with reading(self.engine) as connection:
            yield connection

    def person(self, name: str = "王小明", *, days: float = 0, **given: object) -> int:
        self._serial += 1
        about: dict[str, object] = {"document": DocumentType.RESIDENT_ID, "number": a_number(self._serial)}
        with self.desk(days=days) as desk:
            return register_person(desk, name=name, **{**about, **given})  # type: ignore[arg-type]

    def lives(
        self,
        person: int,
        room: str,
        relation: Relation = Relation.OWNER,
        *,
        since: float = 0,
        days: float = 0,
        lease: int | None = None,
    ) -> int:
        """`since`: from when, in days; `days`: when it is written down."""
        with self.desk(days=days) as desk:
            arrival = Arrival(person, self.places[room], relation, lease)
            return move_in(desk, arrival, since_us=self.at(since))

    def card(self, person: int, number: str, *, days: float = 0, **given: object) -> int:
        with self.desk(days=days) as desk:
            return issue(desk, person, CredentialKind.CARD_UID, number, **given)  # type: ignore[arg-type]

    def resident(self, name: str, room: str, number: str, relation: Relation = Relation.OWNER) -> int:
        person = self.person(name)
        self.lives(person, room, relation)
        self.card(person, number)
        return person

    def at(self, days: float) -> int:
        return self.now_us + int(days * DAY_US)

    def rights(self, gateway: str, *, days: float = 0, people: set[int] | None = None) -> Rights:
        with self.reading() as connection:
            return rights_of(connection, SITE, gateway, self.at(days), people=people)

    def entry(self, gateway: str, number: str, *, days: float = 0) -> Entry | None:
        token = self.vault.token(SITE, "card_uid", number).hex()
        found = [entry for entry in self.rights(gateway, days=days).entries if entry.token == token]
        assert len(found) < 2
        return found[0] if found else None

    def listed(self, gateway: str, number: str, *, days: float = 0) -> Entry:
        """The entry of whoever has this card."""
        entry = self.entry(gateway, number, days=days)
        assert entry is not None
        return entry

    def doors(self, gateway: str, number: str, *, days: float = 0) -> tuple[str, ...] | None:
        entry = self.entry(gateway, number, days=days)
        return None if entry is None else entry.doors

    def changed(self) -> set[tuple[str, int | None]]:
        """Whose lists were noted as old: (gateway, person)."""
        with self.reading() as connection:
            rows = connection.execute(select(rights_changed.c.gateway, rights_changed.c.person_id))
            return {(row.gateway, row.person_id) for row in rows}


@contextmanager
def copied_estate(folder: Path) -> Iterator[Estate]:
    """On SQLite: a copy of one that is made once for all tests, which is ten times as fast. `folder`: the
    test's own, beside whose parent's others the first one lies."""
    original = folder.parent / "estate-to-copy"
    if not original.exists():
        original.mkdir()
        with _opened(original) as engine:
            migrate(engine)
            an_estate(engine, original)
    shutil.copytree(original, folder / "estate")
    with _opened(folder / "estate") as engine:
        vault = Vault(KeyRing(folder / "estate" / "ring"), INTERNATIONAL)
        estate = Estate(engine, vault)
        with estate.reading() as connection:
            estate.community = communities(connection)[0].id
            asked = select(place).order_by(place.c.id)
            names = ("community", "estate", "east", "unit", "101", "102", "west", "201")
            estate.places = dict(zip(names, connection.execute(asked).scalars(), strict=True))
        yield estate


@contextmanager
def _opened(folder: Path) -> Iterator[Engine]:
    engine = open_writer(f"sqlite:///{folder / 'central.sqlite'}")
    try:
        yield engine
    finally:
        engine.dispose()


def an_estate(engine: Engine, folder: Path) -> Estate:
    """Times begin at NOON_US."""
    vault = a_vault(folder)
    vault.keep_site_key(SITE, b"k" * 32)
    estate = Estate(engine, vault)
    with writing(engine) as connection:
        estate.community = create_community(
            connection, vault, "000000001", "东湖社区", account=CLERK, now_us=NOON_US
        )
        goes_live(connection, estate.community, NOON_US)
    with estate.desk() as desk:
        add_site(desk, SITE)
        root = root_of(desk.connection, desk.community).id
        put = estate.places
        put["community"] = root
        put["estate"] = create_place(desk, root, PlaceKind.ESTATE, "东湖小区")
        put["east"] = create_place(desk, put["estate"], PlaceKind.BUILDING, "1 号楼")
        put["unit"] = create_place(desk, put["east"], PlaceKind.UNIT, "1 单元")
        put["101"] = create_place(desk, put["unit"], PlaceKind.ROOM, "101", "00000000100101")
        put["102"] = create_place(desk, put["unit"], PlaceKind.ROOM, "102")
        put["west"] = create_place(desk, put["estate"], PlaceKind.BUILDING, "2 号楼")
        put["201"] = create_place(desk, put["west"], PlaceKind.ROOM, "201")
        place_door(desk, SITE, GATE, "gate-in", put["estate"])
        place_door(desk, SITE, EAST, "east-front", put["east"])
        place_door(desk, SITE, EAST, "east-unit-1", put["unit"])
        place_door(desk, SITE, EAST, "east-roof", put["east"], residents=False)
        place_door(desk, SITE, WEST, "west-front", put["west"])
    return estate
