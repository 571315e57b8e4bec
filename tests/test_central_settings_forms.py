"""Settings of doors as people write them: a form for one door, and mistakes told where they stand."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from central.console.pages.operations.door_form import DoorForm, Row, changed, form_of, together, typed
from central.console.pages.operations.faults import NotAForm, told_of
from central.fleet.settings_differences import Clashing, put_on_top
from central.fleet.settings_faults import Broken, fault_of

NIGHT = {"from": "22:00", "to": "06:00", "days": ["mon", "sun"]}
WEEKDAYS = frozenset({"mon", "tue", "wed", "thu", "fri"})
OFFICE = Row(WEEKDAYS, "08:00", "18:00")
SHARED: dict[str, Any] = {
    "schedules": {"night": {"windows": [NIGHT]}},
    "doors": {
        "lobby": {"windows": [{"schedule": "night", "asks_pin": True}], "outside": "yard", "inside": "hall"},
        "garage": {"windows": [{"schedule": "night", "mode": "locked_down"}]},
    },
}


# --- mistakes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "broken", "place"),
    [
        pytest.param({"door": {}}, Broken.UNKNOWN, (), id="a part that is not known"),
        pytest.param({"pass_keys": []}, Broken.OWN, (), id="the centre's own"),
        pytest.param({"doors": []}, Broken.KIND, ("doors",), id="a part of another kind"),
        pytest.param(
            {"doors": {"a": {}, "b": {"mode": "opn"}}}, Broken.WORD, ("doors", "b", "mode"), id="a word"
        ),
        pytest.param({"doors": {"b": {"pin": True}}}, Broken.UNKNOWN, ("doors", "b"), id="a field"),
        pytest.param({"doors": {"Hall A": {}}}, Broken.NAME, ("doors", "Hall A"), id="a name"),
        pytest.param({"groups": {"g": ["A B"]}}, Broken.NAME, ("groups", "g", "1"), id="a name in a list"),
        pytest.param(
            {"holidays": {"h": ["2027-13-01"]}}, Broken.DATE, ("holidays", "h", "1"), id="no day of any year"
        ),
        pytest.param(
            {"schedules": {"n": {"windows": [NIGHT, {**NIGHT, "from": "25:00"}]}}},
            Broken.TIME,
            ("schedules", "n", "windows", "2", "from"),
            id="no time of day",
        ),
        pytest.param({"schedules": {"n": {}}}, Broken.MISSING, ("schedules", "n"), id="a field that lacks"),
        pytest.param(
            {"schedules": {"n": {"windows": [{**NIGHT, "days": []}]}}},
            Broken.LENGTH,
            ("schedules", "n", "windows", "1", "days"),
            id="no days",
        ),
        pytest.param(
            {"areas": {"yard": {"passback": "soft", "forget_after_min": 0}}},
            Broken.BOUND,
            ("areas", "yard", "forget_after_min"),
            id="too small a number",
        ),
        pytest.param(
            {"interlocks": [{"doors": ["a"]}]},
            Broken.LENGTH,
            ("interlocks", "1", "doors"),
            id="one of a pair",
        ),
        pytest.param(
            {"doors": {"a": {}, "b": {"windows": [{"schedule": "n"}]}}},
            Broken.NO_SUCH_SCHEDULE,
            ("doors", "b"),
            id="a schedule that is not there",
        ),
        pytest.param(
            {"schedules": {"a": {"windows": [NIGHT]}, "b": {"windows": [{**NIGHT, "to": "22:00"}]}}},
            Broken.SAME_HOURS,
            ("schedules", "b"),
            id="hours without length",
        ),
        pytest.param(
            {"doors": {"b": {"outside": "a"}}}, Broken.ONE_SIDE, ("doors", "b"), id="one side alone"
        ),
        pytest.param(
            {"interlocks": [{"doors": ["a", "a"]}]},
            Broken.PAIRED_WITH_ITSELF,
            ("interlocks",),
            id="a door with itself",
        ),
    ],
)
def test_a_mistake_is_found_where_it_stands(
    said: dict[str, Any], broken: Broken, place: tuple[str, ...]
) -> None:
    fault = fault_of(said)
    assert fault is not None
    assert (fault.broken, fault.place) == (broken, place)
    told = told_of(fault)
    assert "%(" not in told.sentence % told.values, "every gap of the sentence is filled"


def test_what_may_stand_there_is_listed() -> None:
    found = fault_of({"doors": {"b": {"windows": [{"schedule": "n", "mode": "x"}]}}})
    assert found is not None
    assert dict(found.values)["known"] == "controlled, free, locked_down"


def test_settings_without_a_mistake_have_none() -> None:
    assert fault_of(SHARED) is None
    assert fault_of({}) is None


# --- the form of a door -----------------------------------------------------------------------------------


def test_what_a_form_says_is_what_it_shows_again() -> None:
    form = DoorForm(
        mode="controlled",
        asks_pin="yes",
        minimum="L2",
        admits=frozenset({"listed", "pass"}),
        free=(OFFICE,),
        locked=(Row(frozenset({"sun"}), "22:00", "00:00"),),
    )
    made = changed({}, "hall", form)
    assert fault_of(made) is None
    assert form_of(made, "hall") == form
    assert made["doors"]["hall"]["windows"] == [
        {"mode": "locked_down", "schedule": "hall-shut"},
        {"mode": "free", "schedule": "hall-free"},
    ]
    assert made["schedules"]["hall-shut"]["windows"][0]["to"] == "24:00"


def test_an_empty_form_leaves_nothing_behind() -> None:
    made = changed({}, "hall", DoorForm(free=(OFFICE,), mode="free"))
    assert changed(made, "hall", DoorForm()) == {}


def test_hours_that_other_doors_share_and_sides_stay_as_they_are() -> None:
    before = copy.deepcopy(SHARED)
    form = form_of(SHARED, "lobby")
    assert (form.free, form.locked, form.others) == ((), (), ("night",))
    made = changed(SHARED, "lobby", DoorForm(free=(OFFICE,)))
    assert before == SHARED, "what holds is not touched"
    assert made["doors"]["lobby"] == {
        "windows": [{"mode": "free", "schedule": "lobby-free"}, {"schedule": "night", "asks_pin": True}],
        "outside": "yard",
        "inside": "hall",
    }
    assert made["doors"]["garage"] == SHARED["doors"]["garage"]
    assert changed(made, "lobby", form_of(SHARED, "lobby")) == SHARED


def test_hours_by_which_people_have_rights_are_not_the_door_s_own() -> None:
    """Else whoever changes a door's hours would let helpers in at others, or not at all."""
    written = {
        "schedules": {"office": {"windows": [NIGHT]}},
        "doors": {"hall": {"windows": [{"schedule": "office", "mode": "free"}]}},
    }
    form = form_of(written, "hall", {"office"})
    assert (form.free, form.others) == ((), ("office",))
    assert changed(written, "hall", form, {"office"}) == written
    made = changed({}, "hall", DoorForm(free=(OFFICE,)), {"hall-free"})
    assert list(made["schedules"]) == ["hall-free-2"], "a right has that name already"


