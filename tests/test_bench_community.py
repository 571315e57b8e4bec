"""The demo's community, made small: all of it goes through the centre's own code, and holds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from bench.community.fill import LAST, Wanted, fill
from bench.community.gateways import greet
from bench.community.opening import at_their_doors
from bench.community.people import Member, populate
from bench.community.places import House, estates_of
from bench.community.size import Size
from bench.community.times import DAY_US, ZONE
from bench.estate import Estate
from bench.key_exchange import CENTRE_KEYS, DEVICE_KEY, exchange_keys
from bench.plan import BUILDINGS, Plan
from central.accounts.who import Role
from central.console.demo_accounts import load_demo_accounts
from central.fleet.completeness import completeness
from central.fleet.keys import gateway_keys, load_centre_keys
from central.identity.suites import INTERNATIONAL
from central.identity.vault import Vault
from central.lookup import audit
from central.lookup.paging import Window
from central.lookup.rules import Asker, Asking
from central.lookup.service import LookUps
from central.lookup.words import Asked, Basis, Purpose
from central.register.credentials import CredentialKind
from central.register.place_tree import rooms_written
from central.register.rights import rights_of
from central.store.alarm_tables import alarm
from central.store.chains import verify_all
from central.store.changes import Changes
from central.store.engine import open_reader, open_writer, reading
from central.store.lookup_tables import look_up_event
from central.store.questions import Questions
from central.store.register_tables import credential, person, tenancy
from central.store.tables import record
from central.store.tour_tables import tour_plan
from central.store.visitor_tables import visitor_pass
from central.times import local
from gateway.keys import load_keys

_SMALL = Size(houses=(9, 10, 8), floors=1, residents=360, days=4)
_NOON_US = 1_795_752_000_000_000
_TODAY = local(_NOON_US, ZONE).date()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("community")
    said: list[str] = []
    fill(folder, _WANTED, said.append)
    assert said
    return folder


@pytest.fixture(scope="module")
def reader(filled: Path) -> Iterator[Engine]:
    engine = open_reader(f"sqlite:///{filled / 'central.db'}")
    yield engine
    engine.dispose()


_WANTED = Wanted(
    seed=1,
    now_us=_NOON_US,
    site_keys={"riverside": bytes(32)},
    simulated=BUILDINGS,
    listed=20,
    more_cards=lambda _: [],
    size=_SMALL,
)


def test_every_chain_of_the_past_holds_but_for_what_was_lost(reader: Engine) -> None:
    assert [line for line, good in verify_all(reader) if not good and "lost" not in line] == []


def test_the_register_of_look_ups_holds(reader: Engine) -> None:
    with reading(reader) as connection:
        assert list(audit.verify(connection)) == []


def test_there_is_something_of_everything(reader: Engine) -> None:
    tables = (person, tenancy, credential, record, alarm, visitor_pass, tour_plan, look_up_event)
    with reading(reader) as connection:
        counts = [connection.execute(select(func.count()).select_from(each)).scalar_one() for each in tables]
    assert all(counts), dict(zip(tables, counts, strict=True))


def test_one_gateway_is_silent_and_the_others_are_complete(filled: Path, reader: Engine) -> None:
    greet(filled / "central.db")
    with reading(reader) as connection:
        found = {(each.site, each.name): each for each in completeness(connection)}
    assert not found["lakeside", "building-07"].online
    assert {place for place, each in found.items() if not each.complete} <= {
        ("maple", "building-05"),
        ("riverside", "building-08"),
    }


@pytest.fixture(scope="module")
def crowd() -> dict[str, Member]:
    """Whose cards are laid at simulated doors, by what records call them."""
    population = populate(estates_of(BUILDINGS, _SMALL), _WANTED.seed, _WANTED.listed, _SMALL, _TODAY)
    found = {each.reference: each for each in population.members() if each.number <= _WANTED.listed}
    assert len(found) == _WANTED.listed
    return found


def _passes(member: Member, house: House) -> set[str]:
    """At a simulated building: the door of one's own unit, and the garage, which is one with the other's."""
    return {door.name for door in house.doors if door.unit is None or member.lives_behind(house, door)}


def test_by_the_register_the_crowd_passes_its_own_doors_and_the_garages(
    reader: Engine, crowd: dict[str, Member]
) -> None:
    simulated = [each for each in estates_of(BUILDINGS, _SMALL)[0].houses if each.simulated]
    assert len(simulated) == len(BUILDINGS)
    with reading(reader) as connection:
        for house in simulated:
            rights = rights_of(connection, "riverside", house.gateway, _NOON_US)
            doors = {entry.holder: set(entry.doors) for entry in rights.entries if entry.holder in crowd}
            assert doors == {holder: _passes(member, house) for holder, member in crowd.items()}


def test_the_crowd_comes_to_doors_that_it_passes_and_each_of_it_to_some(crowd: dict[str, Member]) -> None:
    plan = Plan(people=_WANTED.listed, seed=_WANTED.seed)
    used_by = at_their_doors(plan, _TODAY, _SMALL)
    simulated = [each for each in estates_of(BUILDINGS, _SMALL)[0].houses if each.simulated]
    passes = {
        each.person.ref: {d for house in simulated for d in _passes(each, house)} for each in crowd.values()
    }
    assert {(door, ref) for door, refs in used_by.items() for ref in refs if door not in passes[ref]} == set()
    assert {ref for refs in used_by.values() for ref in refs} == set(passes)


def test_the_lists_in_files_let_the_crowd_pass_the_doors_that_it_comes_to_and_no_others(
    tmp_path: Path,
) -> None:
    used_by = at_their_doors(Plan(people=_WANTED.listed), _TODAY, _SMALL)
    estate = Estate(tmp_path, Plan(people=_WANTED.listed, used_by=used_by))
    for building in BUILDINGS:
        file = tmp_path / "gateways" / building.name / "access-list.json"
        doors = {each["holder"]: set(each["doors"]) for each in json.loads(file.read_text())["entries"]}
        assert doors == {
            f"h-{number:05d}": {door for door, refs in used_by.items() if person.ref in refs}
            for number, person in enumerate(estate.people(), 1)
        }


def test_gateways_and_centre_know_each_other_also_when_they_are_opened_again(tmp_path: Path) -> None:
    gateways = {name: tmp_path / name for name in ("east", "west")}
    for folder in gateways.values():
        folder.mkdir()
    (tmp_path / "central.toml").write_text('[database]\npath = "central.db"\n')
    for _ in range(2):
        exchange_keys(tmp_path / "central.toml", "riverside", gateways)
    centre = load_centre_keys(tmp_path / "centre.key")
    for name, folder in gateways.items():
        keys = load_keys(folder / DEVICE_KEY, folder / CENTRE_KEYS)
        assert keys.centre == centre.public()
        assert keys.device is not None
        trusted = gateway_keys(tmp_path / "gateway-keys", "riverside", name)
        assert trusted == keys.device.public("riverside", name)


def test_the_same_seed_makes_the_same_past(filled: Path, reader: Engine, tmp_path: Path) -> None:
    fill(tmp_path, replace(_WANTED, site_keys={}), lambda _: None)
    again = open_reader(f"sqlite:///{tmp_path / 'central.db'}")
    try:
        assert _story(again) == _story(reader)
    finally:
        again.dispose()


def _story(engine: Engine) -> list[tuple[object, ...]]:
    columns = record.c
    asked = select(columns.gateway_id, columns.seq, columns.kind, columns.at, columns.door, columns.reason)
    with reading(engine) as connection:
        return [tuple(row) for row in connection.execute(asked.order_by(columns.gateway_id, columns.seq))]


def test_the_officer_s_account_tells_somebody_invented_whom_look_ups_find(
    filled: Path, reader: Engine
) -> None:
    """By the number, the card and the room: each finds entries of the last week."""
    [officer] = [each for each in load_demo_accounts(filled / LAST) if each.role is Role.OFFICER]
    told = officer.subject
    assert told is not None
    assert told.number.startswith("000000")
    vault = Vault.of(filled / "key-ring", INTERNATIONAL, ZONE)
    writer = open_writer(f"sqlite:///{filled / 'central.db'}")
    asking = Asking(
        Asked.PERSON,
        1,
        Purpose.MISSING_PERSON,
        Basis.PEOPLES_POLICE,
        "A-2026-17",
        Window(_NOON_US - 7 * DAY_US, _NOON_US),
    )
    with reading(reader) as connection:
        [room] = rooms_written(connection, 1, told.room)
    try:
        look_ups = LookUps(Changes(writer), Questions(reader, bound=False), vault, ZONE, lambda: _NOON_US)
        asker = Asker(1, Role.OFFICER, "一号警务室", frozenset({1}), "127.0.0.1")
        for about in (
            replace(asking, number=told.number),
            replace(asking, asked=Asked.CARD, card_kind=CredentialKind.CARD_UID, number=told.card),
            replace(asking, asked=Asked.ROOM, room=room),
        ):
            assert asyncio.run(look_ups.ask(asker, about)).entries, about.asked
    finally:
        writer.dispose()
