"""The access list of a gateway, computed from who lives where, leases, credentials and groups of doors."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from register_support import EAST, GATE, SITE, WEST, Estate, copied_estate

from central.register.credential_life import CredentialAct
from central.register.credentials import change, complete_tokens
from central.register.groups import (
    Door,
    Whose,
    create_group,
    end_group,
    grant,
    schedules_of_rights,
    set_doors,
)
from central.register.leases import end_lease, extend_lease, make_lease
from central.register.people import deregister_person, merge_people
from central.register.residencies import move_out
from central.register.rights import rights_at, rights_of, tokens_of
from central.register.words import Category, DocumentType, Relation

CARD, OTHER = "04A1B2C3", "04D4E5F6"


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    with copied_estate(tmp_path) as copied:
        yield copied


def test_who_lives_behind_doors_passes_each_of_them_and_no_other(estate: Estate) -> None:
    estate.resident("王小明", "101", CARD)
    assert estate.doors(GATE, CARD) == ("gate-in",)
    assert estate.doors(EAST, CARD) == ("east-front", "east-unit-1")
    assert estate.doors(WEST, CARD) is None


def test_an_entry_says_an_opaque_holder_and_a_category(estate: Estate) -> None:
    estate.resident("赵保姆", "101", CARD, Relation.HOUSEHOLD_HELPER)
    entry = estate.listed(EAST, CARD)
    assert (entry.holder[:2], entry.category) == ("h-", "helper")
    assert (entry.from_us, entry.until_us, entry.lost) == (None, None, False)


def test_a_site_that_the_register_does_not_know_has_no_list(estate: Estate) -> None:
    with estate.reading() as connection:
        assert rights_of(connection, "elsewhere", EAST, estate.now_us).entries == []


@pytest.mark.parametrize("alone", [False, True], ids=["everybody", "one of them"])
def test_at_several_gateways_rights_are_what_they_are_at_each(estate: Estate, alone: bool) -> None:
    person = estate.resident("王小明", "101", CARD)
    estate.resident("李雷", "201", OTHER)
    with estate.desk() as desk:
        group = create_group(desk, "保洁")
        set_doors(desk, group, frozenset({Door(SITE, WEST, "west-front")}))
        grant(desk, group, Whose(person=person))
    people = {person} if alone else None
    with estate.reading() as connection:
        found = rights_at(connection, SITE, [GATE, EAST, WEST, "nowhere"], estate.now_us, people=people)
    assert found == {name: estate.rights(name, people=people) for name in (GATE, EAST, WEST, "nowhere")}
    assert [len(found[name].entries) for name in (GATE, EAST, WEST, "nowhere")] == (
        [1, 1, 1, 0] if alone else [2, 1, 2, 0]
    )


def test_moving_out_ends_the_rights_at_the_hour_and_the_door_still_explains_it(estate: Estate) -> None:
    person = estate.person()
    home = estate.lives(person, "101", since=-5)
    estate.card(person, CARD)
    with estate.desk() as desk:
        move_out(desk, home, at_us=estate.at(3), reason="搬走")
    entry = estate.listed(EAST, CARD)
    assert entry.until_us == estate.at(3)
    assert estate.rights(EAST).changes_us == estate.at(3)
    over = estate.listed(EAST, CARD, days=10)
    assert over.until_us == estate.at(3), "a refusal that says expired, not unknown"
    assert estate.entry(EAST, CARD, days=34) is None


def test_a_move_to_come_opens_from_its_day(estate: Estate) -> None:
    person = estate.person()
    estate.lives(person, "201", since=2)
    estate.card(person, CARD)
    entry = estate.listed(WEST, CARD)
    assert (entry.from_us, entry.until_us) == (estate.at(2), None)


def test_a_lease_opens_doors_through_its_grace_period(estate: Estate) -> None:
    person = estate.person("钱租客")
    with estate.desk() as desk:
        lease = make_lease(
            desk, estate.places["101"], from_us=estate.at(-30), until_us=estate.at(10), grace_days=7
        )
    estate.lives(person, "101", Relation.TENANT, since=-30, lease=lease)
    estate.card(person, CARD)
    entry = estate.listed(EAST, CARD, days=12)
    assert (entry.doors, entry.until_us, entry.category) == (
        ("east-front", "east-unit-1"),
        estate.at(17),
        "tenant",
    )
    with estate.desk(days=16) as desk:
        extend_lease(desk, lease, until_us=estate.at(100))
    later = estate.listed(EAST, CARD, days=50)
    assert later.until_us == estate.at(107)


def test_a_lease_that_is_ended_early_closes_doors_after_the_grace_period(estate: Estate) -> None:
    person = estate.person("钱租客")
    with estate.desk() as desk:
        lease = make_lease(desk, estate.places["101"], from_us=estate.at(-30), until_us=None, grace_days=3)
    estate.lives(person, "101", Relation.TENANT, since=-30, lease=lease)
    estate.card(person, CARD)
    with estate.desk(days=1) as desk:
        end_lease(desk, lease, at_us=estate.at(2), reason="双方同意")
    entry = estate.listed(EAST, CARD, days=1)
    assert entry.until_us == estate.at(5)


def test_a_home_outlasts_a_lease_elsewhere(estate: Estate) -> None:
    """An entry has one end: the centre makes it anew when the lease is over."""
    person = estate.resident("王小明", "201", CARD)
    with estate.desk() as desk:
        lease = make_lease(
            desk, estate.places["101"], from_us=estate.at(0), until_us=estate.at(10), grace_days=0
        )
    estate.lives(person, "101", Relation.TENANT, lease=lease)
    rights = estate.rights(GATE)
    assert [entry.until_us for entry in rights.entries] == [None]
    assert rights.changes_us == estate.at(10)
    assert estate.doors(EAST, CARD, days=5) == ("east-front", "east-unit-1")
    over = estate.listed(EAST, CARD, days=11)
    assert over.until_us == estate.at(10)


def test_a_lost_card_is_refused_as_lost_and_opens_again_once_it_is_found(estate: Estate) -> None:
    person = estate.person()
    estate.lives(person, "101")
    card = estate.card(person, CARD)
    with estate.desk() as desk:
        change(desk, card, CredentialAct.REPORT_LOST)
    entry = estate.listed(EAST, CARD)
    assert (entry.lost, entry.doors) == (True, ())
    with estate.desk() as desk:
        change(desk, card, CredentialAct.LIFT_LOSS)
    found = estate.listed(EAST, CARD)
    assert (found.lost, found.doors) == (False, ("east-front", "east-unit-1"))


def test_a_returned_card_is_nobodys_and_may_become_somebody_elses(estate: Estate) -> None:
    first, second = estate.person("王小明"), estate.person("李小红")
    estate.lives(first, "101")
    estate.lives(second, "201")
    card = estate.card(first, CARD)
    with estate.desk() as desk:
        change(desk, card, CredentialAct.RETURN)
    assert estate.entry(EAST, CARD) is None
    estate.card(second, CARD)
    assert estate.doors(EAST, CARD) is None
    assert estate.doors(WEST, CARD) == ("west-front",)


def test_a_card_is_valid_within_its_own_time(estate: Estate) -> None:
    person = estate.person()
    estate.lives(person, "101")
    estate.card(person, CARD, valid_from_us=estate.at(1), valid_until_us=estate.at(5))
    entry = estate.listed(EAST, CARD)
    assert (entry.from_us, entry.until_us) == (estate.at(1), estate.at(5))


def roof(estate: Estate, whose: Whose, schedule: str | None = None) -> int:
    with estate.desk() as desk:
        group = create_group(desk, "屋顶")
        set_doors(desk, group, frozenset({Door(SITE, EAST, "east-roof")}))
        grant(desk, group, whose, schedule=schedule)
        return group


def test_a_group_of_doors_is_passed_by_name(estate: Estate) -> None:
    person = estate.person("孙师傅", category=Category.WORKER)
    estate.card(person, CARD)
    assert estate.entry(EAST, CARD) is None
    group = roof(estate, Whose(person=person), "work-hours")
    entry = estate.listed(EAST, CARD)
    assert (entry.doors, entry.category, entry.schedule) == (("east-roof",), "worker", "work-hours")
    with estate.desk(days=1) as desk:
        end_group(desk, group, reason="不再需要")
    assert estate.entry(EAST, CARD, days=2) is None


def test_the_schedules_of_rights_are_those_of_rights_that_count(estate: Estate) -> None:
    group = roof(estate, Whose(category=Category.WORKER), "work-hours")
    with estate.desk() as desk:
        assert schedules_of_rights(desk.connection, SITE, desk.now_us) == {"work-hours"}
        assert schedules_of_rights(desk.connection, "elsewhere", desk.now_us) == set()
    with estate.desk(days=1) as desk:
        end_group(desk, group, reason="不再需要")
    with estate.desk(days=2) as desk:
        assert schedules_of_rights(desk.connection, SITE, desk.now_us) == set()


def test_a_group_of_doors_is_passed_by_category(estate: Estate) -> None:
    estate.resident("钱租客", "201", CARD, Relation.TENANT)
    estate.resident("王小明", "201", OTHER)
    roof(estate, Whose(category=Category.TENANT))
    assert estate.doors(EAST, CARD) == ("east-roof",)
    assert estate.doors(EAST, OTHER) is None


def test_a_group_of_doors_is_passed_by_all_who_live_in_a_place(estate: Estate) -> None:
    estate.resident("王小明", "101", CARD)
    estate.resident("李小红", "201", OTHER)
    roof(estate, Whose(place=estate.places["west"]))
    assert estate.doors(EAST, CARD) == ("east-front", "east-unit-1")
    assert estate.doors(EAST, OTHER) == ("east-roof",)


def test_a_home_is_open_at_any_hour_and_a_right_on_a_schedule_is_named_as_withheld(estate: Estate) -> None:
    person = estate.resident("王小明", "101", CARD)
    roof(estate, Whose(person=person), "work-hours")
    rights = estate.rights(EAST)
    (entry,) = rights.entries
    assert (entry.doors, entry.schedule) == (("east-front", "east-unit-1"), None)
    assert len(rights.withheld) == 1


def test_who_was_registered_twice_has_one_holder_and_all_the_doors(estate: Estate) -> None:
    kept = estate.resident("王小明", "101", CARD)
    again = estate.person("王小明", document=DocumentType.NONE, number=None)
    estate.lives(again, "201")
    estate.card(again, OTHER)
    with estate.desk() as desk:
        merge_people(desk, kept, again, reason="同一人")
    entries = estate.rights(GATE).entries
    assert len(entries) == 2
    assert len({entry.holder for entry in entries}) == 1
    assert estate.doors(WEST, CARD) == ("west-front",)
    assert estate.doors(EAST, OTHER) == ("east-front", "east-unit-1")


def test_who_was_deregistered_passes_no_door(estate: Estate) -> None:
    person = estate.resident("王小明", "101", CARD)
    with estate.desk(days=1) as desk:
        deregister_person(desk, person, reason="人走注销")
    assert estate.rights(EAST, days=1).entries == []


def test_the_entries_of_some_are_those_of_the_whole_list(estate: Estate) -> None:
    first = estate.resident("王小明", "101", CARD)
    second = estate.resident("李小红", "102", OTHER)
    roof(estate, Whose(category=Category.RESIDENT))
    whole = estate.rights(EAST).entries
    assert len(whole) == 2
    for person in (first, second):
        (mine,) = estate.rights(EAST, people={person}).entries
        assert mine in whole
        with estate.reading() as connection:
            assert tokens_of(connection, SITE, {person}) == [mine.token]


def test_a_site_whose_key_comes_later_gets_its_tokens_then(estate: Estate) -> None:
    estate.resident("王小明", "101", CARD)
    with estate.desk() as desk:
        assert complete_tokens(desk, SITE) == 0
        desk.connection.exec_driver_sql("DELETE FROM credential_token")
    assert estate.rights(EAST).entries == []
    with estate.desk() as desk:
        assert complete_tokens(desk, SITE) == 1
    assert estate.doors(EAST, CARD) == ("east-front", "east-unit-1")


def test_each_change_names_the_gateways_whose_lists_it_makes_old(estate: Estate) -> None:
    person = estate.person()
    before = estate.changed()
    home = estate.lives(person, "101", since=-1)
    assert estate.changed() - before == {(GATE, person), (EAST, person)}
    other = estate.person()
    before = estate.changed()
    estate.card(other, OTHER)
    assert estate.changed() == before, "somebody without a home or a right is on no list"
    with estate.desk() as desk:
        desk.connection.exec_driver_sql("DELETE FROM rights_changed")
    with estate.desk() as desk:
        move_out(desk, home, at_us=estate.now_us, reason="搬走")
    assert estate.changed() == {(GATE, person), (EAST, person)}
    group = roof(estate, Whose(category=Category.WORKER))
    assert (EAST, None) in estate.changed()
    with estate.desk() as desk:
        desk.connection.exec_driver_sql("DELETE FROM rights_changed")
    with estate.desk(days=1) as desk:
        end_group(desk, group, reason="不再需要")
    assert estate.changed() == {(EAST, None)}
