"""Nothing in the demo's community contradicts another: each property is a question for what does, with no
answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, text

from bench.community.fill import Wanted, fill
from bench.community.people import Habit, Population, populate
from bench.community.places import estates_of
from bench.community.size import WHOLE, Size
from bench.community.standing import SILENT
from bench.community.trial import TRIAL_DAYS
from bench.plan import BUILDINGS
from central.identity.retention_rules import RetentionRules
from central.lookup.transparency import quarter_of, report
from central.register.words import DocumentType, Relation
from central.small_counts import SMALLEST
from central.store.engine import open_reader, reading
from central.times import local

_SIZE = Size(houses=(9, 10, 8), floors=2, residents=700, days=9)
_NOON_US = 1_795_752_000_000_000
_ZONE = ZoneInfo("Asia/Shanghai")
_WANTED = Wanted(
    seed=6,
    now_us=_NOON_US,
    site_keys={},
    simulated=BUILDINGS,
    listed=20,
    more_cards=lambda _: [],
    size=_SIZE,
)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder: Path = tmp_path_factory.mktemp("community")
    fill(folder, _WANTED, lambda _: None)
    engine = open_reader(f"sqlite:///{folder / 'central.db'}")
    yield engine
    engine.dispose()


def found(reader: Engine, query: str) -> list[Any]:
    with reading(reader) as connection:
        return [tuple(row) for row in connection.execute(text(query), {"now": _NOON_US}).all()]


def count(reader: Engine, query: str) -> int:
    return int(found(reader, query)[0][0])


_ENTRIES_OF_RESIDENTS = """
    SELECT record.at, person.id AS person_id, record.holder FROM record
    JOIN holder ON holder.reference = record.holder JOIN person ON person.id = holder.person_id
    WHERE record.kind = 'access_granted' AND person.category <> 'worker'
