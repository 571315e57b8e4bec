"""The demo's community, made small: all of it goes through the centre's own code, and holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from bench.community.fill import Wanted, fill
from bench.community.gateways import greet
from bench.community.size import Size
from bench.plan import BUILDINGS
from central.fleet.completeness import completeness
from central.lookup import audit
from central.store.alarm_tables import alarm
from central.store.chains import verify_all
from central.store.engine import open_reader, reading
from central.store.lookup_tables import look_up_event
from central.store.register_tables import credential, person, tenancy
from central.store.tables import record
from central.store.tour_tables import tour_plan
from central.store.visitor_tables import visitor_pass

_SMALL = Size(houses=(9, 10, 8), floors=1, residents=240, days=4)
_NOON_US = 1_795_752_000_000_000


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