def test_a_name_that_is_taken_is_not_taken_again() -> None:
    taken = {"schedules": {"hall-free": {"windows": [NIGHT]}}}
    made = changed(taken, "hall", DoorForm(free=(OFFICE,)))
    assert made["doors"]["hall"]["windows"] == [{"mode": "free", "schedule": "hall-free-2"}]
    long = changed({}, "a" * 32, DoorForm(free=(OFFICE,)))
    assert fault_of(long) is None


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(Row(WEEKDAYS, "08:00", ""), id="no end"),
        pytest.param(Row(frozenset(), "08:00", "18:00"), id="no days"),
        pytest.param(Row(WEEKDAYS, "8 o'clock", "18:00"), id="no time"),
        pytest.param(Row(WEEKDAYS, "08:00", "08:00"), id="no length"),
    ],
)
def test_a_row_that_is_not_whole_is_told_by_its_number(row: Row) -> None:
    with pytest.raises(NotAForm) as refused:
        changed({}, "hall", DoorForm(free=(OFFICE, row)))
    assert refused.value.told.values["row"] == 2


def test_what_was_typed_is_read_as_far_as_it_can_be() -> None:
    fields = {
        "mode": ["free"],
        "minimum": ["L9"],
        "admits": ["pass", "everybody"],
        "free-1-days": ["mon", "someday"],
        "free-1-from": [" 08:00 "],
        "free-1-to": ["18:00"],
    }
    form = typed(fields, ("night",))
    assert form == DoorForm(
        mode="free",
        admits=frozenset({"pass"}),
        free=(Row(frozenset({"mon"}), "08:00", "18:00"),),
        others=("night",),
    )