"""


# --- who lives there


@pytest.fixture(scope="module")
def population() -> Population:
    today = local(_NOON_US, _ZONE).date()
    return populate(estates_of(BUILDINGS, _SIZE), _WANTED.seed, _WANTED.listed, _SIZE, today)


def test_whoever_works_in_the_community_is_of_an_age_to_work(population: Population) -> None:
    working = [each for each in population.members() if each.relation in _WORKING]
    assert working
    assert [each.number for each in working if not 1964 <= each.born < 2003] == []


_WORKING = {None, Relation.STAFF, Relation.HOUSEHOLD_HELPER}


def test_nobody_is_a_child_where_a_child_has_no_lease_and_no_home_of_its_own(population: Population) -> None:
    year = local(_NOON_US, _ZONE).year
    own = {Relation.OWNER, Relation.TENANT, Relation.LODGER}
    assert [
        each.number for each in population.members() if each.relation in own and year - each.born < 18
    ] == []


def test_children_and_youths_grow_up_with_somebody_who_can_be_their_parent(population: Population) -> None:
    """In the homes of simulated buildings, too; about every fifth of all who live there is under 21."""
    young = [each for each in population.members() if each.age < 21]
    living = [each for each in population.members() if each.room is not None]
    assert 0.1 < len(young) / len(living) < 0.3
    assert {"east", "west"} & {each.room.house.gateway for each in young if each.room is not None}
    for household in population.households:
        grown = [each for each in household.members if each.age >= 21]
        for child in (each for each in household.members if each.age < 21):
            assert child.relation in {Relation.FAMILY, Relation.TENANT_FAMILY}
            assert child.habit is Habit.SCHOOL
            assert [each for each in grown if 22 <= child.born - each.born <= 38], child.number


def test_some_of_the_young_have_cards_and_the_register_has_numbers_of_those_alone_who_need_a_document(
    population: Population, reader: Engine
) -> None:
    """trust.md R-86: nobody under 14 is known by a number; at 16 everybody has an identity card."""
    young = [each for each in population.members() if each.age < 21]
    assert [each.number for each in young if each.age < 7 and each.kind is not None] == []
    assert [each.number for each in young if each.age >= 16 and each.kind is None] == []
    assert {each.kind is None for each in young if 7 <= each.age < 16} == {True, False}
    assert {each.document for each in young if each.age < 16} == {DocumentType.NONE}
    assert {each.document for each in young if each.age >= 16} == {DocumentType.RESIDENT_ID}
    unnumbered = "SELECT count(*) FROM person WHERE document_type = 'none' AND number_index IS NULL"
    assert count(reader, unnumbered) == sum(each.age < 16 for each in population.members())


def test_no_child_asks_at_the_desk_for_itself(reader: Engine) -> None:
    asked = """
        SELECT own_request.id FROM own_request JOIN person ON person.id = own_request.person_id
        WHERE person.document_type = 'none'
    """
    assert count(reader, "SELECT count(*) FROM own_request") > 0
    assert found(reader, asked) == []


def test_guards_of_the_rounds_live_in_no_home(population: Population) -> None:
    assert [each.number for each in population.members() if each.habit is Habit.GUARD and each.room] == []


def test_a_home_of_somebody_is_not_empty_and_an_empty_one_is_nobody_s(reader: Engine) -> None:
    query = """
        SELECT home_use.place_id, home_use.use, count(residency.id) FROM home_use
        LEFT JOIN residency ON residency.place_id = home_use.place_id
            AND residency.until_at IS NULL AND residency.voided_at IS NULL
        WHERE home_use.until_at IS NULL GROUP BY home_use.place_id, home_use.use
        HAVING (home_use.use = 'empty') <> (count(residency.id) = 0)
    """
    assert found(reader, query) == []


def test_only_a_let_home_has_a_lease_and_each_let_home_has_one(reader: Engine) -> None:
    query = """
        SELECT home_use.place_id FROM home_use
        JOIN residency ON residency.place_id = home_use.place_id AND residency.until_at IS NULL
        WHERE home_use.until_at IS NULL AND (home_use.use = 'let') <> (residency.tenancy_id IS NOT NULL)
    """
    assert found(reader, query) == []


def test_whoever_lives_somewhere_by_a_lease_moved_in_when_it_began_or_later(reader: Engine) -> None:
    query = """
        SELECT residency.id FROM residency JOIN tenancy ON tenancy.id = residency.tenancy_id
        WHERE residency.from_at < tenancy.from_at
    """
    assert found(reader, query) == []


def test_one_building_is_empty_as_it_is_under_repair_and_people_live_in_all_others(reader: Engine) -> None:
    query = """
        SELECT house.name FROM place AS house WHERE house.kind = 'building' AND NOT EXISTS (
            SELECT 1 FROM residency JOIN place AS room ON room.id = residency.place_id
            JOIN place AS unit ON unit.id = room.parent_id
            WHERE unit.parent_id = house.id AND residency.until_at IS NULL)
    """
    [[name]] = found(reader, query)
    assert "大修中" in name


def test_the_notes_of_leases_show_some_that_end_soon_and_some_that_are_over(reader: Engine) -> None:
    """A lease that is over has its doors shut a week later; nobody comes in by it after that."""
    ends_soon = "SELECT count(*) FROM tenancy WHERE until_at BETWEEN :now AND :now + 30 * 86400000000"
    assert count(reader, ends_soon) > 0
    query = f"""
        SELECT entry.at FROM ({_ENTRIES_OF_RESIDENTS}) AS entry
        JOIN residency ON residency.person_id = entry.person_id
        JOIN tenancy ON tenancy.id = residency.tenancy_id
        WHERE entry.at >= tenancy.until_at + tenancy.grace_days * 86400000000
    """  # noqa: S608  our own words
    assert found(reader, query) == []


def test_a_lease_that_runs_is_one_by_which_somebody_lives_there(reader: Engine) -> None:
    query = """
        SELECT tenancy.id FROM tenancy WHERE tenancy.ended_at IS NULL AND tenancy.until_at > :now
        AND NOT EXISTS (SELECT 1 FROM residency
            WHERE residency.tenancy_id = tenancy.id AND residency.until_at IS NULL)
    """
    assert found(reader, query) == []


# --- who comes in


def test_nobody_comes_in_before_they_moved_in_or_after_they_moved_out(reader: Engine) -> None:
    query = f"""
        SELECT entry.at, entry.holder FROM ({_ENTRIES_OF_RESIDENTS}) AS entry WHERE NOT EXISTS (
            SELECT 1 FROM residency WHERE residency.person_id = entry.person_id
            AND residency.from_at <= entry.at
            AND (residency.until_at IS NULL OR entry.at < residency.until_at))
    """  # noqa: S608  our own words
    assert count(reader, f"SELECT count(*) FROM ({_ENTRIES_OF_RESIDENTS})") > 1_000  # noqa: S608  our own words
    assert found(reader, query) == []


_RIGHTS = """
    WITH RECURSIVE above (room, place) AS (
        SELECT id, id FROM place WHERE kind = 'room'
        UNION ALL SELECT above.room, place.parent_id FROM above JOIN place ON place.id = above.place
        WHERE place.parent_id IS NOT NULL),
    lives AS (SELECT residency.person_id, above.place, residency.from_at, residency.until_at
        FROM residency JOIN above ON above.room = residency.place_id WHERE residency.voided_at IS NULL),
    opens (person_id, site, gateway, door, from_at, until_at) AS (
        SELECT lives.person_id, door_place.site, door_place.gateway, door_place.door, lives.from_at,
            lives.until_at FROM lives JOIN door_place ON door_place.place_id = lives.place
        UNION ALL SELECT coalesce(access_right.person_id, lives.person_id), door_group_door.site,
            door_group_door.gateway, door_group_door.door, access_right.from_at, access_right.until_at
        FROM access_right JOIN door_group_door ON door_group_door.group_id = access_right.group_id
        LEFT JOIN lives ON lives.place = access_right.place_id)
    SELECT record.id, record.door FROM record JOIN gateway ON gateway.id = record.gateway_id
    JOIN holder ON holder.reference = record.holder
    WHERE record.kind = :kind AND (record.reason = 'no_right') = :refused AND EXISTS (
        SELECT 1 FROM opens WHERE opens.person_id = holder.person_id AND opens.site = gateway.site
        AND opens.gateway = gateway.name AND opens.door = record.door AND opens.from_at <= record.at
        AND (opens.until_at IS NULL OR record.at < opens.until_at)) = :by_right
