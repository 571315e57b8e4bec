"""What holds at a door now: windows before the door's rule before the gateway's own settings."""

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from drivers.base import Assurance
from gateway.decision import Admission, DoorPolicy
from gateway.rulebook import CLOCK_TOLERANCE_US, NO_SETTINGS, Rulebook
from messages.model import Direction
from messages.site_settings import CategoryRules, DoorMode, Passback, decode_site_settings

SHANGHAI = ZoneInfo("Asia/Shanghai")
HOUR_US = 3_600_000_000
MIDNIGHT_US = 1_795_017_600_000_000  # Thursday 19 November 2026, 00:00 in Shanghai
LOCAL = DoorPolicy(frozenset({Admission.LISTED}), Assurance.L1, asks_pin=False)
EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def hours(begins: str, ends: str, days: list[str] = EVERY_DAY) -> dict[str, Any]:
    return {"windows": [{"days": days, "from": begins, "to": ends}]}


def a_book(issued_us: int = MIDNIGHT_US - 30 * 24 * HOUR_US, **parts: Any) -> Rulebook:
    body = json.dumps({"v": 1, "revision": 1, "issued_us": issued_us, **parts}).encode()
    return Rulebook(decode_site_settings(body), {"lobby": LOCAL, "yard": LOCAL}, SHANGHAI)


def at(hour: float) -> int:
    return MIDNIGHT_US + int(hour * HOUR_US)


def test_without_settings_the_gateways_own_hold() -> None:
    rule = Rulebook(NO_SETTINGS, {"lobby": LOCAL}, SHANGHAI).at("lobby", at(12))
    assert (rule.policy, rule.mode, rule.first_person) == (LOCAL, DoorMode.CONTROLLED, None)


def test_a_door_that_nobody_spoke_of_admits_the_listed() -> None:
    assert Rulebook(NO_SETTINGS, {}, SHANGHAI).at("cellar", at(12)).policy == DoorPolicy()


def test_what_the_settings_say_of_a_door_goes_before_that_and_the_rest_stays() -> None:
    rule = a_book(doors={"lobby": {"admits": ["pass"], "mode": "locked_down"}}).at("lobby", at(12))
    assert rule.policy == DoorPolicy(frozenset({Admission.PASS}), Assurance.L1, asks_pin=False)
    assert rule.mode is DoorMode.LOCKED_DOWN


def test_a_window_says_what_holds_in_its_hours() -> None:
    book = a_book(
        schedules={"night": hours("22:00", "06:00")},
        doors={
            "lobby": {
                "minimum_assurance": "L2",
                "windows": [{"schedule": "night", "asks_pin": True, "first_person": "guard"}],
            }
        },
    )
    night, day = book.at("lobby", at(23)), book.at("lobby", at(12))
    assert night.policy == DoorPolicy(LOCAL.admits, Assurance.L2, asks_pin=True)
    assert (night.first_person, night.since_us) == ("guard", at(22))
    assert day.policy == DoorPolicy(LOCAL.admits, Assurance.L2, asks_pin=False)
    assert (day.first_person, day.since_us) == (None, MIDNIGHT_US)


def test_of_windows_that_hold_together_the_first_speaks() -> None:
    book = a_book(
        schedules={"noon": hours("11:00", "13:00"), "day": hours("08:00", "18:00")},
        doors={
            "lobby": {
                "windows": [
                    {"schedule": "noon", "mode": "locked_down"},
                    {"schedule": "day", "mode": "free"},
                ]
            }
        },
    )
    modes = [book.at("lobby", at(hour)).mode for hour in (7, 9, 12, 14, 19)]
    assert modes == [
        DoorMode.CONTROLLED,
        DoorMode.FREE,
        DoorMode.LOCKED_DOWN,
        DoorMode.FREE,
        DoorMode.CONTROLLED,
    ]


def test_the_answer_is_the_same_whatever_was_asked_before() -> None:
    parts: dict[str, Any] = {
        "schedules": {"day": hours("08:00", "18:00")},
        "doors": {"lobby": {"windows": [{"schedule": "day", "mode": "free"}]}},
    }
    book = a_book(**parts)
    for hour in (12, 7, 17.9, 18, 7.9, 8, 36, 12):
        assert book.at("lobby", at(hour)).mode is a_book(**parts).at("lobby", at(hour)).mode


def test_by_a_clock_from_before_the_settings_no_window_holds_and_no_door_is_free() -> None:
    book = a_book(
        issued_us=at(12),
        schedules={"always": hours("00:00", "24:00")},
        doors={
            "lobby": {"mode": "free", "windows": [{"schedule": "always", "mode": "locked_down"}]},
            "yard": {"mode": "locked_down"},
        },
    )
    early, late = at(12) - CLOCK_TOLERANCE_US - 1, at(12) - CLOCK_TOLERANCE_US
    assert book.at("lobby", 0).mode is DoorMode.CONTROLLED
    assert book.at("lobby", early).mode is DoorMode.CONTROLLED
    assert book.at("lobby", late).mode is DoorMode.LOCKED_DOWN
    assert book.at("yard", 0).mode is DoorMode.LOCKED_DOWN


def test_a_right_may_name_a_door_its_groups_or_every_door() -> None:
    book = a_book(groups={"east": ["lobby", "cellar"], "west": ["yard"]})
    assert book.names("lobby") == {"*", "lobby", "@east"}
    assert book.names("cellar") == {"*", "cellar", "@east"}


def test_an_unknown_schedule_never_holds() -> None:
    book = a_book(schedules={"day": hours("08:00", "18:00")})
    assert book.schedule_holds("day", at(12))
    assert not book.schedule_holds("day", at(19))
    assert not book.schedule_holds("daily", at(12))


def test_categories_without_rules_have_the_ordinary_ones() -> None:
    book = a_book(categories={"guard": {"passes_locked_down": True}})
    assert book.category("guard") == CategoryRules(passes_locked_down=True)
    assert book.category("resident") == CategoryRules()


@pytest.mark.parametrize(
    ("door", "direction", "area"),
    [
        ("lobby", Direction.IN, "hall"),
        ("lobby", Direction.OUT, "street"),
        ("yard", Direction.IN, None),
        ("cellar", Direction.IN, None),
    ],
)
def test_a_door_leads_from_one_area_to_another(door: str, direction: Direction, area: str | None) -> None:
    book = a_book(doors={"lobby": {"outside": "street", "inside": "hall"}, "yard": {}})
    assert book.area_behind(door, direction) == area


def test_areas_without_rules_may_be_entered_again_and_again() -> None:
    book = a_book(areas={"hall": {"passback": "hard"}})
    hall = book.area("hall")
    assert hall is not None
    assert (hall.passback, hall.forget_after_min) == (Passback.HARD, 720)
    assert book.area("street") is None


def test_each_door_of_a_pair_knows_the_other() -> None:
    book = a_book(interlocks=[{"doors": ["lobby", "yard"], "released_s": 7}, {"doors": ["yard", "gate"]}])
    assert list(book.paired_with("lobby")) == [("yard", 7_000_000)]
    assert list(book.paired_with("yard")) == [("lobby", 7_000_000), ("gate", 10_000_000)]
    assert list(book.paired_with("cellar")) == []
