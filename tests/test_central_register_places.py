"""The tree of places: made, renamed and moved with its history, found by what people type."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from register_support import EAST, SITE, Estate, copied_estate

from central.errors import BadQuestion, Clash, NotThere
from central.register.communities import add_site, create_community
from central.register.desk import desk_of
from central.register.occupancy import lived_uses, rooms_of
from central.register.place_tree import (
    children,
    formers,
    get_place,
    name_as_of,
    path_text,
    paths,
    rooms_written,
    root_of,
    search,
    uses,
)
from central.register.places import change_place, create_place, end_place, place_door, set_use
from central.register.residencies import correct_residency, move_out
from central.register.words import HomeUse, PlaceKind, Relation, lived_use
from central.store.engine import writing


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    with copied_estate(tmp_path) as copied:
        yield copied


def found(estate: Estate, text: str) -> list[str]:
    with estate.reading() as connection:
        places = search(connection, estate.community, text)
        named = paths(connection, [each.id for each in places])
        return [path_text(named[each.id]) for each in places]


@pytest.mark.parametrize(
    "text", ["1 单元 101", "dhxq 101", "donghu 1 101", "东湖小区 １ 号楼 101", "00000000100101"]
)
def test_a_room_is_found_by_name_pinyin_initials_or_code(estate: Estate, text: str) -> None:
    assert found(estate, text) == ["东湖小区 1 号楼 1 单元 101"]


def test_a_room_is_found_by_its_whole_way_although_another_building_begins_alike(estate: Estate) -> None:
    with estate.desk() as desk:
        tenth = create_place(desk, estate.places["estate"], PlaceKind.BUILDING, "10 号楼")
        unit = create_place(desk, tenth, PlaceKind.UNIT, "1 单元")
        there = create_place(desk, unit, PlaceKind.ROOM, "101")
    here = estate.places["101"]

    def written(text: str) -> list[int]:
        with estate.reading() as connection:
            return sorted(rooms_written(connection, estate.community, text))

    assert written("东湖小区 1 号楼 1 单元 101") == [here]
    assert written("1号楼1单元101") == [here]
    assert written("东湖小区10号楼 1 单元 101") == [there]
    assert written("1 单元 101") == sorted([here, there])
    assert written("1101") == written("101") == written("") == written("东湖小区") == []


def test_what_is_typed_is_no_pattern(estate: Estate) -> None:
    assert found(estate, "%") == found(estate, "_") == found(estate, " ") == []
    assert found(estate, "2 101") == []


def test_children_come_in_their_order_and_by_pages(estate: Estate) -> None:
    with estate.desk() as desk:
        for number in (10, 3):
            create_place(desk, estate.places["estate"], PlaceKind.BUILDING, f"{number} 号楼")
    with estate.reading() as connection:
        first = children(connection, estate.community, estate.places["estate"], limit=2)
        rest = children(connection, estate.community, estate.places["estate"], after=first[-1])
    assert [each.name for each in first + rest] == ["1 号楼", "2 号楼", "3 号楼", "10 号楼"]


def test_a_renamed_place_is_found_by_its_new_name_and_known_by_its_old_one_as_of_then(estate: Estate) -> None:
    unit = estate.places["unit"]
    with estate.desk(days=10) as desk:
        change_place(desk, unit, name="甲单元", reason="更名")
    with estate.desk(days=20) as desk:
        change_place(desk, unit, name="乙单元", reason="更名")
    assert found(estate, "ydy") == ["东湖小区 1 号楼 乙单元"]
    assert found(estate, "甲单元") == []
    with estate.reading() as connection:
        names = [name_as_of(connection, estate.community, unit, estate.at(day)) for day in (5, 15, 25)]
        assert names == ["1 单元", "甲单元", "乙单元"]
        spans = [(row.from_at, row.until_at) for row in formers(connection, estate.community, unit)]
    assert spans == [(estate.at(0), estate.at(10)), (estate.at(10), estate.at(20))]


def test_a_place_moves_with_all_that_lies_in_it_and_the_doors_on_both_ways_are_noted(estate: Estate) -> None:
    with estate.desk(days=1) as desk:
        change_place(desk, estate.places["unit"], parent=estate.places["west"], reason="登记有误")
    assert found(estate, "101") == ["东湖小区 2 号楼 1 单元 101"]
    assert {"east", "west"} <= {gateway for gateway, _ in estate.changed()}


def test_a_place_lies_neither_in_itself_nor_in_a_narrower_one(estate: Estate) -> None:
    with estate.desk() as desk:
        with pytest.raises(Clash, match="in itself"):
            change_place(desk, estate.places["east"], parent=estate.places["unit"], reason="x")
        with pytest.raises(BadQuestion, match="does not lie in"):
            create_place(desk, estate.places["101"], PlaceKind.FLOOR, "1 层")


def test_two_siblings_have_not_one_name_and_two_places_not_one_code(estate: Estate) -> None:
    with estate.desk() as desk:
        with pytest.raises(Clash, match="of this name"):
            create_place(desk, estate.places["unit"], PlaceKind.ROOM, "１０１")
        with pytest.raises(Clash, match="address code"):
            create_place(desk, estate.places["unit"], PlaceKind.ROOM, "103", "00000000100101")


def test_a_place_ends_only_when_nothing_is_left_in_it(estate: Estate) -> None:
    person = estate.person()
    estate.lives(person, "201")
    with estate.desk(days=1) as desk:
        with pytest.raises(Clash, match="still lies in it"):
            end_place(desk, estate.places["west"], reason="拆除")
        with pytest.raises(Clash, match="somebody lives there"):
            end_place(desk, estate.places["201"], reason="拆除")
        end_place(desk, estate.places["102"], reason="合并")
    assert found(estate, "102") == []
    with estate.reading() as connection:
        assert get_place(connection, estate.community, estate.places["102"]).until_us == estate.at(1)


def test_what_a_home_is_used_for_is_kept_with_its_history(estate: Estate) -> None:
    room = estate.places["101"]
    with estate.desk() as desk:
        set_use(desk, room, HomeUse.OWNER_OCCUPIED)
        with pytest.raises(Clash, match="already"):
            set_use(desk, room, HomeUse.OWNER_OCCUPIED)
        with pytest.raises(BadQuestion, match="is no room"):
            set_use(desk, estate.places["unit"], HomeUse.LET)
    with estate.desk(days=9) as desk:
        set_use(desk, room, HomeUse.LET)
    with estate.reading() as connection:
        assert uses(connection, estate.community, [room]) == {room: "let"}


EMPTY, LET, OWN, BUSINESS = HomeUse.EMPTY, HomeUse.LET, HomeUse.OWNER_OCCUPIED, HomeUse.BUSINESS


@pytest.mark.parametrize(
    ("written", "relations", "was_lived_in", "use"),
    [
        (None, [], False, None),
        (None, [], True, EMPTY),
        (EMPTY, [], False, EMPTY),
        (LET, [], False, LET),
        (LET, [], True, EMPTY),
        (BUSINESS, [], True, BUSINESS),
        (None, [Relation.OWNER], True, OWN),
        (EMPTY, [Relation.FAMILY, Relation.HOUSEHOLD_HELPER], True, OWN),
        (EMPTY, [Relation.OWNER, Relation.TENANT], True, LET),
        (EMPTY, [Relation.STAFF], True, BUSINESS),
        (LET, [Relation.OWNER], True, LET),
    ],
)
def test_a_home_is_empty_exactly_while_nobody_lives_there(
    written: HomeUse | None, relations: list[Relation], was_lived_in: bool, use: HomeUse | None
) -> None:
    assert lived_use(written, relations, was_lived_in=was_lived_in) == use


def test_moving_in_ends_an_empty_home_and_the_last_one_leaves_it_empty(estate: Estate) -> None:
    room = estate.places["101"]
    with estate.desk() as desk:
        set_use(desk, room, HomeUse.EMPTY)

    def now(days: float) -> tuple[str | None, str | None]:
        with estate.reading() as db:
            at_us = estate.at(days)
            (shown,) = [each for each in rooms_of(db, estate.community, room, at_us) if each.place.id == room]
            return shown.use, lived_uses(db, estate.community, [room], at_us).get(room)

    first = estate.lives(estate.person(), "101", Relation.TENANT, since=1)
    second = estate.lives(estate.person("王小花"), "101", Relation.TENANT_FAMILY, since=1)
    assert now(0.5) == ("empty", "empty"), "they come tomorrow"
    assert now(2) == ("let", "let")
    for at, home in ((3, first), (4, second)):
        with estate.desk(days=at) as desk:
            move_out(desk, home, at_us=desk.now_us, reason="搬走")
    assert now(3.5) == ("let", "let")
    assert now(5) == ("empty", "empty")
    wrong = estate.lives(estate.person("王小红"), "102", since=1)
    with estate.desk(days=2) as desk:
        correct_residency(desk, wrong, reason="登记错误", instead=None)
    with estate.reading() as db:
        assert lived_uses(db, estate.community, [estate.places["102"]], estate.at(3)) == {}, "nobody ever did"


def test_a_place_of_another_community_is_not_there(estate: Estate) -> None:
    with writing(estate.engine) as connection:
        other = create_community(
            connection, estate.vault, "000000002", "西湖社区", account=1, now_us=estate.now_us
        )
        desk = desk_of(connection, estate.vault, other, account=1, now_us=estate.now_us)
        with pytest.raises(NotThere):
            create_place(desk, estate.places["unit"], PlaceKind.ROOM, "103")
        with pytest.raises(Clash, match="another community"):
            add_site(desk, SITE)
        with pytest.raises(BadQuestion, match="no such site"):
            place_door(desk, SITE, EAST, "east-front", root_of(connection, other).id)
        with pytest.raises(NotThere):
            desk_of(connection, estate.vault, 99, account=1, now_us=estate.now_us)