# --- changes of two ---------------------------------------------------------------------------------------


def doors(**rules: dict[str, Any]) -> dict[str, Any]:
    return {"doors": rules}


ONE, TWO = {"minimum_assurance": "L1"}, {"minimum_assurance": "L2"}
FREE, SHUT = {"mode": "free"}, {"mode": "locked_down"}
DAY = {"from": "08:00", "to": "18:00", "days": ["mon"]}
HOURS = {"schedules": {"day": {"windows": [DAY]}}}
LONGER = {"schedules": {"day": {"windows": [{**DAY, "to": "20:00"}]}}}


@pytest.mark.parametrize(
    ("before", "theirs", "own", "together_"),
    [
        pytest.param({}, doors(a=ONE), doors(b=TWO), doors(a=ONE, b=TWO), id="of different doors"),
        pytest.param(
            doors(a=FREE), doors(a=FREE | ONE), doors(a=SHUT), doors(a=SHUT | ONE), id="of one door"
        ),
        pytest.param(doors(a=FREE), doors(a=FREE | ONE), {}, doors(a=ONE), id="taken out, and added to"),
        pytest.param(doors(a=FREE, b=ONE), doors(b=ONE), doors(a=FREE, b=TWO), doors(b=TWO), id="taken out"),
        pytest.param(doors(a=FREE), {}, {}, {}, id="taken out by both"),
        pytest.param(doors(a=FREE), doors(a=SHUT), doors(a=SHUT), doors(a=SHUT), id="the same by both"),
        pytest.param(HOURS, LONGER, HOURS | doors(a=ONE), LONGER | doors(a=ONE), id="a list"),
    ],
)
def test_changes_of_two_stand_together(
    before: dict[str, Any], theirs: dict[str, Any], own: dict[str, Any], together_: dict[str, Any]
) -> None:
    for one, other in ((theirs, own), (own, theirs)):
        found = put_on_top(before, one, other)
        assert (found.own_first, found.theirs_first, found.clashing) == (together_, together_, [])


@pytest.mark.parametrize(
    ("before", "theirs", "own", "clashing"),
    [
        pytest.param(
            doors(a=FREE),
            doors(a=SHUT),
            {},
            Clashing("doors.a.mode", "free", "locked_down", None),
            id="a word",
        ),
        pytest.param(
            {}, doors(a=ONE), doors(a=TWO), Clashing("doors.a.minimum_assurance", None, "L1", "L2"), id="new"
        ),
        pytest.param(
            {"groups": {"g": ["a"]}},
            {"groups": {"g": ["a", "b"]}},
            {"groups": {"g": ["a", "c"]}},
            Clashing("groups.g", "a", "a, b", "a, c"),
            id="a list is whole",
        ),
        pytest.param(
            HOURS,
            LONGER,
            {"schedules": {"day": {"windows": [{**DAY, "to": "19:00"}]}}},
            Clashing("schedules.day.windows[1].to", "18:00", "20:00", "19:00"),
            id="hours",
        ),
    ],
)
def test_where_two_changed_the_same_each_stands_beside_the_other(
    before: dict[str, Any], theirs: dict[str, Any], own: dict[str, Any], clashing: Clashing
) -> None:
    found = put_on_top(before, theirs, own)
    assert (found.own_first, found.theirs_first, found.clashing) == (own, theirs, [clashing])


def test_hours_that_one_took_out_and_the_other_changed_are_never_half_there() -> None:
    found = put_on_top(HOURS, {}, LONGER)
    assert (found.own_first, found.theirs_first) == (LONGER, {})
    assert {each.place for each in found.clashing} == {
        "schedules.day.windows[1].from",
        "schedules.day.windows[1].to",
        "schedules.day.windows[1].days",
    }


def test_a_form_keeps_what_was_typed_and_takes_what_others_changed() -> None:
    before, theirs = DoorForm(mode="free", minimum="L1"), DoorForm(mode="locked_down", minimum="L3")
    own = DoorForm(mode="free", minimum="L2", free=(OFFICE,))
    assert together(before, theirs, own) == DoorForm(mode="locked_down", minimum="L2", free=(OFFICE,))
