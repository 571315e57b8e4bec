"""What places are called on pages: as the register calls them, not as settings files do."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from database_support import new_database
from register_support import SITE, Estate, an_estate

from central.console.labels import Labels, labels_of, sites_called
from central.register.communities import add_site
from central.register.place_tree import doors_lead
from central.register.places import create_place, place_door
from central.register.words import PlaceKind


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    engine = new_database(tmp_path / "central.sqlite")
    yield an_estate(engine, tmp_path)
    engine.dispose()


def called(estate: Estate) -> dict[str, str]:
    with estate.reading() as db:
        return sites_called(db, [estate.community])


def another_estate(estate: Estate, name: str) -> None:
    with estate.desk() as desk:
        add_site(desk, "lakeside")
        place = create_place(desk, estate.places["community"], PlaceKind.ESTATE, name)
        place_door(desk, "lakeside", "gates", "south", place)


def test_a_site_is_called_by_the_estate_that_its_doors_lead_into(estate: Estate) -> None:
    another_estate(estate, "湖畔雅苑")
    assert called(estate) == {SITE: "东湖小区", "lakeside": "湖畔雅苑"}
    with estate.reading() as db:
        assert labels_of(db, [estate.community]).place("lakeside") == ["湖畔雅苑"]


def test_a_site_whose_doors_lead_into_two_estates_keeps_its_name(estate: Estate) -> None:
    with estate.desk() as desk:
        place = create_place(desk, estate.places["community"], PlaceKind.ESTATE, "湖畔雅苑")
        place_door(desk, SITE, "gates", "south", place)
    assert called(estate) == {}
    assert Labels({}, {}).site(SITE) == SITE


def test_a_site_one_of_whose_doors_leads_into_no_estate_keeps_its_name(estate: Estate) -> None:
    with estate.desk() as desk:
        place_door(desk, SITE, "gates", "south", estate.places["community"])
    assert called(estate) == {}


def test_two_sites_in_one_estate_are_told_apart(estate: Estate) -> None:
    with estate.desk() as desk:
        add_site(desk, "lakeside")
        place_door(desk, "lakeside", "gates", "south", estate.places["estate"])
    assert called(estate) == {SITE: f"东湖小区 ({SITE})", "lakeside": "东湖小区 (lakeside)"}


def test_the_only_site_of_a_community_without_estates_is_the_community(estate: Estate) -> None:
    with estate.desk() as desk:
        for site, gateway, door in doors_lead(desk.connection, [estate.community]):
            place_door(desk, site, gateway, door, estate.places["community"])
    assert called(estate) == {SITE: "东湖社区"}


def test_nobody_s_sites_are_called_anything(estate: Estate) -> None:
    with estate.reading() as db:
        assert sites_called(db, []) == {}
