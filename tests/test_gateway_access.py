"""What is decided at the doors of a site, by its list, its settings and what happened before."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from access_support import (
    CARD,
    DAY_US,
    DURESS_PIN,
    HOUR_US,
    ISSUED_US,
    NOON_US,
    OTHER,
    OTHER_PIN,
    PIN,
    SECOND_CARD,
    SECOND_US,
    Site,
    a_pass,
    card,
    document,
    entry,
    hours,
    typed,
)

from drivers.base import Assurance, CardRead, CredentialKind
from gateway.access import Access, presented
from gateway.clock import Moment
from gateway.commanded import Until
from gateway.decision import Presented
from gateway.reasons import EXPLANATIONS
from messages.model import ClockQuality, Direction, Reason
from messages.site_settings import DoorMode
from messages.visitor_pass import encode_pass

UNSET = ClockQuality.UNKNOWN
IN, OUT = Direction.IN, Direction.OUT


def admitting(*who: str, **rule: Any) -> dict[str, Any]:
    return {"lobby": {"admits": list(who), **rule}}


def inside(passback: str, **rules: Any) -> dict[str, Any]:
    """Settings of a hall behind the lobby, and of a yard beside it that leads there too."""
    return {
        "doors": {
            "lobby": {"outside": "street", "inside": "hall"},
            "yard": {"outside": "street", "inside": "hall"},
        },
        "areas": {"hall": {"passback": passback, **rules}},
    }


def after_five_wrong_pins() -> tuple[Site, Presented]:
    site = Site(entry(pin=PIN), doors={"lobby": {"asks_pin": True}})
    for _ in range(5):
        site.shows(card(pin=OTHER_PIN))
    return site, card(pin=PIN)


def already_inside(passback: str) -> tuple[Site, Presented]:
    site = Site(entry(), **inside(passback))
    site.shows(card())
    return site, card()


def used_up() -> tuple[Site, Presented]:
    site = Site(entry(uses=1))
    site.shows(card())
    return site, card()


def beside_an_open_door() -> tuple[Site, Presented]:
    site = Site(entry(), interlocks=[{"doors": ["lobby", "yard"]}])
    site.access.door_is("yard", open=True)
    return site, card()


def with_a_pass(site: Site, **says: Any) -> tuple[Site, Presented]:
    return site, site.visitor(**says)


PASSES: dict[str, Any] = {"doors": admitting("listed", "pass")}
DOCUMENTS: dict[str, Any] = {"doors": admitting("listed", "verified_id")}

# What each reason takes to be decided. Those missing here are the controller's, which alone knows whether a
# card could be read and a decision be recorded.
REASONS: dict[Reason, Callable[[], tuple[Site, Presented]]] = {
    Reason.LISTED: lambda: (Site(entry()), card()),
    Reason.VERIFIED_ID: lambda: (Site(**DOCUMENTS), document()),
    Reason.VISITOR_PASS: lambda: with_a_pass(Site(**PASSES)),
    Reason.FREE_HOURS: lambda: (Site(doors={"lobby": {"mode": "free"}}), card()),
    Reason.LISTED_PASSED_BACK: lambda: already_inside("soft"),
    Reason.UNKNOWN_CREDENTIAL: lambda: (Site(), card()),
    Reason.NO_RIGHT: lambda: (Site(entry(doors=("yard",))), card()),
    Reason.NOT_YET_VALID: lambda: (Site(entry(from_us=NOON_US + 1)), card()),
    Reason.EXPIRED: lambda: (Site(entry(until_us=NOON_US)), card()),
    Reason.BLOCKED: lambda: (Site(entry(blocked=True)), card()),
    Reason.ASSURANCE_TOO_LOW: lambda: (Site(entry(), doors={"lobby": {"minimum_assurance": "L2"}}), card()),
    Reason.DOCUMENT_EXPIRED: lambda: (Site(**DOCUMENTS), document(valid_until=date(2026, 11, 18))),
    Reason.PIN_MISSING: lambda: (Site(entry(pin=PIN), doors={"lobby": {"asks_pin": True}}), card()),
    Reason.PIN_WRONG: lambda: (
        Site(entry(pin=PIN), doors={"lobby": {"asks_pin": True}}),
        card(pin=OTHER_PIN),
    ),
    Reason.LOST: lambda: (Site(entry(lost=True)), card()),
    Reason.OUTSIDE_HOURS: lambda: (
        Site(entry(schedule="night"), schedules={"night": hours("22:00", "06:00")}),
        card(),
    ),
    Reason.LOCKED_DOWN: lambda: (Site(entry(), doors={"lobby": {"mode": "locked_down"}}), card()),
    Reason.PASSED_BACK: lambda: already_inside("hard"),
    Reason.INTERLOCKED: beside_an_open_door,
    Reason.FIRST_PERSON_MISSING: lambda: (
        Site(entry(), doors={"lobby": {"first_person": "worker"}}),
        card(),
    ),
    Reason.LIST_TOO_OLD: lambda: (Site(entry(), categories={"resident": {"max_list_age_h": 1}}), card()),
    Reason.TOO_MANY_TRIES: after_five_wrong_pins,
    Reason.PASS_FORGED: lambda: with_a_pass(Site(**PASSES), key=OTHER),
    Reason.PASS_USED_UP: used_up,
}
NOT_DECIDED = {Reason.LISTED_UNRECORDED, Reason.UNREADABLE, Reason.NOT_RECORDABLE}


@pytest.mark.parametrize("reason", REASONS, ids=str)
def test_every_reason_can_be_reached(reason: Reason) -> None:
    site, shown = REASONS[reason]()
    decision = site.shows(shown)
    assert decision.reason is reason
    assert decision.granted is (list(EXPLANATIONS).index(reason) < 6)


def test_a_clock_that_is_not_set_is_reached_too_and_no_reason_is_left_out() -> None:
    site = Site(entry(until_us=NOON_US + DAY_US))
    assert site.shows(card(), at_us=0, clock=UNSET).reason is Reason.CLOCK_NOT_SET
    assert REASONS.keys() | NOT_DECIDED | {Reason.CLOCK_NOT_SET} == EXPLANATIONS.keys()


def test_a_read_is_presented_with_all_that_a_decision_needs() -> None:
    begins, ends = date(2020, 1, 1), date(2040, 1, 1)
    read = CardRead("lobby-in", CredentialKind.ID_CARD, CARD, Assurance.L3, 7, begins, ends, PIN)
    assert presented(read) == Presented(Assurance.L3, begins, ends, PIN, CARD, CredentialKind.ID_CARD)


# Lost, blocked, free and locked down


@pytest.mark.parametrize("mode", list(DoorMode), ids=str)
def test_a_lost_card_says_so_before_it_says_that_it_is_blocked(mode: DoorMode) -> None:
    site = Site(entry(lost=True, blocked=True), doors={"lobby": {"mode": mode}})
    assert site.shows(card()).reason is Reason.LOST


def test_in_free_hours_the_holder_is_recorded_all_the_same() -> None:
    site = Site(entry(uses=1), doors={"lobby": {"mode": "free"}})
    decision = site.shows(card())
    assert (decision.reason, decision.holder, decision.category) == (Reason.FREE_HOURS, "h-1", "resident")
    site.say()
    assert site.shows(card()).reason is Reason.LISTED  # the free passage was no use of the right


def test_a_door_locked_down_opens_to_categories_that_may_pass_it_with_a_right_to_it() -> None:
    locked: dict[str, Any] = {
        "doors": {"lobby": {"mode": "locked_down", "admits": ["listed", "pass", "verified_id"]}}
    }
    site = Site(
        entry(category="fire-brigade"),
        entry(SECOND_CARD, category="fire-brigade", doors=("yard",)),
        categories={"fire-brigade": {"passes_locked_down": True}, "visitor": {"passes_locked_down": True}},
        **locked,
    )
    assert site.shows(card()).reason is Reason.LISTED
    assert site.shows(document(token=SECOND_CARD)).reason is Reason.NO_RIGHT
    assert site.shows(document(token="e" * 32)).reason is Reason.LOCKED_DOWN
    assert site.shows(site.visitor()).reason is Reason.LOCKED_DOWN


def test_a_door_locked_down_lets_people_out() -> None:
    site = Site(entry(), doors={"lobby": {"mode": "locked_down"}})
    assert site.shows(card(), direction=OUT).reason is Reason.LISTED


def test_modes_follow_the_schedule_and_a_command_goes_before_it() -> None:
    site = Site(
        schedules={"day": hours("08:00", "18:00")},
        doors={"lobby": {"windows": [{"schedule": "day", "mode": "free"}]}},
    )
    access, evening_us = site.access, NOON_US + 6 * HOUR_US
    assert access.mode("lobby", Moment(NOON_US)) is DoorMode.FREE
    assert access.mode("lobby", Moment(evening_us)) is DoorMode.CONTROLLED
    access.command_mode("lobby", DoorMode.LOCKED_DOWN, Until(NOON_US + HOUR_US, HOUR_US))
    assert access.mode("lobby", Moment(NOON_US)) is DoorMode.LOCKED_DOWN
    assert access.mode("yard", Moment(NOON_US)) is DoorMode.CONTROLLED
    assert access.mode("lobby", Moment(NOON_US + HOUR_US, uptime_us=HOUR_US)) is DoorMode.FREE
    access.command_mode("lobby", DoorMode.CONTROLLED, None)
    assert access.mode("lobby", Moment(NOON_US + 3 * HOUR_US)) is DoorMode.CONTROLLED
    access.command_mode("lobby", None, None)
    assert access.mode("lobby", Moment(NOON_US + 3 * HOUR_US)) is DoorMode.FREE


# Rights


def test_a_right_to_a_group_is_one_to_its_doors() -> None:
    site = Site(entry(doors=("@east",)), groups={"east": ["lobby"], "west": ["yard"]})
    assert site.shows(card()).reason is Reason.LISTED
    assert site.shows(card(), "yard").reason is Reason.NO_RIGHT
    site.say(groups={"east": ["yard"]})
    assert site.shows(card()).reason is Reason.NO_RIGHT


def test_a_right_limited_to_hours_holds_in_them_alone() -> None:
    site = Site(entry(schedule="night"), schedules={"night": hours("22:00", "06:00")})
    assert site.shows(card(), at_us=NOON_US + 11 * HOUR_US).reason is Reason.LISTED
    site.say()
    assert site.shows(card(), at_us=NOON_US + 11 * HOUR_US).reason is Reason.OUTSIDE_HOURS


def test_what_is_harder_to_copy_is_asked_for_by_hours() -> None:
    site = Site(
        entry(),
        schedules={"night": hours("22:00", "06:00")},
        doors={"lobby": {"windows": [{"schedule": "night", "minimum_assurance": "L2"}]}},
    )
    night_us = NOON_US + 11 * HOUR_US
    assert site.shows(card()).reason is Reason.LISTED
    assert site.shows(card(), at_us=night_us).reason is Reason.ASSURANCE_TOO_LOW
    assert site.shows(card(assurance=Assurance.L2), at_us=night_us).reason is Reason.LISTED


def test_an_old_list_decides_on_categories_that_may_wait_and_on_no_others() -> None:
    site = Site(
        entry(), entry(SECOND_CARD, category="contractor"), categories={"contractor": {"max_list_age_h": 72}}
    )
    still_us, late_us = ISSUED_US + 72 * HOUR_US - 1, ISSUED_US + 72 * HOUR_US
    assert site.shows(card(SECOND_CARD), at_us=still_us).reason is Reason.LISTED
    assert site.shows(card(SECOND_CARD), at_us=late_us).reason is Reason.LIST_TOO_OLD
    assert site.shows(card(), at_us=late_us + 365 * DAY_US).reason is Reason.LISTED


# The clock


@pytest.mark.parametrize(
    ("rights", "reason"),
    [
        pytest.param({}, Reason.LISTED, id="a resident without end"),
        pytest.param({"from_us": ISSUED_US}, Reason.LISTED, id="begun when the list was issued"),
        pytest.param({"from_us": ISSUED_US + 1}, Reason.CLOCK_NOT_SET, id="may have begun"),
        pytest.param({"until_us": ISSUED_US + 1}, Reason.CLOCK_NOT_SET, id="may have ended"),
        pytest.param({"until_us": ISSUED_US}, Reason.EXPIRED, id="ended before the list was issued"),
        pytest.param({"schedule": "always"}, Reason.CLOCK_NOT_SET, id="limited to hours"),
    ],
)
def test_by_an_unset_clock_only_what_is_certain_is_decided(rights: dict[str, Any], reason: Reason) -> None:
    site = Site(entry(**rights), schedules={"always": hours("00:00", "24:00")})
    assert site.shows(card(), at_us=DAY_US, clock=UNSET).reason is reason


def test_dates_of_documents_cannot_be_judged_by_an_unset_clock_either() -> None:
    site = Site(**DOCUMENTS)
    dated = document(valid_until=date(2030, 1, 1))
    assert site.shows(dated, at_us=DAY_US, clock=UNSET).reason is Reason.CLOCK_NOT_SET
    assert site.shows(document(), at_us=DAY_US, clock=UNSET).reason is Reason.VERIFIED_ID


@pytest.mark.parametrize("clock", [ClockQuality.SYNCED, ClockQuality.HELD], ids=str)
def test_a_clock_that_was_synchronised_is_believed(clock: ClockQuality) -> None:
    site = Site(entry(until_us=NOON_US))
    assert site.shows(card(), at_us=DAY_US, clock=clock).reason is Reason.LISTED


def test_a_clock_that_may_be_right_is_believed() -> None:
    site = Site(entry(until_us=NOON_US + DAY_US))
    assert site.shows(card(), clock=UNSET).reason is Reason.LISTED


# Visitor passes


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        pytest.param({}, Reason.VISITOR_PASS, id="for this door and hour"),
        pytest.param({"doors": ("yard", "@east")}, Reason.VISITOR_PASS, id="for the door's group"),
        pytest.param({"doors": ("*",)}, Reason.VISITOR_PASS, id="for every door"),
        pytest.param({"doors": ("yard",)}, Reason.NO_RIGHT, id="for another door"),
        pytest.param({"site": "south"}, Reason.NO_RIGHT, id="for another site"),
        pytest.param({"from_us": NOON_US + 60 * SECOND_US}, Reason.NOT_YET_VALID, id="too early"),
        pytest.param({"until_us": NOON_US}, Reason.EXPIRED, id="too late"),
        pytest.param({"key": OTHER}, Reason.PASS_FORGED, id="of a key not trusted"),
    ],
)
def test_a_visitor_pass_is_worth_what_it_says(says: dict[str, Any], reason: Reason) -> None:
    site = Site(groups={"east": ["lobby"]}, **PASSES)
    assert site.shows(site.visitor(**says)).reason is reason


def test_whoever_comes_with_a_pass_is_recorded_by_its_number_granted_or_not() -> None:
    site = Site(**PASSES)
    for shown in (site.visitor(), site.visitor(until_us=NOON_US)):
        decision = site.shows(shown)
        assert (decision.holder, decision.category) == ("pass-0123456789abcdef", "visitor")


def test_a_door_that_admits_no_passes_says_that_this_one_is_not_for_it() -> None:
    site = Site()
    assert site.shows(site.visitor()).reason is Reason.NO_RIGHT


def test_a_pass_is_used_up_by_entering_and_one_may_still_leave() -> None:
    site = Site(**PASSES)
    shown = site.visitor(uses=2)
    assert [site.shows(shown).reason for _ in range(3)] == [
        Reason.VISITOR_PASS,
        Reason.VISITOR_PASS,
        Reason.PASS_USED_UP,
    ]
    assert site.shows(shown, direction=OUT).reason is Reason.VISITOR_PASS


def test_the_last_use_is_not_given_twice_before_the_first_is_recorded() -> None:
    site = Site(**PASSES)
    shown, now = site.visitor(uses=1), Moment(NOON_US)
    first = site.access.decide(shown, "lobby", IN, now)
    assert site.access.decide(shown, "lobby", IN, now).reason is Reason.PASS_USED_UP
    site.access.withdrawn(first, "lobby", IN)
    assert site.access.decide(shown, "lobby", IN, now).reason is Reason.VISITOR_PASS


def test_a_pass_given_anew_begins_anew() -> None:
    site = Site(**PASSES)
    site.shows(site.visitor(uses=1))
    again = site.visitor(uses=1, from_us=NOON_US + HOUR_US, until_us=NOON_US + 2 * HOUR_US)
    assert site.shows(again, at_us=NOON_US + HOUR_US).reason is Reason.VISITOR_PASS


def test_a_pass_is_withdrawn_by_blocking_its_token() -> None:
    site = Site(**PASSES)
    shown = site.visitor()
    site.list(entry(shown.token, blocked=True))
    assert site.shows(shown).reason is Reason.BLOCKED


def test_passes_wait_for_no_list_unless_visitors_must() -> None:
    site = Site(**PASSES)
    site.list(issued_us=0)
    assert site.shows(site.visitor()).reason is Reason.VISITOR_PASS
    site.say(categories={"visitor": {"max_list_age_h": 24}}, **PASSES)
    assert site.shows(site.visitor()).reason is Reason.LIST_TOO_OLD


def test_the_same_text_on_a_card_is_no_pass() -> None:
    site = Site(**PASSES)
    text = encode_pass(a_pass(), OTHER)
    as_card = card(site.tokenise(CredentialKind.CARD_NUMBER, text), kind=CredentialKind.CARD_NUMBER)
    assert site.shows(as_card).reason is Reason.UNKNOWN_CREDENTIAL


# PINs


def test_a_pin_alone_is_a_credential_like_a_card_with_its_own_uses() -> None:
    site = Site(entry(PIN, holder="guest-7", uses=2))
    assert [site.shows(typed(PIN)).reason for _ in range(3)] == [
        Reason.LISTED,
        Reason.LISTED,
        Reason.PASS_USED_UP,
    ]


def test_a_pin_alone_does_not_open_a_door_that_asks_for_card_and_pin() -> None:
    site = Site(entry(PIN), doors={"lobby": {"asks_pin": True}})
    assert site.shows(typed(PIN)).reason is Reason.PIN_MISSING


def test_pins_are_not_guessed_at_a_door_while_cards_go_on() -> None:
    site = Site(entry(PIN), entry(doors=("lobby", "yard")))
    guesses = [site.shows(typed(f"{number:032x}")) for number in range(5)]
    assert [guess.repeated for guess in guesses] == [False] * 4 + [True]
    assert site.shows(typed(PIN)).reason is Reason.TOO_MANY_TRIES
    assert site.shows(typed(PIN), direction=OUT).reason is Reason.LISTED
    assert site.shows(card()).reason is Reason.LISTED
    assert site.shows(typed(PIN), at_us=NOON_US + 300 * SECOND_US).reason is Reason.LISTED


def test_the_pin_of_a_card_is_not_guessed_by_going_from_door_to_door() -> None:
    site = Site(
        entry(doors=("*",), pin=PIN),
        entry(SECOND_CARD, holder="h-2", pin=PIN),
        doors={"lobby": {"asks_pin": True}, "yard": {"asks_pin": True}},
    )
    tries = [site.shows(card(pin=OTHER_PIN), door) for door in ("lobby", "yard", "lobby", "yard", "lobby")]
    assert [(one.reason, one.repeated) for one in tries] == [(Reason.PIN_WRONG, False)] * 4 + [
        (Reason.PIN_WRONG, True)
    ]
    assert site.shows(card(pin=PIN), "yard").reason is Reason.TOO_MANY_TRIES
    assert site.shows(card(SECOND_CARD, pin=PIN)).reason is Reason.LISTED
    site.say()
    assert site.shows(card()).reason is Reason.LISTED  # where no PIN is asked, the card is worth what it was


def test_no_right_pin_makes_up_for_wrong_ones() -> None:
    site = Site(entry(doors=("yard",), pin=PIN), entry(OTHER_PIN), doors={"yard": {"asks_pin": True}})
    for number in range(5):
        site.shows(typed(f"{number:032x}"))
        site.shows(card(pin=OTHER_PIN), "yard")
        if number < 4:
            assert site.shows(typed(OTHER_PIN)).reason is Reason.LISTED
            assert site.shows(card(pin=PIN), "yard").reason is Reason.LISTED
    assert site.shows(typed(OTHER_PIN)).reason is Reason.TOO_MANY_TRIES
    assert site.shows(card(pin=PIN), "yard").reason is Reason.TOO_MANY_TRIES


def test_a_wrong_pin_does_not_hide_behind_a_document() -> None:
    site = Site(entry(pin=PIN), doors=admitting("listed", "verified_id", asks_pin=True))
    assert site.shows(document(pin=OTHER_PIN)).reason is Reason.VERIFIED_ID
    expired = document(pin=OTHER_PIN, valid_until=date(2026, 11, 18))
    assert [site.shows(expired).reason for _ in range(6)] == [Reason.PIN_WRONG] * 5 + [Reason.TOO_MANY_TRIES]


@pytest.mark.parametrize("asks_pin", [True, False])
def test_the_duress_pin_opens_and_says_so_to_the_record_alone(asks_pin: bool) -> None:
    site = Site(entry(pin=PIN, duress_pin=DURESS_PIN), doors={"lobby": {"asks_pin": asks_pin}})
    forced, free = site.shows(card(pin=DURESS_PIN)), site.shows(card(pin=PIN))
    assert (forced.reason, forced.granted, forced.duress) == (Reason.LISTED, True, True)
    assert (free.reason, free.granted, free.duress) == (Reason.LISTED, True, False)


def test_duress_is_told_even_if_the_door_stays_shut() -> None:
    site = Site(entry(lost=True, duress_pin=DURESS_PIN), doors={"lobby": {"asks_pin": True}})
    decision = site.shows(card(pin=DURESS_PIN))
    assert (decision.reason, decision.duress) == (Reason.LOST, True)


def test_nobody_is_under_duress_who_typed_nothing() -> None:
    assert not Site(entry()).shows(card()).duress


# Wrong credentials in a row


def test_five_wrong_credentials_in_a_row_at_one_reader_are_told_once() -> None:
    site = Site(entry())
    told = [site.shows(card(f"{number:032x}")).repeated for number in range(11)]
    assert told == [False] * 4 + [True] + [False] * 4 + [True] + [False]


def test_a_grant_a_pause_or_another_door_begins_the_row_anew() -> None:
    site = Site(entry())
    for number in range(12):
        at_us = NOON_US + number * 200 * SECOND_US
        assert not site.shows(card("e" * 32), "yard" if number % 2 else "lobby", at_us=at_us).repeated
    for _ in range(3):
        for _ in range(4):
            assert not site.shows(card("e" * 32)).repeated
        site.shows(card())


def test_waiting_for_a_door_is_no_wrong_try() -> None:
    site, shown = beside_an_open_door()
    assert not any(site.shows(shown).repeated for _ in range(10))


# Anti-passback


def test_hard_passback_lets_nobody_in_twice_by_any_door() -> None:
    site, shown = already_inside("hard")
    site.list(entry(doors=("*",)))
    assert site.shows(shown, "yard").reason is Reason.PASSED_BACK
    assert site.shows(shown, direction=OUT).reason is Reason.LISTED
    assert site.shows(shown, "yard").reason is Reason.LISTED


def test_nobody_is_kept_from_leaving_as_often_as_he_wants() -> None:
    site = Site(entry(), **inside("hard"))
    assert [site.shows(card(), direction=OUT).reason for _ in range(3)] == [Reason.LISTED] * 3


def test_soft_passback_lets_in_and_says_so() -> None:
    site, shown = already_inside("soft")
    assert [site.shows(shown).reason for _ in range(2)] == [Reason.LISTED_PASSED_BACK] * 2


def test_another_card_of_the_same_holder_is_the_same_person() -> None:
    site, _ = already_inside("hard")
    site.list(entry(), entry(SECOND_CARD))
    assert site.shows(card(SECOND_CARD)).reason is Reason.PASSED_BACK


def test_passback_is_forgotten_after_its_time_by_a_reset_and_for_exempt_categories() -> None:
    site = Site(entry(), **inside("hard", forget_after_min=60))
    site.shows(card())
    assert site.shows(card(), at_us=NOON_US + HOUR_US - 1).reason is Reason.PASSED_BACK
    assert site.shows(card(), at_us=NOON_US + HOUR_US).reason is Reason.LISTED
    site.access.reset_passback()
    assert site.shows(card(), at_us=NOON_US + HOUR_US).reason is Reason.LISTED
    site.say(categories={"resident": {"passback_exempt": True}}, **inside("hard"))
    assert site.shows(card(), at_us=NOON_US + HOUR_US).reason is Reason.LISTED


def test_where_the_door_tells_only_who_went_in_is_inside() -> None:
    site = Site(entry(), contacts=("lobby",), **inside("hard"))
    decision = site.shows(card())
    assert site.shows(card()).reason is Reason.LISTED
    site.access.passed(decision, "lobby", IN, Moment(NOON_US))
    assert site.shows(card()).reason is Reason.PASSED_BACK


def test_a_visitor_is_inside_by_the_pass() -> None:
    settings = inside("hard")
    settings["doors"]["lobby"]["admits"] = ["pass"]
    site = Site(**settings)
    shown = site.visitor()
    assert [site.shows(shown).reason for _ in range(2)] == [Reason.VISITOR_PASS, Reason.PASSED_BACK]


# First person


def test_after_the_first_person_the_others_may_come_until_the_hours_end() -> None:
    site = Site(
        entry(),
        entry(SECOND_CARD, holder="h-2", category="worker"),
        schedules={"day": hours("08:00", "18:00")},
        doors={"lobby": {"windows": [{"schedule": "day", "first_person": "worker"}]}},
    )
    assert site.shows(card(), at_us=NOON_US - 5 * HOUR_US).reason is Reason.LISTED  # before the hours
    assert site.shows(card()).reason is Reason.FIRST_PERSON_MISSING
    assert site.shows(card(), direction=OUT).reason is Reason.LISTED
    assert site.shows(card(SECOND_CARD)).reason is Reason.LISTED
    assert site.shows(card()).reason is Reason.LISTED
    assert site.shows(card(), at_us=NOON_US + DAY_US).reason is Reason.FIRST_PERSON_MISSING


def test_free_hours_begin_with_the_first_person() -> None:
    site = Site(
        entry(),
        entry(SECOND_CARD, holder="h-2", category="worker"),
        doors={"lobby": {"mode": "free", "first_person": "worker"}},
    )
    assert site.access.mode("lobby", Moment(NOON_US)) is DoorMode.CONTROLLED
    assert site.shows(card()).reason is Reason.LISTED
    assert site.shows(card("e" * 32)).reason is Reason.UNKNOWN_CREDENTIAL
    site.shows(card(SECOND_CARD))
    assert site.access.mode("lobby", Moment(NOON_US)) is DoorMode.FREE
    assert site.shows(card("e" * 32)).reason is Reason.FREE_HOURS
    assert site.access.mode("lobby", Moment(NOON_US + DAY_US)) is DoorMode.CONTROLLED


# Interlock


def test_of_two_interlocked_doors_one_opens_when_the_other_is_shut() -> None:
    site = Site(entry(doors=("*",)), interlocks=[{"doors": ["lobby", "yard"]}])
    site.access.door_is("yard", open=True)
    assert site.shows(card()).reason is Reason.INTERLOCKED
    assert site.shows(card(), "yard").reason is Reason.LISTED
    site.access.door_is("yard", open=False)
    assert site.shows(card()).reason is Reason.LISTED


def test_a_released_door_counts_as_open_until_it_was_used_or_its_time_is_over() -> None:
    site = Site(entry(doors=("*",)), interlocks=[{"doors": ["lobby", "yard"], "released_s": 10}])
    site.shows(card())
    assert site.shows(card(), "yard").reason is Reason.INTERLOCKED
    later_us = NOON_US + 10 * SECOND_US
    assert site.shows(card(), "yard", at_us=later_us).reason is Reason.LISTED
    assert site.shows(card(), at_us=later_us).reason is Reason.INTERLOCKED
    site.access.door_is("yard", open=True)
    site.access.door_is("yard", open=False)
    assert site.shows(card(), at_us=later_us).reason is Reason.LISTED


def test_a_door_that_was_not_released_after_all_does_not_count() -> None:
    site = Site(entry(doors=("*",)), interlocks=[{"doors": ["lobby", "yard"]}])
    decision = site.access.decide(card(), "lobby", IN, Moment(NOON_US))
    site.access.withdrawn(decision, "lobby", IN)
    assert site.shows(card(), "yard").reason is Reason.LISTED


def test_what_is_in_force_can_be_asked_for() -> None:
    site = Site(entry())
    assert isinstance(site.access, Access)
    assert (site.access.access_list.version, site.access.settings.revision) == (1, 1)


def test_a_rehearsal_decides_as_a_presentation_and_counts_nothing() -> None:
    site = Site(entry(uses=1))
    now = Moment(NOON_US)
    rehearsed = [site.access.rehearse(card(), "lobby", IN, now).reason for _ in range(3)]
    assert rehearsed == [Reason.LISTED] * 3
    assert [site.access.decide(card(), "lobby", IN, now).reason for _ in range(2)] == [
        Reason.LISTED,
        Reason.PASS_USED_UP,
    ]
    assert site.access.rehearse(card(), "lobby", IN, now).reason is Reason.PASS_USED_UP


def test_what_holds_at_a_door_is_found_anew_with_new_settings_and_with_the_next_hours() -> None:
    site = Site(entry(), doors={"lobby": {"mode": "locked_down"}})
    assert site.shows(card()).reason is Reason.LOCKED_DOWN
    site.access.take_settings(Site(entry()).access.settings)
    assert site.shows(card()).reason is Reason.LISTED
