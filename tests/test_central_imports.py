"""A spreadsheet into the register: what a preview says, what consent does, what an undo takes back."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from imports_support import Importing, a_csv, a_row
from register_support import DAY_US, EAST, GATE, a_number, an_estate, copied_estate
from sqlalchemy import Engine, update

from central.errors import Clash, NotThere
from central.register.credential_life import CredentialAct
from central.register.credentials import change
from central.register.imports import jobs, work
from central.register.imports.states import ImportState, Outcome
from central.register.imports.work import TakenOver
from central.register.people import identity_of
from central.register.residencies import Arrival, move_in
from central.register.words import Relation
from central.store.engine import writing
from central.store.import_tables import import_row
from central.store.register_tables import (
    credential,
    home_use,
    person,
    place,
    register_event,
    residency,
    rights_changed,
    tenancy,
)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Importing]:
    with copied_estate(tmp_path) as estate:
        yield Importing(estate)


@pytest.fixture
def either(engine: Engine, tmp_path: Path) -> Importing:
    """On both engines."""
    return Importing(an_estate(engine, tmp_path))


A_FAMILY = [
    a_row(1, 单元="1单元", 房屋用途="自住"),
    a_row(2, 单元="1单元", 姓名="李芳", 与房屋关系="家人"),
    a_row(
        3, 单元="1单元", 室="102", 姓名="赵租客", 与房屋关系="租客", 租期起="2026-01-05", 租期止="2027-01-05"
    ),
    {"小区": "东湖小区", "楼栋": "3号楼", "单元": "1单元", "室": "103", "房屋用途": "空置"},
]


def test_a_file_becomes_homes_people_leases_and_cards_that_open_doors(either: Importing) -> None:
    before = either.there()
    number = either.brought(a_csv(A_FAMILY))
    assert either.state(number) is ImportState.PREVIEW
    assert either.counts(number) == (4, 0, 0, 0)
    assert either.there() == before  # a preview writes nothing
    either.agreed(number)
    assert either.state(number) is ImportState.DONE
    after = either.there()
    more = {name: after[name] - before[name] for name in before if name != "events"}
    assert more == {"places": 5, "uses": 2, "people": 3, "holders": 3, "leases": 1, "homes": 3, "cards": 3}
    assert either.estate.doors(GATE, "04A10001") == ("gate-in",)
    tenant = either.estate.listed(GATE, "04A10003")
    assert tenant.category == "tenant"
    assert tenant.until_us is not None  # the lease, with its grace


def test_the_same_file_again_changes_nothing(either: Importing) -> None:
    either.imported(A_FAMILY)
    before = either.there()
    number = either.brought(a_csv(A_FAMILY))
    assert either.counts(number) == (0, 0, 4, 0)
    with pytest.raises(Clash, match="nothing to import"), either.estate.desk() as desk:
        jobs.consent(desk, number, without_wrong=True)
    assert either.there() == before


def test_what_an_import_did_stands_in_the_history_as_if_done_by_hand(here: Importing) -> None:
    number = here.imported(A_FAMILY)
    acts = [
        row.act for row in here.all_of(register_event) if json.loads(row.body or "{}").get("import") == number
    ]
    counted = {act: acts.count(act) for act in acts}
    assert counted == {
        "place_created": 5,
        "home_use_set": 2,
        "person_registered": 3,
        "lease_made": 1,
        "moved_in": 3,
        "credential_issued": 3,
    }
    begun, ended = (row for row in here.all_of(register_event) if row.subject == "register_import")
    assert (begun.act, ended.act) == ("import_begun", "import_ended")


def test_gateways_get_one_whole_list_when_it_ends_and_not_one_for_each_person(either: Importing) -> None:
    with writing(either.estate.engine) as connection:
        connection.execute(rights_changed.delete())
    either.imported([a_row(1, 楼栋="1 号楼", 单元="1 单元"), a_row(2), a_row(3)])
    assert either.estate.changed() == {(GATE, None), (EAST, None)}


# --- what is known again


def test_differences_are_shown_old_and_new_with_identity_masked(here: Importing) -> None:
    here.imported([a_row(1, 姓名="王小明")])
    number = here.brought(a_csv([a_row(1, 姓名="张大力", 电话="13900001234")]))
    (row,) = here.rows(number)
    assert row.outcome is Outcome.CHANGED
    assert row.kept is not None
    told = [(each.field.value, each.old, each.new) for each in row.kept.differences]
    assert told == [("name", "王**", "张**"), ("phone", "****001", "****234")]
    here.agreed(number)
    (mine,) = here.all_of(person, number_index=here.all_of(person)[0].number_index)
    with here.estate.desk() as desk:
        identity = identity_of(desk, mine)
    assert (identity.name, identity.phone) == ("张大力", "13900001234")


NO_HOME = dict.fromkeys(("小区", "楼栋", "室", "与房屋关系", "入住日期"))


@pytest.mark.parametrize(
    "second",
    [
        pytest.param({"电话": None, "卡类型": "EM卡", "卡号": "2A00BC614E"}, id="by the home"),
        pytest.param({**NO_HOME, "卡类型": "EM卡", "卡号": "2A00BC614E"}, id="by the phone"),
        pytest.param({"楼栋": "4号楼", "电话": None}, id="by the card"),
    ],
)
def test_somebody_without_a_number_in_the_row_is_known_by_their_name_and_something_else(
    here: Importing, second: dict[str, Any]
) -> None:
    here.imported([a_row(1)])
    number = here.imported([a_row(1, **{"证件号码": None, **second})])
    assert here.counts(number) == (0, 1, 0, 0)
    assert len(here.all_of(person)) == 1


def test_two_people_of_one_name_and_home_need_their_numbers(here: Importing) -> None:
    here.imported([a_row(1), a_row(2)])
    row = a_row(3, 证件号码=None, 电话=None, 卡类型=None, 卡号=None)
    assert here.faults(row) == [(2, "number", "ambiguous")]


def test_a_number_is_added_to_whoever_had_none(here: Importing) -> None:
    here.imported([a_row(1, 证件号码=None)])
    number = here.imported([a_row(1)])
    assert here.counts(number) == (0, 1, 0, 0)
    (row,) = here.all_of(person)
    assert (row.document_type, row.number_index is None) == ("resident_id", False)


def test_a_building_is_known_by_its_name_with_or_without_spaces(here: Importing) -> None:
    before = len(here.all_of(place))
    here.imported([a_row(1, 楼栋="1号楼", 单元="1单元", 室="101")])
    assert len(here.all_of(place)) == before
    assert here.all_of(residency)[0].place_id == here.estate.places["101"]


def test_a_home_is_known_by_its_address_code_alone(here: Importing) -> None:
    here.imported([a_row(1, 小区=None, 楼栋=None, 室=None, 地址编码="00000000100101")])
    assert here.all_of(residency)[0].place_id == here.estate.places["101"]


def test_a_new_end_of_lease_residency_and_card_extends_and_ends_them(here: Importing) -> None:
    row = a_row(1, 租期起="2026-01-05", 租期止="2027-01-05", 卡有效期起="2026-01-05", 卡有效期止="2027-01-05")
    here.imported([row])
    number = here.imported(
        [{**row, "租期止": "2028-01-05", "卡有效期止": "2028-01-05", "迁出日期": "2028-02-01"}]
    )
    assert here.counts(number) == (0, 1, 0, 0)
    (lease,), (card,), (home,) = here.all_of(tenancy), here.all_of(credential), here.all_of(residency)
    year = 365 * DAY_US
    assert lease.until_at - lease.from_at == card.valid_until - card.valid_from == 2 * year
    assert home.until_at > lease.until_at
    assert card.state == "extended"


def test_another_relation_corrects_the_residency_and_the_wrong_one_stays_voided(here: Importing) -> None:
    here.imported([a_row(1)])
    here.imported([a_row(1, 与房屋关系="家人")])
    wrong, right = here.all_of(residency)
    assert (wrong.relation, wrong.voided_at is None) == ("owner", False)
    assert (right.relation, right.corrects, right.from_at) == ("family", wrong.id, wrong.from_at)


# --- wrong rows


def test_good_rows_are_imported_after_consent_and_each_wrong_one_is_told(either: Importing) -> None:
    rows = [a_row(serial, 室=str(100 + serial)) for serial in range(1, 21)]
    rows[4]["证件号码"] = a_number(5)[:-1] + ("0" if a_number(5)[-1] != "0" else "1")
    rows[9]["与房屋关系"] = "朋友"
    number = either.brought(a_csv(rows))
    assert either.counts(number) == (18, 0, 0, 2)
    told = [
        (row.number, row.faults[0].field, row.faults[0].code) for row in either.rows(number, Outcome.WRONG)
    ]
    assert told == [(6, "number", "number_check"), (11, "relation", "word")]
    with pytest.raises(Clash, match="2 rows are wrong"), either.estate.desk() as desk:
        jobs.consent(desk, number, without_wrong=False)
    either.agreed(number)
    assert len(either.all_of(person)) == 18
    kept = {row.number: row.kept for row in either.rows(number)}
    assert kept[2] is None  # imported, and forgotten here
    assert kept[6] is not None


@pytest.mark.parametrize(
    ("row", "column", "code"),
    [
        ({"小区": None, "楼栋": None, "室": None, "地址编码": "0000"}, "code", "code_unknown"),
        ({"地址编码": "00000000100101"}, "code", "code_taken"),
        ({"楼栋": "1 号楼", "单元": "1 单元", "地址编码": "0007"}, "code", "other_code"),
        ({"楼栋": None, "单元": "1 号楼"}, "unit", "other_kind"),
        (
            {
                "证件号码": None,
                "小区": None,
                "楼栋": None,
                "室": None,
                "电话": None,
                "与房屋关系": None,
                "入住日期": None,
                "卡类型": None,
                "卡号": None,
            },
            "number",
            "find_again",
        ),
        ({"与房屋关系": None}, "relation", "relation_missing"),
        ({"入住日期": None, "迁出日期": "2020-01-01"}, "until", "ends_before"),
        ({"卡有效期止": "2020-01-01"}, "card_until", "ends_before"),
        ({"卡号": "04FFFFFF"}, "card", "card_taken"),
    ],
)
def test_what_the_register_does_not_allow_is_told_at_its_column(
    here: Importing, row: dict[str, Any], column: str, code: str
) -> None:
    here.estate.card(here.estate.person(), "04FFFFFF")
    wanted = a_row(500, **row)
    assert here.faults(wanted) == [(2, column, code)]


def test_rows_of_one_file_must_agree(here: Importing) -> None:
    found = here.faults(
        a_row(1, 房屋用途="自住"),
        a_row(1, 姓名="张大力"),
        a_row(1, 与房屋关系="租客"),
        a_row(2, 房屋用途="出租"),
    )
    assert found == [
        (3, "number", "contradicts"),
        (4, "relation", "contradicts"),
        (5, "use", "contradicts"),
    ]


def test_what_is_only_extended_here_is_not_shortened(here: Importing) -> None:
    row = a_row(1, 租期起="2026-01-05", 租期止="2028-01-05", 卡有效期止="2028-01-05")
    here.imported([row])
    assert here.faults({**row, "租期止": "2027-01-05"}, {**row, "卡有效期止": "2027-01-05"}) == [
        (2, "lease_until", "lease_end_past"),
        (3, "card_until", "card_end_past"),
    ]


def test_a_lost_card_is_not_extended(here: Importing) -> None:
    row = a_row(1, 卡有效期止="2028-01-05")
    here.imported([row])
    (card,) = here.all_of(credential)
    with here.estate.desk() as desk:
        change(desk, card.id, CredentialAct.REPORT_LOST)
    assert here.faults({**row, "卡有效期止": "2029-01-05"}) == [(2, "card", "card_lost")]
    assert here.faults(row) == []


def test_somebody_who_moved_out_is_not_moved_in_again_by_the_same_file(here: Importing) -> None:
    here.imported([a_row(1)])
    with here.estate.desk(days=3) as desk:
        desk.connection.execute(update(residency).values(until_at=desk.now_us - 1))
    here.days = 4
    assert here.counts(here.brought(a_csv([a_row(1)]))) == (0, 0, 1, 0)


# --- left and come back to


def test_a_row_whose_register_changed_since_the_preview_is_left_out_and_told(either: Importing) -> None:
    number = either.brought(a_csv([a_row(1), a_row(2)]))
    either.estate.person("张大力", number=a_number(1))
    either.agreed(number)
    assert either.counts(number) == (1, 0, 0, 1)
    (wrong,) = either.rows(number, Outcome.WRONG)
    assert (wrong.number, [fault.code for fault in wrong.faults]) == (2, ["changed_meanwhile"])


def test_a_killed_process_leaves_whole_parts_and_the_next_one_goes_on(
    either: Importing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "WRITE_AT_ONCE", 3)
    number = either.brought(a_csv([a_row(serial, 室=str(serial)) for serial in range(1, 11)]))
    with either.estate.desk() as desk:
        jobs.consent(desk, number, without_wrong=False)
    dead = either.another("dead", parts=2)
    dead._claim(number)
    assert dead._import_part(number)
    assert dead._import_part(number)  # and then it is killed: nothing is released
    assert (either.row(number).steps_done, len(either.all_of(person))) == (6, 6)
    assert either.worker.due() is None  # it might live
    with pytest.raises(TakenOver):
        either.worker.work(number)
    either.days = 1
    assert either.worker.due().id == number
    either.worker.work(number)
    assert either.state(number) is ImportState.DONE
    assert len(either.all_of(person)) == len(either.all_of(credential)) == 10
    with pytest.raises(TakenOver):
        dead._import_part(number)


def test_a_process_killed_while_reading_begins_the_file_again(
    here: Importing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "READ_AT_ONCE", 2)
    with here.estate.desk() as desk:
        number = jobs.begin(desk, a_csv([a_row(serial) for serial in range(1, 6)]))
    with pytest.raises(TakenOver):
        here.another("dead", parts=1).work(number)
    assert len(here.all_of(import_row)) == 2
    here.worker.work(number)
    assert (here.state(number), here.counts(number)) == (ImportState.PREVIEW, (5, 0, 0, 0))


def test_a_stopped_import_goes_on_with_a_further_consent(
    here: Importing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "WRITE_AT_ONCE", 2)
    number = here.brought(a_csv([a_row(serial) for serial in range(1, 6)]))
    with here.estate.desk() as desk:
        jobs.consent(desk, number, without_wrong=False)
    here.worker._claim(number)
    here.worker._import_part(number)
    with here.estate.desk() as desk:
        jobs.stop(desk, number)
    with pytest.raises(TakenOver):
        here.worker._import_part(number)
    assert (here.state(number), len(here.all_of(person))) == (ImportState.STOPPED, 2)
    assert here.estate.changed()  # whoever is in already gets to the doors
    here.agreed(number)
    assert (here.state(number), len(here.all_of(person))) == (ImportState.DONE, 5)


def test_what_cannot_go_on_says_so(here: Importing) -> None:
    number = here.brought(a_csv([a_row(1)]))
    with here.estate.desk() as desk:
        jobs.consent(desk, number, without_wrong=False)
    here.worker._claim(number)
    here.worker.give_up(number, "the disk is full")
    row = here.row(number)
    assert (row.state, row.trouble) == ("stopped", "the disk is full")
    here.agreed(number)
    assert (here.row(number).trouble, here.state(number)) == (None, ImportState.DONE)


# --- undo


def test_an_undo_takes_all_of_it_back_and_the_history_stays(either: Importing) -> None:
    before = either.there()
    number = either.imported(A_FAMILY)
    either.days = 1
    either.undone(number)
    assert either.state(number) is ImportState.UNDONE
    assert either.rows(number, kept=True) == []
    assert {row.state for row in either.all_of(credential)} == {"returned"}
    assert {row.state for row in either.all_of(person)} == {"deregistered"}
    assert None not in {row.voided_at for row in either.all_of(residency)}
    assert None not in {row.voided_at for row in either.all_of(tenancy)}
    assert len([row for row in either.all_of(place) if row.until_at is None]) == before["places"]
    assert either.estate.doors(GATE, "04A10001", days=1) is None
    assert either.there()["events"] == before["events"] + 17 + 17 + 3
    assert either.counts(either.imported(A_FAMILY)) == (4, 0, 0, 0)  # and may be imported again
    assert either.estate.doors(GATE, "04A10001", days=1) == ("gate-in",)


def test_an_undo_writes_back_what_was_corrected_extended_ended_and_set(either: Importing) -> None:
    before = a_row(1, 租期起="2026-01-05", 租期止="2027-01-05", 卡有效期止="2027-01-05", 房屋用途="自住")
    either.imported([before])
    number = either.imported(
        [
            {
                **before,
                "姓名": "张大力",
                "租期止": "2028-01-05",
                "卡有效期止": "2028-01-05",
                "房屋用途": "出租",
                "迁出日期": "2028-01-01",
                "地址编码": "0008",
            }
        ]
    )
    assert either.counts(number) == (0, 1, 0, 0)
    either.days = 1
    either.undone(number)
    assert either.rows(number, kept=True) == []
    again = either.brought(a_csv([before]))
    assert either.counts(again) == (0, 0, 1, 0)
    assert [row.use for row in either.all_of(home_use) if row.until_at is None] == ["owner_occupied"]
    assert either.all_of(place, name="101")[-1].code is None


def test_an_undo_writes_back_a_corrected_residency(here: Importing) -> None:
    here.imported([a_row(1)])
    number = here.imported([a_row(1, 与房屋关系="租客", 入住日期="2026-02-01")])
    here.undone(number)
    assert here.counts(here.brought(a_csv([a_row(1)]))) == (0, 0, 1, 0)
    assert len([row for row in here.all_of(residency) if row.voided_at is None]) == 1


def test_what_something_builds_on_is_kept_and_its_row_says_why(here: Importing) -> None:
    number = here.imported([a_row(1), a_row(2, 室="102"), a_row(3, 室="103")])
    first, second, _ = (row.id for row in here.all_of(person))
    lived_in, card = here.all_of(place, name="102")[-1].id, here.all_of(credential)[0].id
    with here.estate.desk(days=1) as desk:
        change(desk, card, CredentialAct.REPORT_LOST)
        move_in(desk, Arrival(first, lived_in, Relation.FAMILY), since_us=desk.now_us)
    here.days = 2
    here.undone(number)
    kept = {row.number: row.kept_because for row in here.rows(number, kept=True)}
    assert kept == {2: ["card_changed", "person_lives", "place_holds"], 3: ["place_lived_in"]}
    states = {row.id: row.state for row in here.all_of(person)}
    assert (states[first], states[second]) == ("registered", "deregistered")
    with pytest.raises(Clash, match="nothing to undo"):
        here.undone(number)


def test_a_killed_undo_goes_on(here: Importing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("central.register.imports.undoing.AT_ONCE", 4)
    number = here.imported(A_FAMILY)
    with here.estate.desk(days=1) as desk:
        jobs.undo(desk, number, reason="错了")
    here.days = 1
    here.worker._claim(number)
    assert here.worker._undo_part(number)
    row = here.row(number)
    assert 0 < row.steps_done < row.steps
    here.days = 2
    here.another("second").work(number)
    row = here.row(number)
    assert (row.state, row.steps_done) == ("undone", row.steps)
    assert {each.state for each in here.all_of(person)} == {"deregistered"}


# --- what is kept


def test_a_discarded_preview_is_forgotten_at_once_and_an_old_one_in_time(here: Importing) -> None:
    first, second = here.brought(a_csv([a_row(1)])), here.brought(a_csv([a_row(2)]))
    third = here.imported([a_row(3), a_row(4, 与房屋关系="朋友")])
    with here.estate.desk() as desk:
        jobs.discard(desk, first)
    assert here.rows(first) == []
    with here.estate.desk(days=6.9) as desk:
        assert jobs.forget_imports(desk.connection, desk.now_us) == 0
    with here.estate.desk(days=7) as desk:
        assert jobs.forget_imports(desk.connection, desk.now_us) == 2
    assert (here.state(first), here.state(second)) == (ImportState.DISCARDED, ImportState.DISCARDED)
    assert here.rows(second) == []
    assert [(row.number, row.kept) for row in here.rows(third)] == [(2, None), (3, None)]
    with pytest.raises(Clash, match="only a preview"), here.estate.desk() as desk:
        jobs.consent(desk, second, without_wrong=False)


def test_nothing_of_a_file_lies_in_the_database_in_clear(here: Importing, tmp_path: Path) -> None:
    rows = [a_row(1, 姓名="欧阳千寻", 备注="备注列"), a_row(2, 姓名="欧阳千寻", 与房屋关系="朋友")]
    with here.estate.desk() as desk:
        number = jobs.begin(desk, a_csv(rows))
    files = list(tmp_path.rglob("central.sqlite*"))
    secrets = ["欧阳千寻", a_number(1), "13800000001", "04A10001", "备注列"]

    def found() -> list[str]:
        held = b"".join(path.read_bytes() for path in files)
        return [each for each in secrets if each.encode() in held]

    assert found() == []
    here.worker.work(number)
    assert found() == []
    here.agreed(number)
    assert found() == []


def test_another_communitys_import_is_not_there(here: Importing) -> None:
    number = here.brought(a_csv([a_row(1)]))
    with here.estate.reading() as connection, pytest.raises(NotThere):
        jobs.one_import(connection, here.estate.community + 1, number)