"""
"""Of people whom the register knows; by the doors behind which they live, and those of their groups."""


def rightly(reader: Engine, kind: str, *, refused: bool, by_right: bool) -> list[Any]:
    asked = {"kind": kind, "refused": refused, "by_right": by_right}
    with reading(reader) as connection:
        return [tuple(row) for row in connection.execute(text(_RIGHTS), asked).all()]


def test_nobody_is_let_in_at_a_door_that_the_register_does_not_let_them_pass(reader: Engine) -> None:
    assert len(rightly(reader, "access_granted", refused=False, by_right=True)) > 1_000
    assert rightly(reader, "access_granted", refused=False, by_right=False) == []


def test_nobody_is_refused_for_want_of_a_right_where_they_have_one(reader: Engine) -> None:
    assert len(rightly(reader, "access_denied", refused=True, by_right=False)) > 10
    assert rightly(reader, "access_denied", refused=True, by_right=True) == []


def test_nobody_is_refused_for_the_hour_as_no_right_has_hours(reader: Engine) -> None:
    assert count(reader, "SELECT count(*) FROM access_right WHERE schedule IS NOT NULL") == 0
    assert count(reader, "SELECT count(*) FROM record WHERE reason = 'outside_hours'") == 0


def test_every_card_that_lets_somebody_in_is_one_that_was_issued_to_them_by_then(reader: Engine) -> None:
    query = """
        SELECT record.id FROM record JOIN gateway ON gateway.id = record.gateway_id
        JOIN holder ON holder.reference = record.holder
        WHERE record.kind = 'access_granted' AND NOT EXISTS (
            SELECT 1 FROM credential_token JOIN credential ON credential.id = credential_token.credential_id
            WHERE credential_token.token = record.token AND credential_token.site = gateway.site
            AND credential.person_id = holder.person_id AND credential.issued_at <= record.at
            AND (credential.returned_at IS NULL OR record.at < credential.returned_at))
    """
    assert found(reader, query) == []


def test_nobody_comes_in_by_a_card_while_it_is_lost(reader: Engine) -> None:
    query = """
        SELECT record.id FROM record JOIN gateway ON gateway.id = record.gateway_id
        JOIN credential_token
            ON credential_token.token = record.token AND credential_token.site = gateway.site
        JOIN credential_event AS lost
            ON lost.credential_id = credential_token.credential_id AND lost.act = 'report_lost'
        LEFT JOIN credential_event AS again ON again.credential_id = lost.credential_id
            AND again.act = 'lift_loss' AND again.at > lost.at
        WHERE record.kind = 'access_granted' AND record.at >= lost.at
            AND (again.at IS NULL OR record.at < again.at)
    """
    assert count(reader, "SELECT count(*) FROM credential_event WHERE act = 'report_lost'") > 2
    assert count(reader, "SELECT count(*) FROM credential WHERE replaces IS NOT NULL") > 0
    assert found(reader, query) == []


def test_a_pass_opens_nothing_before_its_time_after_it_or_once_it_was_taken_back(reader: Engine) -> None:
    query = """
        SELECT visitor_pass.id FROM visitor_pass JOIN record ON record.holder = visitor_pass.reference
        WHERE record.kind = 'access_granted' AND (record.at < visitor_pass.from_at
            OR record.at >= visitor_pass.until_at OR record.at < visitor_pass.issued_at
            OR record.at >= coalesce(visitor_pass.revoked_at, record.at + 1))
    """
    assert count(reader, "SELECT count(*) FROM visitor_pass WHERE revoked_at IS NOT NULL") > 0
    assert found(reader, query) == []


def test_a_pass_is_for_a_home_in_which_somebody_lives_when_it_is_given_and_when_it_is_used(
    reader: Engine,
) -> None:
    query = """
        SELECT visitor_pass.id FROM visitor_pass WHERE visitor_pass.room_id IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM residency WHERE residency.place_id = visitor_pass.room_id
            AND residency.from_at <= visitor_pass.issued_at
            AND (residency.until_at IS NULL OR visitor_pass.from_at < residency.until_at))
    """
    assert found(reader, query) == []


def test_no_visitor_leaves_who_did_not_come(reader: Engine) -> None:
    query = """
        SELECT visitor_pass.id FROM visitor_pass JOIN record AS gone ON gone.holder = visitor_pass.reference
        WHERE gone.direction = 'out' AND NOT EXISTS (
            SELECT 1 FROM record AS came WHERE came.holder = visitor_pass.reference
            AND came.direction = 'in' AND came.at <= gone.at)
    """
    assert found(reader, query) == []


def test_nobody_comes_in_where_the_reader_or_the_lock_is_gone(reader: Engine) -> None:
    query = """
        SELECT record.id FROM record JOIN record AS gone
            ON gone.gateway_id = record.gateway_id AND gone.door = record.door AND gone.at < record.at
            AND gone.kind IN ('reader_lost', 'lock_lost')
        WHERE record.kind IN ('access_granted', 'access_denied') AND NOT EXISTS (
            SELECT 1 FROM record AS back WHERE back.gateway_id = gone.gateway_id AND back.door = gone.door
            AND back.kind IN ('reader_restored', 'lock_restored') AND back.at BETWEEN gone.at AND record.at)
    """
    assert count(reader, "SELECT count(*) FROM record WHERE kind = 'reader_lost'") > 0
    assert found(reader, query) == []


def test_a_gateway_whose_line_is_dead_has_sent_nothing_of_what_happened_since(reader: Engine) -> None:
    query = """
        SELECT gateway.site, gateway.name, max(record.at) < :now - 3 * 3600000000 FROM gateway
        JOIN record ON record.gateway_id = gateway.id WHERE gateway.online = 0 GROUP BY 1, 2
    """
    assert found(reader, query) == [(*SILENT, 1)]


# --- what people do about it


def test_each_release_from_the_centre_has_its_command_and_each_answered_command_its_record(
    reader: Engine,
) -> None:
    released = """
        SELECT record.id FROM record JOIN gateway ON gateway.id = record.gateway_id
        WHERE record.kind = 'remote_release' AND NOT EXISTS (
            SELECT 1 FROM sent_command AS ordered WHERE ordered.site = gateway.site
            AND ordered.gateway = gateway.name AND ordered.door = record.door AND ordered.outcome = 'done'
            AND ordered.operator = record.holder AND ordered.epoch = record.epoch AND ordered.seq = record.seq
            AND ordered.issued_at < record.at AND record.at < ordered.answered_at)
    """
    answered = """
        SELECT ordered.id FROM sent_command AS ordered WHERE ordered.outcome IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM record JOIN gateway ON gateway.id = record.gateway_id
            WHERE gateway.site = ordered.site AND gateway.name = ordered.gateway
            AND record.epoch = ordered.epoch AND record.seq = ordered.seq
            AND record.kind IN ('remote_release', 'command_done', 'command_refused'))
    """
    assert found(reader, released) == []
    assert found(reader, answered) == []
    assert count(reader, "SELECT count(*) FROM sent_command WHERE outcome IS NULL") == 1


def test_an_alarm_is_noticed_after_it_began_and_seen_to_after_it_was_noticed(reader: Engine) -> None:
    query = """
        SELECT id FROM alarm WHERE noticed_at < began_at OR over_at < began_at OR seen_at < noticed_at
            OR (seen_at IS NOT NULL AND note IS NULL)
    """
    assert found(reader, query) == []
    open_ones = count(reader, "SELECT count(*) FROM alarm WHERE seen_at IS NULL")
    assert 1 <= open_ones <= 12
    assert open_ones < count(reader, "SELECT count(*) FROM alarm WHERE seen_at IS NOT NULL")


def test_a_request_is_answered_later_and_by_somebody_else_than_who_took_it_down(reader: Engine) -> None:
    query = "SELECT id FROM own_request WHERE decided_at <= received_at OR decided_by = received_by"
    assert found(reader, query) == []
    states = found(reader, "SELECT coalesce(decision, 'waits'), count(*) FROM own_request GROUP BY 1")
    assert {state for state, _ in states} == {"waits", "done", "refused"}


def test_no_entry_ends_within_a_week_from_now() -> None:
    """A demo that is left open loses nothing of what it shows."""
    assert TRIAL_DAYS + WHOLE.days + 7 < RetentionRules().entry_days


@pytest.mark.parametrize("table", ["look_up_event", "account_event", "record_mark"])
def test_what_only_grows_grew_in_the_order_of_time(reader: Engine, table: str) -> None:
    order = "noted_at" if table == "record_mark" else "id"
    at = "noted_at" if table == "record_mark" else "at"
    times = [at_us for [at_us] in found(reader, f"SELECT {at} FROM {table} ORDER BY {order}")]  # noqa: S608  our own words
    assert times == sorted(times)
    assert times


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("record", "at"),
        ("register_event", "at"),
        ("look_up_event", "at"),
        ("account_event", "at"),
        ("alarm", "seen_at"),
        ("sent_command", "issued_at"),
        ("sent_settings", "noted_at"),
        ("visitor_pass", "issued_at"),
        ("own_request", "decided_at"),
        ("notice_hung", "at"),
    ],
)
def test_nothing_was_done_in_the_future(reader: Engine, table: str, column: str) -> None:
    query = f"SELECT {column} FROM {table} WHERE {column} > :now"  # noqa: S608  our own words
    assert count(reader, f"SELECT count(*) FROM {table}") > 0  # noqa: S608  our own words
    assert found(reader, query) == []


def test_the_public_report_of_the_last_quarter_tells_of_most_purposes(reader: Engine) -> None:
    today = local(_NOON_US, _ZONE).date()
    number = (today.month - 1) // 3
    year, quarter = (today.year, number) if number else (today.year - 1, 4)
    with reading(reader) as connection:
        told = report(connection, 1, *quarter_of(year, quarter, _ZONE, _NOON_US))
    assert (told.look_ups or 0) > SMALLEST
    assert sum((each or 0) >= SMALLEST for each in told.by_purpose.values()) >= 3


def test_honey_records_were_touched_and_nobody_comes_in_by_one(reader: Engine) -> None:
    assert count(reader, "SELECT count(*) FROM honey_record WHERE removed_at IS NULL") >= 3
    kinds = dict(
        found(reader, "SELECT kind, count(*) FROM look_up_event WHERE kind LIKE 'honey%' GROUP BY 1")
    )
    assert kinds["honey_touched"] > kinds["honey_seen"] > 0
    query = """
        SELECT record.id FROM record JOIN holder ON holder.reference = record.holder
        JOIN honey_record ON honey_record.person_id = holder.person_id
    """
    assert found(reader, query) == []


def test_cases_have_held_what_they_need_and_officers_of_several_units_asked(reader: Engine) -> None:
    assert count(reader, "SELECT count(DISTINCT unit) FROM look_up") >= 3
    assert count(reader, "SELECT count(DISTINCT purpose) FROM look_up") >= 5
    assert count(reader, "SELECT count(*) FROM look_up_event WHERE kind = 'exported'") > 0
    assert count(reader, "SELECT count(*) FROM case_hold") > 0
    early = "SELECT id FROM case_hold WHERE ended_at < until_at OR (ended_at IS NULL AND until_at <= :now)"
    assert found(reader, early) == []
